"""The settings of PPO and RLOO, apart from their code so that a web process can check them without torch."""

from dataclasses import dataclass, field

from rlhf.config import LoraSpec, SamplingConfig, require
from rlhf.stop_rules import StopLimits


@dataclass(frozen=True)
class PolicyGradientConfig:
    """What PPO and RLOO have in common: rollouts, a clipped objective, the KL penalty, held-out measurements."""

    rollouts: int = 100  # batches of samples; one optimisation phase each
    rollout_prompts: int = 64  # prompts in a rollout
    samples_per_prompt: int = 1  # completions of each; the encoder reads the prompt once for all of them
    minibatch: int = 16  # completions in one optimiser step
    micro_batch: int = 0  # of them in one forward of one process, 0 for all; changes memory, not the result
    epochs: int = 4  # passes over a rollout
    learning_rate: float = 1e-4  # Adam, linear to 0; 3e-5 to 3e-4 for LoRA on Flan-T5
    saved_learning_rate: float = 1e-2  # of lora.modules_to_save, as a share of their magnitude
    adam_epsilon: float = 1e-5
    max_gradient_norm: float = 1.0
    lora: LoraSpec = field(default_factory=LoraSpec)
    clip: float = 0.2  # of the ratio
    entropy_coefficient: float = 0.0  # c2
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
    checkpoint_every: int = 0  # rollouts between checkpoints that a broken training resumes from, 0 for none
    keep_checkpoints: int = 2  # the newest ones that stay

    def __post_init__(self) -> None:
        for name in (
            "rollouts", "rollout_prompts", "samples_per_prompt", "minibatch", "epochs", "max_new_tokens",
            "evaluate_every", "held_out_samples", "batch_size", "keep_checkpoints",
        ):  # fmt: skip
            require(getattr(self, name) >= 1, f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("learning_rate", "saved_learning_rate", "adam_epsilon", "max_gradient_norm", "temperature"):
            require(getattr(self, name) > 0, f"{name} must be above 0, not {getattr(self, name)}")
        for name in ("entropy_coefficient", "beta", "micro_batch", "checkpoint_every"):
            require(getattr(self, name) >= 0, f"{name} must not be negative, but is {getattr(self, name)}")
        require(0 < self.clip < 1, f"clip must be in (0, 1), not {self.clip}")
        require(self.horizon is None or self.horizon > 0, f"horizon must be above 0 episodes, not {self.horizon}")
        require(
            self.kl_target is None or self.beta > 0,
            f"beta must start above 0, not {self.beta}, when a kl_target ({self.kl_target}) adapts it",
        )
        require(self.lora.dropout == 0, f"lora.dropout must be 0, not {self.lora.dropout}, or the first ratio is not 1")
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
class PPOConfig(PolicyGradientConfig):
    """Settings of one PPO training."""

    value_learning_rate: float = 1e-3  # the value head is linear and starts at 0
    value_clip: float = 0.2
    value_coefficient: float = 0.1  # c1
    gamma: float = 1.0
    lam: float = 0.95

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.value_learning_rate > 0, f"value_learning_rate must be above 0, not {self.value_learning_rate}")
        require(self.value_coefficient >= 0, f"value_coefficient must not be negative, but is {self.value_coefficient}")
        require(self.value_clip > 0, f"value_clip must be above 0, not {self.value_clip}")
        for name in ("gamma", "lam"):
            require(0 <= getattr(self, name) <= 1, f"{name} must be in [0, 1], not {getattr(self, name)}")


@dataclass(frozen=True)
class RLOOConfig(PolicyGradientConfig):
    """Settings of one RLOO training (Ahmadian et al. 2024): the other samples of a prompt are the baseline."""

    rollout_prompts: int = 16
    samples_per_prompt: int = 4  # at least 2: each is compared with the mean of the others
    epochs: int = 1  # nearly on policy, as in the paper

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.samples_per_prompt >= 2, f"samples_per_prompt must be at least 2, not {self.samples_per_prompt}")
