"""The settings of reward model and DPO, and the presets of all trainings, for a web process to check without torch.

The defaults suit Flan-T5 with LoRA. `PRESETS` holds what differs for the generated corpus's tiny policy.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from rlhf.config import LoraSpec, SamplingConfig, SFTConfig, from_mapping, require, to_mapping
from rlhf.evaluation_config import EvaluateConfig
from rlhf.exceptions import ConfigError
from rlhf.policy_gradient_config import PPOConfig, RLOOConfig
from rlhf.stop_rules import StopLimits
from rlhf.toy_settings import SFT_ON_FILES

__all__ = ["PRESETS", "DPOConfig", "DPOForm", "PPOConfig", "RLOOConfig", "RewardConfig", "TieRule", "with_preset"]

TieRule = Literal["rao-kupper", "soft", "drop"]
DPOForm = Literal["sigmoid", "hinge", "ipo"]
C = TypeVar("C")


@dataclass(frozen=True)
class RewardConfig:
    """Settings of one training of a reward model."""

    adaptation: Literal["lora", "full"] = "lora"  # adapters on the anchor, or all weights of a copy for each member
    lora: LoraSpec = field(default_factory=LoraSpec)
    learning_rate: float = 1e-4  # AdamW; 1e-5 for full
    head_learning_rate: float = 1e-3  # the head starts from noise
    weight_decay: float = 0.01
    epochs: int = 2  # passes over the rankings, at most; more than 3 learns the noise
    batch_rankings: int = 8  # rankings in one step, each with all its pairs
    micro_batch: int = 0  # of them in one forward of one process, 0 for all; changes memory, not the result
    max_gradient_norm: float = 1.0
    evaluations: int = 2  # validations in an epoch; the weights with the lowest log-loss are kept
    patience: int = 3  # validations without improvement before it stops
    least_validation: int = 10  # rankings without which there is no early stop: their log-loss would be noise
    ties: Literal["auto", "rao-kupper", "soft", "drop"] = "auto"  # auto: Rao–Kupper from 5 % ties on, else soft
    likelihood: bool = False  # the completion's mean log-probability counts too, with a learnt weight (SimPO's reward)
    strength_margin: bool = False  # margin 1, ⅔, ⅓, 0 by strength
    label_smoothing: float = 0.0  # ε, the share of wrong labels
    smoothing_from_agreement: bool = False  # ε from the annotators' agreement on the training side instead
    annotator_weights: bool = False  # rankings count by their annotator's reliability, from what several ranked
    centering: float = 0.01  # c of c·mean((r_w + r_l)²)
    members: int = 3  # that score
    bootstrap: bool = True  # each scoring member sees prompts drawn with replacement
    judge_share: float = 0.25  # of the training prompts, kept for one member that only judges; 0: no judge
    null_control: bool = False  # one more member learns shuffled labels: its accuracy on such labels must be about ½
    penalty: float = 1.0  # λ in mean − λ·sd over the members
    normalisation_samples: int = 256  # completions of the reference policy that set mean 0 and sd 1
    temperature: float = 1.0  # of those
    max_new_tokens: int = 64  # of those
    max_prompt_tokens: int = 512
    max_completion_tokens: int = 128  # longer texts are counted and left out; leave room above max_new_tokens
    batch_size: int = 64  # completions in one forward without gradient
    checkpoint_every: int = 0  # steps between checkpoints that a broken training resumes from, 0 for none
    keep_checkpoints: int = 2  # the newest ones that stay

    def __post_init__(self) -> None:
        for name in ("learning_rate", "head_learning_rate", "max_gradient_norm", "temperature"):
            require(getattr(self, name) > 0, f"{name} must be above 0, not {getattr(self, name)}")
        for name in ("epochs", "batch_rankings", "evaluations", "patience", "members", "max_new_tokens", "batch_size"):
            require(getattr(self, name) >= 1, f"{name} must be at least 1, not {getattr(self, name)}")
        require(
            self.normalisation_samples >= 2,
            f"normalisation_samples must be at least 2, not {self.normalisation_samples}: one has no spread",
        )
        require(0 <= self.label_smoothing < 0.5, f"label_smoothing must be in [0, 0.5), not {self.label_smoothing}")
        require(
            not (self.label_smoothing and self.smoothing_from_agreement),
            "give label_smoothing or smoothing_from_agreement, not both",
        )
        require(0 <= self.judge_share <= 0.5, f"judge_share must be in [0, 0.5], not {self.judge_share}")
        for name in ("weight_decay", "centering", "penalty"):
            require(getattr(self, name) >= 0, f"{name} must not be negative, but is {getattr(self, name)}")
        require(
            self.max_new_tokens < self.max_completion_tokens,
            f"max_completion_tokens must be above max_new_tokens, {self.max_new_tokens}, and is "
            f"{self.max_completion_tokens}",
        )
        require(self.lora.dropout == 0, f"lora.dropout must be 0 in reward training, not {self.lora.dropout}")


@dataclass(frozen=True)
class DPOConfig:
    """Settings of one DPO training."""

    beta: float = 0.1
    form: DPOForm = "sigmoid"
    ties: Literal["auto", "rao-kupper", "soft", "drop"] = "auto"  # auto: Rao–Kupper from 5 % ties on, else soft
    label_smoothing: float = 0.0  # ε, the share of wrong labels
    sft_coefficient: float = 0.0  # of −log π(best group | prompt) for each token, added to the loss
    lora: LoraSpec = field(default_factory=LoraSpec)
    learning_rate: float = 1e-4  # AdamW, linear to 0
    saved_learning_rate: float = 1e-2  # of lora.modules_to_save, as a share of their magnitude
    weight_decay: float = 0.0
    epochs: int = 2
    batch_rankings: int = 8  # rankings in one step, each with all its pairs
    micro_batch: int = 0  # of them in one forward of one process, 0 for all; changes memory, not the result
    max_gradient_norm: float = 1.0
    evaluations: int = 4  # held-out measurements in an epoch
    held_out_samples: int = 128  # completions of a measurement
    kl_limit: float = 10.0  # nats a sequence on samples; above it the training stops
    temperature: float = 1.0  # of those samples
    max_new_tokens: int = 64
    max_prompt_tokens: int = 512
    max_completion_tokens: int = 128
    batch_size: int = 64  # completions in one forward without gradient
    checkpoint_every: int = 0  # steps between checkpoints that a broken training resumes from, 0 for none
    keep_checkpoints: int = 2  # the newest ones that stay

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_rankings", "evaluations", "held_out_samples", "max_new_tokens", "batch_size"):
            require(getattr(self, name) >= 1, f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("beta", "learning_rate", "saved_learning_rate", "max_gradient_norm", "temperature"):
            require(getattr(self, name) > 0, f"{name} must be above 0, not {getattr(self, name)}")
        for name in ("weight_decay", "sft_coefficient"):
            require(getattr(self, name) >= 0, f"{name} must not be negative, but is {getattr(self, name)}")
        require(0 <= self.label_smoothing < 0.5, f"label_smoothing must be in [0, 0.5), not {self.label_smoothing}")
        require(
            self.form == "sigmoid" or self.ties != "rao-kupper", f"ties rao-kupper needs form sigmoid, not {self.form}"
        )
        require(self.lora.dropout == 0, f"lora.dropout must be 0 in DPO, not {self.lora.dropout}")
        _ = self.limits

    @property
    def sampling(self) -> SamplingConfig:
        """How the policy is sampled for its held-out KL."""
        return SamplingConfig(max_new_tokens=self.max_new_tokens, temperature=self.temperature)

    @property
    def limits(self) -> StopLimits:
        """DPO has no KL target, only the limit."""
        return StopLimits(kl_target=None, kl_limit=self.kl_limit)


_TINY_LORA = {"rank": 16, "alpha": 16, "targets": "all-linear", "decoder_only": True}
_TINY_POLICY_LORA = {**_TINY_LORA, "modules_to_save": ("decoder.final_layer_norm",)}

PRESETS: Mapping[str, Mapping[type[object], Mapping[str, object]]] = {
    "flan": {},
    "tiny": {
        SFTConfig: to_mapping(SFT_ON_FILES),
        RewardConfig: {
            "lora": _TINY_LORA,
            "learning_rate": 2e-3,
            "head_learning_rate": 1e-2,
            "likelihood": True,
            "bootstrap": False,
            "judge_share": 0.2,
        },
        PPOConfig: {
            "lora": _TINY_POLICY_LORA,
            "learning_rate": 1.5e-3,
            "value_learning_rate": 5e-3,
            "saved_learning_rate": 0.025,
            "rollouts": 16,
            "rollout_prompts": 128,
            "minibatch": 64,
            "epochs": 2,
            "beta": 0.02,
            "kl_target": 0.8,
            "kl_limit": 2.0,
            "horizon": 400.0,
            "evaluate_every": 4,
        },
        RLOOConfig: {
            "lora": _TINY_POLICY_LORA,
            "learning_rate": 1.5e-3,
            "saved_learning_rate": 0.025,
            "rollouts": 16,
            "rollout_prompts": 32,
            "minibatch": 64,
            "epochs": 2,
            "beta": 0.02,
            "kl_target": 0.8,
            "kl_limit": 2.0,
            "horizon": 400.0,
            "evaluate_every": 4,
        },
        DPOConfig: {
            "lora": _TINY_POLICY_LORA,
            "learning_rate": 5e-4,
            "saved_learning_rate": 0.06,
            "evaluations": 2,
        },
        EvaluateConfig: {"toxicity": "profanity-proxy"},  # the same figure wherever the tiny policy is measured
    },
}
"""For a policy of a million parameters 1e-4 is too slow, and q and v alone are too little to adapt.

Found by trial on the generated corpus. Its summaries have about 6 nats of entropy in all, so that 1 nat is a long way
from the anchor; the kl_limit is 2.5 times the target, as in the defaults (10 nats came too late: docs/results.md).
Half of its flaws are slips, tokens from the tail of the distribution: what mends them all is a sharper distribution,
and that is the gain of the last norm, which a low-rank update of other layers hardly moves. A bootstrap of 300 rankings
costs more accuracy than the spread of its members is worth.
"""


def with_preset(cls: type[C], mapping: Mapping[str, object]) -> C:
    """The config ``cls`` from ``mapping``; its key ``preset`` names the values that stand where none is given.

    Raises ConfigError for an unknown preset or key, a wrong type or a value out of range.
    """
    given = dict(mapping)
    name = given.pop("preset", "flan")
    if not isinstance(name, str) or name not in PRESETS:
        raise ConfigError(f"There is no preset {name!r}; there are {', '.join(PRESETS)}.")
    preset = dict(PRESETS[name].get(cls, {}))
    if given.get("method", preset.get("method")) != preset.get("method"):
        preset.pop("learning_rate", None)  # found for the preset's own method; the others have theirs
    return from_mapping(cls, merged(preset, given))


def merged(below: Mapping[str, object], above: Mapping[str, object]) -> dict[str, object]:
    """Both mappings, nested ones key by key; ``above`` wins."""
    both = dict(below)
    for key, value in above.items():
        under = both.get(key)
        both[key] = merged(under, value) if isinstance(under, Mapping) and isinstance(value, Mapping) else value
    return both
