"""Completions of prompts: seeded sampling with a key-value cache, the prompt read once for all of its N."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rlhf.config import SamplingConfig
from rlhf.decoding import Decoder, choose
from rlhf.exceptions import Cancelled, ConfigError
from rlhf.models import Policy
from rlhf.tensors import PromptState, TokenBatch, truncate_after_eos
from rlhf.types import Completion, Prompt, Reporter, Silent

REDRAWS = 8  # tries for a text that repeats another of the same prompt


@dataclass(frozen=True)
class GenerationResult:
    """``completions[i]`` belongs to the i-th prompt and is empty where that prompt was too long."""

    completions: list[list[Completion]]
    too_long: list[str] = field(default_factory=list)  # ids of prompts over the policy's limit
    repeats: int = 0  # texts that still repeat another of their prompt after REDRAWS tries (``distinct`` only)


@dataclass(frozen=True)
class SampledRows:
    """Sampled ``tokens`` [B, T] up to and with their EOS, and ``log_probabilities`` [B, T] of each under the
    policy at the sampling temperature, before top-k and top-p (0 outside the mask)."""

    tokens: TokenBatch
    log_probabilities: Tensor


def generate(
    policy: Policy,
    prompts: Sequence[Prompt],
    n: int,
    sampling: SamplingConfig,
    *,
    seed: int,
    batch_size: int = 64,
    distinct: bool = False,
    reporter: Reporter | None = None,
    reference: bool = False,
) -> GenerationResult:
    """Draw ``n`` completions of each prompt; ``batch_size`` rows are decoded at a time.

    The random numbers of a completion depend on the seed, its prompt's id and its ordinal alone, so the
    texts do not depend on the batch size or on the other prompts. ``distinct`` draws a text that repeats
    another of its prompt again; ``reference`` samples from the anchor (adapter off). Prompts over the
    limit are skipped, listed and reported. Raises Cancelled between two batches.
    """
    if sampling.max_new_tokens > policy.max_completion_tokens:
        raise ConfigError(
            f"max_new_tokens {sampling.max_new_tokens} is above the policy's limit {policy.max_completion_tokens}"
        )
    told = reporter or Silent()
    rows, too_long = _fitting(policy, prompts, told)
    drawn: dict[tuple[int, int], Completion] = {}
    wanted = [(index, ordinal, 0) for index in rows for ordinal in range(n)]
    with torch.inference_mode(), _quick_attention(policy), policy.reference() if reference else nullcontext():
        for attempt in range(1 + REDRAWS * distinct):
            _draw(policy, prompts, wanted, sampling, seed, batch_size, told, drawn)
            wanted = [(index, ordinal, attempt + 1) for index, ordinal in _repeated(drawn, rows, n)] if distinct else []
            if not wanted:
                break
    if wanted:
        told.event("warning", f"{len(wanted)} completions repeat another of their prompt.", repeats=len(wanted))
    texts = [
        [drawn[index, ordinal] for ordinal in range(n) if (index, ordinal) in drawn] for index in range(len(prompts))
    ]
    return GenerationResult(texts, too_long, len(wanted))


def sample_rows(
    policy: Policy, state: PromptState, owner: Tensor, uniforms: Tensor, sampling: SamplingConfig
) -> SampledRows:
    """Sample a completion for each row: ``owner`` [B] points into ``state``; ``uniforms`` [B, T] in [0, 1)."""
    count, steps = uniforms.shape
    ids = torch.full((count, steps), policy.pad_id, device=policy.device)
    logs = torch.zeros((count, steps), device=policy.device)
    alive = torch.arange(count, device=policy.device)  # the rows that are still decoded
    decoder = Decoder(policy, state)
    logits = decoder.start(owner)
    for step in range(steps):
        token, logs[alive, step] = choose(logits, uniforms[alive, step], sampling)
        ids[alive, step] = token
        going = token != policy.eos_id
        left = int(going.sum())
        if left == 0 or step + 1 == steps:
            break
        # Copying the cache costs about as much as a step: dropping a few finished rows does not pay.
        if left <= 0.75 * len(alive):
            alive, token = alive[going], token[going]
            decoder.keep(going.nonzero()[:, 0])
        logits = decoder.step(token)
    mask = truncate_after_eos(ids, policy.eos_id)
    width = int(mask.sum(dim=1).max())
    ids = ids.masked_fill(~mask, policy.pad_id)
    return SampledRows(TokenBatch(ids[:, :width], mask[:, :width]), (logs * mask)[:, :width])


def uniforms_for(seed: int, prompt_id: str, ordinal: int, attempt: int, count: int) -> np.ndarray[Any, Any]:
    """``count`` uniforms in [0, 1) that belong to this one completion (counter-based Philox, keyed by a hash)."""
    name = f"{seed}\x1f{prompt_id}\x1f{ordinal}\x1f{attempt}".encode()
    key = int.from_bytes(hashlib.sha256(name).digest()[:16], "little")
    return np.random.Generator(np.random.Philox(key=key)).random(count)


@contextmanager
def _quick_attention(policy: Policy) -> Iterator[None]:
    """On a CPU, attention of one new token by plain products: torch's fused kernel takes three times as long."""
    usual = policy.base.config._attn_implementation
    if policy.device.type != "cpu" or usual != "sdpa":
        yield
        return
    policy.base.set_attn_implementation("eager")
    try:
        yield
    finally:
        policy.base.set_attn_implementation(usual)


def _fitting(policy: Policy, prompts: Sequence[Prompt], reporter: Reporter) -> tuple[list[int], list[str]]:
    """Indices of the prompts that fit, shortest first (little padding in a batch), and the ids of the others."""
    lengths = [len(row) for row in policy.prompt_rows([prompt.text for prompt in prompts])]
    too_long = [prompt.id for prompt, size in zip(prompts, lengths, strict=True) if size > policy.max_prompt_tokens]
    if too_long:
        reporter.event(
            "warning",
            f"{len(too_long)} of {len(prompts)} prompts are over the limit of {policy.max_prompt_tokens} tokens and "
            "were left out.",
            too_long=too_long,
        )
    fits = [index for index, size in enumerate(lengths) if size <= policy.max_prompt_tokens]
    return sorted(fits, key=lambda index: (lengths[index], index)), too_long


def _draw(
    policy: Policy,
    prompts: Sequence[Prompt],
    wanted: list[tuple[int, int, int]],
    sampling: SamplingConfig,
    seed: int,
    batch_size: int,
    reporter: Reporter,
    drawn: dict[tuple[int, int], Completion],
) -> None:
    """Sample the wanted (prompt index, ordinal, attempt) into ``drawn``."""
    for batch in _batches(wanted, batch_size):
        if reporter.cancelled():
            raise Cancelled("Generation was cancelled.")
        place = {index: row for row, index in enumerate(dict.fromkeys(index for index, _, _ in batch))}
        state = policy.read_prompts(policy.encode_prompts([prompts[index].text for index in place]))
        owner = torch.tensor([place[index] for index, _, _ in batch], device=policy.device)
        uniforms = np.stack([uniforms_for(seed, prompts[i].id, o, a, sampling.max_new_tokens) for i, o, a in batch])
        rows = sample_rows(policy, state, owner, torch.from_numpy(uniforms).to(policy.device), sampling)
        ids, lengths = rows.tokens.ids.tolist(), rows.tokens.lengths.tolist()
        for (index, ordinal, _), row, length in zip(batch, ids, lengths, strict=True):
            tokens = tuple(row[:length])
            drawn[index, ordinal] = Completion(
                prompts[index].id, ordinal, policy.decode(tokens), tokens, tokens[-1] == policy.eos_id, seed
            )
        reporter.progress(len(drawn), max(len(drawn), len(wanted)), "generate")


def _batches(wanted: list[tuple[int, int, int]], size: int) -> Iterator[list[tuple[int, int, int]]]:
    """Runs of at most ``size`` rows that keep one prompt's rows together where they fit, so that it is read once."""
    batch: list[tuple[int, int, int]] = []
    for _, rows in groupby(wanted, key=lambda row: row[0]):
        group = list(rows)
        if batch and len(batch) + len(group) > size:
            yield batch
            batch = []
        batch += group
        while len(batch) >= size:
            yield batch[:size]
            batch = batch[size:]
    if batch:
        yield batch


def _repeated(drawn: dict[tuple[int, int], Completion], rows: list[int], n: int) -> list[tuple[int, int]]:
    """(prompt index, ordinal) of each text that a lower ordinal of its prompt has already."""
    again = []
    for index in rows:
        seen: set[str] = set()
        for ordinal in range(n):
            text = drawn[index, ordinal].text
            if text in seen:
                again.append((index, ordinal))
            seen.add(text)
    return again
