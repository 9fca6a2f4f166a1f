"""One PPO step by step: rollout with rewards and advantages, and the loss of a minibatch.

After Ziegler et al. 2019, Stiennon et al. 2020, Ouyang et al. 2022 and "The N implementation details of RLHF with
PPO" (Huang et al. 2023). The training loop is in train_ppo.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rlhf.losses import clipped_policy_loss, clipped_value_loss, gae, k3, token_rewards
from rlhf.models import Policy, PromptState
from rlhf.reward_model import RewardScorer, shares_encoder
from rlhf.rollout import Samples, read_tokens, sample, score, select
from rlhf.tensors import full_kl, masked_mean, masked_whiten
from rlhf.training_config import PPOConfig
from rlhf.types import Prompt, Reporter


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


def prefix_log_probabilities(log_probabilities: Tensor, mask: Tensor) -> Tensor:
    """Log-probability of all that stands before each token [B, T]; 0 at the first."""
    tokens = log_probabilities * mask
    return tokens.cumsum(dim=1) - tokens


@dataclass(frozen=True)
class Experience:
    """One rollout, ready for optimisation; all [B, T] unless said otherwise."""

    samples: Samples
    state: PromptState | None  # what the encoder read, where no adapter changes it
    old: Tensor  # log-probabilities at the time of sampling, from the training forward
    prefix: Tensor  # the reference's log-probability of what stands before each token
    values: Tensor
    advantages: Tensor  # whitened
    returns: Tensor
    rewards: Tensor  # [B], before the KL
    kl: Tensor  # [B] full-vocabulary KL summed over the steps
    k3: float  # estimate of the same from the samples
    entropy: float


@torch.no_grad()
def collect(
    config: PPOConfig,
    policy: Policy,
    value_head: ValueHead,
    scorer: RewardScorer,
    prompts: Sequence[Prompt],
    *,
    beta: float,
    seed: int,
    reporter: Reporter,
) -> Experience:
    """Sample, read with policy and reference, score, and estimate advantages."""
    # 1. Completions, at the temperature the log-probabilities are taken at.
    samples = sample(
        policy,
        prompts,
        config.samples_per_prompt,
        config.sampling,
        seed=seed,
        batch_size=config.batch_size,
        reporter=reporter,
    )
    mask = samples.completions.mask

    # 2. The training forward by policy and reference; generate()'s own probabilities are not used.
    shared = policy.read_prompts(samples.prompts) if shares_encoder(policy) else None
    old, theirs, values, prefix = (torch.zeros(mask.shape, device=mask.device) for _ in range(4))
    kl, entropies = torch.zeros(mask.shape, device=mask.device), torch.zeros(mask.shape, device=mask.device)
    for rows in torch.split(torch.arange(len(mask), device=mask.device), config.batch_size):
        part = select(samples, rows)
        width = part.completions.ids.shape[1]
        state = policy.read_prompts(part.prompts) if shared is None else shared
        owner = part.owner if shared is None else samples.owner[rows]
        ours = read_tokens(policy, state, owner, part.completions, temperature=config.temperature)
        with policy.reference():
            state = policy.read_prompts(part.prompts) if shared is None else shared
            anchor = read_tokens(policy, state, owner, part.completions, temperature=config.temperature)
        old[rows, :width] = ours.log_probabilities
        theirs[rows, :width] = anchor.log_probabilities
        prefix[rows, :width] = prefix_log_probabilities(anchor.log_probabilities, part.completions.mask)
        values[rows, :width] = value_head(ours.hidden, prefix[rows, :width])
        kl[rows, :width] = full_kl(ours.logits, anchor.logits)
        entropies[rows, :width] = ours.entropy

    # 3. Rewards: the KL at each token, the score at the last.
    scores = score(samples, scorer, missing_eos=config.missing_eos_reward)
    log_ratio = (old - theirs) * mask
    rewards = token_rewards(log_ratio, mask, scores, beta)

    # 4. Advantages, whitened over all real tokens of the rollout.
    advantages, returns = gae(rewards, values, mask, gamma=config.gamma, lam=config.lam)
    return Experience(
        samples=samples,
        state=shared,
        old=old,
        prefix=prefix,
        values=values,
        advantages=masked_whiten(advantages, mask),
        returns=returns,
        rewards=scores,
        kl=(kl * mask).sum(dim=1),
        k3=float((k3(log_ratio) * mask).sum(dim=1).mean()),
        entropy=float(masked_mean(entropies, mask)),
    )


@dataclass(frozen=True)
class Losses:
    """One minibatch; scalars."""

    total: Tensor
    policy: Tensor
    value: Tensor
    clip_fraction: Tensor


def minibatch_losses(
    config: PPOConfig, policy: Policy, value_head: ValueHead, experience: Experience, rows: Tensor
) -> Losses:
    """Policy, value and entropy losses of the completions ``rows``."""
    part = select(experience.samples, rows)
    mask, width = part.completions.mask, part.completions.ids.shape[1]
    state, owner = experience.state, experience.samples.owner[rows]
    if state is None:
        state, owner = policy.read_prompts(part.prompts), part.owner
    reading = read_tokens(policy, state, owner, part.completions, temperature=config.temperature)
    policy_loss, clip_fraction = clipped_policy_loss(
        reading.log_probabilities,
        experience.old[rows, :width],
        experience.advantages[rows, :width],
        mask,
        clip=config.clip,
    )
    value_loss = clipped_value_loss(
        value_head(reading.hidden, experience.prefix[rows, :width]),
        experience.values[rows, :width],
        experience.returns[rows, :width],
        mask,
        clip=config.value_clip,
    )
    bonus = masked_mean(reading.entropy, mask) if config.entropy_coefficient else torch.zeros(())
    total = policy_loss + config.value_coefficient * value_loss - config.entropy_coefficient * bonus
    return Losses(total=total, policy=policy_loss.detach(), value=value_loss.detach(), clip_fraction=clip_fraction)
