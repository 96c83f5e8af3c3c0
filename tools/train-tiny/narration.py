"""Story grammar: a world of heroes, friends, places and things, and plots that combine them.

A plot is a function that tells one story through `Story`: calling it says a sentence (one variant is drawn),
`.o()` says a sentence that short versions leave out, `.p()` starts a paragraph, `.qa()` records a question that
the finished story answers. Every word here was written for this project."""
import random
from words import *


def an(x):
    return ("an " if x[0].lower() in "aeiou" and not x.startswith(("uni", "one", "use")) or x.startswith(("honest", "hour")) else "a ") + x


def cap(x):
    return x[:1].upper() + x[1:]


PARTS = [n for n in BOYS + GIRLS + PET_NAMES + MORE_NAMES if len(n) > 3]
WORDS = [w for w in OBJECTS + MORE_OBJECTS + COLORS + TEXTURES + TREATS + TRAITS if w.isalpha() and len(w) > 3]


def fresh_name(r):
    """A name that is likely new: from the long list, a word, halves of two names, syllables, or letters."""
    x = r.random()
    if x < .34:
        return r.choice(MORE_NAMES)
    if x < .46:
        return cap(r.choice(WORDS))
    if x < .64:
        a, b = r.choice(PARTS), r.choice(PARTS).lower()
        return a[:r.randint(2, 4)] + b[-r.randint(2, 4):]
    if x < .74:
        return cap("".join(r.choice("bcdfghjklmnprstvwz") + r.choice("aeiou") + (r.choice("lnrst") if r.random() < .4 else "") for _ in range(r.choice([2, 2, 3]))))
    n = r.choice(SYL_A) + r.choice(SYL_B)
    if r.random() < .4:
        n = r.choice(SYL_A) + n
    return cap(n)


SHE = {"girl", "princess", "queen", "witch", "mermaid", "fairy", "grandmother", "sister", "cow", "hen"}
HE = {"boy", "prince", "king", "wizard", "grandfather", "brother", "cowboy", "rooster", "postman", "fisherman", "bull"}


class Ctx(dict):
    def __missing__(self, k):
        raise KeyError(k)


def person(r, kind=None, name=None, avoid=()):
    """A hero or friend: kind, name, pronouns, home, food, gestures."""
    if kind is None:
        kind = r.choice(["boy", "girl"]) if r.random() < .5 else r.choice(FAMILIAR) if r.random() < .75 else r.choice(list(ANIMALS))
    human = kind in ("boy", "girl")
    fem = kind in SHE or (not human and kind not in HE and r.random() < .5)
    while True:
        if name and name not in avoid:
            n = name
        elif r.random() < .2:
            n = fresh_name(r)
        elif human:
            n = r.choice(GIRLS if fem else BOYS)
        else:
            n = r.choice(PET_NAMES) if r.random() < .5 else r.choice(GIRLS if fem else BOYS)
        name = None
        if n not in avoid:
            break
    he, him, his = ("she", "her", "her") if fem else ("he", "him", "his")
    if human:
        home, food, move, joy, size = r.choice(HUMAN_HOMES), r.choice(TREATS), r.choice(["ran", "walked", "skipped", "hurried"]), r.choice(["clapped {his} hands", "jumped for joy", "laughed out loud", "smiled a big smile"]), r.choice(["little", "young", "small"])
    else:
        home, food, move, joy, size = ANIMALS[kind]
    return dict(N=n, K=kind, human=human, he=he, him=him, his=his, home=home, food=food, move=move, joy=joy.replace("{his}", his), size=size)


def world(r, **want):
    """Draws everything a plot may mention. `want` fixes some of it (name, kind, friend, fkind, place, obj, ...)."""
    h = person(r, want.get("kind"), want.get("name"))
    fk = want.get("fkind") or (r.choice(["boy", "girl"]) if (h["human"] and r.random() < .6) or r.random() < .1 else r.choice(FAMILIAR) if r.random() < .8 else r.choice(list(ANIMALS)))
    f = person(r, fk, want.get("friend"), avoid=(h["N"],))
    place = want.get("place") or r.choice(list(PLACES))
    inp, things = PLACES[place]
    t1, t2 = r.sample(things, 2)
    obj = want.get("obj")
    color, tex = want.get("color") or r.choice(COLORS), r.choice(TEXTURES)
    g, gp = r.choice(GROWNUPS) if h["human"] else r.choice([("mother", "she"), ("father", "he"), ("grandmother", "she"), ("grandfather", "he")])
    c = Ctx(h)
    c.update({"He": cap(h["he"]), "His": cap(h["his"]), "F": f["N"], "fK": f["K"], "fhe": f["he"], "fhim": f["him"], "fhis": f["his"], "FHe": cap(f["he"]),
              "FHis": cap(f["his"]), "fjoy": f["joy"], "fmove": f["move"], "fsize": f["size"], "ffood": f["food"], "fhuman": f["human"],
              "P": "the " + place, "inP": inp, "place": place, "t1": t1, "t2": t2, "color": color, "tex": tex, "W": r.choice(WEATHER),
              "treat": r.choice(TREATS), "G": h["his"] + " " + g, "Gn": cap(g), "g": g, "ghe": gp, "GHe": cap(gp), "ghis": "her" if gp == "she" else "his",
              "trait": want.get("trait") or r.choice(TRAITS), "ftrait": r.choice(TRAITS), "day": r.choice(DAYS), "obj_want": obj, "num": r.choice(["two", "three", "four", "five"]),
              "aK": an(h["K"]), "afK": an(f["K"])})
    if want.get("trait"):
        c["size"] = c["trait"]
    c["aTrait"], c["aFtrait"], c["aSize"] = an(c["trait"]), an(c["ftrait"]), an(c["size"])
    c["set_obj"], c["set_place"] = obj is not None, bool(want.get("place"))
    use_obj(r, c, obj or r.choice(KEEPS))
    return c


def use_obj(r, c, o):
    adj = c["color"] if r.random() < .7 else c["tex"]
    c["O"], c["O2"], c["aO"], c["acolor"] = o, adj + " " + o, an(adj + " " + o), an(c["color"])
    c["adj"] = adj
    if o in ("cookies", "popcorn", "grapes"):
        c["aO"] = "some " + o


class Story:
    def __init__(self, r, c, mode="normal"):
        self.r, self.c, self.mode = r, c, mode
        self.paras, self.qas, self.title, self.summary, self.lesson = [[]], [], None, None, None

    def __call__(self, *v):
        self.paras[-1].append(self.r.choice(v).format_map(self.c))

    def o(self, *v):
        if self.mode == "long" or (self.mode == "normal" and self.r.random() < .7):
            self(*v)

    def p(self):
        if self.paras[-1]:
            self.paras.append([])

    def pick(self, pool):
        """Chooses the story's object from `pool` unless the request named one."""
        if not self.c["set_obj"]:
            use_obj(self.r, self.c, self.r.choice(pool))

    def qa(self, q, a):
        f = self.c
        self.qas.append(([x.format_map(f) for x in q], [self.plain(x.format_map(f)) for x in a]))

    def end(self, key, title, summary):
        c = self.c
        self.lesson_key, self.title, self.summary = key, self.r.choice(title).format_map(c), self.plain(summary.format_map(c))
        self.lesson = self.r.choice(LESSONS[key])

    def at(self, *pool):
        """Moves the story to a place that suits the plot unless the request named one."""
        c = self.c
        if not c["set_place"] and c["place"] not in pool:
            c["place"] = self.r.choice(pool)
            c["inP"], things = PLACES[c["place"]]
            c["P"] = "the " + c["place"]
            c["t1"], c["t2"] = self.r.sample(things, 2)

    def plain(self, t):
        """'Noah the boy' reads oddly; a human friend is just named."""
        return t.replace("%s the boy" % self.c["F"], self.c["F"]).replace("%s the girl" % self.c["F"], self.c["F"])

    def text(self):
        sep = " " if self.mode == "short" else "\n\n"
        return self.plain(sep.join(" ".join(p) for p in self.paras if p))


OUTDOORS = ["park", "forest", "beach", "garden", "farm", "village", "hill", "river", "pond", "market", "meadow", "mountain", "island", "playground", "valley", "lake", "backyard", "orchard", "jungle", "zoo", "town", "harbor"]


def intro(s, extra=True):
    c = s.c
    if c["human"]:
        s("Once upon a time, there was {aTrait} {K} named {N}.", "Once there was {aSize} {K} called {N}.", "There once was {aTrait} {K} named {N} who lived in {home}.",
          "{N} was {aTrait} {K} who lived in {home}.", "Once upon a time, {aSize} {K} named {N} lived in {home}.", "In {home}, there lived {aTrait} {K} named {N}.")
    else:
        s("Once upon a time, there was {aSize} {K} named {N}.", "Once upon a time, {aTrait} {K} named {N} lived in {home}.", "{N} was {aTrait} {K} who lived in {home}.",
          "There once was {aSize} {K} called {N}.", "In {home}, there lived {aTrait} {K} named {N}.", "Once there was {aTrait} {K} named {N} who lived in {home}.")
    if extra:
        s.o("{N} loved {food} more than anything.", "{He} liked to look at the clouds and dream.", "Every morning, {he} said hello to the sun.", "{He} was always ready for a new adventure.",
            "{He} had a big heart and a bigger smile.", "Everyone knew {N} because {he} was so {trait}.", "{His} favorite thing to eat was {food}.", "{He} liked to sing while {he} walked.")


def oneday(s):
    s.at(*OUTDOORS)
    s("One {W} day, {N} went to play {inP}.", "One {W} morning, {N} was {inP}.", "On {day}, {N} went out to look around {inP}.", "One day, {N} {move} to {P}.",
      "It was a {W} day, and {N} was playing {inP}.")
    s.o("There were {t1} and {t2} everywhere.", "{He} could see {t1} and {t2}.", "{He} liked to look at the {W} sky and the quiet world.", "The air was {W} and smelled nice.",
        "{He} liked {t1} best of all.")


def close(s, key):
    l = s.r.choice(LESSONS[key])
    s.c["lesson"] = l
    s("From that day on, {N} knew that {lesson}.", "{N} learned that {lesson}.", "And {N} never forgot that {lesson}.", "That night, {N} thought, \"Now I know that {lesson}.\"",
      "{N} went to bed happy, because {he} had learned that {lesson}.")


# ---------------------------------------------------------------- plots
