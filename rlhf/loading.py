"""Models and tokenizers from the hub or a folder: safetensors only, no code of others, clear errors."""

import inspect
import json
import re
import warnings
from pathlib import Path
from typing import Any, Literal

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer
from transformers.activations import NewGELUActivation
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
)
from transformers.utils import SAFE_WEIGHTS_INDEX_NAME
from transformers.utils import logging as transformers_logging

from rlhf import parallel, quantised
from rlhf.allocator import keep_freed_memory
from rlhf.exceptions import ModelError
from rlhf.hub import model_folder

Kind = Literal["seq2seq", "causal"]
_NO_WRITERS = (
    "Classification", "EncoderModel", "MaskedLM", "MultipleChoice", "NextSentencePrediction", "QuestionAnswering",
)  # fmt: skip
"""Ends of the names of classes that write no text, though other classes of their family do."""

# peft still asks transformers 5 by the old name, once for each adapter; nobody who reads our output can change that.
warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning)
# One bar for each model that is read or written would bury the progress of the trainings.
transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers has no hints here


def best_device() -> torch.device:
    """This process's CUDA device where there is one, else the CPU."""
    return parallel.device()


def best_dtype(device: torch.device) -> torch.dtype:
    """bf16 on a GPU that has it, else fp32: bf16 is six times slower than fp32 on a CPU without AVX512-BF16."""
    return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float32


def found(source: str | Path) -> str:
    """The folder of ``source``: itself, or the hub's copy on this disk. Raises ModelError where there is none.

    A folder is taken as it is; what it lacks is said by whoever reads it.
    """
    if Path(source).is_dir():
        return str(source)
    try:
        return str(model_folder(source))
    except ModelError as error:
        raise ModelError(_not_found(str(source), error)) from error


def load_config(source: str) -> Any:
    """The config of the model in the folder ``source``, with every dropout at 0. Raises ModelError without one."""
    folder = Path(source)
    if not (folder / "config.json").is_file():
        what = "an adapter, not a whole model" if (folder / "adapter_config.json").is_file() else "not a model"
        raise ModelError(f"The folder {source} holds no config.json: it is {what}. Give a folder in the hub's format.")
    if (folder / "adapter_config.json").exists():
        # transformers would load that adapter too, pickled or not, and its config may name any other model.
        raise ModelError(
            f"The folder {source} holds a model and an adapter (adapter_config.json) at once: keep the adapter in a "
            "folder of its own and name it as the adapter."
        )
    try:
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, StrictDataclassError) as error:
        raise ModelError(f"{folder / 'config.json'} cannot be used: {_first_line(error)}") from error
    for name, value in list(vars(config).items()):
        if "drop" in name and isinstance(value, int | float) and not isinstance(value, bool):
            setattr(config, name, 0.0)
    return config


def kind_of(config: Any, source: str, wanted: Kind | None) -> Kind:
    """seq2seq or causal, by the config's model type; ``wanted`` only has to agree with what is possible."""
    made_for = next((name for name in config.architectures or [] if name.endswith(_NO_WRITERS)), None)
    if made_for is not None:
        raise ModelError(f"{source} is a {made_for}, which does not write text; choose a seq2seq or causal model.")
    possible: list[Kind] = []
    if config.is_encoder_decoder and config.model_type in MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES:
        possible.append("seq2seq")
    if not config.is_encoder_decoder and config.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        possible.append("causal")
    if not possible or (wanted is not None and wanted not in possible):
        can = f"can only be used as {possible[0]}" if possible else "does not write text"
        raise ModelError(f"{source} is a {config.model_type} model, which {can}; choose a seq2seq or causal model.")
    return possible[0]


def load_model(source: str, config: Any, kind: Kind, device: torch.device, *, nf4: bool = False) -> Any:
    """The weights, from safetensors alone, in eval mode on ``device``; with ``nf4``, the linear layers in 4 bits."""
    if device.type == "cpu":
        keep_freed_memory()
    _check_shards(Path(source))
    loader: Any = AutoModelForSeq2SeqLM if kind == "seq2seq" else AutoModelForCausalLM
    dtype = best_dtype(device)
    # Quantised weight by weight on their way in: the whole model in full precision may not fit.
    how = {"quantization_config": quantised.settings(dtype), "device_map": {"": _place(device)}} if nf4 else {}
    try:
        model, info = loader.from_pretrained(
            source, config=config, use_safetensors=True, trust_remote_code=False, dtype=dtype,
            output_loading_info=True, **how,
        )  # fmt: skip
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ModelError(
            f"The weights of {source} cannot be loaded: {_first_line(error)} Only safetensors are read: a checkpoint "
            "of pickles (pytorch_model.bin) has to be converted first, for example with the hub's converter."
        ) from error
    if info["missing_keys"]:
        # transformers would go on with random numbers in their place.
        some = ", ".join(sorted(info["missing_keys"])[:3])
        raise ModelError(f"{source} lacks weights of a {config.model_type} {kind} model: {some}, …")
    if not nf4:
        model.to(device)
    model.eval()
    quantised.keep_exact(model)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        for name, child in module.named_children():
            if isinstance(child, NewGELUActivation):
                # The same formula in one kernel instead of eight, and one tensor kept for backward instead of six.
                setattr(module, name, torch.nn.GELU(approximate="tanh"))
    return model


def _place(device: torch.device) -> int | str:
    """``device`` as accelerate's device maps write it: a GPU by its number."""
    if device.type != "cuda":
        return device.type
    return torch.cuda.current_device() if device.index is None else device.index


def _check_shards(folder: Path) -> None:
    """Raise ModelError where the index of a sharded model names anything but safetensors of this folder.

    transformers goes by each name's ending, and would unpickle a shard whose name ends in .bin.
    """
    index = folder / SAFE_WEIGHTS_INDEX_NAME
    if not index.is_file():
        return
    try:
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{index} cannot be used: {error!r}") from error
    # Each has to be a plain name: no folder above or below.
    strange = sorted(str(name) for name in shards if not re.fullmatch(r"[^/\\]+\.safetensors", str(name)))
    if strange:
        raise ModelError(f"{index} names {', '.join(strange)}: only safetensors of the same folder are read.")


def load_tokenizer(source: str) -> Any:
    """The tokenizer, with EOS standing in where there is no padding token. Raises ModelError without an EOS."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, ImportError) as error:
        raise ModelError(f"{source} has no usable tokenizer: {_first_line(error)}") from error
    if tokenizer.eos_token_id is None:
        raise ModelError(f"The tokenizer of {source} has no end-of-sequence token; completions could never end.")
    if tokenizer.pad_token_id is None:
        # No new row in the embeddings: what is padding is said by masks, never by an id.
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def prompt_limit(config: Any, kind: Kind, wanted: int, completion: int, *, virtual: int = 0) -> int:
    """The wanted limit, or what the model's position table leaves beside a soft prompt's ``virtual`` tokens and, for a
    causal model, the completion."""
    positions = getattr(config, "max_position_embeddings", None)
    if positions is None:
        return wanted
    left = int(positions) - virtual - (completion if kind == "causal" else 0)
    if left < 1 or completion > int(positions):
        beside = f" and {virtual} for the soft prompt" if virtual else ""
        raise ModelError(
            f"The model reads {positions} tokens; {completion} for the completion{beside} leave none for a prompt."
        )
    return min(wanted, left)


def accepts(model: Any, argument: str) -> bool:
    """True when the model's own forward names ``argument`` (position_ids is not known to all)."""
    return argument in inspect.signature(model.forward).parameters


def _not_found(source: str, error: Exception) -> str:
    return (
        f"There is no model {source!r}: {_first_line(error)}. Give a folder in the hub's format (config.json, "
        "model.safetensors, tokenizer) or a hub name such as google/flan-t5-base; a private model needs HF_TOKEN, and "
        "a machine without the hub needs the model in HF_HOME beforehand."
    )


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].strip()
