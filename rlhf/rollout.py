"""Samples of a policy and everything PPO and DPO must know of them: log-probabilities, KL, rewards, lengths."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rlhf import parallel
from rlhf.config import SamplingConfig
from rlhf.exceptions import DataError
from rlhf.generate import generate
from rlhf.models import Policy, PromptState
from rlhf.reward_model import RewardScorer, shares_encoder
from rlhf.stop_rules import Measurement, unique_share
from rlhf.tensors import TokenBatch, entropy, full_kl, gather_log_probabilities, pad_rows
from rlhf.types import Completion, Prompt, Reporter, Silent


@dataclass(frozen=True)
class TokenReading:
    """One forward over completions: ``log_probabilities`` [B, T]; ``hidden`` [B, T, D] predicts the tokens."""

    log_probabilities: Tensor
    hidden: Tensor
    logits: Tensor  # [B, T, V], divided by the temperature

    @property
    def entropy(self) -> Tensor:
        """Of each step [B, T] in nats; computed when asked for, because it is a pass over all the logits."""
        return entropy(self.logits)


@dataclass(frozen=True)
class Samples:
    """Completions of prompts, encoded: ``completions`` [B, T] belong to prompt ``owner`` [B] of ``prompts`` [P, S]."""

    prompts: TokenBatch
    completions: TokenBatch
    owner: Tensor
    prompt_texts: list[str]
    texts: list[list[str]]
    finished: Tensor  # [B] bool: EOS came within the limit

    @property
    def lengths(self) -> Tensor:
        """Tokens of each completion [B], EOS counted."""
        return self.completions.lengths

    @property
    def finished_texts(self) -> list[list[str]]:
        """``texts`` without those that EOS did not end: they are no answers, and may not fit a reward model."""
        flags = iter(self.finished.tolist())
        return [[text for text in group if next(flags)] for group in self.texts]


def read_tokens(
    policy: Policy, state: PromptState, owner: Tensor, completions: TokenBatch, *, temperature: float
) -> TokenReading:
    """Training forward over ``completions`` [B, T]; logits are divided by the sampling temperature."""
    decoded = policy.read_completions(state, owner, completions)
    logits = decoded.logits.float() if temperature == 1 else decoded.logits.float() / temperature
    return TokenReading(
        log_probabilities=gather_log_probabilities(logits, completions.ids),
        hidden=decoded.hidden[:, :-1],
        logits=logits,
    )


def sample(
    policy: Policy,
    prompts: Sequence[Prompt],
    n: int,
    sampling: SamplingConfig,
    *,
    seed: int,
    batch_size: int = 64,
    reporter: Reporter | None = None,
) -> Samples:
    """``n`` seeded completions of each prompt, the same in all processes; prompts too long for the model are left out
    and reported."""
    # Among several processes, cancelling is asked for where all of them ask: between updates.
    told = Silent() if reporter is None or parallel.count() > 1 else reporter

    def draw(own: Sequence[Prompt]) -> list[list[Completion]]:
        return generate(policy, own, n, sampling, seed=seed, batch_size=batch_size, reporter=told).completions

    drawn = parallel.spread(draw, prompts)
    kept = [prompt for prompt, group in zip(prompts, drawn, strict=True) if group]
    groups = [group for group in drawn if group]
    if not kept:
        raise DataError(f"None of the {len(prompts)} prompts fits the model's {policy.max_prompt_tokens} tokens.")
    flat = [completion for group in groups for completion in group]
    return Samples(
        prompts=policy.encode_prompts([prompt.text for prompt in kept]),
        completions=token_batch(policy, flat),
        owner=torch.tensor([index for index, group in enumerate(groups) for _ in group], device=policy.device),
        prompt_texts=[prompt.text for prompt in kept],
        texts=[[completion.text for completion in group] for group in groups],
        finished=torch.tensor([completion.finished for completion in flat], device=policy.device),
    )


def token_batch(policy: Policy, completions: Sequence[Completion]) -> TokenBatch:
    """The sampled ids, right padded [B, T]. The ids themselves, not the text encoded again: those may differ."""
    return pad_rows([list(completion.token_ids) for completion in completions], policy.pad_id).to(policy.device)


def sequence_kl(policy: Policy, samples: Samples, *, temperature: float, batch_size: int) -> Tensor:
    """KL(π‖π_ref) of each sample [B] in nats: the full vocabulary's KL at each step, summed over the steps; ≥ 0.

    An estimate of the sequence KL with far less variance than the sum of log-ratios (and never negative).
    """
    size = min(batch_size, math.ceil(len(samples.owner) / parallel.count()))
    batches = torch.split(torch.arange(len(samples.owner), device=policy.device), size)

    @torch.no_grad()
    def read(own: Sequence[Tensor]) -> list[Tensor]:
        return [_rows_kl(policy, select(samples, rows), temperature) for rows in own]

    return torch.cat(parallel.spread(read, batches))


def _rows_kl(policy: Policy, part: Samples, temperature: float) -> Tensor:
    state = policy.read_prompts(part.prompts)
    ours = read_tokens(policy, state, part.owner, part.completions, temperature=temperature)
    with policy.reference():
        state = state if shares_encoder(policy) else policy.read_prompts(part.prompts)
        theirs = read_tokens(policy, state, part.owner, part.completions, temperature=temperature)
    return (full_kl(ours.logits, theirs.logits) * part.completions.mask).sum(dim=1)


def select(samples: Samples, rows: Tensor) -> Samples:
    """The completions ``rows`` with only their prompts, padding trimmed."""
    used, owner = torch.unique(samples.owner[rows], return_inverse=True)
    width = int(samples.lengths[rows].max())
    completions = TokenBatch(
        ids=samples.completions.ids[rows, :width].contiguous(),
        mask=samples.completions.mask[rows, :width].contiguous(),
    )
    prompts = TokenBatch(ids=samples.prompts.ids[used], mask=samples.prompts.mask[used])
    return replace(samples, prompts=prompts, completions=completions, owner=owner, finished=samples.finished[rows])


def score(samples: Samples, scorer: RewardScorer, *, missing_eos: float) -> Tensor:
    """Rewards [B] of the texts; a completion without EOS gets ``missing_eos`` and is not read at all."""
    rewards = torch.full((len(samples.owner),), missing_eos, device=samples.owner.device)
    return _filled(rewards, samples, parallel.spread(lambda own: scorer.score(*_columns(own)), _rows(samples)))


def judge(samples: Samples, scorer: RewardScorer, *, missing_eos: float) -> Tensor | None:
    """The same by the judging member; None where there is none."""
    if scorer.judge([], []) is None:
        return None
    rewards = torch.full((len(samples.owner),), missing_eos, device=samples.owner.device)
    return _filled(rewards, samples, parallel.spread(lambda own: scorer.judge(*_columns(own)) or [], _rows(samples)))


def _rows(samples: Samples) -> list[tuple[str, list[str]]]:
    """Each prompt with its finished texts."""
    return list(zip(samples.prompt_texts, samples.finished_texts, strict=True))


def _columns(rows: Sequence[tuple[str, list[str]]]) -> tuple[list[str], list[list[str]]]:
    return [prompt for prompt, _texts in rows], [texts for _prompt, texts in rows]


def _filled(rewards: Tensor, samples: Samples, nested: Sequence[Sequence[float]]) -> Tensor:
    values = torch.tensor([value for row in nested for value in row], device=rewards.device)
    rewards[samples.finished] = values.to(rewards.dtype)
    return rewards


def measure(
    policy: Policy,
    scorer: RewardScorer | None,
    samples: Samples,
    *,
    step: int,
    missing_eos: float,
    temperature: float,
    batch_size: int,
) -> Measurement:
    """Held-out figures of ``samples``, which were drawn from ``policy`` at ``temperature``."""
    reward, verdict = 0.0, None
    if scorer is not None:
        reward = float(score(samples, scorer, missing_eos=missing_eos).mean())
        judged = judge(samples, scorer, missing_eos=missing_eos)
        verdict = None if judged is None else float(judged.mean())
    return Measurement(
        step=step,
        kl=float(sequence_kl(policy, samples, temperature=temperature, batch_size=batch_size).mean()),
        reward=reward,
        judge=verdict,
        length=float(samples.lengths.float().mean()),
        eos_rate=float(samples.finished.float().mean()),
        unique_share=unique_share(samples.texts),
    )
