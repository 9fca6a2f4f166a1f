"""A policy made quick where no gradient is wanted, and left to the bit as it was.

For the time of a ``with`` block other layers stand in for some of the policy's own. Its weights are never written, so
that a training goes on from the same bits; what it says is the same up to the rounding of fp32.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from peft.tuners.lora import Linear as LoraLinear
from peft.utils import ModulesToSaveWrapper
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from rlhf.decoding import Decoder, DecoderOf
from rlhf.models import Policy
from rlhf.packed import PackedLinear
from rlhf.t5_decoding import T5Decoder, T5Weights

_PACKED_SIZE = 1 << 17  # weights of a layer from which a packed copy is quicker than what oneDNN costs for a call

StandIn = Callable[[nn.Module], nn.Module | None]


@contextmanager
def inference(policy: Policy, *, reference: bool = False) -> Iterator[DecoderOf]:
    """No gradients, the adapter folded in (``reference``: off), and the quickest kernels that stay in fp32.

    Gives what decodes completions of prompts that were read inside the block.
    """
    with ExitStack() as stack:
        stack.enter_context(folded(policy, reference=reference))
        stack.enter_context(torch.inference_mode())
        if T5Weights.fit(policy):
            yield partial(T5Decoder, T5Weights(policy.base), policy.start_id)
            return
        stack.enter_context(_plain_attention(policy))
        if policy.device.type == "cpu":
            stack.enter_context(_stand_ins(policy.base, _quicker))
        yield partial(Decoder, policy)


@contextmanager
def folded(policy: Policy, *, reference: bool = False) -> Iterator[None]:
    """One plain layer for each with an adapter; its weight is W + scale · B A, or W where the adapter is off."""
    with policy.reference() if reference else nullcontext(), _stand_ins(policy.base, _plain):
        yield


def _plain(module: nn.Module) -> nn.Module | None:
    if isinstance(module, LoraLinear):
        return module.get_base_layer() if module.disable_adapters else _merged(module)
    if isinstance(module, ModulesToSaveWrapper):
        name = None if module.disable_adapters else next(iter(module.active_adapters), None)
        saved: nn.Module = module.original_module if name is None else module.modules_to_save[name]
        return saved
    return None


def _merged(layer: LoraLinear) -> nn.Module | None:
    """None where the sum is not exact enough or not the whole story."""
    base: Any = layer.get_base_layer()
    active = [name for name in layer.active_adapters if name in layer.lora_A]
    special = any(name in layer.lora_variant or layer.lora_bias[name] for name in active)
    # In bf16 the sum would swallow most of a small adapter.
    if special or layer.merged or base.weight.dtype != torch.float32:
        return None
    with torch.no_grad():
        weight: Tensor = base.weight + sum(layer.get_delta_weight(name) for name in active)
    # GPT-2's Conv1D keeps its weights transposed.
    weight = weight.T if layer.fan_in_fan_out else weight
    plain = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
    plain.weight = nn.Parameter(weight, requires_grad=False)
    plain.bias = base.bias
    return plain


def _quicker(module: nn.Module) -> nn.Module | None:
    # Not its subclasses: a quantised layer is one too.
    if type(module) not in (nn.Linear, Conv1D):
        return None
    layer: Any = module
    if layer.weight.dtype != torch.float32 or layer.weight.numel() < _PACKED_SIZE:
        return None
    return PackedLinear(layer.weight.T if type(module) is Conv1D else layer.weight, layer.bias)


@contextmanager
def _stand_ins(model: nn.Module, stand_in: StandIn) -> Iterator[None]:
    """Each layer for which ``stand_in`` gives another is that one meanwhile."""
    replaced = list(_replacements(model, stand_in))
    try:
        for parent, name, _own, other in replaced:
            setattr(parent, name, other)
        yield
    finally:
        for parent, name, own, _other in replaced:
            setattr(parent, name, own)


def _replacements(parent: nn.Module, stand_in: StandIn) -> Iterator[tuple[nn.Module, str, nn.Module, nn.Module]]:
    """(parent, name, layer, stand-in); what lies inside a replaced layer is left out."""
    for name, child in parent.named_children():
        other = stand_in(child)
        if other is None:
            yield from _replacements(child, stand_in)
        else:
            yield parent, name, child, other


@contextmanager
def _plain_attention(policy: Policy) -> Iterator[None]:
    """On a CPU, attention of one new token by plain products: torch's fused kernel takes three times as long."""
    usual = policy.base.config._attn_implementation
    if policy.device.type != "cpu" or usual != "sdpa":
        yield
        return
    policy.base.set_attn_implementation("eager")
    try:
        yield
    finally:
        policy.base.set_attn_implementation(usual)
