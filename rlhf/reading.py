"""What a policy says of completions: log-probabilities, entropies, and how far two policies are apart.

Letters: B completions, T tokens, D hidden size, V vocabulary; N real tokens of all completions together.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from rlhf.head import Head, blocks
from rlhf.models import Policy
from rlhf.tensors import PromptState, TokenBatch, entropy, full_kl, gather_log_probabilities


@dataclass(frozen=True)
class TokenReading:
    """One forward over ``completions`` [B, T]; every figure is [B, T] in float32, 0 outside the mask.

    ``hidden`` [B, T + 1, D] is the decoder's last state: token t is predicted from ``hidden[:, t]``, and
    ``hidden[:, length]`` is the state after the last token. Logits are divided by the sampling temperature; only those
    of real tokens are computed, and where `Head` knows the model not all of them at a time.
    """

    completions: TokenBatch
    hidden: Tensor
    head: Head | None
    kept: Tensor | None  # [N, V], of a model whose head is not known

    def log_probabilities(self) -> Tensor:
        """Of the completions' own tokens, with a gradient where one is wanted."""
        ids = self.completions.ids[self.completions.mask]
        if self.head is None or (self.head.trains and torch.is_grad_enabled()):
            return self._spread(gather_log_probabilities(self.logits(slice(None)), ids))
        return self._spread(self.head.log_probabilities(self._states(), ids))

    def entropy(self) -> Tensor:
        """-Σ p log p of each step over the vocabulary in nats, with a gradient where one is wanted."""
        return self._spread(entropy(self.logits(slice(None)).log_softmax(dim=-1)))

    def logits(self, rows: slice) -> Tensor:
        """[n, V] of the real tokens ``rows``, all completions' tokens one after the other."""
        if self.head is None:
            assert self.kept is not None
            return self.kept[rows]
        return self.head.logits(self._states()[rows])

    def blocks(self) -> Iterator[slice]:
        """All real tokens, in cuts whose logits can be held."""
        states = self._states()
        width = self.head.layer.weight.shape[0] if self.head is not None else 1
        return blocks(len(states), width, states.device)

    def _states(self) -> Tensor:
        """[N, D], from which the real tokens are predicted."""
        return self.hidden[:, :-1][self.completions.mask]

    def _spread(self, values: Tensor) -> Tensor:
        """[N] -> [B, T]."""
        mask = self.completions.mask
        return torch.zeros(mask.shape, device=mask.device).masked_scatter(mask, values)


@dataclass(frozen=True)
class Comparison:
    """Two policies on the same completions, each [B, T] in nats and 0 outside the mask."""

    log_probabilities: Tensor
    reference: Tensor  # the other's log-probabilities
    kl: Tensor  # KL(policy ‖ reference) of each step over the whole vocabulary, ≥ 0
    entropy: Tensor  # of the policy


def read_tokens(
    policy: Policy, state: PromptState, owner: Tensor, completions: TokenBatch, *, temperature: float = 1.0
) -> TokenReading:
    """The training forward over ``completions`` [B, T]; ``owner`` [B] points into ``state``."""
    head = Head.of(policy.base, temperature=temperature)
    decoded = policy.read_completions(state, owner, completions, logits=head is None)
    kept = decoded.logits[completions.mask].float() / temperature if head is None else None
    return TokenReading(completions, decoded.hidden, head, kept)


@torch.no_grad()
def compare(policy: TokenReading, reference: TokenReading) -> Comparison:
    """``policy`` beside ``reference``, which read the same completions. Without gradient."""
    mask = policy.completions.mask
    ids = policy.completions.ids[mask][:, None]
    parts = []
    for rows in policy.blocks():
        ours, theirs = (one.logits(rows).log_softmax(dim=-1) for one in (policy, reference))
        own, other = (logs.gather(1, ids[rows])[:, 0] for logs in (ours, theirs))
        parts.append(torch.stack([own, other, full_kl(ours, theirs), entropy(ours)]))
    found = torch.zeros(4, *mask.shape, device=mask.device)
    found[:, mask] = torch.cat(parts, dim=1)
    return Comparison(*found)
