"""Perplexity of references: how surprised a policy is by the texts that people wrote."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from rlhf.models import Policy
from rlhf.reading import read_tokens
from rlhf.statistics import bootstrap_ratio
from rlhf.tensors import pad_rows
from rlhf.types import Interval, Prompt

_LOGITS = 20_000_000  # rows · steps · vocabulary read at once (80 MB of float32, several times over)


@dataclass(frozen=True)
class Surprise:
    """Of each prompt [P]: ``nats`` −Σ log p(reference token) over its references, and their ``tokens``, EOS included.

    A prompt without references that can be read has 0 of both; ``too_long`` counts references over the limit.
    """

    nats: NDArray[np.float64]
    tokens: NDArray[np.float64]
    too_long: int

    def perplexity(self, seed: int, resamples: int) -> Interval | None:
        """exp(Σ nats / Σ tokens) over all prompts, which are resampled; None where there is nothing to read."""
        if not self.tokens.any():
            return None
        mean = bootstrap_ratio(self.nats, self.tokens, seed, resamples)
        value, low, high = (math.exp(nats) for nats in (mean.value, mean.low, mean.high))
        return Interval(value, low, high, mean.n)


@torch.no_grad()
def surprise(policy: Policy, prompts: Sequence[Prompt], *, batch_size: int, tell: Callable[[int], None]) -> Surprise:
    """Read every reference of every prompt under ``policy`` as it stands, at temperature 1; a prompt is read once a
    batch. ``tell`` hears how many prompts are done."""
    nats, tokens = np.zeros(len(prompts)), np.zeros(len(prompts))
    rows = [policy.completion_rows(list(prompt.references)) for prompt in prompts]
    fitting = [[row for row in own if len(row) <= policy.max_completion_tokens] for own in rows]
    for done, part in _batches(policy, prompts, fitting, batch_size):
        tell(done)
        owner = [place for place, index in enumerate(part) for _ in fitting[index]]
        texts = pad_rows([row for index in part for row in fitting[index]], policy.pad_id).to(policy.device)
        state = policy.read_prompts(policy.encode_prompts([prompts[index].text for index in part]))
        reading = read_tokens(policy, state, torch.tensor(owner, device=policy.device), texts)
        logs = reading.log_probabilities().sum(dim=1).double().cpu().numpy()
        np.add.at(nats, np.array(part)[owner], -logs)
        np.add.at(tokens, np.array(part)[owner], texts.lengths.cpu().numpy())
    return Surprise(nats, tokens, sum(map(len, rows)) - sum(map(len, fitting)))


def _batches(
    policy: Policy, prompts: Sequence[Prompt], rows: list[list[list[int]]], size: int
) -> Iterator[tuple[int, list[int]]]:
    """(prompts done, indices of prompts): about ``size`` references together, fewer where their logits are large."""
    order = [index for index in np.argsort([len(prompt.text) for prompt in prompts], kind="stable") if rows[index]]
    start = 0
    while start < len(order):
        longest, held, end = 0, 0, start
        while end < len(order):
            own = rows[order[end]]
            longest, held = max(longest, *map(len, own)), held + len(own)
            if end > start and (held > size or held * longest * policy.vocab_size > _LOGITS):
                break
            end += 1
        yield start, [int(index) for index in order[start:end]]
        start = end
