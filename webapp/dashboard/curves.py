"""Which curves a run of each kind shows, in the order in which one looks at them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from workers.models import RunKind


@dataclass(frozen=True)
class Curve:
    """One chart: the metrics in it, their unit, and what a reader should look for."""

    title: str
    unit: str
    series: tuple[str, ...]
    note: str = ""
    target: str = ""  # the key of the run's config that holds a line to be drawn


_LOSS = Curve("Loss", "nats", ("loss", "validation_loss"))

CURVES: Mapping[str, tuple[Curve, ...]] = {
    RunKind.SFT: (_LOSS,),
    RunKind.GENERATE: (),
    RunKind.REWARD: (
        _LOSS,
        Curve("Accuracy", "share of pairs", ("accuracy", "validation_accuracy"), "0.5 is chance."),
    ),
    RunKind.PPO: (
        Curve(
            "Reward",
            "standard deviations",
            ("reward", "held_out_reward", "judge_reward"),
            "When the reward rises while the judge falls, the policy is gaming the reward model.",
        ),
        Curve("KL to the anchor", "nats for each completion", ("kl", "held_out_kl"), "", "kl_target"),
        Curve("Entropy", "nats for each token", ("entropy",), "Falling to zero means that all answers are alike."),
        Curve("Clip fraction", "share of tokens", ("clip_fraction",)),
        Curve("Policy loss", "", ("policy_loss",)),
        Curve("Value loss", "", ("value_loss",)),
        Curve("Length", "tokens", ("length",)),
        Curve("Finished", "share that ends by itself", ("eos_rate",)),
        Curve("Weight of the KL penalty", "β", ("beta",)),
    ),
    RunKind.DPO: (
        Curve("Loss", "nats", ("loss",)),
        Curve("Accuracy", "share of pairs", ("accuracy",), "0.5 is chance."),
        Curve("KL to the anchor", "nats for each completion", ("kl",)),
        Curve(
            "Log-probabilities",
            "nats",
            ("chosen_logp", "rejected_logp"),
            "The chosen ones should not fall together with the rejected ones.",
        ),
        Curve("Margin", "nats", ("margin",)),
    ),
    RunKind.EVALUATE: (),
}


def curves_of(kind: str, config: Mapping[str, object]) -> list[dict[str, object]]:
    """The charts of a run as plain data, with the target lines that its config sets."""
    specs = []
    for curve in CURVES.get(kind, ()):
        target = config.get(curve.target)
        specs.append(asdict(curve) | {"target": target if isinstance(target, int | float) else None})
    return specs
