"""A linear layer whose weights oneDNN need not pack anew at each call."""

import torch
from torch import Tensor, nn

_PACKED_ROWS = 64  # rows that the packing is made for; others are as right, and nearly as quick


class PackedLinear(nn.Module):
    """W x + b with a copy of W in the blocks in which oneDNN multiplies.

    torch packs a weight anew at each call, which at some dozens of rows takes up to a third of the time.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.weight, self.bias = weight.detach(), bias  # T5 asks for the type of the one
        self._packed = torch.ops.mkldnn._reorder_linear_weight(self.weight.contiguous(), _PACKED_ROWS)

    def forward(self, hidden: Tensor) -> Tensor:
        product: Tensor = torch.ops.mkldnn._linear_pointwise(hidden, self._packed, self.bias, "none", [], "")
        return product
