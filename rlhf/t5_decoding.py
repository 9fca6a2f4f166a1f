"""One decoding step of a T5 in few products, in the place of `rlhf.decoding.Decoder`, which any model can use.

Queries, keys and values are one product, the two halves of a gated layer another, and a norm's gain is folded into the
weights behind it, packed once for all steps. The prompts' keys and values are computed once for all completions.

Letters: P prompts, N the most completions that one of them has, B rows, S prompt tokens, H heads, K size of a head, D
hidden size.
"""

from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn

from rlhf.cache import GrowingLayer
from rlhf.models import Policy
from rlhf.packed import PackedLinear
from rlhf.shared_attention import SharedPrompts, added_mask
from rlhf.tensors import PromptState


@dataclass(frozen=True)
class _Block:
    """A decoder layer's weights, packed; the norm before each product is folded into it."""

    self_qkv: PackedLinear
    self_out: PackedLinear
    cross_q: PackedLinear
    cross_kv: Tensor  # [2HK, D]: read once a prompt
    cross_out: PackedLinear
    inner: PackedLinear  # gate and value of a gated layer, one after the other
    outer: PackedLinear


class T5Weights:
    """The decoder of a T5 in fp32 whose layers are plain: no adapter, nothing quantised."""

    def __init__(self, model: Any) -> None:
        config, decoder = model.config, model.get_decoder()
        self.heads, self.size, self.epsilon = config.num_heads, config.d_kv, config.layer_norm_epsilon
        self.gated = config.is_gated_act
        self.words = decoder.embed_tokens
        self.bias_of = decoder.block[0].layer[0].SelfAttention.compute_bias
        self.blocks = [_packed(block) for block in decoder.block]
        self.activation = decoder.block[0].layer[2].DenseReluDense.act
        scale = config.d_model**-0.5 if config.scale_decoder_outputs else 1.0
        self.head = PackedLinear(model.lm_head.weight * decoder.final_layer_norm.weight * scale, None)

    @staticmethod
    def fit(policy: Policy) -> bool:
        """True for a policy whose decoder, with the layers that it has now, these weights can be made of."""
        model = policy.base
        if model.config.model_type != "t5" or policy.device.type != "cpu":
            return False
        decoder = model.get_decoder()
        layers = [model.lm_head, *(layer for block in decoder.block for layer in _linear(block))]
        # Not a subclass: one with an adapter or in 4 bits is more than its weight.
        plain = all(type(layer) is nn.Linear and layer.weight.dtype == torch.float32 for layer in layers)
        return plain and type(decoder.embed_tokens) is nn.Embedding


def _linear(block: Any) -> list[Any]:
    own, cross, feed = block.layer
    attention = [getattr(part, name) for part in (own.SelfAttention, cross.EncDecAttention) for name in "qkvo"]
    return attention + [getattr(feed.DenseReluDense, name) for name in ("wi", "wi_0", "wi_1", "wo")
                        if hasattr(feed.DenseReluDense, name)]  # fmt: skip


def _packed(block: Any) -> _Block:
    own, cross, feed = block.layer
    mine, theirs, dense = own.SelfAttention, cross.EncDecAttention, feed.DenseReluDense
    inner = [dense.wi_0.weight, dense.wi_1.weight] if hasattr(dense, "wi_0") else [dense.wi.weight]
    return _Block(
        self_qkv=PackedLinear(torch.cat([mine.q.weight, mine.k.weight, mine.v.weight]) * own.layer_norm.weight, None),
        self_out=PackedLinear(mine.o.weight, None),
        cross_q=PackedLinear(theirs.q.weight * cross.layer_norm.weight, None),
        cross_kv=torch.cat([theirs.k.weight, theirs.v.weight]),
        cross_out=PackedLinear(theirs.o.weight, None),
        inner=PackedLinear(torch.cat(inner) * feed.layer_norm.weight, None),
        outer=PackedLinear(dense.wo.weight, None),
    )


class T5Decoder:
    """As `rlhf.decoding.Decoder`, without gradients."""

    def __init__(self, weights: T5Weights, start_id: int, state: PromptState) -> None:
        assert state.states is not None
        self._weights, self._start_id = weights, start_id
        self._shared = SharedPrompts(torch.arange(len(state), device=state.states.device))
        self._mask = None if state.prompts.mask.all() else added_mask(state.prompts.mask, state.states.dtype)
        self._cross = [self._read(state.states, block.cross_kv) for block in weights.blocks]
        made: Any = GrowingLayer  # transformers gives its constructor no types
        self._cache = [made() for _ in weights.blocks]
        self._bias = torch.empty(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is attached to the model."""

    def start(self, owner: Tensor) -> Tensor:
        """Logits [B, V] of the first token; ``owner`` [B] points at the prompts."""
        logits = self.step(owner.new_full((len(self._cross[0][0]),), self._start_id))
        self.keep(owner)
        return logits[owner]

    def step(self, token: Tensor) -> Tensor:
        """Logits [B, V] after ``token`` [B] was read."""
        weights, place = self._weights, self._cache[0].get_seq_length()
        hidden = weights.words(token)
        bias = self._bias_at(place)
        for block, cache, cross in zip(weights.blocks, self._cache, self._cross, strict=True):
            hidden = hidden + block.self_out(self._own(block.self_qkv(self._unit(hidden)), cache, bias))
            hidden = hidden + block.cross_out(self._others(block.cross_q(self._unit(hidden)), *cross))
            inner = block.inner(self._unit(hidden))
            if weights.gated:
                gate, value = inner.chunk(2, dim=-1)
                inner = weights.activation(gate) * value
            else:
                inner = weights.activation(inner)
            hidden = hidden + block.outer(inner)
        logits: Tensor = weights.head(self._unit(hidden))
        return logits

    def keep(self, rows: Tensor) -> None:
        """Make the decoder's rows ``rows`` of those before."""
        for cache in self._cache:
            cache.batch_select_indices(rows)
        left = self._shared.keep(rows)
        if len(left) < len(self._cross[0][0]):
            self._cross = [(keys[left], values[left]) for keys, values in self._cross]
            self._mask = None if self._mask is None else self._mask[left]

    def _read(self, states: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """The prompts' keys and values, [P, H, S, K] each."""
        prompts, tokens, _size = states.shape
        both = nn.functional.linear(states, weight).view(prompts, tokens, 2, self._weights.heads, self._weights.size)
        keys, values = both.permute(2, 0, 3, 1, 4).contiguous()
        return keys, values

    def _unit(self, hidden: Tensor) -> Tensor:
        """Divided by the root mean square; the norm's gain is in the weights that come next."""
        return hidden * torch.rsqrt(hidden.square().mean(-1, keepdim=True) + self._weights.epsilon)

    def _bias_at(self, place: int) -> Tensor:
        """[1, H, 1, ``place`` + 1], what the distance of each token adds to its score."""
        if self._bias.shape[-1] <= place:
            room = 2 * (place + 32)
            self._bias = self._weights.bias_of(room, room).detach()
        return self._bias[:, :, place : place + 1, : place + 1]

    def _own(self, qkv: Tensor, cache: GrowingLayer, bias: Tensor) -> Tensor:
        """Attention [B, HK] over the row's own tokens; ``qkv`` [B, 3HK] of the newest."""
        query, key, value = qkv.view(len(qkv), 3, self._weights.heads, 1, self._weights.size).unbind(1)
        keys, values = cache.update(key, value)
        shares = (query @ keys.transpose(2, 3) + bias).softmax(dim=-1)
        return (shares @ values).reshape(len(qkv), -1)

    def _others(self, query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Attention [B, HK] over the row's prompt; ``query`` [B, HK]."""
        heads, size = self._weights.heads, self._weights.size
        folded = self._shared.fold(query[:, None]).view(len(keys), -1, heads, size).transpose(1, 2)
        scores = folded @ keys.transpose(2, 3)
        shares = (scores if self._mask is None else scores + self._mask).softmax(dim=-1)
        found = (shares @ values).transpose(1, 2).reshape(len(keys), -1, heads * size)
        return self._shared.unfold(found)[:, 0]
