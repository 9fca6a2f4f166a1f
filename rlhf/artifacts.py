"""Saved models with a hash of what they are: safetensors and JSON, no pickle."""

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, is_dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from rlhf import parallel
from rlhf.exceptions import ModelError
from rlhf.models import Policy
from rlhf.types import Artifact

CARD = "kedge.json"
# What depends on the machine, the day or a library's version, not on the model.
_NOISE = {
    "_name_or_path", "name_or_path", "base_model_name_or_path", "transformers_version", "peft_version", "revision",
    "parent_library", "auto_mapping", "inference_mode",
}  # fmt: skip
_SKIPPED = {
    CARD,
    "tokenizer_config.json",
    "special_tokens_map.json",
    "generation_config.json",
    "reward-description.json",
}


def artifact_hash(folder: Path | str) -> str:
    """sha256 over every tensor below ``folder`` (file, name, dtype, shape, bytes) and its settings (*.json).

    Paths, times and versions of libraries are left out: the same model has the same hash anywhere. Raises ModelError
    for a file that cannot be read.
    """
    root, digest = Path(folder), hashlib.sha256()
    for path in sorted(root.rglob("*"), key=lambda found: found.relative_to(root).as_posix()):
        try:
            for piece in _hashed(path, path.relative_to(root).as_posix()):
                digest.update(piece)
        except (OSError, ValueError, RecursionError, SafetensorError) as error:
            raise ModelError(f"{path} is damaged: {error}") from error
    return digest.hexdigest()


def _hashed(path: Path, name: str) -> Iterator[bytes]:
    if path.suffix == ".safetensors":
        for piece in _tensor_bytes(path):
            yield name.encode() + b"\0" + piece
    elif path.suffix == ".json" and path.name not in _SKIPPED:
        settings = _without_noise(json.loads(path.read_text(encoding="utf-8")))
        yield f"{name}\0{json.dumps(settings, sort_keys=True)}\0".encode()


def fingerprint(anchor: Path | str, data: object) -> str:
    """A hash of what a training starts from: the anchor and its examples (plain data whose repr says all of it)."""
    return hashlib.sha256(f"{artifact_hash(anchor)}\0{data!r}".encode()).hexdigest()


def describe(folder: Path | str, policy: Policy, facts: Mapping[str, object]) -> Artifact:
    """The artifact in ``folder``: hash, sizes and facts, also written there as kedge.json (no NaN: null)."""
    root = Path(folder)
    trainable, total = policy.count_parameters()
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file() and path.name != CARD)
    artifact = Artifact(str(root), artifact_hash(root), trainable, total, size, dict(facts))
    card = {name: plain(value) for name, value in asdict(artifact).items() if name != "path"}
    (root / CARD).write_text(json.dumps(card, sort_keys=True, indent=1) + "\n", encoding="utf-8")
    return artifact


def save_artifact(
    folder: Path | str, policy: Policy, write: Callable[[Path], None], facts: Mapping[str, object]
) -> Artifact:
    """``write`` the model into ``folder`` and describe it: by the main process, with the same answer in all.

    Raises ModelError where it cannot be written. A training's checkpoints are still there then.
    """
    if parallel.is_main():
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
            write(Path(folder))
            describe(folder, policy, facts)
        except (OSError, SafetensorError) as error:
            raise ModelError(
                f"The model cannot be written to {folder} ({error}): make room, or give the right to write there."
            ) from error
    parallel.wait()
    return replace(read_artifact(folder), facts=dict(facts))


def read_artifact(folder: Path | str) -> Artifact:
    """What ``describe`` wrote. Raises ModelError when the folder holds none."""
    try:
        card = json.loads((Path(folder) / CARD).read_text(encoding="utf-8"))
        return Artifact(path=str(folder), **card)
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"{folder} holds no saved model of ours: {CARD} cannot be read ({error}).") from error


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
