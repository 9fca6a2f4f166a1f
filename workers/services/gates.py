"""What must hold before a round may start, and before its policy may be trained."""

from dataclasses import asdict, dataclass, field
from typing import Any

from annotation.models import Project, Ranking


@dataclass(frozen=True)
class Gate:
    """``reasons`` says, for each rule that is not met, what was seen and what to do."""

    passed: bool
    reasons: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def rankings_gate(*, project: Project) -> Gate:
    """Are there rankings enough?"""
    seen = Ranking.objects.training().filter(project=project).count()
    if seen >= project.min_rankings:
        return Gate(passed=True)
    missing = project.min_rankings - seen
    return _closed(
        f"{seen} of the {project.min_rankings} rankings that a round needs: "
        f"collect {missing} more, or lower the project's gate."
    )


def reward_gate(*, project: Project, accuracy: dict[str, Any] | None) -> Gate:
    """Is the reward model better than the gate on held-out prompts? ``accuracy`` is {value, low, high, n}."""
    lowest = project.min_reward_accuracy
    if accuracy is None or not accuracy.get("n"):
        return _closed(
            "The reward model's accuracy could not be measured: no ranking is of a held-out prompt. "
            "Collect more rankings."
        )
    if accuracy["low"] > lowest:
        return Gate(passed=True)
    return _closed(
        f"The reward model's accuracy on {accuracy['n']} held-out prompts is {accuracy['value']:.3f} "
        f"({accuracy['low']:.3f} to {accuracy['high']:.3f}): the lower bound must be above {lowest:g}. "
        "Collect more rankings, look at the agreement, or lower the project's gate."
    )


def both(first: Gate, second: Gate) -> Gate:
    return Gate(passed=first.passed and second.passed, reasons=[*first.reasons, *second.reasons])


def _closed(reason: str) -> Gate:
    return Gate(passed=False, reasons=[reason])
