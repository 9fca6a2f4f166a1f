"""What a saved model is, as one hash: its tensors and settings, whatever machine or library wrote them."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from rlhf.exceptions import ModelError

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


def check_anchor(adapter: Path, anchor: Path | str) -> None:
    """Raise ModelError where the card of ``adapter`` says that it was trained on another model than ``anchor``.

    On another one of the same shape it would load, and write nonsense. An adapter from elsewhere says nothing of it.
    """
    try:
        trained_on = json.loads((adapter / CARD).read_text(encoding="utf-8"))["facts"]["anchor_sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    if adapter.resolve().is_relative_to(Path(anchor).resolve()):
        return  # the anchor's hash has changed with what was put into its folder
    if trained_on != artifact_hash(anchor):
        raise ModelError(
            f"The adapter in {adapter} was trained on another model than {anchor}: give the anchor that it was trained "
            f"on (its weights have the hash {str(trained_on)[:12]}…)."
        )


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
