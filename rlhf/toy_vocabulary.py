"""The words that carry facts in the generated corpus, by kind. Each stands for one fact and belongs to one kind.

None of them occurs in the fixed words of a summary (tested), so that a word of these lists in a summary is always a
claim about the dialogue, and the judge can tell from the word alone what is claimed.
"""

_KINDS = {
    "name": """Anna Ben Carla David Emma Felix Greta Henry Irene Jack Karen Leo Maria Nina Oscar Paula Quinn Robert
        Sofia Tom Ursula Victor Wendy Xavier Yusuf Zoe Ahmed Bella Chen Diego Elena Farid Hanna Igor Jamal Kofi Lucia
        Mei Noah Olga""",
    "day": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "time": "two three four five six seven eight nine ten eleven noon",
    "place": """library park station museum bakery school bank market hotel office gym garage kitchen beach church
        airport pharmacy harbour garden canteen""",
    "event": "meeting interview workshop rehearsal lesson lecture training seminar",
    "dish": "pizza pasta curry salad sushi soup tacos noodles dumplings burgers",
    "drink": "juice lemonade cola cider tea",
    "thing": "wallet phone umbrella scarf passport bag key glove ring purse",
    "machine": "printer laptop fridge heater dishwasher radio lamp boiler toaster freezer",
    "city": "Paris Rome Berlin Madrid Vienna Lisbon Prague Dublin Athens Oslo",
    "transport": "train bus plane car ferry tram",
    "illness": "cold fever headache cough toothache rash migraine",
    "remedy": "pills syrup honey ginger vitamins tissues",
    "grocery": "bread milk eggs cheese apples rice butter tomatoes onions potatoes flour bananas",
    "subject": "maths physics history biology chemistry French Spanish geography",
    "task": "essay test project report exercise presentation",
    "product": "jacket camera kettle chair blender backpack mixer carpet tablet pillow",
    "fault": "broken torn scratched noisy dirty bent",
    "offer": "refund replacement discount voucher",
    "landmark": "bridge fountain tower statue castle stadium mill",
    "side": "left right",
    "borrowable": "bike ladder tent drill guitar projector suitcase grill kayak tripod",
    "gift": "necklace puzzle novel vase teapot bracelet painting candle hat mug",
    "animal": "dog cat rabbit parrot hamster turtle goldfish pony",
    "show": "comedy thriller musical cartoon western documentary concert",
    "venue": "cinema theatre hall club arena",
    "furniture": "wardrobe piano desk shelf mattress mirror cupboard",
}

KINDS: dict[str, tuple[str, ...]] = {kind: tuple(words.split()) for kind, words in _KINDS.items()}

KIND_OF: dict[str, str] = {word.lower(): kind for kind, words in KINDS.items() for word in words}
"""Kind of each word, in lower case."""
