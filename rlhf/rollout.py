"""Samples of a policy and everything PPO and DPO must know of them: log-probabilities, KL, rewards, lengths."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rlhf import parallel
from rlhf.backends import TransformersBackend
from rlhf.config import SamplingConfig
from rlhf.exceptions import DataError
from rlhf.generate import generate
from rlhf.models import Policy, PromptState
from rlhf.prompt_memory import PromptMemory
from rlhf.reading import Comparison, TokenReading, compare, read_tokens
from rlhf.reward_model import RewardScorer, shares_encoder
from rlhf.stop_rules import Measurement, unique_share
from rlhf.tensors import TokenBatch, pad_rows
from rlhf.types import Completion, Prompt, Reporter, Silent


@dataclass(frozen=True)
class Samples:
    """Completions of prompts, encoded: ``completions`` [B, T] belong to prompt ``owner`` [B] of ``prompts`` [P, S].

    ``state`` is what the encoder read while it sampled, so that the policy's own reading need not read it again.
    """

    prompts: TokenBatch
    completions: TokenBatch
    owner: Tensor
    prompt_texts: list[str]
    texts: list[list[str]]
    finished: Tensor  # [B] bool: EOS came within the limit
    state: PromptState | None = None  # of the policy that wrote them

    @property
    def lengths(self) -> Tensor:
        """Tokens of each completion [B], EOS counted."""
        return self.completions.lengths

    @property
    def finished_texts(self) -> list[list[str]]:
        """``texts`` without those that EOS did not end: they are no answers, and may not fit a reward model."""
        flags = iter(self.finished.tolist())
        return [[text for text in group if next(flags)] for group in self.texts]


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
    memory = PromptMemory()
    backend = TransformersBackend(policy, memory)
    # Among several processes, cancelling is asked for where all of them ask: between updates.
    told = Silent() if reporter is None or parallel.count() > 1 else reporter

    def draw(own: Sequence[Prompt]) -> list[list[Completion]]:
        return generate(
            policy, own, n, sampling, seed=seed, batch_size=batch_size, reporter=told, backend=backend
        ).completions

    drawn = parallel.spread(draw, prompts)
    kept = [prompt for prompt, group in zip(prompts, drawn, strict=True) if group]
    groups = [group for group in drawn if group]
    if not kept:
        raise DataError(f"None of the {len(prompts)} prompts fits the model's {policy.max_prompt_tokens} tokens.")
    flat = [completion for group in groups for completion in group]
    prompts_read = policy.encode_prompts([prompt.text for prompt in kept])
    return Samples(
        prompts=prompts_read,
        completions=token_batch(policy, flat),
        owner=torch.tensor([index for index, group in enumerate(groups) for _ in group], device=policy.device),
        prompt_texts=[prompt.text for prompt in kept],
        texts=[[completion.text for completion in group] for group in groups],
        finished=torch.tensor([completion.finished for completion in flat], device=policy.device),
        state=_read_state(policy, prompts_read, [prompt.text for prompt in kept], memory),
    )


def _read_state(policy: Policy, prompts: TokenBatch, texts: Sequence[str], memory: PromptMemory) -> PromptState:
    """What the policy read of ``prompts`` [P, S] while it sampled, each process its share."""
    read = policy.with_soft_prompt(prompts)
    if policy.kind == "causal":
        return PromptState(read, None)
    states = memory.states(policy, parallel.mine(texts), read.ids.shape[1])
    return PromptState(read, parallel.gather_rows(states, len(texts)))


def token_batch(policy: Policy, completions: Sequence[Completion]) -> TokenBatch:
    """The sampled ids, right padded [B, T]. The ids themselves, not the text encoded again: those may differ."""
    return pad_rows([list(completion.token_ids) for completion in completions], policy.pad_id).to(policy.device)


def sequence_kl(policy: Policy, samples: Samples, *, temperature: float, batch_size: int) -> Tensor:
    """KL(π‖π_ref) of each sample [B] in nats: the full vocabulary's KL at each step, summed over the steps; ≥ 0.

    An estimate of the sequence KL with far less variance than the sum of log-ratios (and never negative).
    """
    size = min(batch_size, math.ceil(len(samples.owner) / parallel.count()))
    batches = torch.split(torch.arange(len(samples.owner), device=policy.device), size)

    def read(own: Sequence[Tensor]) -> list[Tensor]:
        parts = [select(samples, rows) for rows in own]
        return [found.kl.sum(dim=1) for found, _hidden in compare_samples(policy, parts, temperature=temperature)]

    return torch.cat(parallel.spread(read, batches))


@torch.no_grad()
def compare_samples(policy: Policy, parts: Sequence[Samples], *, temperature: float) -> list[tuple[Comparison, Tensor]]:
    """Policy beside reference on each of ``parts``, and the policy's hidden states [B, T + 1, D]."""

    def read(part: Samples, state: PromptState | None) -> TokenReading:
        own = policy.read_prompts(part.prompts) if state is None else state
        return read_tokens(policy, own, part.owner, part.completions, temperature=temperature)

    # The layers as they are trained, adapters apart: folded in, they would round otherwise than the first update.
    ours = [read(part, part.state) for part in parts]
    shared = shares_encoder(policy)
    found = []
    with policy.reference():
        for reading, part in zip(ours, parts, strict=True):
            theirs = read(part, part.state if shared else None)
            found.append((compare(reading, theirs), reading.hidden))
    return found


def select(samples: Samples, rows: Tensor) -> Samples:
    """The completions ``rows`` with only their prompts, padding trimmed."""
    used, owner = torch.unique(samples.owner[rows], return_inverse=True)
    width = int(samples.lengths[rows].max())
    completions = TokenBatch(
        ids=samples.completions.ids[rows, :width].contiguous(),
        mask=samples.completions.mask[rows, :width].contiguous(),
    )
    state = samples.state
    if state is not None:
        state = PromptState(state.prompts.rows(used), None if state.states is None else state.states[used])
    return replace(
        samples,
        prompts=samples.prompts.rows(used),
        completions=completions,
        owner=owner,
        finished=samples.finished[rows],
        state=state,
    )


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
