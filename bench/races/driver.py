"""The two sides of a race as processes, and steps taken in turn."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.races.work import Work

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Steps:
    """What one side reported: ``ready`` from its first step, which is not measured, then one report for each step."""

    ready: dict[str, Any]
    reports: list[dict[str, Any]] = field(default_factory=list)

    def values(self, name: str) -> list[float]:
        """``name`` of each measured step."""
        return [float(report[name]) for report in self.reports]

    @property
    def peak(self) -> float:
        """MiB, at the end."""
        return float(self.reports[-1]["peak"])


class Side:
    """One worker. Leaving the context hangs up on it and waits for its end."""

    def __init__(self, python: Path, module: str, folder: Path, work: Work) -> None:
        self.module = module
        self._log = folder / f"{module}.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [str(python), "-m", f"bench.races.{module}", str(folder)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT,
                env=_environment(work, folder),
            )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def listen(self) -> dict[str, Any]:
        """The next report. Raises RuntimeError with the end of its log when the worker died."""
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            tail = "\n".join(self._log.read_text(errors="replace").splitlines()[-30:])
            raise RuntimeError(f"The worker ended early; its log {self._log} ends with:\n{tail}")
        report: dict[str, Any] = json.loads(line)
        return report

    def step(self) -> dict[str, Any]:
        """One measured step."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return self.listen()


def make_material(folder: Path, work: Work) -> None:
    """Write the weights, the adapters and the data of ``work`` into ``folder``, in a process of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    work.write(folder)
    subprocess.run(
        [sys.executable, "-m", "bench.races.material", str(folder)],
        check=True, cwd=ROOT, env=_environment(work, folder),
    )  # fmt: skip


def chip(work: Work, folder: Path) -> dict[str, Any]:
    """``name``, ``table`` (FLOP/s by the name, or None) and ``measured`` of what the races run on."""
    found = subprocess.run(
        [sys.executable, "-m", "bench.races.chips", work.device, work.dtype],
        check=True, cwd=ROOT, env=_environment(work, folder), capture_output=True, text=True,
    )  # fmt: skip
    said: dict[str, Any] = json.loads(found.stdout)
    return said


def alternate(sides: list[Side], steps: int) -> list[Steps]:
    """``steps`` measured steps of each side, one at a time: noise of the machine hits all alike."""
    taken = [Steps(side.listen()) for side in sides]
    for _ in range(steps):
        for side, own in zip(sides, taken, strict=True):
            own.reports.append(side.step())
            print(f"{side.module}: {own.reports[-1]}", file=sys.stderr, flush=True)
    return taken


def _environment(work: Work, folder: Path) -> dict[str, str]:
    """As many threads for whichever library asks, no hub, no accelerator unless it is wanted.

    Threads that wait for each other sleep unless ``work.wait`` is active: on a machine that others use they would burn
    CPU seconds, on both sides, that say nothing of either.
    """
    threads = str(work.threads)
    values = dict(os.environ) | {
        "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads,
        "OMP_WAIT_POLICY": work.wait.upper(), "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hub"), "TRL_EXPERIMENTAL_SILENCE": "1",
    }  # fmt: skip
    if work.device == "cpu":
        values["CUDA_VISIBLE_DEVICES"] = ""
    return values
