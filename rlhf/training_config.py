"""The settings of reward model, PPO and DPO, apart from their code so that a web process can check them without torch.

The defaults suit Flan-T5 with LoRA. `PRESETS` holds what differs for the generated corpus's tiny policy.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from rlhf.config import LoraSpec, SamplingConfig, from_mapping, require
from rlhf.evaluation_config import EvaluateConfig
from rlhf.exceptions import ConfigError
from rlhf.stop_rules import StopLimits

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
    max_gradient_norm: float = 1.0
    evaluations: int = 2  # validations in an epoch; the weights with the lowest log-loss are kept
    patience: int = 3  # validations without improvement before it stops
    least_validation: int = 10  # rankings without which there is no early stop: their log-loss would be noise
    ties: Literal["auto", "rao-kupper", "soft", "drop"] = "auto"  # auto: Rao–Kupper from 5 % ties on, else soft
    likelihood: bool = False  # the completion's mean log-probability counts too, with a learnt weight (SimPO's reward)
    strength_margin: bool = False  # margin 1, ⅔, ⅓, 0 by strength
    label_smoothing: float = 0.0  # ε, the share of wrong labels; from measured agreement
    centering: float = 0.01  # c of c·mean((r_w + r_l)²)
    members: int = 3  # that score
    bootstrap: bool = True  # each scoring member sees prompts drawn with replacement
    judge_share: float = 0.25  # of the training prompts, kept for one member that only judges; 0: no judge
    penalty: float = 1.0  # λ in mean − λ·sd over the members
    normalisation_samples: int = 256  # completions of the reference policy that set mean 0 and sd 1
    temperature: float = 1.0  # of those
    max_new_tokens: int = 64  # of those
    max_prompt_tokens: int = 512
    max_completion_tokens: int = 128  # longer texts are counted and left out; leave room above max_new_tokens
    batch_size: int = 64  # completions in one forward without gradient

    def __post_init__(self) -> None:
        for name in ("learning_rate", "head_learning_rate", "max_gradient_norm", "temperature"):
            require(getattr(self, name) > 0, f"{name} must be above 0, not {getattr(self, name)}")
        for name in ("epochs", "batch_rankings", "evaluations", "patience", "members", "max_new_tokens", "batch_size"):
            require(getattr(self, name) >= 1, f"{name} must be at least 1, not {getattr(self, name)}")
        require(self.normalisation_samples >= 2, "normalisation_samples must be at least 2: one has no spread")
        require(0 <= self.label_smoothing < 0.5, f"label_smoothing must be in [0, 0.5), not {self.label_smoothing}")
        require(0 <= self.judge_share <= 0.5, f"judge_share must be in [0, 0.5], not {self.judge_share}")
        for name in ("weight_decay", "centering", "penalty"):
            require(getattr(self, name) >= 0, f"{name} must not be negative, but is {getattr(self, name)}")
        require(self.max_new_tokens < self.max_completion_tokens, "max_completion_tokens must be above max_new_tokens")
        require(self.lora.dropout == 0, "dropout is off in reward training: lora.dropout must be 0")


@dataclass(frozen=True)
class PPOConfig:
    """Settings of one PPO training."""

    rollouts: int = 100  # batches of samples; one optimisation phase each
    rollout_prompts: int = 64  # prompts in a rollout
    samples_per_prompt: int = 1  # completions of each; the encoder reads the prompt once for all of them
    minibatch: int = 16  # completions in one optimiser step
    epochs: int = 4  # passes over a rollout
    learning_rate: float = 1e-4  # Adam, linear to 0; 3e-5 to 3e-4 for LoRA on Flan-T5
    saved_learning_rate: float = 1e-2  # of lora.modules_to_save, as a share of their magnitude
    value_learning_rate: float = 1e-3  # the value head is linear and starts at 0
    adam_epsilon: float = 1e-5
    max_gradient_norm: float = 1.0
    lora: LoraSpec = field(default_factory=LoraSpec)
    clip: float = 0.2  # of the ratio
    value_clip: float = 0.2
    value_coefficient: float = 0.1  # c1
    entropy_coefficient: float = 0.0  # c2
    gamma: float = 1.0
    lam: float = 0.95
    beta: float = 0.1  # of the KL in the reward, at the start
    kl_target: float | None = 4.0  # nats a sequence; None keeps beta as it is
    horizon: float | None = None  # episodes of the KL controller; None: total episodes / 5
    temperature: float = 1.0  # of the sampling; logits are divided by it in policy and reference
    max_new_tokens: int = 64
    max_prompt_tokens: int = 512
    missing_eos_reward: float = -1.0
    evaluate_every: int = 10  # rollouts between two held-out measurements
    held_out_samples: int = 128  # completions of a measurement
    kl_limit: float = 10.0  # nats a sequence; above it the training stops
    batch_size: int = 64  # completions in one forward without gradient

    def __post_init__(self) -> None:
        for name in (
            "rollouts", "rollout_prompts", "samples_per_prompt", "minibatch", "epochs", "max_new_tokens",
            "evaluate_every", "held_out_samples", "batch_size",
        ):  # fmt: skip
            require(getattr(self, name) >= 1, f"{name} must be at least 1, not {getattr(self, name)}")
        for name in (
            "learning_rate", "saved_learning_rate", "value_learning_rate", "adam_epsilon", "max_gradient_norm",
            "temperature",
        ):  # fmt: skip
            require(getattr(self, name) > 0, f"{name} must be above 0, not {getattr(self, name)}")
        for name in ("value_coefficient", "entropy_coefficient", "beta"):
            require(getattr(self, name) >= 0, f"{name} must not be negative, but is {getattr(self, name)}")
        for name in ("gamma", "lam"):
            require(0 <= getattr(self, name) <= 1, f"{name} must be in [0, 1], not {getattr(self, name)}")
        require(0 < self.clip < 1, f"clip must be in (0, 1), not {self.clip}")
        require(self.value_clip > 0, f"value_clip must be above 0, not {self.value_clip}")
        require(self.horizon is None or self.horizon > 0, f"horizon must be above 0 episodes, not {self.horizon}")
        require(self.kl_target is None or self.beta > 0, "beta must start above 0 when a kl_target adapts it")
        require(self.lora.dropout == 0, "dropout is off in PPO, or the first ratio is not 1: lora.dropout must be 0")
        _ = self.limits

    @property
    def sampling(self) -> SamplingConfig:
        """Sampling for RL is plain: no nucleus, no top-k, or the log-probabilities would not be the sampler's."""
        return SamplingConfig(max_new_tokens=self.max_new_tokens, temperature=self.temperature)

    @property
    def episodes(self) -> int:
        """Completions of the whole training."""
        return self.rollouts * self.rollout_prompts * self.samples_per_prompt

    @property
    def limits(self) -> StopLimits:
        """The limits of the stop rules."""
        return StopLimits(kl_target=self.kl_target, kl_limit=self.kl_limit)


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
    max_gradient_norm: float = 1.0
    evaluations: int = 4  # held-out measurements in an epoch
    held_out_samples: int = 128  # completions of a measurement
    kl_limit: float = 10.0  # nats a sequence on samples; above it the training stops
    temperature: float = 1.0  # of those samples
    max_new_tokens: int = 64
    max_prompt_tokens: int = 512
    max_completion_tokens: int = 128
    batch_size: int = 64  # completions in one forward without gradient

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_rankings", "evaluations", "held_out_samples", "max_new_tokens", "batch_size"):
            require(getattr(self, name) >= 1, f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("beta", "learning_rate", "saved_learning_rate", "max_gradient_norm", "temperature"):
            require(getattr(self, name) > 0, f"{name} must be above 0, not {getattr(self, name)}")
        for name in ("weight_decay", "sft_coefficient"):
            require(getattr(self, name) >= 0, f"{name} must not be negative, but is {getattr(self, name)}")
        require(0 <= self.label_smoothing < 0.5, f"label_smoothing must be in [0, 0.5), not {self.label_smoothing}")
        require(
            self.form == "sigmoid" or self.ties != "rao-kupper", f"Rao–Kupper ties need form sigmoid, not {self.form}"
        )
        require(self.lora.dropout == 0, "dropout is off in DPO: lora.dropout must be 0")
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
from the anchor. Half of its flaws are slips, tokens from the tail of the distribution: what mends them all is a sharper
distribution, and that is the gain of the last norm, which a low-rank update of other layers hardly moves. A bootstrap
of 300 rankings costs more accuracy than the spread of its members is worth.
"""


def with_preset(cls: type[C], mapping: Mapping[str, object]) -> C:
    """The config ``cls`` from ``mapping``; its key ``preset`` names the values that stand where none is given.

    Raises ConfigError for an unknown preset or key, a wrong type or a value out of range.
    """
    given = dict(mapping)
    name = given.pop("preset", "flan")
    if name not in PRESETS:
        raise ConfigError(f"There is no preset {name!r}; there are {', '.join(PRESETS)}.")
    return from_mapping(cls, {**PRESETS[str(name)].get(cls, {}), **given})
