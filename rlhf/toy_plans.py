"""Scenarios of the generated corpus in which two people arrange something."""

from rlhf.toy_scenario import Scenario

PLANS = (
    Scenario(
        "meeting",
        required={"event": "event", "day": "day", "time": "time"},
        distractors={"old": "day", "bad": "day"},
        turns=(
            ("a", "I can't make the {event} on {old}.", "Something came up, so the {event} on {old} is not possible."),
            ("b", "No problem, how about {bad} instead?", "That's fine. Does {bad} suit you?"),
            ("a", "{bad} is full for me. What about {day}?", "Not {bad}, please. I would prefer {day}."),
            ("b", "{day} works. Shall we say {time}?", "All right, {day} it is. Could you come at {time}?"),
            ("a", "Yes, {time} is perfect.", "Good, I will be there at {time}."),
        ),
        summaries=(
            "{a} and {b} move the {event}[ to {day}][ at {time}].",
            "{a} and {b} will have the {event}[ on {day}][ at {time}].",
            "The {event} of {a} and {b} will be[ on {day}][ at {time}] now.",
            "{a} asks {b} for another date, and the {event} is moved[ to {day}][ at {time}].",
        ),
    ),
    Scenario(
        "food",
        required={"dish": "dish", "drink": "drink", "time": "time"},
        distractors={"bad": "dish"},
        turns=(
            ("a", "I'm hungry. Shall we order {bad}?", "Let's order something to eat. Maybe {bad}?"),
            ("b", "I had {bad} yesterday. I would rather have {dish}.", "No {bad} today, please. I want {dish}."),
            ("a", "Fine, {dish} for us both. And to drink?", "Good, then {dish}. What will we drink?"),
            ("b", "Let's take {drink}.", "I'd like {drink} with it."),
            ("a", "Sure. They can bring it at {time}.", "I just ordered it, it comes at {time}."),
        ),
        summaries=(
            "{a} and {b} order {dish}[ and {drink}][ for {time}].",
            "{a} and {b} will eat {dish}[ with {drink}][ at {time}].",
            "{a} gets {dish}[ and {drink}] because {b} wants it[, and it comes at {time}].",
            "{a} orders {dish}[ with {drink}] for {b}[, and it comes at {time}].",
        ),
    ),
    Scenario(
        "trip",
        required={"city": "city", "transport": "transport", "day": "day"},
        distractors={"bad": "city", "slow": "transport"},
        turns=(
            ("a", "Where shall we go this month? I thought of {bad}.", "Let's travel again. Do you like {bad}?"),
            ("b", "I have seen {bad} twice. Let's visit {city}.", "Not {bad} again. I dream of {city}."),
            ("a", "Nice, {city} then. Do we take the {slow}?", "{city} sounds great. By {slow}?"),
            (
                "b",
                "The {slow} takes too long. Better the {transport}.",
                "No, not the {slow}. The {transport} is cheap.",
            ),
            ("a", "Good, I will book the {transport} for {day}.", "Then we leave on {day}."),
        ),
        summaries=(
            "{a} and {b} will go[ to {city}] by {transport}[ on {day}].",
            "{a} and {b} plan a trip[ to {city}] by {transport}[ on {day}].",
            "{a} and {b} take the {transport}[ to {city}][ on {day}].",
            "{a} books the {transport}[ to {city}][ on {day}] and goes with {b}.",
        ),
    ),
    Scenario(
        "show",
        required={"show": "show", "venue": "venue", "day": "day"},
        distractors={"dull": "show", "bad": "day"},
        turns=(
            ("a", "Do you want to see the {dull} with me?", "There are tickets for the {dull}. Are you coming?"),
            ("b", "The {dull} is boring. I would love the {show}.", "I don't like the {dull}. What about the {show}?"),
            ("a", "Okay, the {show} is in the {venue}. Are you free on {bad}?", "The {venue} has the {show} on {bad}."),
            ("b", "On {bad} I must work, but {day} is good.", "Sadly not on {bad}. Let's go on {day}."),
            ("a", "Great, I will get tickets for {day}.", "Then {day}. I'll pay for both of us."),
        ),
        summaries=(
            "{a} and {b} will see the {show}[ in the {venue}][ on {day}].",
            "{a} and {b} go to the {venue}[ on {day}] for the {show}.",
            "{a} gets tickets for the {show}[ in the {venue}] and goes with {b}[ on {day}].",
            "{a} pays for the {show}[ in the {venue}][ on {day}] and takes {b} along.",
        ),
    ),
    Scenario(
        "present",
        required={"c": "name", "gift": "gift", "day": "day"},
        distractors={"bad": "gift"},
        turns=(
            ("a", "{c} has a birthday on {day}. What shall we give?", "On {day} is the birthday of {c}. Any ideas?"),
            ("b", "Maybe a {bad}?", "How about a {bad}?"),
            ("a", "Oh no, {c} already has a {bad}.", "Everybody buys a {bad}, so better not."),
            ("b", "Then a {gift}. I saw a lovely {gift} in town.", "In that case let's choose a {gift}."),
            ("a", "A {gift} is perfect, we can share the price.", "Yes, {c} will love it. I'll wrap it up."),
        ),
        summaries=(
            "{a} and {b} will give {c} a {gift}[ on {day}].",
            "{a} and {b} buy a {gift} for the birthday of {c}[ on {day}].",
            "{a} and {b} choose a {gift} for {c}[, who has a birthday on {day}].",
            "{a} and {b} want to surprise {c} with a {gift}[ on {day}].",
        ),
    ),
    Scenario(
        "shopping",
        required={"first": "grocery", "second": "grocery", "time": "time"},
        distractors={"enough": "grocery"},
        turns=(
            ("a", "I'm in the shop. What do we need?", "I'm going shopping. What is missing at home?"),
            ("b", "Please get {first} and {second}.", "We need {first}, and {second} as well."),
            ("a", "And {enough}? It is cheap today.", "What about {enough}?"),
            ("b", "No, we have enough {enough}.", "Leave the {enough}, there is plenty."),
            ("a", "All right, I'll be back at {time}.", "Good. I should be home at {time}."),
        ),
        summaries=(
            "{a} will buy {first} and {second} for {b}[ and be back at {time}].",
            "{a} must buy {first}[ and {second}] for {b}[ and be home at {time}].",
            "{a} buys {first} and {second} for {b}[ and comes home at {time}].",
            "{a} goes shopping for {b}, buys {first} and {second}[ and comes back at {time}].",
        ),
    ),
    Scenario(
        "borrow",
        required={"borrowable": "borrowable", "day": "day", "time": "time"},
        distractors={"not": "borrowable", "bad": "day"},
        turns=(
            ("a", "Could you lend me your {not}?", "I need a {not}. May I borrow yours?"),
            ("b", "The {not} is gone, but take the {borrowable}.", "Not the {not}, sorry. Take the {borrowable}."),
            ("a", "The {borrowable} will do. May I keep it until {bad}?", "Good, the {borrowable}. Until {bad}?"),
            ("b", "{bad} is too late, I need it on {day}.", "No, not until {bad}. Bring it back on {day}."),
            ("a", "Okay, until {day}. I'll fetch it at {time}.", "{day} is fine. I can come for it at {time}."),
        ),
        summaries=(
            "{a} gets the {borrowable} of {b}[ until {day}][ and comes for it at {time}].",
            "{a} borrows the {borrowable} from {b}[ until {day}][ and fetches it at {time}].",
            "{a} will fetch the {borrowable} from {b}[ at {time}] and keep it[ until {day}].",
            "{a} may use the {borrowable} of {b}[ until {day}][ and fetches it at {time}].",
        ),
    ),
)
