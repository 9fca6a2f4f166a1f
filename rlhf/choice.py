"""The choice of the next token from a distribution."""

import torch
from torch import Tensor
from torch.nn import functional

from rlhf.config import SamplingConfig

_BLOCK = 128  # tokens whose probabilities are summed before one of them is looked for
# Among how many of the likeliest tokens a nucleus is looked for, one after the other: to sort a whole vocabulary takes
# forty times as long as to find the first 64.
_NUCLEUS = (64, 1024, 1 << 30)


def choose(logits: Tensor, uniforms: Tensor, sampling: SamplingConfig) -> tuple[Tensor, Tensor]:
    """Token [B] and its log-probability [B] for logits [B, V], by the inverse of the cumulative distribution."""
    wide = logits.float()
    if sampling.strategy == "greedy":
        best = wide.argmax(dim=-1)
        return best, wide.gather(1, best[:, None])[:, 0] - wide.logsumexp(dim=-1)
    probabilities = torch.softmax(wide if sampling.temperature == 1 else wide / sampling.temperature, dim=-1)
    token = _inverse(_filtered(probabilities, sampling), uniforms)
    return token, probabilities.gather(1, token[:, None])[:, 0].log()


def _inverse(weights: Tensor, uniforms: Tensor) -> Tensor:
    """The first token [B] up to which weights [B, V] sum to more than its uniform's share of the whole.

    First among the sums of blocks, then inside the one: a cumulative sum of the whole vocabulary costs as much as the
    model's head. In float64, so that rounding leaves no token out; one of weight 0 is never chosen.
    """
    padded = functional.pad(weights, (0, -weights.shape[1] % _BLOCK)) if weights.shape[1] % _BLOCK else weights
    blocks = padded.view(len(weights), -1, _BLOCK)
    block, share = _search(blocks.sum(dim=-1), uniforms)
    inside = blocks[torch.arange(len(weights), device=weights.device), block]
    token, _ = _search(inside, share)
    return (block * _BLOCK + token).clamp(max=weights.shape[1] - 1)


def _search(weights: Tensor, uniforms: Tensor) -> tuple[Tensor, Tensor]:
    """Index [B] into weights [B, K], and where in it the uniform falls, in [0, 1)."""
    cumulative = weights.double().cumsum(dim=-1)
    target = uniforms.double()[:, None] * cumulative[:, -1:]
    index = torch.searchsorted(cumulative, target, right=True).clamp(max=weights.shape[1] - 1)
    end = cumulative.gather(1, index)
    start = functional.pad(cumulative, (1, 0)).gather(1, index)
    # Below 1, or rounding could point behind the last token.
    share = ((target - start) / (end - start)).clamp(0, 1 - 2**-53)
    return index[:, 0], share[:, 0]


def _filtered(probabilities: Tensor, sampling: SamplingConfig) -> Tensor:
    """Probabilities [B, V] with everything outside top-k and the nucleus (Holtzman et al. 2020) at 0."""
    if 0 < sampling.top_k < probabilities.shape[-1]:
        least = probabilities.topk(sampling.top_k, dim=-1).values[:, -1:]
        probabilities = probabilities.masked_fill(probabilities < least, 0.0)
    return probabilities if sampling.top_p == 1 else _nucleus(probabilities, sampling.top_p)


def _nucleus(weights: Tensor, top_p: float) -> Tensor:
    """Weights [B, V], 0 outside the smallest set of tokens that holds at least ``top_p`` of the whole."""
    kept = torch.zeros_like(weights)
    total = weights.sum(dim=-1, keepdim=True)
    rows = torch.arange(len(weights), device=weights.device)
    for size in _NUCLEUS:
        ordered, order = weights[rows].topk(min(size, weights.shape[1]), dim=-1)
        shares = ordered / total[rows]
        # A token stays while those before it hold less than top_p.
        inside = shares.cumsum(dim=-1) - shares < top_p
        kept[rows] = torch.zeros_like(weights[rows]).scatter(1, order, ordered * inside)
        rows = rows[inside[:, -1]]
        if len(rows) == 0 or size >= weights.shape[1]:
            break
    return kept
