"""Medians, ratios and the Markdown table of a race."""

from collections.abc import Sequence
from statistics import median
from typing import Any

from bench.races.catalogue import Race
from bench.races.driver import Steps
from bench.races.work import Work

TOLERANCE = {"fp32": 1e-4, "bf16": 2e-2}
"""Of DPO's loss: both sides start from the same weights, take the same pairs and make the same steps."""

HEAD = (
    "| race | ours, CPU s | theirs, CPU s | ratio (range) | goal | ours, wall s | theirs, wall s | ratio (range) "
    "| ours, MiB | theirs, MiB |\n" + "|" + " --- |" * 10
)


def row(name: str, race: Race, ours: Steps, theirs: Steps) -> str:
    """One line of the table: medians; the range of the ratio is that of the pairs of neighbouring steps."""
    cells = [f"{name}: {race.title} against {race.peer}"]
    for clock in ("cpu", "wall"):
        mine, other = ours.values(clock), theirs.values(clock)
        ratios = [b / a for a, b in zip(mine, other, strict=True)]
        cells += [f"{median(mine):.2f}", f"{median(other):.2f}"]
        cells.append(f"{median(other) / median(mine):.2f} ({min(ratios):.2f}–{max(ratios):.2f})")
        cells += [f"{race.goal:g}"] if clock == "cpu" else []
    cells += [f"{ours.peak:.0f}", f"{theirs.peak:.0f}"]
    return "| " + " | ".join(cells) + " |"


def equal_work(work: Work, race: Race, ours: Steps, theirs: Steps) -> str:
    """What of the numeric work was the same, and what was measured of it."""
    lines = [_stated(work)]
    for fact in ("tokens", "pairs"):
        if fact in ours.reports[-1]:
            mine, other = ours.values(fact), theirs.values(fact)
            lines.append(f"{fact} in a step: {_span(mine)} and {_span(other)}")
            rates = [f / s for f, s in zip(mine, ours.values("wall"), strict=True)]
            others = [f / s for f, s in zip(other, theirs.values("wall"), strict=True)]
            lines.append(f"{race.unit} a second of wall: {median(rates):.1f} and {median(others):.1f}")
    if "trainable" in theirs.ready:
        lines.append(f"trainable parameters of theirs: {theirs.ready['trainable']:,}")
    lines += [
        f"{fact} of the first step: {ours.ready[fact]:.4f} and {theirs.ready[fact]:.4f}"
        for fact in ("kl", "entropy", "reward")
        if fact in ours.ready and fact in theirs.ready
    ]
    if work.race == "dpo":
        apart = _apart(ours, theirs)
        lines.append(f"losses {_listed(_losses(ours))} and {_listed(_losses(theirs))}: at most {apart:.1e} apart")
    if work.race == "reward":
        lines.append(f"losses (two different heads) {_listed(_losses(ours))} and {_listed(_losses(theirs))}")
    if "greedy" in ours.ready:
        same = ours.ready["greedy"] == theirs.ready["greedy"]
        lines.append(f"greedy ids of two prompts: {'equal' if same else 'DIFFERENT'}")
    lines += [
        f"theirs, {phase}: {median(theirs.values(f'{phase}_wall')):.2f} s of wall"
        for phase in ("generate", "score", "update")
        if f"{phase}_wall" in theirs.reports[-1]
    ]
    return "\n".join(f"- {line}" for line in lines)


def unequal(work: Work, ours: Steps, theirs: Steps) -> list[str]:
    """What must be the same on both sides and is not."""
    found = [
        f"{work.race}: {fact} {_span(ours.values(fact))} and {_span(theirs.values(fact))}"
        for fact in ("tokens", "pairs")
        if fact in ours.reports[-1] and ours.values(fact) != theirs.values(fact)
    ]
    if work.race == "dpo" and _apart(ours, theirs) > TOLERANCE[work.dtype]:
        found.append(f"dpo: the losses are up to {_apart(ours, theirs):.1e} apart, over {TOLERANCE[work.dtype]:g}")
    if "greedy" in ours.ready and work.dtype == "fp32" and ours.ready["greedy"] != theirs.ready["greedy"]:
        found.append(f"{work.race}: the greedy ids differ")
    return found


def _apart(ours: Steps, theirs: Steps) -> float:
    """The largest difference of two losses of the same step."""
    return max(abs(a - b) for a, b in zip(_losses(ours), _losses(theirs), strict=True))


def _stated(work: Work) -> str:
    if work.race in ("reward", "dpo"):
        return (
            f"{work.rankings} rankings of {work.completions} in a step = {work.pairs} pairs, prompts of "
            f"{work.prompt_tokens} and completions of {work.completion_tokens} tokens, one forward, one backward, one "
            "step of AdamW"
        )
    sampled = f"{work.prompts} prompts × {work.samples} of {work.prompt_tokens} tokens, {work.new_tokens} new tokens"
    if work.race == "generate":
        return sampled
    updates = work.epochs * -(-work.sampled // work.minibatch)
    return (
        f"{sampled}; one forward of policy and of reference, {work.epochs} epoch(s), {updates} forwards and backwards "
        f"of {work.minibatch} and steps of Adam"
    )


def _losses(side: Steps) -> list[float]:
    return [float(side.ready["loss"]), *side.values("loss")]


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.4f}" for value in values)


def _span(values: Sequence[float]) -> str:
    return f"{min(values):.0f}" if min(values) == max(values) else f"{min(values):.0f}–{max(values):.0f}"


def as_json(work: Work, ours: Steps, theirs: Steps | None = None) -> dict[str, Any]:
    """Everything that was reported."""
    sides = {"ours": ours} | ({"theirs": theirs} if theirs is not None else {})
    return {"work": vars(work), **{name: {"ready": side.ready, "steps": side.reports} for name, side in sides.items()}}
