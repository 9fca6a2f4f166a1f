"""A key-value cache for decoding that does not copy itself at each step."""

from typing import Any

from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

_ROOM = 64  # tokens that a layer makes room for at a time


def growing_cache(config: Any) -> Any:
    """transformers' cache for a model of ``config``, with room ahead in every layer that keeps all tokens."""
    cache: Any = DynamicCache(config=config)
    # Sliding windows forget tokens: those layers stay as they are.
    made: Any = GrowingLayer  # transformers gives its constructor no types
    cache.layers = [made() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


class GrowingLayer(DynamicLayer):  # type: ignore[no-untyped-call]  # its __init_subclass__
    """Keys and values [B, H, T, D] at the front of larger tensors, so that one more token is written and not appended.

    transformers' own layer copies the whole cache for each new token.
    """

    keys: Tensor
    values: Tensor
    _rooms: tuple[Tensor, Tensor] | None = None

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Write the new tokens' keys and values [B, H, n, D]; those of all tokens."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start = self.get_seq_length()
        if start == 0:  # the prompt: its rows are about to be spread, room would be copied for nothing
            self.keys, self.values = key_states, value_states
            return key_states, value_states
        end = start + key_states.shape[-2]
        if self._rooms is None or self._rooms[0].shape[-2] < end:
            self._rooms = _roomy(self.keys, end + _ROOM), _roomy(self.values, end + _ROOM)
        for room, new in zip(self._rooms, (key_states, value_states), strict=True):
            room[:, :, start:end] = new
        return self._show(end)

    def batch_select_indices(self, indices: Tensor) -> None:
        """Make the rows ``indices`` [B] of those before."""
        length = self.get_seq_length()
        if length == 0:
            return
        if self._rooms is None:
            self.keys, self.values = self.keys[indices], self.values[indices]
            return
        self._rooms = self._rooms[0].index_select(0, indices), self._rooms[1].index_select(0, indices)
        self._show(length)

    def _show(self, length: int) -> tuple[Tensor, Tensor]:
        assert self._rooms is not None
        self.keys, self.values = self._rooms[0][:, :, :length], self._rooms[1][:, :, :length]
        return self.keys, self.values


def _roomy(old: Tensor, size: int) -> Tensor:
    rows, heads, length, width = old.shape
    room = old.new_empty((rows, heads, size, width))
    room[:, :, :length] = old
    return room
