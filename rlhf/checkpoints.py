"""Saved models with a hash of what they are, and exact checkpoints of a training: safetensors and JSON, no pickle."""

import hashlib
import json
import math
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from rlhf.exceptions import ModelError
from rlhf.models import Policy
from rlhf.types import Artifact

CARD = "kedge.json"
# What depends on the machine, the day or a library's version, not on the model.
_NOISE = {
    "_name_or_path", "name_or_path", "base_model_name_or_path", "transformers_version", "peft_version", "revision",
    "parent_library", "auto_mapping", "inference_mode",
}  # fmt: skip
_SKIPPED = {CARD, "tokenizer_config.json", "special_tokens_map.json", "generation_config.json"}


def artifact_hash(folder: Path | str) -> str:
    """sha256 over every tensor below ``folder`` (file, name, dtype, shape, bytes) and its settings (*.json).

    Paths, times and versions of libraries are left out: the same model has the same hash anywhere.
    """
    root, digest = Path(folder), hashlib.sha256()
    for path in sorted(root.rglob("*"), key=lambda found: found.relative_to(root).as_posix()):
        name = path.relative_to(root).as_posix()
        if path.suffix == ".safetensors":
            for piece in _tensor_bytes(path):
                digest.update(name.encode() + b"\0" + piece)
        elif path.suffix == ".json" and path.name not in _SKIPPED:
            settings = _without_noise(json.loads(path.read_text(encoding="utf-8")))
            digest.update(f"{name}\0{json.dumps(settings, sort_keys=True)}\0".encode())
    return digest.hexdigest()


def describe(folder: Path | str, policy: Policy, facts: Mapping[str, object]) -> Artifact:
    """The artifact in ``folder``: hash, sizes and facts, also written there as kedge.json (no NaN: null)."""
    root = Path(folder)
    trainable, total = policy.count_parameters()
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file() and path.name != CARD)
    artifact = Artifact(str(root), artifact_hash(root), trainable, total, size, dict(facts))
    card = {name: plain(value) for name, value in asdict(artifact).items() if name != "path"}
    (root / CARD).write_text(json.dumps(card, sort_keys=True, indent=1) + "\n", encoding="utf-8")
    return artifact


def read_artifact(folder: Path | str) -> Artifact:
    """What ``describe`` wrote. Raises ModelError when the folder holds none."""
    try:
        card = json.loads((Path(folder) / CARD).read_text(encoding="utf-8"))
        return Artifact(path=str(folder), **card)
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"{folder} holds no saved model of ours: {CARD} cannot be read ({error}).") from error


def save_checkpoint(folder: Path, state: Mapping[str, object]) -> None:
    """Write nested dicts, lists, numbers and tensors. The old checkpoint stays until the new one is whole."""
    tensors: dict[str, Tensor] = {}
    skeleton = _take_out(state, tensors)
    fresh, old = folder.with_name(folder.name + ".new"), folder.with_name(folder.name + ".old")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    save_file(tensors, fresh / "tensors.safetensors")
    (fresh / "state.json").write_text(json.dumps(skeleton), encoding="utf-8")
    # A crash between the two renames leaves the old checkpoint under .old, where load_checkpoint looks too.
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def load_checkpoint(folder: Path) -> dict[str, Any] | None:
    """What ``save_checkpoint`` wrote, tensors on the CPU; None where there is no checkpoint."""
    for place in (folder, folder.with_name(folder.name + ".old")):
        if (place / "state.json").is_file():
            tensors = load_file(place / "tensors.safetensors")
            state: dict[str, Any] = _put_in(json.loads((place / "state.json").read_text(encoding="utf-8")), tensors)
            return state
    return None


def remove_checkpoint(folder: Path) -> None:
    """Forget a checkpoint whose training has ended."""
    for suffix in ("", ".new", ".old"):
        shutil.rmtree(folder.with_name(folder.name + suffix), ignore_errors=True)


def plain(value: object) -> object:
    """``value`` as JSON data: dataclasses become objects, NaN and infinities null."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def _tensor_bytes(path: Path) -> Iterator[bytes]:
    with safe_open(path, framework="pt") as file:
        for name in sorted(file.keys()):
            tensor = file.get_tensor(name)
            yield f"{name}\0{tensor.dtype}\0{list(tensor.shape)}\0".encode()
            # A view as bytes: numpy has no bfloat16.
            yield tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes()


def _without_noise(value: object) -> object:
    if isinstance(value, dict):
        return {
            # peft keeps these as a set: their order changes from run to run.
            key: sorted(item) if key == "target_modules" and isinstance(item, list) else _without_noise(item)
            for key, item in value.items()
            if key not in _NOISE
        }
    return [_without_noise(item) for item in value] if isinstance(value, list) else value


def _take_out(value: Any, tensors: dict[str, Tensor]) -> Any:
    """``value`` with every tensor replaced by its name in ``tensors``; a dict becomes a list of pairs (keys may be
    numbers, which JSON would turn into texts)."""
    if isinstance(value, Tensor):
        name = f"t{len(tensors)}"
        # A copy each: safetensors refuses tensors that share memory.
        tensors[name] = value.detach().cpu().contiguous().clone()
        return {"tensor": name}
    if isinstance(value, Mapping):
        return {"dict": [[key, _take_out(item, tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [_take_out(item, tensors) for item in value]
    return value


def _put_in(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, dict):
        if "tensor" in value:
            return tensors[value["tensor"]]
        return {key: _put_in(item, tensors) for key, item in value["dict"]}
    return [_put_in(item, tensors) for item in value] if isinstance(value, list) else value
