"""Plots of the stories, first half: each tells one kind of story with the words of its context."""
from narration import *


def lost_thing(s):
    s.pick(KEEPS); intro(s)
    s("{N} had {aO}.", "{His} most special thing was {aO}.", "{G} had given {him} {aO}.".replace("{G}", cap(s.c["G"])), "{He} took {his} {O2} with {him} everywhere.")
    s.p(); oneday(s)
    s("When it was time to go home, the {O} was gone!", "But when {he} looked down, the {O} was not there.", "Suddenly {he} saw that {his} {O2} was missing.")
    s("\"Oh no! Where is my {O}?\" {N} cried.", "\"My {O} is lost,\" {he} said with a sad face.", "{N} felt a lump in {his} throat. \"I must find my {O},\" {he} said.")
    s.o("{He} looked under a leaf and behind a stone.", "{He} looked left and {he} looked right, but {he} saw nothing.", "{He} looked and looked, but the {O} was nowhere.")
    s.p()
    s("Then {aFtrait} {fK} named {F} came by.", "Just then, {F} the {fK} heard {him} cry.", "{aFtraitC} {fK} named {F} saw {him} and stopped.".replace("{aFtraitC}", cap(s.c["aFtrait"])))
    s("\"Why are you sad?\" asked {F}.", "\"What is wrong?\" {F} asked.", "\"Can I help you?\" asked {F}.")
    s("\"I lost my {O2},\" said {N}.", "\"I can not find my {O2},\" {N} answered.")
    s("\"Do not worry. I will help you look,\" said {F}.", "\"Let us look together,\" {F} said.", "\"Two can look better than one,\" said {F} with a smile.")
    w = s.r.choice(["under a bush", "behind a big rock", "next to an old tree", "in the tall grass", "under a bench", "inside a hollow log", "in a puddle"])
    s.c["where"] = w
    s("They looked high and low.", "Together they went back the way {N} had come.", "They walked slowly and looked at every little spot.")
    s("At last, {F} saw something {adj} {where}. It was the {O}!", "Then {F} pointed {where}. \"Is that it?\" {fhe} asked. It was!", "And there it was, {where}!")
    s.p()
    s("{N} {joy}. \"Thank you, {F}!\" {he} said.", "\"You found it! Thank you so much!\" said {N}.", "{N} gave {F} a big hug.")
    s.o("They shared some {treat} and talked until the sun went down.", "{N} and {F} played together for the rest of the day.", "From then on, {N} and {F} were best friends.")
    close(s, "friendship")
    s.qa(["What did {N} lose?", "What was lost in the story?"], ["{N} lost {his} {O2}.", "{N} lost {aO}."])
    s.qa(["Who helped {N}?", "Who found the {O}?"], ["{F} the {fK} helped {N}.", "{F}, {aFtrait} {fK}, helped {N} find the {O}."])
    s.qa(["Where was the {O}?", "Where did they find the {O}?"], ["The {O} was {where}.", "They found it {where}."])
    s.end("friendship", ["{N} and the Lost {Oc}", "The Lost {Oc}", "A Friend in Need"], "{N} loses {aO} {inP}, and {F} the {fK} helps {him} find it.")


def sharing(s):
    s.at(*OUTDOORS)
    s.pick(TOYS); intro(s)
    s("{N} had a new {O}. It was {adj} and very nice.", "One day, {N} got {aO}.", "{N} loved {his} {O2} and played with it every day.")
    s.p()
    s("{F}, {afK}, came to play {inP}.", "{His} friend {F} the {fK} came over.", "{Fn} the {fK} saw the {O} and came closer.".replace("{Fn}", s.c["F"]))
    s("\"May I play with your {O}?\" asked {F}.", "\"Can I have a turn, please?\" {F} asked.", "\"What a nice {O}! Can we play together?\" asked {F}.")
    s("\"No! It is mine,\" said {N}, and {he} held it tight.", "\"No,\" said {N}. \"This {O} is only for me.\"", "{N} shook {his} head. \"I do not want to share,\" {he} said.")
    s("{F} felt sad and sat down alone.", "{F} looked at the ground and walked away.", "{F} did not say a word. {FHe} had tears in {fhis} eyes.")
    s.p()
    s("{N} played alone, but it was not so much fun.", "{N} played with the {O}, but nobody laughed with {him}.", "Soon {N} was bored. A {O} is not much fun alone.".replace("A {O}", cap(an(s.c["O"]))))
    s("{He} saw {F} sitting there and felt bad.", "{He} looked at {F} and {his} heart felt heavy.", "Then {he} thought of how sad {F} looked.")
    s("{N} walked over to {F}. \"I am sorry. Let us play together,\" {he} said.", "\"I am sorry, {F},\" said {N}. \"You can have a turn now.\"", "\"Here,\" said {N}, and {he} gave the {O} to {F}. \"It is your turn.\"")
    s("{F} {fjoy}.", "{F} smiled a big smile. \"Thank you!\" {fhe} said.", "\"Really? Thank you, {N}!\" said {F}.")
    s.p()
    s("They played all day and laughed a lot.", "They took turns until the stars came out.", "The two friends played and played, and it was the best day ever.")
    s.o("{G} gave them some {treat}, and they shared that too.".replace("{G}", cap(s.c["G"])), "When they got hungry, {F} shared {fhis} {treat} with {N}.")
    close(s, "sharing")
    s.qa(["What did {N} not want to share?", "What toy did {N} have?"], ["{N} had {aO}.", "It was {aO}."])
    s.qa(["Who wanted to play with the {O}?", "Who is {N}'s friend?"], ["{F} the {fK} wanted to play with it.", "{F}, {afK}."])
    s.qa(["Why was {F} sad?"], ["{F} was sad because {N} did not want to share the {O}."])
    s.end("sharing", ["{N} Learns to Share", "The {O2c}", "My Turn, Your Turn"], "{N} does not want to share {his} {O2} with {F}, but then {he} says sorry and they play together.")


SKILLS = [("ride a bike", "riding", "fell off the bike", "rode all the way around the yard"), ("swim", "swimming", "got water in {his} nose", "swam to the other side"),
          ("whistle", "whistling", "only blew air", "whistled a clear little tune"), ("bake bread", "baking", "burned the bread", "made a warm, soft loaf"),
          ("paint", "painting", "made a big mess", "painted a picture of the whole family"), ("fly a kite", "flying the kite", "got the kite stuck in a tree", "made the kite dance in the sky"),
          ("play the drum", "drumming", "lost the beat", "played a song that made everyone dance"), ("jump rope", "jumping", "got tangled in the rope", "jumped fifty times in a row"),
          ("climb the big tree", "climbing", "slid back down", "sat on the highest branch"), ("dance", "dancing", "stepped on {his} own feet", "danced like a leaf in the wind"),
          ("read", "reading", "mixed up the letters", "read a whole page out loud"), ("count to one hundred", "counting", "forgot what came after thirty", "counted all the way to one hundred"),
          ("tie a knot", "tying knots", "made a big tangle", "tied a perfect bow"), ("skate", "skating", "slipped on the ice", "glided like a swan")]


def learn_skill(s):
    intro(s); sk, ing, fail, win = s.r.choice(SKILLS); c = s.c
    c.update(skill=sk, sking=ing, fail=fail.format_map(c), win=win)
    s("{N} wanted to learn to {skill}.", "More than anything, {N} wanted to {skill}.", "{He} had one big wish. {He} wanted to learn to {skill}.")
    s.p()
    s("On the first day, {he} {fail}.", "The first time, {N} {fail}.", "{He} tried, but {he} {fail}.")
    s("\"I can not do it!\" said {N}.", "\"This is too hard,\" {N} said and sat down.", "{N} wanted to cry. \"I will never learn,\" {he} said.")
    s("{F} the {fK} sat down next to {him}.", "{His} friend {F}, {afK}, heard {him}.", "{F}, {aFtrait} {fK}, had seen it all.")
    s("\"I could not do it at first, too,\" said {F}. \"You just have to try again.\"", "\"Nobody can do it the first time,\" {F} said. \"Try once more.\"", "\"Go slowly,\" said {F}. \"A little better every day is enough.\"")
    s.p()
    s("So {N} tried again. And again. And again.", "The next day, {N} tried again, and {he} was a little better.", "{N} took a deep breath and tried once more.")
    s.o("Sometimes it went well, and sometimes it did not.", "{He} practiced in the morning and {he} practiced at night.", "{F} clapped every time {he} got a little better.", "{His} legs were tired, but {he} did not stop.")
    s("Then, on {day}, it worked! {N} {win}!", "After {num} days, {N} {win}!", "And one {W} morning, {N} {win}!")
    s("\"I did it! I did it!\" {he} shouted.", "\"Look at me!\" {he} called.", "{He} {joy}. \"I can {skill}!\" {he} said.")
    s("{F} cheered. \"I knew you could do it!\" {fhe} said.", "\"You did it because you did not give up,\" said {F}.", "{F} was so proud of {him}.")
    close(s, "trying again")
    s.qa(["What did {N} want to learn?", "What did {N} learn?"], ["{N} wanted to learn to {skill}.", "{N} learned to {skill}."])
    s.qa(["Who helped {N}?", "Who told {N} to try again?"], ["{F} the {fK} told {N} to try again.", "{F} helped {N}."])
    s.qa(["What happened the first time?"], ["The first time, {N} {fail}."])
    s.end("trying again", ["{N} Tries Again", "Never Give Up, {N}", "{N} Learns to {skillc}"], "{N} wants to {skill}. It goes wrong at first, but with the help of {F} {he} keeps trying and learns it.")


STUCK = [("a kitten", "up in a tall tree", "meowed", "climbed up slowly and carried it down"), ("a baby bird", "on the cold ground", "chirped", "put it gently back in its nest"),
         ("a small frog", "in a deep bucket", "croaked", "tipped the bucket so that it could jump out"), ("a bee", "in a spider web", "buzzed", "set it free with a soft twig"),
         ("a puppy", "in the mud", "whined", "pulled it out with a long rope"), ("a turtle", "on its back", "waved its legs", "turned it over with care"),
         ("a lamb", "behind a fence", "cried baa", "opened the gate and led it home"), ("a duckling", "far from its mother", "peeped", "walked it back to the pond"),
         ("a hedgehog", "in a net", "sniffed sadly", "cut the net with care"), ("a butterfly", "in a jar", "beat its wings", "opened the lid")]


def help_stuck(s):
    intro(s); w, where, cry, how = s.r.choice(STUCK); c = s.c
    c.update(who=w, who0=w.split(" ", 1)[1], stuck=where, cry=cry, how=how)
    s.p(); oneday(s)
    s("Then {he} heard a small sound. {whoC} {cry}.".replace("{whoC}", cap(w)), "Suddenly {he} heard something. It was {who}, and it {cry}.", "All at once {he} stopped. What was that sound? {whoC} {cry}.".replace("{whoC}", cap(w)))
    s("It was {stuck} and could not get away.", "The poor {who0} was {stuck}.", "It was {stuck}, and it looked very scared.")
    s("\"Do not be afraid,\" said {N} softly. \"I will help you.\"", "\"Poor little {who0}! I will help,\" said {N}.", "{N} knew that {he} had to help.")
    s.p()
    s("But {he} could not do it alone. So {he} called {F} the {fK}.", "{He} ran to get {F}, {afK} who lived close by.", "\"{F}, come quickly!\" {he} called. {F} the {fK} came at once.")
    s("Together they {how}.", "{F} held on tight while {N} {how}.", "With the help of {F}, {N} {how}.")
    s.o("It took a long time, but they did not stop.", "They had to be very careful.", "\"Easy, easy,\" whispered {F}.")
    s("The {who0} was free!", "At last, the {who0} was safe.", "The little {who0} was safe and happy again.")
    s.p()
    s("The {who0} looked at {N} as if to say thank you.", "The {who0} stayed close to {N} for a while, and then it went home.", "The {who0} made a happy little sound.")
    s("\"That was a kind thing to do,\" said {F}.", "\"You have a good heart, {N},\" said {F}.", "{G} heard about it and was very proud.".replace("{G}", cap(s.c["G"])))
    s.o("The next day, the {who0} came back to play.", "Every day after that, the {who0} came to visit {N}.", "They all had {treat} to celebrate.")
    close(s, "kindness")
    s.qa(["Who needed help?", "Who did {N} help?"], ["{N} helped {who}.", "{whoC} that was {stuck}.".replace("{whoC}", cap(w))])
    s.qa(["Where was the {who0}?"], ["The {who0} was {stuck}."])
    s.qa(["How did they help the {who0}?"], ["They {how}."])
    s.end("kindness", ["{N} Helps a Friend", "The Little {who0c}", "A Kind Heart"], "{N} finds {who} {stuck}. Together with {F}, {he} saves it.")


BROKEN = ["vase", "plate", "window", "lamp", "cup", "clock", "mirror", "flower pot", "jar of jam", "music box", "teapot", "picture frame"]


def honesty(s):
    intro(s); c = s.c; c["broken"] = s.r.choice(BROKEN)
    s.p()
    s("One {W} day, {N} was playing ball in the house.", "One day, {N} was running and jumping inside.", "One {W} afternoon, {N} danced around the room.")
    s("Crash! The {broken} fell down and broke.", "Bump! {He} hit the {broken}, and it broke.", "Oh no! The {broken} fell to the floor with a loud crash.")
    s("{N} looked at the pieces. {His} heart beat fast.", "{N} was scared. What would {G} say?", "{N} did not know what to do.")
    s("{He} hid the pieces under the bed.", "{He} put the pieces in a box and hid it.", "Quickly, {he} pushed the pieces behind the chair.")
    s.p()
    s("When {G} came home, {ghe} asked, \"Where is the {broken}?\"", "Later, {G} asked, \"{N}, have you seen the {broken}?\"")
    s("\"I do not know,\" said {N}. \"Maybe the wind took it.\"", "\"Maybe {F} the {fK} took it,\" said {N}.", "\"It was not me,\" said {N} very quietly.")
    s("But {N} felt bad. {His} tummy hurt, and {he} could not eat {his} {treat}.", "But the lie felt like a stone in {his} belly.", "That night, {N} could not sleep.")
    s("At last, {he} went to {G}. \"I broke the {broken}, and I lied. I am sorry,\" {he} said.", "In the end, {N} told the truth. \"It was me. I broke it. I am very sorry.\"", "\"I have to tell you something,\" {he} said. \"I broke the {broken}.\"")
    s.p()
    s("{Gc} gave {him} a hug. \"Thank you for telling me the truth,\" {ghe} said.", "\"I am not angry,\" said {G}. \"A {broken} can be fixed. Trust is much harder to fix.\"".replace("A {broken}", cap(an(c["broken"]))), "{Gc} smiled. \"It is only a {broken}. The truth is worth much more,\" {ghe} said.".replace("a {broken}", an(c["broken"])))
    s.o("Together they glued the pieces.", "They cleaned up together, and {N} felt light again.", "Together they made a new one, and it was even better.")
    close(s, "honesty")
    s.qa(["What did {N} break?", "What was broken?"], ["{N} broke the {broken}.", "The {broken} was broken."])
    s.qa(["Did {N} tell the truth?"], ["At first {N} lied, but in the end {he} told the truth.", "Yes, in the end {N} told the truth."])
    s.qa(["What did {N} do with the pieces?"], ["{N} hid the pieces."])
    s.end("honesty", ["{N} Tells the Truth", "The Broken {brokenc}", "The Truth"], "{N} breaks {brokenA} and lies about it. {He} feels bad, tells the truth, and {G} forgives {him}.".replace("{brokenA}", an(c["broken"])))


FEARS = [("the dark", "a strange shadow on the wall", "only a coat on a chair"), ("thunder", "a loud boom in the sky", "only the clouds talking"), ("the old attic", "a scratching sound", "only a mouse with a nut"),
         ("deep water", "something moving in the water", "only a friendly fish"), ("the tall slide", "a long way down", "not so far when you looked at the sky"), ("the night", "a howl far away", "only the wind in the chimney"),
         ("the big dog next door", "a row of big teeth", "only a big smile"), ("the cellar", "a tapping sound", "only a dripping pipe"), ("the long tunnel", "an echo", "only {his} own voice")]


def courage(s):
    intro(s); c = s.c; a, b, d = s.r.choice(FEARS); c.update(fear=a, saw=b, truth=d.format_map(c))
    s("But {N} had a secret. {He} was afraid of {fear}.", "There was only one problem. {N} was afraid of {fear}.", "{N} was brave, but not with {fear}.")
    s.p()
    s("One {W} evening, {F} the {fK} needed help.", "One night, {his} friend {F} the {fK} called for help.", "One day, {F} the {fK} came running.")
    s("\"Please come with me,\" said {F}. \"I left my {O2} there, and I can not go alone.\"", "\"I lost my {O2} in there,\" said {F}. \"Will you come with me?\"", "\"My {O2} is in there, and I am too scared to get it,\" said {F}.")
    s("{N} thought of {fear}, and {his} knees began to shake.", "{N} felt cold. \"But I am afraid of {fear},\" {he} said.", "{N} wanted to say no. But {F} was {his} friend.")
    s("\"I am scared too,\" said {F}. \"But we can hold hands.\"", "\"We can be scared together,\" said {F}.", "\"Being brave does not mean you are not scared,\" said {F}.")
    s.p()
    s("So they went, step by step.", "{N} took a deep breath, and they went.", "They lit a small lamp and went on tiptoe.")
    s("Then {N} noticed {saw}. {He} almost ran away.", "Suddenly there was {saw}! {N} closed {his} eyes.", "There was {saw}, and {his} heart went boom, boom, boom.")
    s("But {he} looked again. It was {truth}.", "Then {he} looked more closely. It was {truth}!", "{He} opened one eye. It was {truth}.")
    s("{N} began to laugh, and {F} laughed too.", "\"Is that all?\" said {N}, and they both laughed.", "They laughed until their bellies hurt.")
    s("They found the {O} and went home.", "They got the {O2} and walked home proudly.", "Soon they had the {O}, and {F} was happy.")
    close(s, "courage")
    s.qa(["What was {N} afraid of?"], ["{N} was afraid of {fear}.", "{He} was afraid of {fear}."])
    s.qa(["What did {F} leave there?", "What were they looking for?"], ["{F} had left {fhis} {O2} there.", "They were looking for the {O2} of {F}."])
    s.qa(["What was it really?", "What was the scary thing really?"], ["It was {truth}."])
    s.end("courage", ["Brave {N}", "{N} and the Big Fear", "A Little Courage"], "{N} is afraid of {fear}, but {he} goes with {F} to find the {O2} and sees that there is nothing to fear.")


def race(s):
    s.at(*OUTDOORS)
    intro(s)
    s("{F} the {fK} was very fast and liked to show off.", "{N} had a friend named {F}. {F} was {afK} who could run very fast.", "Next door lived {F}, {afK} who always bragged.")
    s("\"I am the fastest of all!\" said {F}. \"Nobody can beat me.\"", "\"You are so slow,\" {F} said to {N} and laughed.", "\"I win every race,\" {F} told everyone.")
    s("\"Then let us have a race,\" said {N}.", "\"I would like to race you,\" said {N} quietly.", "{N} said, \"Let us race to {t} and back.\"".replace("{t}", "the big tree"))
    s.p()
    s("On {day}, everyone came to watch {inP}.", "All their friends came {inP} to see the race.", "The next day, they met {inP}, and everyone cheered.")
    s("\"Ready, set, go!\" {F} ran off like the wind.", "One, two, three, go! {F} was far ahead at once.", "\"Go!\" called the judge, and {F} was gone in a cloud of dust.")
    s("{N} did not run so fast. {He} just went on and on.", "{N} was slower, but {he} did not stop.", "{N} kept going, step by step.")
    s("Halfway, {F} looked back and saw nobody. \"I have time for a nap,\" {fhe} said.", "{F} was so far ahead that {fhe} stopped to eat some {treat}.", "{F} stopped to talk and joke with everyone. \"I will win anyway,\" {fhe} said.")
    s("Soon {fhe} was fast asleep.", "{FHe} sat down under a tree and forgot the time.", "{FHe} closed {fhis} eyes for just a minute.")
    s.p()
    s("{N} passed {fhim} without a sound.", "Meanwhile, {N} went by, slowly and quietly.", "Step by step, {N} walked past {F}.")
    s("When {F} woke up, it was too late. {N} was at the finish line!", "{F} jumped up and ran as fast as {fhe} could, but {N} had won!", "Suddenly {F} heard cheering. {N} had won the race!")
    s("\"How did you do that?\" asked {F}.", "{F} hung {fhis} head. \"You won,\" {fhe} said.", "\"I should not have bragged,\" said {F}. \"You are great.\"")
    s("\"I just kept going,\" said {N} with a smile.", "\"I did not stop,\" said {N}. \"Shall we have some {treat}?\"", "{N} shook {fhis} hand. \"It was a good race,\" {he} said.")
    close(s, "being humble")
    s.qa(["Who won the race?", "Who was the winner?"], ["{N} won the race.", "{N} the {K} won."])
    s.qa(["Why did {F} lose?", "Why did {F} not win?"], ["{F} lost because {fhe} stopped and did not keep going.", "{F} was too sure of winning and stopped on the way."])
    s.qa(["Where was the race?"], ["The race was {inP}."])
    s.end("being humble", ["The Great Race", "Slow and Steady", "{N} and {F} Race"], "{N} and {F} the {fK} have a race {inP}. {F} brags and stops on the way, and {N} wins.")


GIFTS = [("a card with a big heart", "drew"), ("a crown of flowers", "made"), ("a warm scarf", "knitted"), ("a small wooden boat", "built"), ("a cake with berries", "baked"), ("a song", "wrote"),
         ("a picture of the two of them", "painted"), ("a necklace of shells", "made"), ("a box of sweets", "filled"), ("a little bird house", "built")]


def gift(s):
    s.at(*OUTDOORS)
    intro(s); c = s.c; a, b = s.r.choice(GIFTS); c.update(gift=a, made=b, gift0=a.split(" ", 1)[1])
    s("Tomorrow was the birthday of {F} the {fK}.", "{His} best friend was {F}, {afK}, and {F} had a birthday soon.", "It was almost the birthday of {his} friend {F} the {fK}.")
    s("\"What can I give {fhim}?\" {N} thought. {He} had no money.", "{N} wanted to give {F} something special, but {he} had no coins.", "{N} looked into {his} piggy bank. It was empty.")
    s.p()
    s("{G} said, \"The best gift comes from the heart.\"".replace("{G}", cap(c["G"])), "{N} asked {G}. \"Make something yourself,\" {ghe} said.", "Then {he} had an idea. \"I will make something!\" {he} said.")
    s("So {N} {made} {gift}.", "All afternoon, {N} worked, and {he} {made} {gift}.", "{He} sat down and {made} {gift}.")
    s.o("{He} worked very hard and did not stop until it was dark.", "It was not perfect, but it was made with love.", "It took a long time, but {he} sang while {he} worked.", "{He} tied it with {acolor} ribbon.")
    s.p()
    s("The next day, everyone came to the party {inP}.", "On the birthday, there was a party {inP} with {treat}.", "At the party {inP}, there were many big presents.")
    s("{N} felt shy. \"My gift is so small,\" {he} thought.", "{N} saw the big presents and felt small.", "{N} hid {his} gift behind {his} back.")
    s("But when {F} saw {gift}, {fhe} {fjoy}.", "{F} opened it last. It was {gift}! {FHis} eyes were bright.", "{F} looked at {gift} for a long time. \"You made this for me?\" {fhe} asked.")
    s("\"This is the best present of all,\" said {F}.", "\"I love it! Thank you, {N}!\" said {F}.", "\"Nobody ever made something for me,\" said {F} and hugged {him}.")
    close(s, "kindness")
    s.qa(["What did {N} give to {F}?", "What was the gift?"], ["{N} gave {F} {gift}.", "It was {gift}."])
    s.qa(["Whose birthday was it?", "Who had a birthday?"], ["It was the birthday of {F} the {fK}.", "{F} had a birthday."])
    s.qa(["Why did {N} feel shy?"], ["{N} thought that {his} gift was too small."])
    s.end("kindness", ["The Best Present", "A Gift for {F}", "{N} Makes a Gift"], "{N} has no money for a present, so {he} makes {gift} for {F}, and {F} loves it most of all.")


PLANTS = ["a sunflower", "a tall bean", "an apple tree", "a pumpkin", "a red rose", "a strawberry plant", "a lemon tree", "a big carrot", "a bush full of berries", "a tulip"]


def seed(s):
    s.at("garden", "backyard", "farm", "hill", "village", "meadow", "park", "valley"); intro(s); c = s.c; p = s.r.choice(PLANTS); c.update(plant=p, plant0=p.split(" ", 1)[1])
    s.p()
    s("One {W} day, {G} gave {him} a tiny seed.", "One day, {N} found a tiny seed {inP}.", "{F} the {fK} gave {N} a tiny seed.")
    s("\"If you take care of it, something wonderful will grow,\" said {g2}.".replace("{g2}", c["G"]), "\"What will it be?\" asked {N}. \"Wait and see,\" said {G}.", "\"It needs water, sun, and time,\" {G} said.")
    s("{N} put the seed in the ground and gave it water.", "{N} made a little hole, put the seed in, and covered it with soil.", "So {N} planted it behind the house.")
    s.p()
    s("The next day, {he} looked. Nothing!", "Every morning, {he} ran to look. But there was nothing.", "{He} waited one day, two days, three days. Nothing came up.")
    s("\"It does not work,\" said {N}. \"I want to dig it up.\"", "\"Why is it so slow?\" {N} asked.", "{N} stamped {his} foot. \"I do not want to wait!\" {he} said.")
    s("\"Be patient,\" said {F} the {fK}. \"The seed is busy under the ground.\"", "{F}, {afK}, laughed softly. \"Good things take time,\" {fhe} said.", "\"Do not dig,\" said {F} the {fK}. \"You can not see it, but it is growing.\"")
    s("So {N} watered it every day and waited.", "{N} gave it water every day and sang to it.", "Day after day, {N} brought water and pulled out the weeds.")
    s.o("The rain came, and the sun came, and the moon looked down.", "Weeks went by.", "{He} told the seed stories at night.")
    s.p()
    s("Then, one {W} morning, there was a small green leaf!", "And one day, a tiny green tip looked out of the ground.", "At last, something green came up!")
    s("It grew and grew. It was {plant}!", "It grew taller every day until it was {plant}.", "After a while, it became {plant}, the nicest one in the whole {place}.")
    s("{N} {joy}. \"I waited, and it was worth it!\" {he} said.", "\"Look what we made!\" said {N} to the sun and the rain.", "{N} showed it to everyone and was very proud.")
    close(s, "patience")
    s.qa(["What did the seed become?", "What grew from the seed?"], ["It became {plant}.", "{plantC} grew from the seed.".replace("{plantC}", cap(p))])
    s.qa(["What did {N} plant?"], ["{N} planted a tiny seed."])
    s.qa(["Who told {N} to be patient?"], ["{F} the {fK} told {N} to be patient."])
    s.end("patience", ["The Tiny Seed", "{N} and the {plant0c}", "Wait and See"], "{N} plants a seed and has to wait. With water and time it grows into {plant}.")


def lost_way(s):
    s.at("forest", "jungle", "mountain", "city", "market", "island", "valley", "zoo", "desert", "town"); intro(s)
    s("{Gc} always said, \"Do not go too far alone.\"", "\"Stay where I can see you,\" said {G}.", "Before {he} went out, {G} said, \"Come back before dark.\"")
    s.p(); oneday(s)
    s("Then {he} saw {acolor} butterfly and ran after it.", "Then {he} heard a funny sound and followed it.", "{He} saw something {tex} far away and went to look.")
    s("{He} went on and on, and {he} forgot what {G} had said.", "{He} did not look back once.", "Soon {he} did not know where {he} was.")
    s("When {he} stopped, everything looked strange.", "Suddenly it was getting dark.", "{He} turned around, but {he} could not see the way home.")
    s("\"I am lost,\" said {N}, and a tear ran down {his} cheek.", "\"Hello? Is anyone there?\" {he} called. Nobody answered.", "{N} sat down and began to cry.")
    s.p()
    s("{F} the {fK} came out from behind a tree.", "Then a soft voice said, \"Who is crying?\" It was {F}, {aFtrait} {fK}.", "{aFtraitC} {fK} named {F} looked down at {him}.".replace("{aFtraitC}", cap(s.c["aFtrait"])))
    s("\"I know the way,\" said {F}. \"Follow me.\"", "\"Do not cry. I will take you home,\" {fhe} said.", "\"I know every path here,\" said {F}. \"Come with me.\"")
    s("They walked past {t1} and over a little bridge.", "They followed the light of the moon.", "{F} went first, and {N} stayed close behind.")
    s("Soon {he} saw a light in the window. Home!", "At last, {he} saw {his} own home.", "Then {N} heard a voice. \"{N}! {N}!\" It was {G}.")
    s.p()
    s("{Gc} hugged {him} tight. \"I was so worried,\" {ghe} said.", "{N} ran into the arms of {G}. \"I am sorry that I did not listen,\" {he} said.")
    s.o("{Gc} gave {F} some {treat} to say thank you.", "They all had warm {treat} together.", "{F} stayed for dinner, and they told stories.")
    close(s, "listening")
    s.qa(["Who brought {N} home?", "Who helped {N}?"], ["{F} the {fK} brought {N} home.", "{F}, {aFtrait} {fK}, showed {him} the way."])
    s.qa(["Why did {N} get lost?"], ["{N} got lost because {he} did not listen and went too far."])
    s.qa(["Where did {N} get lost?", "Where was {N}?"], ["{N} got lost {inP}."])
    s.end("listening", ["{N} Gets Lost", "The Way Home", "{F} Shows the Way"], "{N} goes too far {inP} and gets lost. {F} the {fK} shows {him} the way home.")
