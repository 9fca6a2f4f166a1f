"""Two processes with half of the batch each do what one does with the whole: losses, weights and texts."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.rlhf.tiny import save_tiny

pytestmark = pytest.mark.xdist_group("parallel")  # the trainings of all tests are run once
TRAINERS = {"sft": "t5", "reward": "t5", "dpo": "t5", "ppo": "t5", "rloo": "gpt2"}

WORKER = """
import json, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from rlhf import parallel, stop_rules
from tests.rlhf import test_resume
from tests.rlhf.learning import Recorder

stop_rules.StopRules._eos = stop_rules.StopRules._length = lambda self, now: None
folder, found = Path(sys.argv[1]), {}
for trainer, kind in json.loads(sys.argv[2]).items():
    recorder = Recorder()
    out = folder / f"{trainer}-of-{parallel.count()}"
    artifact = getattr(test_resume, "_" + trainer)(folder / kind, out, recorder)
    found[trainer] = {"curves": recorder.curves, "sha256": artifact.sha256, "processes": parallel.count()}
(folder / f"{parallel.rank()}-of-{parallel.count()}.json").write_text(json.dumps(found))
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _train(folder: Path, processes: int) -> list[dict[str, Any]]:
    """What each process saw of each trainer."""
    port, running = str(_free_port()), []
    for rank in range(processes):
        env = dict(os.environ) | {"OMP_NUM_THREADS": "1"}
        if processes > 1:  # what torchrun sets
            env |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(processes),
                    "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}  # fmt: skip
        command = [sys.executable, "-c", WORKER, str(folder), json.dumps(TRAINERS)]
        running.append(subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True))
    for process in running:
        _, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors
    return [json.loads((folder / f"{rank}-of-{processes}.json").read_text()) for rank in range(processes)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """By one process, and by each of two."""
    folder = tmp_path_factory.mktemp("parallel")
    for kind in set(TRAINERS.values()):
        save_tiny(folder / kind, kind, seed=4)
    return [*_train(folder, 1), *_train(folder, 2)]


@pytest.mark.parametrize("trainer", TRAINERS)
def test_two_processes_equal_one(trained: list[dict[str, Any]], trainer: str) -> None:
    alone, first, second = (process[trainer] for process in trained)
    assert (alone["processes"], first["processes"]) == (1, 2)
    assert second["curves"] == []  # one of them reports
    assert first["sha256"] == second["sha256"]
    assert [step for step, _values in first["curves"]] == [step for step, _values in alone["curves"]]
    for (_step, ours), (_same, theirs) in zip(first["curves"], alone["curves"], strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5)
