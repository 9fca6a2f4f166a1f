"""The commands under the real launchers: two processes with half of each batch do what one does with all of it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils.launch import prepare_simple_launcher_cmd_env
from safetensors.torch import load_file

from rlhf.cli.console import ALONE, leads, leads_here, wrongly_alone
from tests.rlhf.cli.conftest import Run, write_lines
from tests.rlhf.learning import prompts, rankings
from tests.rlhf.tiny import tiny_policy

pytestmark = pytest.mark.xdist_group("parallel")  # beside the other trainings of several processes, not against them

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
ACCELERATE = (
    sys.executable, "-m", "accelerate.commands.launch", "--num_processes", "2", "--num_machines", "1",
    "--mixed_precision", "no", "--dynamo_backend", "no",
)  # fmt: skip
SFT = ("sft", "--model", "model", "--data", "long.jsonl", "--validation", "prompts.jsonl", "--set", "batch_size=4",
       "--set", "epochs=2", "--set", "learning_rate=1e-3")  # fmt: skip
DPO = ("dpo", "--anchor", "model", "--rankings", "many.jsonl", "--held-out", "prompts.jsonl", "--set", "epochs=1",
       "--set", "batch_rankings=4", "--set", "evaluations=2", "--set", "max_new_tokens=4", "--set", "lora.rank=2",
       "--set", "max_completion_tokens=24", "--set", "held_out_samples=3")  # fmt: skip


@pytest.fixture
def data(folder: Path) -> Path:
    """Batches of four that two processes share unevenly in tokens; most texts of this model end by themselves."""
    (folder / "model").unlink()
    policy = tiny_policy(folder / "made", "t5-untied", seed=4)
    with torch.no_grad():  # or a stop rule would end the training at its first measurement
        policy.model.lm_head.weight[policy.eos_id] = 4 * policy.model.lm_head.weight.norm(dim=1).max()
    policy.save(folder / "model")
    write_lines(folder / "long.jsonl", [
        {"id": one.id, "dialogue": one.text, "summary": "anna meets bob " * (1 + number % 3)}
        for number, one in enumerate(prompts(8))
    ])  # fmt: skip
    write_lines(folder / "many.jsonl", [
        {"prompt": one.prompt, "completions": one.completions, "groups": one.groups, "annotator": "x",
         "split": one.split, "strengths": None} for one in rankings(10)
    ])  # fmt: skip
    return folder


def launch(folder: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"PYTHONPATH": ":".join(sys.path), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    environment["TORCHDYNAMO_DISABLE"] = "1"  # nothing is compiled, and its import is a second of each process
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300
    )


def steps(folder: Path) -> Iterator[dict[str, float]]:
    for line in (folder / "metrics.jsonl").read_text().splitlines():
        # Before the first update every margin is 0 but for rounding, and their signs are chance.
        yield {name: value for name, value in json.loads(line).items() if name != "accuracy"}


@pytest.mark.parametrize(
    ("launcher", "command"), [(TORCHRUN, SFT), ((*ACCELERATE, "--multi_gpu", "--main_process_port", "0"), DPO)],
    ids=["torchrun-sft", "accelerate-dpo"],
)  # fmt: skip
def test_two_launched_processes_equal_one(
    run: Run, data: Path, capsys: pytest.CaptureFixture[str], launcher: tuple[str, ...], command: tuple[str, ...]
) -> None:
    assert run(*command, "--out", "one") == 0
    done = launch(data, *launcher, "-m", "rlhf", *command, "--out", "two")
    assert done.returncode == 0, done.stderr

    # 1. The same losses, validations and weights.
    alone, both = list(steps(data / "one.logs")), list(steps(data / "two.logs"))
    assert len(alone) >= 2
    assert [line["step"] for line in both] == [line["step"] for line in alone]
    for ours, theirs in zip(both, alone, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5, rel=1e-6)
    (weights,) = (data / "one").glob("*.safetensors")
    expected = load_file(weights)
    for name, found in load_file(data / "two" / weights.name).items():
        assert torch.allclose(found, expected[name], atol=1e-5), name

    # 2. One of them writes and speaks.
    (line,) = done.stdout.splitlines()
    assert line.startswith("two: ")
    assert "parameters trained" in line
    assert len(list((data / "two.logs").glob("events.*"))) == 1
    assert not list(data.glob("two.checkpoints"))
    assert done.stderr.count("Traceback") == 0


def test_accelerate_without_multi_gpu_starts_one_and_that_is_told(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the environment that accelerate gives its one process."""
    words = [*ACCELERATE[3:], "--cpu", "-m", "rlhf", "sft"]
    settled, _defaults, _from_file = _validate_launch_command(launch_command_parser().parse_args(words))
    command, environment = prepare_simple_launcher_cmd_env(settled)
    assert command[-2:] == ["rlhf", "sft"]  # not mpirun, and no number of processes
    for name in ("ACCELERATE_USE_CPU", "MASTER_ADDR"):
        monkeypatch.setenv(name, environment[name])
    assert run("sft", "--model", "model", "--data", "none.jsonl", "--out", "two") == 1
    warning, error = capsys.readouterr().err.splitlines()
    assert warning == f"warning: {ALONE}"
    assert error.startswith("DataError: none.jsonl: there is no such file")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, (True, True, False)),
        ({"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "x"}, (True, True, False)),
        ({"RANK": "2", "LOCAL_RANK": "0", "WORLD_SIZE": "4"}, (False, True, False)),
        ({"PMI_RANK": "1", "MPI_LOCALRANKID": "1", "PMI_SIZE": "2", "MASTER_ADDR": "x", "ACCELERATE_USE_CPU": "True"},
         (False, False, False)),
        ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_LOCAL_RANK": "1"}, (False, False, False)),
        ({"ACCELERATE_USE_CPU": "True"}, (True, True, False)),
        ({"ACCELERATE_USE_CPU": "True", "MASTER_ADDR": "127.0.0.1"}, (True, True, True)),
        ({"MASTER_ADDR": "a.cluster"}, (True, True, False)),
    ],
)  # fmt: skip
def test_who_leads_is_read_from_every_launcher_s_words(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: tuple[bool, bool, bool]
) -> None:
    for name in list(os.environ):
        if "RANK" in name or "SIZE" in name or name in ("MASTER_ADDR", "ACCELERATE_USE_CPU"):
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert (leads(), leads_here(), wrongly_alone()) == expected
