"""A language model's head: from a decoder's hidden states to log-probabilities, a block of rows at a time.

At T5's vocabulary the logits of a thousand tokens are 126 MB, and each pass over them costs as much as the product that
made them. A block stays in the processor's cache, and what backward needs of it is one row of the hidden size.

Letters: N tokens, D hidden size, V vocabulary.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from rlhf.packed import PackedLinear

_NUMBERS = {"cpu": 6_000_000}  # logits that are held at a time: 24 MB in fp32
_NUMBERS_ELSEWHERE = 200_000_000
# Models whose logits are lm_head(last hidden state), T5 scaling the state first, each held by a test; others compute
# their own.
_PLAIN = frozenset("t5 gpt2 gpt_neox llama".split())  # noqa: SIM905 - a list of names


@dataclass(frozen=True)
class Head:
    """logits = ``scale`` · ``layer``(hidden states); the scale holds the sampling temperature's inverse too."""

    layer: Any  # nn.Linear, or what stands in for it
    scale: float

    @classmethod
    def of(cls, model: Any, *, temperature: float) -> "Head | None":
        """The head of a transformers model; None for one that does more, or whose head has an adapter of its own."""
        layer, config = model.get_output_embeddings(), model.config
        # Not its subclasses: one with an adapter or in 4 bits is more than its weight.
        if config.model_type not in _PLAIN or type(layer) not in (nn.Linear, PackedLinear) or layer.bias is not None:
            return None
        scaled = getattr(config, "scale_decoder_outputs", False)
        return cls(layer, (config.d_model**-0.5 if scaled else 1.0) / temperature)

    def logits(self, hidden: Tensor) -> Tensor:
        """[N, D] -> [N, V] in float32."""
        logits: Tensor = self.layer(hidden).float()
        return logits if self.scale == 1 else logits * self.scale

    def log_probabilities(self, hidden: Tensor, ids: Tensor) -> Tensor:
        """log p of ``ids`` [N] after ``hidden`` [N, D]; [N] in float32. The head's own weights get no gradient."""
        found: Tensor = _LogProbabilities.apply(hidden, ids, self)  # type: ignore[no-untyped-call]  # torch's
        return found

    @property
    def trains(self) -> bool:
        """True when the head's weights are among what is trained."""
        return bool(self.layer.weight.requires_grad)


def blocks(rows: int, vocabulary: int, device: torch.device) -> Iterator[slice]:
    """Cuts ``rows`` so that a block's logits are few enough to be held."""
    size = max(1, _NUMBERS.get(device.type, _NUMBERS_ELSEWHERE) // vocabulary)
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))


class _LogProbabilities(torch.autograd.Function):
    """∂ log p(y)/∂h = scale · (w_y − Σ_v p(v) w_v): the sum is taken while the block's probabilities are there."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, ids: Tensor, head: Head) -> Tensor:
        weight = head.layer.weight
        found = torch.empty(len(hidden), device=hidden.device)
        slopes = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        for rows in blocks(len(hidden), weight.shape[0], hidden.device):
            logs = functional.log_softmax(head.logits(hidden[rows]), dim=-1)
            found[rows] = logs.gather(1, ids[rows, None])[:, 0]
            if slopes is not None:
                mean = logs.exp_().to(weight.dtype) @ weight
                slopes[rows] = ((weight[ids[rows]] - mean) * head.scale).to(slopes.dtype)
        if slopes is not None:
            ctx.save_for_backward(slopes)
        return found

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (slopes,) = ctx.saved_tensors
        return (gradient[:, None] * slopes).to(slopes.dtype), None, None
