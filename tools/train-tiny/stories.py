"""Tells a story: a plot, drawn at random or given, told with a hero, a friend, a place and things."""
import random

from more_plots import *
from narration import *
from plots import *

PLOTS = [lost_thing, sharing, learn_skill, help_stuck, honesty, courage, race, gift, seed, lost_way, new_friend, wish, build, treasure, greedy,
         night_noise, trade, sick_friend, show, found_thing, storm, sorry, star, cleaning, picnic]
USES_OBJ = {lost_thing, sharing, courage, treasure, trade, found_thing, sorry, cleaning}
BY_LESSON = {}
for _p, _k in [(lost_thing, "friendship"), (sharing, "sharing"), (learn_skill, "trying again"), (help_stuck, "kindness"), (honesty, "honesty"), (courage, "courage"), (race, "being humble"),
               (gift, "kindness"), (seed, "patience"), (lost_way, "listening"), (new_friend, "friendship"), (wish, "being thankful"), (build, "teamwork"), (treasure, "friendship"), (greedy, "sharing"),
               (night_noise, "courage"), (trade, "kindness"), (sick_friend, "kindness"), (show, "courage"), (found_thing, "honesty"), (storm, "friendship"), (sorry, "saying sorry"), (star, "kindness"),
               (cleaning, "listening"), (picnic, "being thankful")]:
    BY_LESSON.setdefault(_k, []).append(_p)


def finish(c):
    """Derived fields that titles and summaries use."""
    c["Gc"] = cap(c["G"])


def tell(r, plot=None, ctx=None, mode="normal", **want):
    c = ctx if ctx is not None else world(r, **want)
    finish(c)
    plot = plot or r.choice(PLOTS)
    s = Story(r, c, mode)
    title = lambda x: " ".join(w.capitalize() if w not in ("a", "an", "the", "of", "and", "to", "in", "on") else w for w in x.split())

    class Titled(Ctx):
        def __missing__(self, k):
            if k.endswith("c") and k[:-1] in self:
                return title(self[k[:-1]])
            raise KeyError(k)
    s.c = c = Titled(c)
    plot(s)
    s.plot = plot
    s.qa(["Who is the story about?", "Who is the hero of the story?", "What is the name of the {K}?"] if not c["human"] or not c["fhuman"] else ["Who is the story about?", "Who is the hero of the story?"],
         ["The story is about {N}, {aK}.", "The story is about {aK} named {N}.", "{N}. {He} is {aK}."])
    s.c["lesson_now"] = s.c.get("lesson") or s.lesson
    s.qa(["What is the lesson?", "What did {N} learn?", "What is the moral of the story?"], ["{N} learned that {lesson_now}.", "The lesson is that {lesson_now}."])
    return s


if __name__ == "__main__":
    import sys
    r = random.Random(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    for p in PLOTS:
        for mode in ("short", "normal", "long"):
            for _ in range(40):
                s = tell(r, p, mode=mode)
                t = s.text()
                assert "{" not in t and "}" not in t, t
                assert "  " not in t, t
        print("##", p.__name__, "|", s.title, "|", s.summary); print(t); print(s.qas, "\n")
