"""What a command shows: a bar for the phase that is running, events above it, and its metrics in the logs."""

import os
import sys
from collections.abc import Mapping
from typing import Any

from tqdm import tqdm

from rlhf.cli.logs import Logs

QUIET_SECONDS = 10.0  # between two states of the bar where stderr is a file and keeps them all


# What launchers say: torchrun and accelerate, or the MPIs that accelerate starts on CPUs (it reads the same names).
_RANK = ("RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK")
_LOCAL_RANK = ("LOCAL_RANK", "MPI_LOCALRANKID", "OMPI_COMM_WORLD_LOCAL_RANK", "MV2_COMM_WORLD_LOCAL_RANK")
_SIZE = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
ALONE = (
    "accelerate launch was asked for several processes and has started one: without GPUs it needs --multi_gpu for more "
    "(their number stays --num_processes), or use torchrun --nproc-per-node."
)


def leads() -> bool:
    """True in the one process of several (torchrun, accelerate launch) that writes files and shows anything."""
    return _said(_RANK) in (None, "0")


def leads_here() -> bool:
    """True in the first process of this machine: errors may differ from machine to machine, not within one."""
    return _said(_LOCAL_RANK) in (None, "0")


def wrongly_alone() -> bool:
    """True where `accelerate launch --cpu --num_processes 2` has started a single process, as it does without MPI.

    It then names a place where processes meet, but says of none how many there are.
    """
    return "ACCELERATE_USE_CPU" in os.environ and "MASTER_ADDR" in os.environ and _said(_SIZE) is None


def _said(names: tuple[str, ...]) -> str | None:
    return next((os.environ[name] for name in names if name in os.environ), None)


class Console:
    """A reporter for people. Only the leading process shows and writes; the others are silent."""

    def __init__(self) -> None:
        self.leads = leads()
        self._logs: Logs | None = None
        self._bar: Any = None
        self._shown: tuple[str, int] = ("", 0)

    def log_to(self, logs: Logs) -> None:
        """Metrics go there from now on."""
        if self.leads:
            self._logs = logs

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        if self._logs is not None:
            self._logs.write(step, values)
        if self._bar is not None:
            self._bar.set_postfix({name: f"{value:.3g}" for name, value in values.items()}, refresh=False)

    def progress(self, done: int, total: int, phase: str) -> None:
        if not self.leads:
            return
        if self._bar is None or self._shown != (phase, total):
            self._end_bar()
            pause = 0.1 if sys.stderr.isatty() else QUIET_SECONDS
            self._bar = tqdm(total=total, desc=phase, file=sys.stderr, dynamic_ncols=True, mininterval=pause)
            self._shown = (phase, total)
        self._bar.update(done - self._bar.n)

    def event(self, kind: str, message: str, **data: object) -> None:
        if self._logs is not None and data.get("resumed"):
            self._logs.go_on()
        if self.leads:
            tqdm.write(message if kind == "log" else f"{kind}: {message}", file=sys.stderr)

    def cancelled(self) -> bool:
        return False

    def say(self, text: str) -> None:
        """A line of the result, on stdout."""
        if self.leads:
            self._end_bar()
            print(text)

    def fail(self, message: str) -> None:
        """The one line on stderr that says why the command ends."""
        self._end_bar()
        if leads_here():
            where = "" if self.leads else f"[rank {_said(_RANK)}] "
            print(where + " ".join(message.splitlines()), file=sys.stderr)

    def close(self) -> None:
        """End the bar's line and the logs."""
        self._end_bar()
        if self._logs is not None:
            self._logs.close()

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
