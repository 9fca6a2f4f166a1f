"""AdamW in memory of the device, or in pages that move to the host's when a GPU runs short (Dettmers et al. 2023)."""

from collections.abc import Sequence
from typing import Any

import torch


def adamw(groups: Sequence[dict[str, Any]], *, weight_decay: float, epsilon: float, paged: bool) -> Any:
    """AdamW over ``groups`` of parameters with their rates; ``paged`` needs CUDA. Both keep two moments in fp32."""
    if paged:
        from bitsandbytes.optim.adamw import PagedAdamW32bit

        made: Any = PagedAdamW32bit  # has no hints
        return made(list(groups), weight_decay=weight_decay, eps=epsilon)
    return torch.optim.AdamW(list(groups), weight_decay=weight_decay, eps=epsilon, fused=True)
