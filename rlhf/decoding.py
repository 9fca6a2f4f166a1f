"""One decoding step: the model with its cache."""

from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Protocol, Self

import torch
from torch import Tensor
from transformers import DynamicCache, EncoderDecoderCache
from transformers.modeling_outputs import BaseModelOutput

from rlhf.cache import growing_cache
from rlhf.models import Policy
from rlhf.shared_attention import SharedPrompts, added_mask, can_share
from rlhf.tensors import PromptState


class StepDecoder(Protocol):
    """The P prompts are read with P rows, then decoded with B; for use in a ``with`` block."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def start(self, owner: Tensor) -> Tensor:
        """Logits [B, V] of the first token; ``owner`` [B] points at the prompts."""

    def step(self, token: Tensor) -> Tensor:
        """Logits [B, V] after ``token`` [B] was read."""

    def keep(self, rows: Tensor) -> None:
        """Make the decoder's rows ``rows`` of those before: the ones still going, or the ones a beam goes on from."""


DecoderOf = Callable[[PromptState], StepDecoder]


class Decoder:
    """The model with its cache, for use in a ``with`` block. The P prompts are read with P rows, then decoded with B.

    Where the model allows it, cross-attention goes on with P: the prompts' keys and values are never copied.
    """

    def __init__(self, policy: Policy, state: PromptState) -> None:
        self._policy = policy
        self._prompts = state.prompts
        self._states = state.states
        self._mask = state.prompts.mask.long()
        self._open = ExitStack()
        config = policy.base.config
        self._cache: Any = growing_cache(config)
        self._shared: SharedPrompts | None = None
        if state.states is not None:
            self._cache = EncoderDecoderCache(self._cache, DynamicCache(config=config))
            if can_share(policy.base):
                self._shared = SharedPrompts(torch.arange(len(state), device=policy.device))

    def __enter__(self) -> Self:
        if self._shared is not None:
            self._open.enter_context(self._shared.attached(self._policy.base))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def start(self, owner: Tensor) -> Tensor:
        """Logits [B, V] of the first token; ``owner`` [B] points at the prompts.

        All rows of one prompt start alike, so P rows are enough to read.
        """
        first = self._prompts.ids
        if self._states is not None:
            first = torch.full((len(first), 1), self._policy.start_id, device=self._policy.device)
        logits = self._run(first)
        if self._shared is not None:
            for layer in self._cache.cross_attention_cache.layers:
                # As they come from the projection, each product of each step would copy them first.
                layer.keys, layer.values = layer.keys.contiguous(), layer.values.contiguous()
        self.keep(owner)
        return logits[owner]

    def step(self, token: Tensor) -> Tensor:
        """Logits [B, V] after ``token`` [B] was read."""
        if self._states is None:
            self._mask = torch.cat([self._mask, self._mask.new_ones((len(token), 1))], dim=1)
        return self._run(token[:, None])

    def keep(self, rows: Tensor) -> None:
        """Make the decoder's rows ``rows`` of those before: the ones still going, or the ones a beam goes on from."""
        if self._shared is None:
            self._cache.batch_select_indices(rows)
            self._select_prompts(rows)
            return
        self._cache.self_attention_cache.batch_select_indices(rows)
        left = self._shared.keep(rows)
        if len(left) < len(self._mask):
            self._cache.cross_attention_cache.batch_select_indices(left)
            self._select_prompts(left)

    def _select_prompts(self, rows: Tensor) -> None:
        self._mask = self._mask[rows]
        self._states = None if self._states is None else self._states[rows]

    def _run(self, ids: Tensor) -> Tensor:
        model = self._policy.base
        if self._states is not None:
            encoded = BaseModelOutput(last_hidden_state=self._states)
            output = model(
                encoder_outputs=encoded, attention_mask=self._prompt_mask(), decoder_input_ids=ids,
                past_key_values=self._cache, use_cache=True,
            )  # fmt: skip
        else:
            output = model(
                input_ids=ids, attention_mask=self._mask, past_key_values=self._cache, use_cache=True,
                logits_to_keep=1, **self._policy.positions(self._mask, ids.shape[1]),
            )  # fmt: skip
        logits: Tensor = output.logits[:, -1]
        return logits

    def _prompt_mask(self) -> Tensor:
        """[P, S], or with shared prompts what is added to the scores [P, 1, 1, S]: of a [P, S] the model would expect
        one row for each of the decoder's."""
        if self._shared is None:
            return self._mask
        assert self._states is not None
        return added_mask(self._mask, self._states.dtype)
