"""The control of a reward model's training: one member that learns labels without information."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from rlhf.judged_pairs import judged
from rlhf.models import Policy
from rlhf.reward_fit import TieSettings, fit_member
from rlhf.reward_model import MemberSettings, RewardEnsemble, RewardSettings
from rlhf.reward_report import accuracy
from rlhf.shuffled import shuffled_labels
from rlhf.training_config import RewardConfig
from rlhf.types import Interval, Ranking, Reporter

NAME = "null"


def null_accuracy(
    config: RewardConfig,
    policy: Policy,
    ties: TieSettings,
    sides: Mapping[str, Sequence[Ranking]],
    settings: RewardSettings,
    *,
    seed: int,
    reporter: Reporter,
) -> Interval | None:
    """Train ``policy`` (the anchor, changed in place) on shuffled labels; its accuracy on shuffled test labels.

    It has to be ½ within its interval: whatever is above leaked. None where the test side has no decided pair. Nothing
    is saved.
    """
    null = {side: shuffled_labels(rankings, seed) for side, rankings in sides.items()}
    model = fit_member(config, policy, ties, null["train"], null["validation"], seed=seed, reporter=reporter)
    # Its adapter lies on its own body already: nothing to switch, as with whole models.
    alone = replace(settings, adaptation="full", members=(MemberSettings(NAME, "scorer"),), penalty=0.0)
    ensemble = RewardEnsemble(alone, {NAME: policy}, {NAME: model.head}, batch=config.batch_size)
    return accuracy(judged(ensemble, null["test"]).pairs, seed)
