"""Two processes with half of the batch each do what one does with the whole: losses, weights and texts."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rlhf.tiny import save_tiny

WORKER = """
import json, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from rlhf import parallel, stop_rules
from tests.rlhf import test_resume
from tests.rlhf.learning import Recorder

stop_rules.StopRules._eos = stop_rules.StopRules._length = lambda self, now: None
trainer, anchor, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
recorder = Recorder()
artifact = getattr(test_resume, "_" + trainer)(anchor, out, recorder)
found = {"curves": recorder.curves, "sha256": artifact.sha256, "processes": parallel.count()}
Path(f"{out}.{parallel.rank()}.json").write_text(json.dumps(found))
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _train(trainer: str, anchor: Path, out: Path, processes: int) -> list[dict]:
    """What each process saw."""
    port, running = str(_free_port()), []
    for rank in range(processes):
        env = dict(os.environ) | {"OMP_NUM_THREADS": "1"}
        if processes > 1:  # what torchrun sets
            env |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(processes),
                    "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}  # fmt: skip
        command = [sys.executable, "-c", WORKER, trainer, str(anchor), str(out)]
        running.append(subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True))
    for process in running:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    return [json.loads(Path(f"{out}.{rank}.json").read_text()) for rank in range(processes)]


@pytest.mark.parametrize("trainer", ["sft", "reward", "dpo", "ppo", "rloo"])
def test_two_processes_equal_one(tmp_path: Path, trainer: str) -> None:
    anchor = save_tiny(tmp_path / "anchor", "gpt2" if trainer == "rloo" else "t5", seed=4)
    (alone,) = _train(trainer, anchor, tmp_path / "one", 1)
    first, second = _train(trainer, anchor, tmp_path / "two", 2)
    assert (alone["processes"], first["processes"]) == (1, 2)
    assert second["curves"] == []  # one of them reports
    assert first["sha256"] == second["sha256"]
    assert [step for step, _values in first["curves"]] == [step for step, _values in alone["curves"]]
    for (_step, ours), (_same, theirs) in zip(first["curves"], alone["curves"], strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5)
