"""Low-rank adapters on a model, by peft."""

from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftConfig, PeftModel, PeftType, TaskType, get_peft_model
from peft.utils import CONFIG_NAME, SAFETENSORS_WEIGHTS_NAME
from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING
from safetensors import SafetensorError
from torch import nn

from rlhf.config import LoraSpec
from rlhf.exceptions import ModelError
from rlhf.loading import Kind


def fresh(model: Any, kind: Kind, spec: LoraSpec, *, seed: int) -> Any:
    """``model`` with a new trainable adapter (B = 0) on its frozen weights.

    A layer with an adapter whose weight other layers share gets a copy of it. Raises ModelError for layers that the
    model has not or never reads.
    """
    targets, whole = _targets(model, spec), _whole(model, spec)
    _check_read(model, [*targets, *whole] if isinstance(targets, list) else whole)
    _untie(model, targets)
    settings = LoraConfig(
        r=spec.rank,
        lora_alpha=spec.alpha,
        lora_dropout=spec.dropout,
        target_modules=targets,
        modules_to_save=whole or None,
        exclude_modules=r"(.*\.)?encoder\..*" if spec.decoder_only else None,  # BART: model.encoder
        fan_in_fan_out=model.config.model_type == "gpt2",  # its Conv1D keeps weights transposed
        task_type=TaskType.SEQ_2_SEQ_LM if kind == "seq2seq" else TaskType.CAUSAL_LM,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            return get_peft_model(model, settings).eval()
        except ValueError as error:  # a norm, an activation
            raise ModelError(f"No low-rank adapter can be put on one of {targets}: {error}") from error


def learning_rates(model: Any, *, rate: float, saved_rate: float) -> list[tuple[Any, float]]:
    """Each trainable parameter with its learning rate: ``rate`` for the low-rank ones, and for those trained whole
    ``saved_rate`` times their mean magnitude, because Adam's steps know nothing of a parameter's size."""
    return [
        (parameter, saved_rate * float(parameter.detach().abs().mean()) if ".modules_to_save." in name else rate)
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    ]


def type_of(folder: Path) -> PeftType:
    """LoRA or prompt tuning, by the files in ``folder``. Raises ModelError for anything else and for pickled weights.

    Other types of peft may read further files that their config names, some of them pickles.
    """
    if not (folder / CONFIG_NAME).is_file() or not (folder / SAFETENSORS_WEIGHTS_NAME).is_file():
        raise ModelError(
            f"{folder} is no adapter: it needs {CONFIG_NAME} and {SAFETENSORS_WEIGHTS_NAME} (pickled weights, "
            "adapter_model.bin, are never read)."
        )
    try:
        config = PeftConfig.from_pretrained(str(folder))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(f"{folder / CONFIG_NAME} cannot be used: {error}") from error
    if config.peft_type not in (PeftType.LORA, PeftType.PROMPT_TUNING):
        raise ModelError(f"{folder} holds an adapter of type {config.peft_type}: only LoRA and prompt tuning are read.")
    found: PeftType = config.peft_type
    return found


def load(model: Any, folder: Path, *, name: str = "default") -> Any:
    """``model`` with the saved LoRA in ``folder`` under ``name``, frozen. Raises ModelError without one that fits."""
    if type_of(folder) != PeftType.LORA:
        raise ModelError(f"{folder} holds a soft prompt, not a LoRA.")
    try:
        _untie(model, PeftConfig.from_pretrained(str(folder)).target_modules)
        if isinstance(model, PeftModel):
            model.load_adapter(str(folder), adapter_name=name, is_trainable=False)
            return model.eval()
        return PeftModel.from_pretrained(model, str(folder), adapter_name=name, is_trainable=False).eval()
    except (RuntimeError, ValueError, SafetensorError) as error:
        raise ModelError(f"The adapter in {folder} does not fit this model: {error}") from error


def _untie(model: Any, targets: Collection[str] | str | None) -> None:
    """Give each target whose weight other layers share (a tied head, the words of encoder and decoder) its own copy:
    merged into the one that all share, an adapter would change the others too."""
    if targets is None or isinstance(targets, str):
        return  # all-linear: peft leaves the head out, and words are no linear layer
    holders = Counter(id(module._parameters.get("weight")) for module in model.modules())
    for name, module in model.named_modules():
        weight = module._parameters.get("weight")
        if weight is not None and name.rsplit(".", 1)[-1] in targets and holders[id(weight)] > 1:
            module.weight = nn.Parameter(weight.detach().clone(), requires_grad=weight.requires_grad)


def _check_read(model: Any, names: Collection[str]) -> None:
    """transformers' seq2seq models keep their words in `shared`, but read them through `embed_tokens`."""
    layers = {name.rsplit(".", 1)[-1] for name, _module in model.named_modules()}
    if unread := [name for name in names if name.rsplit(".", 1)[-1] == "shared" and "embed_tokens" in layers]:
        raise ModelError(f"The model never reads {unread[0]}, so an adapter on it would do nothing: name embed_tokens.")


def _whole(model: Any, spec: LoraSpec) -> list[str]:
    """The layers that are trained whole; peft would take no notice of a name that no layer has."""
    names = [name for name, _module in model.named_modules()]
    if unknown := [wanted for wanted in spec.modules_to_save if not any(name.endswith(wanted) for name in names)]:
        raise ModelError(f"The model has no layers whose names end with {unknown}: change modules_to_save.")
    return list(spec.modules_to_save)


def _targets(model: Any, spec: LoraSpec) -> list[str] | str:
    if isinstance(spec.targets, str):
        return spec.targets
    names = {name.rsplit(".", 1)[-1] for name, module in model.named_modules() if not list(module.children())}
    targets = list(spec.targets)
    if targets == ["q", "v"] and not names.issuperset(targets):
        # “Queries and values” has another name in most models.
        targets = list(TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING.get(model.config.model_type, targets))
    if not names.issuperset(targets):
        raise ModelError(f"The model has no layers named {sorted(set(targets) - names)}; it has {sorted(names)}.")
    return targets
