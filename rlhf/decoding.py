"""One decoding step: the model with its cache, and the choice of a token."""

from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, EncoderDecoderCache
from transformers.modeling_outputs import BaseModelOutput

from rlhf.config import SamplingConfig
from rlhf.models import Policy
from rlhf.tensors import PromptState


def choose(logits: Tensor, uniforms: Tensor, sampling: SamplingConfig) -> tuple[Tensor, Tensor]:
    """Token [B] and its log-probability [B] for logits [B, V], by the inverse of the cumulative distribution."""
    if sampling.greedy:
        logs = torch.log_softmax(logits.float(), dim=-1)
        best = logs.argmax(dim=-1)
        return best, logs.gather(1, best[:, None])[:, 0]
    scaled = logits.float() / sampling.temperature
    logs = torch.log_softmax(scaled, dim=-1)
    # In float64 the sum over a large vocabulary leaves no token out by rounding.
    cumulative = _filtered(logs, sampling).double().cumsum(dim=-1)
    target = (uniforms[:, None] * cumulative[:, -1:]).contiguous()
    # The first token whose cumulative probability is above the target: one of probability 0 is never chosen.
    token = torch.searchsorted(cumulative, target, right=True).clamp(max=logits.shape[-1] - 1)
    return token[:, 0], logs.gather(1, token)[:, 0]


def _filtered(logs: Tensor, sampling: SamplingConfig) -> Tensor:
    """Probabilities [B, V] with everything outside top-k and the nucleus (Holtzman et al. 2020) at 0."""
    probabilities = logs.exp()
    if 0 < sampling.top_k < logs.shape[-1]:
        least = probabilities.topk(sampling.top_k, dim=-1).values[:, -1:]
        probabilities = probabilities.masked_fill(probabilities < least, 0.0)
    if sampling.top_p < 1:
        ordered, order = probabilities.sort(dim=-1, descending=True)
        ordered = ordered / ordered.sum(dim=-1, keepdim=True)
        # A token stays while those before it hold less than top_p: the smallest set that reaches it.
        outside = ordered.cumsum(dim=-1) - ordered >= sampling.top_p
        probabilities = probabilities.masked_fill(outside.scatter(1, order, outside), 0.0)
    return probabilities


class Decoder:
    """The model with its cache: the prompts are read with P rows, then the cache is spread to B."""

    def __init__(self, policy: Policy, state: PromptState) -> None:
        self._policy = policy
        self._state = state
        self._states = state.states
        self._mask = state.prompts.mask.long()
        config = policy.base.config
        self._cache: Any = (
            DynamicCache(config=config)
            if state.states is None
            else EncoderDecoderCache(DynamicCache(config=config), DynamicCache(config=config))
        )

    def start(self, owner: Tensor) -> Tensor:
        """Logits [B, V] of the first token. All rows of one prompt start alike, so P rows are enough to read."""
        if self._states is None:
            logits = self._run(self._state.prompts.ids)
        else:
            first = torch.full((len(self._state), 1), self._policy.start_id, device=self._policy.device)
            logits = self._run(first)
        self.keep(owner)
        return logits[owner]

    def step(self, token: Tensor) -> Tensor:
        """Logits [B, V] after ``token`` [B] was read."""
        if self._states is None:
            self._mask = torch.cat([self._mask, self._mask.new_ones((len(token), 1))], dim=1)
        return self._run(token[:, None])

    def keep(self, rows: Tensor) -> None:
        """Make the cache's rows ``rows``: the owner of each row at first, those still going later."""
        self._cache.batch_select_indices(rows)
        self._mask = self._mask[rows]
        self._states = None if self._states is None else self._states[rows]

    def _run(self, ids: Tensor) -> Tensor:
        model = self._policy.model
        if self._states is not None:
            encoded = BaseModelOutput(last_hidden_state=self._states)
            output = model(
                encoder_outputs=encoded, attention_mask=self._mask, decoder_input_ids=ids,
                past_key_values=self._cache, use_cache=True,
            )  # fmt: skip
        else:
            output = model(
                input_ids=ids, attention_mask=self._mask, past_key_values=self._cache, use_cache=True,
                logits_to_keep=1, **self._policy.positions(self._mask, ids.shape[1]),
            )  # fmt: skip
        logits: Tensor = output.logits[:, -1]
        return logits
