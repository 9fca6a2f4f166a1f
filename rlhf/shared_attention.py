"""Cross-attention for the N completions of a prompt over one copy of the prompt's keys and values.

Letters: P prompts, N the most completions that one of them has, B decoder rows of T tokens, S prompt tokens, D hidden
size.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

# Models whose cross-attention is known to take [P, N, D] with a mask [P, 1, 1, S], and the ends of its layers' names.
_FAMILIES = frozenset(
    "t5 mt5 umt5 longt5 bart mbart plbart pegasus pegasus_x marian m2m_100 blenderbot blenderbot-small".split()  # noqa: SIM905 - a list of names
)
_LAYERS = ("EncDecAttention", "encoder_attn")


def can_share(model: Any) -> bool:
    """True for a model that `SharedPrompts` knows; others get a copy of the prompt for each row."""
    return model.config.model_type in _FAMILIES


class SharedPrompts:
    """``owner`` [B] points decoder rows at P prompts; while `attached`, cross-attention is a batch of P, not of B.

    The N rows of a prompt stand as N · T query positions: its keys and values are computed, kept and read once instead
    of N times, with the same gradients. Every prompt needs at least one row.
    """

    def __init__(self, owner: Tensor) -> None:
        self._count(owner)

    def keep(self, rows: Tensor) -> Tensor:
        """Make the decoder's rows ``rows`` of those before; the prompts that are left, as indices of those before."""
        left: Tensor
        left, owner = torch.unique(self._owner[rows], return_inverse=True)
        self._count(owner)
        return left

    def _count(self, owner: Tensor) -> None:
        """A place for each row among P · N: its prompt's, then how many rows of that prompt stand before it."""
        counts = torch.bincount(owner)
        order = torch.argsort(owner, stable=True)
        before = torch.empty_like(owner)
        before[order] = torch.arange(len(owner), device=owner.device) - (counts.cumsum(0) - counts)[owner[order]]
        self._owner, self._prompts, self._most = owner, len(counts), int(counts.max())
        self._places = owner * self._most + before
        # As many rows for each prompt, one prompt's after another's: nothing has to be moved.
        self._even = self._places.equal(torch.arange(len(counts) * self._most, device=owner.device))

    @contextmanager
    def attached(self, model: nn.Module) -> Iterator[None]:
        """Fold the queries of every cross-attention of ``model`` for the time of the block."""
        layers = [layer for name, layer in model.named_modules() if name.rsplit(".", 1)[-1] in _LAYERS]
        with ExitStack() as stack:
            for layer in layers:
                stack.callback(layer.register_forward_pre_hook(self._fold, with_kwargs=True).remove)
                stack.callback(layer.register_forward_hook(self._unfold).remove)
            yield

    def fold(self, rows: Tensor) -> Tensor:
        """[B, T, D] as [P, N · T, D]; places without a row hold zeros."""
        folded = rows
        if not self._even:
            folded = rows.new_zeros((self._prompts * self._most, *rows.shape[1:])).index_copy(0, self._places, rows)
        return folded.reshape(self._prompts, -1, rows.shape[-1])

    def unfold(self, folded: Tensor) -> Tensor:
        """[P, N · T, D] as [B, T, D]."""
        rows = folded.reshape(self._prompts * self._most, -1, folded.shape[-1])
        return rows if self._even else rows[self._places]

    def _fold(self, _layer: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        folded = self.fold(inputs[0] if inputs else named["hidden_states"])
        return ((folded, *inputs[1:]), named) if inputs else (inputs, named | {"hidden_states": folded})

    def _unfold(self, _layer: nn.Module, _inputs: Any, output: tuple[Any, ...]) -> tuple[Any, ...]:
        return (self.unfold(output[0]), *output[1:])


def added_mask(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """What is added to the scores, [P, 1, 1, S], for a mask [P, S]: transformers would want a row for each of the B."""
    hidden = ~mask.bool()[:, None, None, :]
    return torch.zeros_like(hidden, dtype=dtype).masked_fill(hidden, torch.finfo(dtype).min)
