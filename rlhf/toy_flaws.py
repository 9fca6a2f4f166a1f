"""Flawed summaries of generated dialogues: what an annotator should rank below a good one."""

import random
from typing import Literal, get_args

from rlhf.toy_dialogues import Dialogue, scenario_named, seeded
from rlhf.toy_scenario import Scenario, choose, parts, without
from rlhf.toy_talk import FILLER, INVENTED, RUDE
from rlhf.toy_vocabulary import KINDS
from rlhf.types import Example

Flaw = Literal["wrong", "swapped", "missing", "invented", "long", "rude"]
FLAWS: tuple[Flaw, ...] = get_args(Flaw)
FLAWED_SHARE = 0.42
LONG_FACTOR = 1.5
"""A summary is too long when it has more than this many times the words of the longest correct one."""


def flawed_reference(dialogue: Dialogue, rng: random.Random) -> str:
    """A summary of the dialogue with one seeded flaw, of any kind that this dialogue admits."""
    return flawed_by(dialogue, choose(rng, FLAWS), rng)


def good_reference(dialogue: Dialogue, rng: random.Random) -> str:
    """A correct summary in one of the corpus's own wordings."""
    return choose(rng, _scenario(dialogue).wordings()).format_map(dialogue.facts.required)


def flawed_by(dialogue: Dialogue, flaw: Flaw, rng: random.Random) -> str:
    """A summary with this flaw; where roles cannot be swapped (all is done together), a wrong word instead."""
    good = good_reference(dialogue, rng)
    if flaw == "missing":
        return _missing(dialogue, rng)
    if flaw == "invented":
        return f"{good} {_invention(dialogue, rng)}"
    if flaw == "long":
        return _long(dialogue, good, rng)
    if flaw == "rude":
        rude = choose(rng, RUDE).format(who=_person(dialogue, rng))
        return f"{good} {rude}" if rng.random() < 0.5 else f"{rude} {good}"
    if flaw == "swapped":
        swapped = _swapped(dialogue, rng)
        return swapped if swapped not in dialogue.references else _wrong(dialogue, rng)
    return _wrong(dialogue, rng)


def sft_examples(chosen: list[Dialogue], *, seed: int, flawed_share: float = FLAWED_SHARE) -> list[Example]:
    """Training pairs of which ``flawed_share`` have a flawed target; each is decided by the seed and its own id."""
    examples = []
    for dialogue in chosen:
        rng = seeded("sft", seed, dialogue.id)
        flawed = rng.random() < flawed_share
        target = flawed_reference(dialogue, rng) if flawed else good_reference(dialogue, rng)
        examples.append(Example(dialogue.text, target))
    return examples


def _scenario(dialogue: Dialogue) -> Scenario:
    return scenario_named(dialogue.facts.scenario)


def _person(dialogue: Dialogue, rng: random.Random) -> str:
    return dialogue.facts.required[choose(rng, ("a", "b"))]


def _missing(dialogue: Dialogue, rng: random.Random) -> str:
    summary = choose(rng, _scenario(dialogue).summaries)
    return without(summary, int(rng.random() * parts(summary))).format_map(dialogue.facts.required)


def _wrong(dialogue: Dialogue, rng: random.Random) -> str:
    """One fact replaced: by a word the dialogue rejects where there is one of its kind, else by another of its kind."""
    facts = dialogue.facts
    scenario = _scenario(dialogue)
    slot = choose(rng, tuple(facts.required))
    kind = scenario.kinds[slot]
    rejected = [word for other, word in facts.forbidden.items() if scenario.kinds[other] == kind]
    others = rejected or [word for word in KINDS[kind] if word not in facts.required.values()]
    values = {**facts.required, slot: choose(rng, others)}
    return choose(rng, scenario.wordings()).format_map(values)


def _swapped(dialogue: Dialogue, rng: random.Random) -> str:
    required = dialogue.facts.required
    values = {**required, "a": required["b"], "b": required["a"]}
    return choose(rng, _scenario(dialogue).wordings()).format_map(values)


def _invention(dialogue: Dialogue, rng: random.Random) -> str:
    facts = dialogue.facts
    known = {*facts.required.values(), *facts.forbidden.values()}
    kind, sentence = choose(rng, INVENTED)
    new = choose(rng, [word for word in KINDS[kind] if word not in known])
    return sentence.format(who=_person(dialogue, rng), new=new)


def _long(dialogue: Dialogue, good: str, rng: random.Random) -> str:
    text, unused = good, list(FILLER)
    while len(unused) > len(FILLER) - 2 or len(text.split()) <= word_limit(dialogue):
        text = f"{text} {unused.pop(int(rng.random() * len(unused)))}"
    return text


def word_limit(dialogue: Dialogue) -> int:
    """The most words a summary of this dialogue may have before it counts as too long."""
    return round(LONG_FACTOR * max(len(reference.split()) for reference in dialogue.references))
