"""Exact checkpoints of a training: safetensors and JSON, whole or not there at all, known by their hash.

A checkpoint is a folder `step-00000120` with `tensors.safetensors`, `state.json` and `sha256.json`, the hashes of the
other two. It is written under another name, flushed to the disk and renamed.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from rlhf.exceptions import CheckpointError
from rlhf.types import Reporter

TENSORS, STATE, HASHES = "tensors.safetensors", "state.json", "sha256.json"
UNFINISHED = ".new"


class Checkpoints:
    """The newest ``keep`` checkpoints of one training, in ``folder``."""

    def __init__(self, folder: Path, keep: int, reporter: Reporter) -> None:
        self._folder, self._keep, self._reporter = folder, keep, reporter

    def save(self, step: int, state: Mapping[str, object]) -> None:
        """Write nested dicts, lists, numbers, texts and tensors; older checkpoints go only once it is whole.

        Raises CheckpointError (a full disk, no right to write); what was there before stays.
        """
        place = self._place(step)
        fresh = place.with_name(place.name + UNFINISHED)
        try:
            _clear(fresh)
            fresh.mkdir(parents=True)
            _write(fresh, state)
            # The same step again, after its file was found damaged, or with the best weights at the end.
            _clear(place)
            fresh.rename(place)
            _flush(self._folder)
        except (OSError, SafetensorError) as error:
            shutil.rmtree(fresh, ignore_errors=True)
            raise CheckpointError(self._refused(step, error)) from error
        for old in self._steps()[: -self._keep]:
            shutil.rmtree(self._place(old), ignore_errors=True)

    def newest(self) -> dict[str, Any] | None:
        """The newest checkpoint that is whole, tensors on the CPU; None where there is none.

        A damaged one is told of by a warning, and the one before it is taken.
        """
        for step in reversed(self._steps()):
            try:
                return _read(self._place(step))
            except (OSError, ValueError, KeyError, SafetensorError) as error:
                self._reporter.event("warning", f"The checkpoint of step {step} is damaged and not used: {error}")
        return None

    def _place(self, step: int) -> Path:
        return self._folder / f"step-{step:08d}"

    def _steps(self) -> list[int]:
        """Ascending."""
        found = self._folder.glob("step-*") if self._folder.is_dir() else []
        return sorted(int(path.name[5:]) for path in found if path.name[5:].isdigit())

    def _refused(self, step: int, error: Exception) -> str:
        kept = self._steps()
        rest = f"the one of step {kept[-1]} stays" if kept else "there is none before it"
        return (
            f"The checkpoint of step {step} cannot be written to {self._folder} ({error}); {rest}. Make room or give "
            "the right to write there, and start the same training again: it goes on from the last whole checkpoint."
        )


def checkpoints_of(out: Path) -> Path:
    """Where a training that writes its model to ``out`` keeps its checkpoints: beside it, no part of the model."""
    return out.with_name(out.name + ".checkpoints")


def remove_checkpoints(folder: Path) -> None:
    """Forget the checkpoints of a training whose model is saved."""
    shutil.rmtree(folder, ignore_errors=True)


def _write(folder: Path, state: Mapping[str, object]) -> None:
    tensors: dict[str, Tensor] = {}
    skeleton = _take_out(state, tensors)
    save_file(tensors, folder / TENSORS)
    (folder / STATE).write_text(json.dumps(skeleton), encoding="utf-8")
    hashes = {name: _sha256(folder / name) for name in (TENSORS, STATE)}
    (folder / HASHES).write_text(json.dumps(hashes), encoding="utf-8")
    for path in (*folder.iterdir(), folder):
        _flush(path)


def _read(folder: Path) -> dict[str, Any]:
    hashes = json.loads((folder / HASHES).read_text(encoding="utf-8"))
    for name in (TENSORS, STATE):
        if hashes[name] != _sha256(folder / name):
            raise ValueError(f"{name} is not what was written")
    state: dict[str, Any] = _put_in(
        json.loads((folder / STATE).read_text(encoding="utf-8")), load_file(folder / TENSORS)
    )
    return state


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    """What was written there is on the disk, or an OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _clear(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


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
