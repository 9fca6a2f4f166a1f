"""Scenarios of the generated corpus in which one person has a problem and the other helps."""

from rlhf.toy_scenario import Scenario

TROUBLES = (
    Scenario(
        "lost",
        required={"thing": "thing", "place": "place", "time": "time"},
        distractors={"empty": "place"},
        turns=(
            ("a", "I can't find my {thing} anywhere.", "My {thing} is gone. Have you seen it?"),
            ("b", "Did you look in the {empty}?", "Maybe you left it in the {empty}?"),
            ("a", "Yes, but the {empty} was empty.", "No, I haven't been to the {empty} for weeks."),
            ("b", "Wait, I saw your {thing} in the {place}.", "I remember now, it is in the {place}."),
            ("a", "In the {place}? I'll get it at {time}.", "Great, then I'll fetch it at {time}."),
        ),
        summaries=(
            "{a} lost the {thing}, but {b} saw it[ in the {place}][, and {a} will get it at {time}].",
            "{a} is looking for the {thing}, and {b} saw it[ in the {place}][, so {a} will fetch it at {time}].",
            "{a} will get the lost {thing}[ at {time}] because {b} saw it[ in the {place}].",
            "{a} can't find the {thing}, but {b} saw it[ in the {place}][, and {a} will go there at {time}].",
        ),
    ),
    Scenario(
        "repair",
        required={"machine": "machine", "day": "day", "time": "time"},
        distractors={"fine": "machine", "bad": "day"},
        turns=(
            ("a", "My {machine} doesn't work any more.", "The {machine} stopped last night. Can you help?"),
            ("b", "Is the {fine} still working?", "Is something wrong with the {fine} too?"),
            ("a", "The {fine} is fine. Could you come on {bad}?", "No, the {fine} is good. Are you free on {bad}?"),
            ("b", "I'm busy on {bad}. I can repair it on {day}.", "{bad} is full, but {day} is possible."),
            ("a", "{day} is good. At {time}?", "Please come on {day} at {time}."),
        ),
        summaries=(
            "{a} needs {b} to repair the {machine}[ on {day}][ at {time}].",
            "{a} asks {b} to repair the {machine}[ on {day}][ at {time}].",
            "{a} has a problem with the {machine}, and {b} will come[ on {day}][ at {time}].",
            "The {machine} of {a} doesn't work, so {b} will come[ on {day}][ at {time}].",
        ),
    ),
    Scenario(
        "illness",
        required={"illness": "illness", "remedy": "remedy", "day": "day"},
        distractors={"other": "remedy", "bad": "day"},
        turns=(
            ("a", "I have a {illness} and can't come to work.", "I feel awful, the doctor says it is a {illness}."),
            ("b", "A {illness}? Will you be back on {bad}?", "Poor you. Can you come again on {bad}?"),
            ("a", "Not on {bad}, I must stay in bed until {day}.", "No, {bad} is too early. I stay home until {day}."),
            ("b", "Shall I bring you {other}?", "Do you need {other}?"),
            ("a", "I have {other}, but {remedy} would help.", "Please bring {remedy}, not {other}."),
        ),
        summaries=(
            "{a} has a {illness}[ and stays home until {day}], and {b} will bring {remedy}.",
            "{a} stays in bed with a {illness}[ until {day}][, and {b} brings {remedy}].",
            "{a} can't work because of a {illness}[ until {day}], and {b} will bring {remedy}.",
            "{a} has a {illness} and asks {b} for {remedy}[, and stays in bed until {day}].",
        ),
    ),
    Scenario(
        "homework",
        required={"subject": "subject", "task": "task", "day": "day"},
        distractors={"easy": "subject", "bad": "day"},
        turns=(
            ("a", "I don't understand my {subject} {task}.", "The {task} for {subject} is too hard for me."),
            ("b", "Really? And how is {easy}?", "I see. Do you need help with {easy} too?"),
            ("a", "No, {easy} is easy. Can you help me on {bad}?", "No, {easy} is fine. Do you have time on {bad}?"),
            ("b", "On {bad} I'm away. Let's do it on {day}.", "Not on {bad}. I'm free on {day}."),
            ("a", "{day} is great, the {task} can wait.", "Then on {day}. I'll bring my books."),
        ),
        summaries=(
            "{a} gets help from {b} with the {subject} {task}[ on {day}].",
            "{a} asks {b} for help with the {subject} {task}[ on {day}].",
            "{a} and {b} will do the {subject} {task} together[ on {day}].",
            "{a} doesn't understand the {subject} {task}, so {b} will help[ on {day}].",
        ),
    ),
    Scenario(
        "complaint",
        required={"product": "product", "fault": "fault", "offer": "offer"},
        distractors={"no": "offer"},
        turns=(
            ("a", "I bought this {product} here and it is {fault}.", "Look, the {product} from your shop is {fault}."),
            ("b", "I'm sorry. Would you like a {no}?", "Oh dear. I can offer you a {no}."),
            ("a", "A {no} doesn't help me. I want a {offer}.", "No {no}, please. I expect a {offer}."),
            ("b", "All right, you get a {offer}.", "Of course, here is your {offer}."),
            ("a", "And the {product}, do you keep it?", "Good. What happens with the {product}?"),
        ),
        summaries=(
            "{a} complains that the {product} is {fault}[ and gets a {offer} from {b}].",
            "{a} gets a {offer} from {b} for the[ {fault}] {product}.",
            "The {product} of {a} is {fault}[, so {b} gives a {offer}].",
            "{a} bought a[ {fault}] {product}, and {b} agrees to a {offer}.",
        ),
    ),
    Scenario(
        "directions",
        required={"place": "place", "side": "side", "landmark": "landmark"},
        distractors={"seen": "place"},
        turns=(
            ("a", "How do I get to the {place}?", "I'm looking for the {place}. Is it far?"),
            ("b", "Do you see the {seen} over there?", "Well, do you know the {seen}?"),
            ("a", "The {seen}? Yes.", "Yes, I just passed the {seen}."),
            ("b", "Go on until the {landmark} and turn {side}.", "Turn {side} when you reach the {landmark}."),
            ("a", "So {side} at the {landmark}.", "At the {landmark} I go {side}, I see."),
        ),
        summaries=(
            "{a} hears from {b} to turn {side}[ at the {landmark}][ for the {place}].",
            "{a} asks {b} for the way[ to the {place}] and must turn {side}[ at the {landmark}].",
            "To get[ to the {place}], {a} must turn {side}[ at the {landmark}], says {b}.",
            "{a} must turn {side}[ at the {landmark}][ to find the {place}], says {b}.",
        ),
    ),
    Scenario(
        "pet",
        required={"animal": "animal", "day": "day", "time": "time"},
        distractors={"gone": "animal", "bad": "day"},
        turns=(
            ("a", "Could you look after my {animal} while I'm away?", "I'm away soon. Can you take my {animal}?"),
            ("b", "Sure, and the {gone}?", "Yes. Do you still have the {gone}?"),
            ("a", "The {gone} lives with my sister now.", "No, not the {gone}, only the {animal}."),
            ("b", "Fine. Are you back on {bad}?", "Okay, until {bad}?"),
            ("a", "No, not {bad}, on {day}. I'll bring it at {time}.", "Until {day}, please. I'll come at {time}."),
        ),
        summaries=(
            "{a} leaves the {animal} with {b}[ until {day}][ and brings it at {time}].",
            "{a} brings {b} the {animal}[ at {time}] and takes it back[ on {day}].",
            "{a} asks {b} to keep the {animal}[ until {day}][ and will come at {time}].",
            "The {animal} of {a} stays with {b}[ until {day}][, and {a} will come at {time}].",
        ),
    ),
    Scenario(
        "furniture",
        required={"furniture": "furniture", "day": "day", "transport": "transport"},
        distractors={"light": "furniture", "small": "transport"},
        turns=(
            ("a", "I'm moving on {day} and need a strong friend.", "Can you help me move on {day}?"),
            ("b", "On {day}? Sure. Is it the {light}?", "Yes, gladly. Must we carry the {light}?"),
            ("a", "No, the {light} is sold. It's the {furniture}.", "Not the {light}, only the {furniture}."),
            ("b", "The {furniture} is heavy. Do we take the {small}?", "Okay, the {furniture}. With the {small}?"),
            ("a", "The {small} is too small, so by {transport}.", "No, not the {small}. I have got a {transport}."),
        ),
        summaries=(
            "{a} will move the {furniture} with {b}[ by {transport}][ on {day}].",
            "{a} and {b} will carry the {furniture}[ on {day}][ and use a {transport}].",
            "{a} asks {b} to help[ on {day}] with the {furniture}[, and they take the {transport}].",
            "{a} is moving[ on {day}], and {b} helps with the {furniture}[ and the {transport}].",
        ),
    ),
)
