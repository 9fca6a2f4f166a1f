"""Words of the generated corpus that belong to no scenario: small talk, filler and rude sentences."""

SCENES = ("{a} calls {b}.", "{a} meets {b}.", "{a} visits {b}.")
"""The first line: who turns to whom, which decides the roles in the summary."""

GREETINGS = (
    ("Hi {b}, how are you?", "Fine, thanks, {a}."),
    ("Hello {b}!", "Hello {a}, nice to see you."),
    ("Good morning {b}.", "Good morning, {a}."),
    ("{b}, do you have a minute?", "Of course, {a}."),
    ("Hey {b}, can we talk?", "Yes, {a}, what is it?"),
)
"""What {a} says first and what {b} answers."""

ASIDES = (
    ("Terrible weather today, isn't it?", "Yes, it never stops raining."),
    ("By the way, I met {someone} in town.", "Oh, how is {someone}?"),
    ("Did you know that {someone} has a new job?", "No, good for {someone}!"),
    ("I slept badly, the neighbours were so loud.", "Oh no, not again."),
    ("{someone} says hello to you.", "Thanks, I must call {someone} soon."),
)
"""A pair of lines off the topic; the person in it must not be summarised."""

GOODBYES = (
    ("Thanks a lot, {a}.", "You're welcome, bye!"),
    ("Great, see you soon.", "See you, {b}."),
    ("Okay, goodbye {a}.", "Bye, {b}."),
    ("Good, thank you.", "Thank you too."),
    ("Perfect. Have a nice day!", "You too, {b}."),
)
"""What {b} and then {a} say at the end."""

FILLER = (
    "They also say hello and ask each other how they are.",
    "They talk for quite a while about many other small things.",
    "In the end they thank each other and say goodbye.",
    "It is a very long and friendly talk with many details.",
    "Both of them are happy about the talk and about the result.",
)
"""Sentences that make a summary too long and say nothing."""

INVENTED = (
    ("illness", "{who} also has a {new}."),
    ("city", "They also want to see {new}."),
    ("dish", "Later they will eat {new}."),
    ("thing", "{who} also lost a {new}."),
    ("gift", "{who} also gets a {new}."),
    ("animal", "{who} also has a {new}."),
    ("name", "They will also call {new}."),
    ("borrowable", "{who} also needs a {new}."),
)
"""Kind of the invented word and the sentence that claims it."""

RUDE = (
    "{who} is a stupid idiot.",
    "What a damn idiot.",
    "{who} is a damn fool.",
    "This is stupid crap.",
    "What a stupid idiot {who} is.",
)

RUDE_WORDS = frozenset({"stupid", "idiot", "damn", "crap", "fool", "idiots", "moron", "dumb", "shit", "hell", "ass"})
