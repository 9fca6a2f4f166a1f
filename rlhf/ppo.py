"""PPO's estimator (Schulman et al. 2017): generalised advantages over a value head, the KL in each token's reward."""

import torch
from torch import Tensor, nn

from rlhf.losses import clipped_value_loss, gae, token_rewards
from rlhf.policy_gradient import Readings
from rlhf.policy_gradient_config import PPOConfig
from rlhf.rollout import Samples
from rlhf.tensors import masked_whiten


class ValueHead(nn.Module):
    """V(state), linear in the decoder's last hidden state, which it reads detached, and in the prefix's
    log-probability; starts at 0.

    The state of a small model does not tell whether a word before it was a slip; the reference policy's probability
    of what stands there does. With it the value falls at the slip, and the advantage is that token's, not the text's.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.linear = nn.Linear(size + 1, 1)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, hidden: Tensor, prefix: Tensor) -> Tensor:
        """``hidden`` [B, T, D] and ``prefix`` [B, T], in nats -> values [B, T]."""
        values: Tensor = self.linear(torch.cat([hidden.detach().float(), prefix.unsqueeze(-1)], dim=-1))
        return values.squeeze(-1)


class Critic:
    """Advantages from a value head."""

    def __init__(self, config: PPOConfig, size: int, device: torch.device) -> None:
        self._config = config
        self.head = ValueHead(size).to(device)

    def rates(self) -> list[tuple[nn.Parameter, float]]:
        """The head's parameters."""
        return [(parameter, self._config.value_learning_rate) for parameter in self.head.parameters()]

    def values(self, hidden: Tensor, prefix: Tensor) -> Tensor:
        """V of each token [B, T]."""
        values: Tensor = self.head(hidden, prefix)
        return values

    def advantages(self, samples: Samples, readings: Readings, scores: Tensor, beta: float) -> tuple[Tensor, Tensor]:
        """Whitened over all real tokens of the rollout; the returns are not."""
        mask = samples.completions.mask
        rewards = token_rewards(readings.log_ratio, mask, scores, beta)
        advantages, returns = gae(rewards, readings.values, mask, gamma=self._config.gamma, lam=self._config.lam)
        return masked_whiten(advantages, mask), returns

    def loss(self, hidden: Tensor, prefix: Tensor, old: Tensor, returns: Tensor, mask: Tensor) -> Tensor:
        """c1 times the clipped value loss."""
        loss = clipped_value_loss(self.values(hidden, prefix), old, returns, mask, clip=self._config.value_clip)
        return self._config.value_coefficient * loss
