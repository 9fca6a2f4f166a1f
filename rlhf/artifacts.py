"""Saved models with their card: safetensors and JSON, no pickle."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, is_dataclass, replace
from pathlib import Path

from safetensors import SafetensorError

from rlhf import parallel
from rlhf.exceptions import ModelError
from rlhf.hashing import CARD, artifact_hash
from rlhf.models import Policy
from rlhf.types import Artifact


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
