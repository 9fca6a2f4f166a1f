"""What is known of labels before a reward model learns from them: clean sides, wrong labels, reliable annotators."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from rlhf.agreement import agreement_band, pairwise_agreement, wrong_labels
from rlhf.exceptions import DataError
from rlhf.reliability import Reliability, reliabilities
from rlhf.training_config import RewardConfig
from rlhf.types import Ranking, Reporter

SIDES = ("train", "validation", "test")


def split_sides(rankings: Sequence[Ranking]) -> dict[str, list[Ranking]]:
    """The rankings of each side. Raises DataError for a prompt on two of them: its labels would leak into the test."""
    side_of: dict[str, str] = {}
    for ranking in rankings:
        first = side_of.setdefault(ranking.prompt_id, ranking.split)
        if first != ranking.split:
            raise DataError(
                f"Prompt {ranking.prompt_id} (“{ranking.prompt[:60]}…”) has rankings on the sides {first} and "
                f"{ranking.split}: the split is by prompt, all rankings of one belong to one side."
            )
    return {side: [ranking for ranking in rankings if ranking.split == side] for side in SIDES}


def smoothed(config: RewardConfig, rankings: Sequence[Ranking]) -> RewardConfig:
    """``config`` with ε from the agreement of ``rankings``, where asked for. Raises DataError without overlap."""
    if not config.smoothing_from_agreement:
        return config
    found = pairwise_agreement(rankings)
    if found is None:
        raise DataError(
            "smoothing_from_agreement needs pairs that two annotators decided; the training side has none: give "
            "label_smoothing, or have some prompts ranked by several people."
        )
    epsilon = wrong_labels(found.value)
    if epsilon >= 0.5:
        raise DataError(
            f"Annotators agree on {found.value:.2f} of the pairs: no more than by chance, nothing to learn."
        )
    return replace(config, label_smoothing=epsilon, smoothing_from_agreement=False)


def weighed(
    config: RewardConfig, rankings: Sequence[Ranking], reporter: Reporter
) -> tuple[list[Ranking], dict[str, Reliability]]:
    """The rankings that count, and each annotator's reliability (empty unless ``config`` asks for weights).

    Rankings by somebody no better than a coin have weight 0 and are left out, which is reported.
    """
    if not config.annotator_weights:
        return list(rankings), {}
    people = reliabilities(rankings)
    for name, one in people.items():
        if one.weight == 0:
            reporter.event(
                "warning",
                f"Annotator {name} has reliability {one.gamma:.2f}: the {one.rankings} rankings are left out.",
            )
    return [ranking for ranking in rankings if people[ranking.annotator].weight > 0], people


def weights_of(people: Mapping[str, Reliability], rankings: Sequence[Ranking]) -> list[float]:
    """The weight of each ranking; 1 for everybody where ``people`` is empty."""
    return [people[ranking.annotator].weight if people else 1.0 for ranking in rankings]


def label_facts(rankings: Sequence[Ranking], seed: int) -> dict[str, object]:
    """The annotators' agreement on ``rankings`` and the band of the best possible accuracy; None without overlap."""
    found = pairwise_agreement(rankings, seed)
    return {"agreement": found, "agreement_band": None if found is None else agreement_band(found)}
