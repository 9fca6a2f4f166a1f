"""NF4 weights for QLoRA (Dettmers et al. 2023), by bitsandbytes, and the way back to a plain model."""

import copy
import tempfile
from functools import partial
from typing import Any

import torch
from bitsandbytes.functional import dequantize_4bit
from bitsandbytes.nn.modules import Linear4bit, Params4bit
from peft import PeftModel, prepare_model_for_kbit_training
from torch import Tensor, nn
from transformers import BitsAndBytesConfig
from transformers.pytorch_utils import Conv1D


def settings(compute: torch.dtype) -> Any:
    """NF4 with double quantisation; a layer's weights become ``compute`` for the time of its forward."""
    made: Any = BitsAndBytesConfig  # has no hints
    return made(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=compute,
    )


def is_quantised(model: Any) -> bool:
    """True when some layers of ``model`` hold 4-bit weights."""
    return any(isinstance(module, Linear4bit) for module in model.modules())


def keep_exact(model: Any) -> None:
    """Keep bitsandbytes 0.50 from two things it does on a CPU, so that weights mean the same in every forward.

    With AVX512-BF16 it packs them anew in the first forward in eval mode (ours always is), and rounds what double
    quantisation stored to bf16 for good. With AVX512 its kernel begins a block in each row, while the weights were
    quantised in one run: rows that are no multiple of a block come back wrong.
    """
    layers: list[Any] = [module for module in model.modules() if isinstance(module, Linear4bit)]
    for layer in layers:
        layer.support_avx512bf16_for_cpu = False
        if layer.weight.device.type == "cpu" and layer.in_features % layer.weight.blocksize:
            layer.forward = partial(_forward, layer)


def _forward(layer: Any, x: Tensor) -> Tensor:
    weight, bias = dequantised(layer.weight), layer.bias
    wide = nn.functional.linear(x.to(weight.dtype), weight, None if bias is None else bias.to(weight.dtype))
    return wide.to(x.dtype)


def dequantised(weight: Any) -> Tensor:
    """The numbers that a 4-bit weight stands for, [out, in]; read in one run, as they were quantised."""
    state = copy.copy(weight.quant_state)
    state.shape = torch.Size((1, state.shape.numel()))
    flat: Tensor = dequantize_4bit(weight.data, state)
    return flat.view(weight.quant_state.shape)


def prepare(model: Any) -> Any:
    """Freeze everything and put what is not quantised in fp32, ready for an adapter."""
    prepared: Any = prepare_model_for_kbit_training  # has no hints
    return prepared(model, use_gradient_checkpointing=False)


def size(parameter: Tensor) -> int:
    """How many numbers ``parameter`` stands for; a 4-bit one packs two into a byte."""
    if isinstance(parameter, Params4bit) and parameter.quant_state is not None:
        return int(parameter.quant_state.shape.numel())
    return parameter.numel()


def merged(model: PeftModel) -> Any:
    """A plain fp32 model on the CPU: the dequantised weights with the adapter folded in.

    Layer by layer on the CPU, because what needed four bits to fit on a GPU does not fit there in thirty-two. peft's
    own merge would quantise the sum again, and lose most of what the adapter learnt. ``model`` loses its adapter.
    """
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        plain = _dequantised(model.unload())
        adapted: Any = PeftModel.from_pretrained(plain, folder).merge_and_unload()
    return adapted.eval()


def _dequantised(base: Any) -> Any:
    modules = dict(base.named_modules())
    weights = {
        name: _plain(parameter, modules[name.rpartition(".")[0]])
        for name, parameter in base.named_parameters(remove_duplicate=False)
    }
    config = copy.deepcopy(base.config)
    del config.quantization_config
    # The loader ties what the config or the weights themselves say is tied.
    plain = type(base).from_pretrained(None, config=config, state_dict=weights, dtype=torch.float32)
    plain.generation_config = base.generation_config
    return plain.eval()


def _plain(parameter: Any, owner: Any) -> Tensor:
    """One parameter in fp32 on the CPU, in the layout of the model's own files."""
    if not isinstance(parameter, Params4bit):
        whole: Tensor = parameter.detach()
        return whole.float().cpu().contiguous()
    weight = dequantised(parameter)
    # GPT-2's layers keep their weights transposed.
    weight = weight.T if issubclass(owner.source_cls, Conv1D) else weight
    return weight.float().cpu().contiguous()
