"""metrics.jsonl and TensorBoard's files: fresh, gone on with, and by one process of several."""

import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from rlhf.cli.console import Console
from rlhf.cli.logs import Logs
from tests.rlhf.cli.conftest import Run
from tests.rlhf.cli.test_commands import SFT


def steps(folder: Path) -> list[int]:
    return [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def board(folder: Path, name: str = "loss") -> list[tuple[int, float]]:
    """What TensorBoard shows of the folder, older files first, purged as it does."""
    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    return [(event.step, event.value) for event in accumulator.Scalars(name)]


def write(folder: Path, values: range, *, go_on: bool = False, loss: float = 0.5) -> None:
    logs = Logs(folder)
    if go_on:
        logs.go_on()
    for step in values:
        logs.write(step, {"loss": loss})
    logs.close()


def test_a_training_logs_every_step_in_both(run: Run, folder: Path) -> None:
    assert run(*SFT, "--validation", "prompts.jsonl", "--set", "epochs=3") == 0
    lines = [json.loads(line) for line in (folder / "out.logs" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert set(lines[0]) == {"step", "loss", "validation_loss"}
    shown = board(folder / "out.logs", "validation_loss")
    assert shown == [(line["step"], pytest.approx(line["validation_loss"])) for line in lines]


def test_nan_and_infinity_are_null(tmp_path: Path) -> None:
    logs = Logs(tmp_path)
    logs.write(1, {"loss": math.nan, "kl": math.inf, "reward": 0.0})
    logs.close()
    assert json.loads((tmp_path / "metrics.jsonl").read_text()) == {"step": 1, "loss": None, "kl": None, "reward": 0.0}
    assert [math.isnan(value) for _step, value in board(tmp_path)] == [True]


def test_a_fresh_training_begins_fresh_files(tmp_path: Path) -> None:
    write(tmp_path, range(1, 6))
    write(tmp_path, range(1, 3), loss=0.25)
    assert steps(tmp_path) == [1, 2]
    assert board(tmp_path) == [(1, 0.25), (2, 0.25)]


def test_event_files_of_others_stay(tmp_path: Path) -> None:
    write(tmp_path, range(1, 3))
    other = tmp_path / "events.out.tfevents.1.host"
    other.write_bytes(b"")
    write(tmp_path, range(1, 3))
    assert other.exists()


def test_nothing_is_touched_before_the_first_metrics(tmp_path: Path) -> None:
    write(tmp_path, range(1, 4))
    Logs(tmp_path).close()
    assert steps(tmp_path) == [1, 2, 3]


def test_one_that_goes_on_keeps_what_came_before_and_drops_the_rest(tmp_path: Path) -> None:
    write(tmp_path, range(1, 8))
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 8, "los')  # the machine went down here
    time.sleep(1.1)  # TensorBoard names its files by the second
    write(tmp_path, range(5, 7), go_on=True, loss=0.25)
    assert steps(tmp_path) == [1, 2, 3, 4, 5, 6]
    assert board(tmp_path) == [(1, 0.5), (2, 0.5), (3, 0.5), (4, 0.5), (5, 0.25), (6, 0.25)]


def test_one_that_goes_on_without_old_logs_begins_them(tmp_path: Path) -> None:
    write(tmp_path, range(5, 7), go_on=True)
    assert steps(tmp_path) == [5, 6]


def test_the_console_hears_that_a_training_goes_on(tmp_path: Path) -> None:
    write(tmp_path, range(1, 8))
    console = Console()
    console.log_to(Logs(tmp_path))
    console.event("log", "Training goes on after step 3.", step=3, resumed=True)
    console.metrics(4, {"loss": 0.25})
    console.close()
    assert steps(tmp_path) == [1, 2, 3, 4]
    fresh = Console()
    fresh.log_to(Logs(tmp_path))
    fresh.event("log", "Kept the checkpoint of step 3.", step=3)
    fresh.metrics(1, {"loss": 0.25})
    fresh.close()
    assert steps(tmp_path) == [1]


def test_only_the_leading_process_shows_and_writes(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("LOCAL_RANK", "1")
    console = Console()
    console.log_to(Logs(folder / "logs"))
    console.metrics(1, {"loss": 1.0})
    console.progress(1, 2, "phase")
    console.event("warning", "x")
    console.say("x")
    console.close()
    assert run(*SFT, "--set", "epochs=0") == 1
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""
    assert not (folder / "logs").exists()
    assert not (folder / "out.logs").exists()


def test_an_error_on_another_machine_is_told_there(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RANK", "8")
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert run("sft", "--model", "model", "--data", "here.jsonl", "--out", "out") == 1
    assert capsys.readouterr().err.startswith("[rank 8] DataError: here.jsonl: there is no such file")


def test_two_processes_say_everything_once(folder: Path) -> None:
    """Started as torchrun starts them, with a mistake that both see."""
    found = []
    for rank in ("0", "1"):
        environment = os.environ | {"PYTHONPATH": ":".join(sys.path), "RANK": rank, "LOCAL_RANK": rank}
        command = [sys.executable, "-m", "rlhf", *SFT, "--set", "epochs=0"]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        found += done.stderr.splitlines()
    assert found == ["ConfigError: epochs must be above 0, not 0.0"]
