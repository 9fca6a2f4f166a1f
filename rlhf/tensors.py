"""Tensors that travel between the policy and the algorithms, and the small sums over them.

Letters: P prompts, S prompt tokens, B completions, T completion tokens, D hidden size, V vocabulary.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class TokenBatch:
    """Token ids [B, T] and their mask [B, T] (True where a token is real). Ids outside the mask mean nothing."""

    ids: Tensor
    mask: Tensor

    @property
    def lengths(self) -> Tensor:
        """Real tokens of each row, [B]."""
        return self.mask.sum(dim=1)

    def __len__(self) -> int:
        return int(self.ids.shape[0])

    def to(self, device: torch.device | str) -> "TokenBatch":
        return TokenBatch(self.ids.to(device), self.mask.to(device))

    def rows(self, index: Tensor) -> "TokenBatch":
        """The rows ``index`` [N]; columns that became padding on both sides stay."""
        return TokenBatch(self.ids[index], self.mask[index])


@dataclass(frozen=True)
class PromptState:
    """Prompts that were read once. ``states`` [P, S, D] is the encoder's output, None for a causal model."""

    prompts: TokenBatch
    states: Tensor | None

    def __len__(self) -> int:
        return len(self.prompts)


@dataclass(frozen=True)
class Decoded:
    """``logits`` [B, T, V]: token t given what stands before it. ``hidden`` [B, T + 1, D]: the last layer's
    state from which token t is predicted; ``hidden[:, length]`` is the state after the last token (EOS)."""

    logits: Tensor
    hidden: Tensor


def pad_rows(rows: list[list[int]], pad_id: int, *, left: bool = False) -> TokenBatch:
    """Ragged ids as one batch, padded to the longest row on the right (or left)."""
    width = max((len(row) for row in rows), default=0)
    ids = torch.full((len(rows), width), pad_id, dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.bool)
    for index, row in enumerate(rows):
        place = slice(width - len(row), width) if left else slice(0, len(row))
        ids[index, place] = torch.tensor(row, dtype=torch.long)
        mask[index, place] = True
    return TokenBatch(ids, mask)


def masked_mean(values: Tensor, mask: Tensor, dim: int | None = None) -> Tensor:
    """Mean of ``values`` where ``mask`` holds (over ``dim``, or over everything); 0 where nothing holds."""
    weights = mask.to(values.dtype)
    if dim is None:
        return (values * weights).sum() / weights.sum().clamp(min=1)
    return (values * weights).sum(dim) / weights.sum(dim).clamp(min=1)


def masked_whiten(values: Tensor, mask: Tensor, *, shift_mean: bool = True) -> Tensor:
    """(values - mean) / sd over the mask, with the population variance; 0 outside the mask."""
    mean = masked_mean(values, mask)
    variance = masked_mean((values - mean) ** 2, mask)
    whitened = (values - mean) * torch.rsqrt(variance + 1e-8)
    return (whitened if shift_mean else whitened + mean) * mask.to(values.dtype)


def gather_log_probabilities(logits: Tensor, ids: Tensor) -> Tensor:
    """log p(ids) in float32: [B, T, V] and [B, T] give [B, T]."""
    wide = logits.float()
    chosen = wide.gather(-1, ids.unsqueeze(-1)).squeeze(-1)
    return chosen - torch.logsumexp(wide, dim=-1)


def entropy(logs: Tensor) -> Tensor:
    """-Σ p log p in nats over the vocabulary: log-probabilities [..., V] give [...]."""
    negative: Tensor = torch.linalg.vecdot(logs.exp(), logs)
    return -negative


def full_kl(logs: Tensor, reference: Tensor) -> Tensor:
    """KL(p ‖ q) = Σ p (log p - log q) in nats over the whole vocabulary, never below 0: two [..., V] give [...]."""
    divergence: Tensor = torch.linalg.vecdot(logs.exp(), logs - reference)
    # Rounding may leave -1e-8 where the two are equal.
    return divergence.clamp(min=0)


def truncate_after_eos(ids: Tensor, eos_id: int) -> Tensor:
    """Mask [B, T] of the tokens up to and with the first EOS; all of a row that has none."""
    seen_before = (ids == eos_id).cumsum(dim=1) - (ids == eos_id).long()
    return seen_before == 0
