"""Checkpoints that lose nothing: whole or not there, known by their hash, never the last one gone."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from rlhf.checkpoints import Checkpoints, checkpoints_of, remove_checkpoints
from rlhf.exceptions import CheckpointError
from rlhf.types import Silent
from tests.rlhf.learning import Recorder


def store(folder: Path, *, keep: int = 2) -> Checkpoints:
    return Checkpoints(folder, keep, Silent())


def test_a_checkpoint_keeps_tensors_numbers_and_keys(tmp_path: Path) -> None:
    shared = torch.randn(3)
    state = {"a": [shared, shared, 1.5, None], "b": {0: {"step": torch.tensor(2.0)}, "x": "y"}, "c": (1, 2)}
    store(tmp_path).save(1, state)
    loaded = store(tmp_path).newest()
    assert loaded is not None
    assert torch.equal(loaded["a"][0], shared)
    assert loaded["a"][2:] == [1.5, None]
    assert loaded["b"][0]["step"].item() == 2.0
    assert loaded["c"] == [1, 2]


def test_the_newest_is_found_and_the_oldest_goes(tmp_path: Path) -> None:
    for step in (9, 10, 11):
        store(tmp_path).save(step, {"step": step})
    assert store(tmp_path).newest() == {"step": 11}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000010", "step-00000011"]


def test_an_unfinished_checkpoint_is_none(tmp_path: Path) -> None:
    store(tmp_path).save(1, {"step": 1})
    (tmp_path / "step-00000001").rename(tmp_path / "step-00000002.new")  # as after a crash before the rename
    assert store(tmp_path).newest() is None
    store(tmp_path).save(2, {"step": 2})
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000002"]


def test_nothing_is_there_before_the_first(tmp_path: Path) -> None:
    assert store(tmp_path / "none").newest() is None


def test_a_settings_file_that_was_changed_is_recognised(tmp_path: Path) -> None:
    recorder = Recorder()
    store(tmp_path).save(1, {"beta": 0.5})
    store(tmp_path).save(2, {"beta": 0.7})
    file = tmp_path / "step-00000002" / "state.json"
    file.write_text(file.read_text().replace("0.7", "0.9"))
    assert Checkpoints(tmp_path, 2, recorder).newest() == {"beta": 0.5}
    assert recorder.events == [
        ("warning", "The checkpoint of step 2 is damaged and not used: state.json is not what was written")
    ]


FULL = """
import resource, signal, sys
from pathlib import Path
import torch
from rlhf.checkpoints import Checkpoints
from rlhf.exceptions import CheckpointError
from rlhf.types import Silent

store = Checkpoints(Path(sys.argv[1]), 2, Silent())
store.save(1, {"weights": torch.zeros(100)})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    store.save(2, {"weights": torch.zeros(100_000)})
except CheckpointError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
assert torch.equal(store.newest()["weights"], torch.zeros(100))
"""


def test_a_file_that_cannot_be_written_whole_leaves_the_last_good_one(tmp_path: Path) -> None:
    """A real refusal of the kernel in the middle of a file (here by a limit on its size)."""
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert "The checkpoint of step 2 cannot be written" in done.stdout
    assert "the one of step 1 stays" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]


def test_a_full_disk_is_a_clear_error(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], capture_output=True, text=True, check=False
        )
        if os.geteuid() == 0
        else None
    )
    if mounted is None or mounted.returncode:
        pytest.skip("a small disk can only be made as root: the limit on a file's size is tested above")
    try:
        store(disk).save(1, {"weights": torch.zeros(10)})
        with pytest.raises(CheckpointError, match=f"os error {errno.ENOSPC}"):
            store(disk).save(2, {"weights": torch.zeros(100_000)})
        assert store(disk).newest() is not None
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_place_without_the_right_to_write_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(CheckpointError, match="there is none before it"):
        store(tmp_path / "file").save(1, {})


def test_the_checkpoints_of_a_saved_model_go(tmp_path: Path) -> None:
    folder = checkpoints_of(tmp_path / "model")
    store(folder).save(1, {"step": 1})
    remove_checkpoints(folder)
    assert list(tmp_path.iterdir()) == []
