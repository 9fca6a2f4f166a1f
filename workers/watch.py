"""A worker's side of a run: one place to train on, one child process, and an eye on it."""

import fcntl
import logging
import mmap
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from workers import storage
from workers.exceptions import StaleTransition
from workers.models import Run, RunEvent, RunState
from workers.services.endings import run_cancelled, run_fail, run_put_back
from workers.services.recovery import runs_wake
from workers.services.runs import PHASE_STARTING, run_claim

logger = logging.getLogger(__name__)
POLL_SECONDS = 0.2
LOOK_SECONDS = 1.0
CANCEL_GRACE_SECONDS = 15.0  # a training stops at its next step; one that does not is killed
STOP_GRACE_SECONDS = 2.0
LOG_TAIL_BYTES = 4000

# One byte shared with every process that is forked from this one: the worker's main process sets it when it
# is told to shut down. A plain byte, because a lock would hang when its holder is killed.
_shutdown = mmap.mmap(-1, 1)


def shutdown_announce() -> None:
    """Tell the watching processes of this worker to put their runs back."""
    _shutdown[0] = 1


def run_watch(*, run_id: int) -> bool:
    """Claim the run, run it in a child process and see it to its end.

    False, with nothing done, when every place is taken (the run waits, and is sent again when one becomes free)
    or when the run is not queued (the message came twice).
    """
    with _place() as free:
        if not free:
            return False
        try:
            attempt = run_claim(run_id=run_id)
        except (StaleTransition, Run.DoesNotExist):
            return False
        _Watch(run_id, attempt).until_ended()
    runs_wake()
    return True


@contextmanager
def _place() -> Iterator[bool]:
    """One of this host's ``RUN_SLOTS`` places, held by a file lock, which the kernel gives back when we die."""
    folder = storage.data_folder() / "slots"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(settings.RUN_SLOTS):
        with (folder / f"{platform.node()}-{number}.lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield True
            return
    yield False


class _Watch:
    """One child process and the attempt it runs."""

    def __init__(self, run_id: int, attempt: int) -> None:
        self.run_id = run_id
        self.attempt = attempt
        run = Run.objects.select_related("project").get(pk=run_id)
        self.log = storage.project_folder(run.project) / "logs" / f"run{run_id}-{attempt}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.child = self._start()
        self.started = time.monotonic()
        self.cancel_seen: float | None = None

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "workers.execute", str(self.run_id), str(self.attempt)]
        with self.log.open("wb") as out:
            return subprocess.Popen(
                [*command, "--parent", str(os.getpid())],
                cwd=Path(__file__).resolve().parent.parent,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a group of its own: what it starts ends with it
            )

    def until_ended(self) -> None:
        reason = "shutdown"  # also when this process is interrupted while it waits
        try:
            reason = self._wait()
        finally:
            self._kill(gently=reason == "shutdown")
        self._settle(reason)

    def _wait(self) -> str:
        """Until the child has ended or has to; why it has to, empty when it ended by itself."""
        looked = 0.0
        while self.child.poll() is None:
            now = time.monotonic()
            if _shutdown[0]:
                return "shutdown"
            if now - self.started > settings.RUN_TIMEOUT_SECONDS:
                return "timeout"
            if now - looked >= LOOK_SECONDS:
                looked = now
                if reason := self._look(now):
                    return reason
            time.sleep(POLL_SECONDS)
        return ""

    def _look(self, now: float) -> str:
        try:
            row = Run.objects.filter(pk=self.run_id, attempt=self.attempt, state=RunState.RUNNING)
            # The child beats as soon as Django is set up; on a busy machine that may take longer than a silence may.
            row.filter(phase=PHASE_STARTING).update(heartbeat_at=timezone.now())
            asked = row.values_list("cancel_requested", flat=True).first()
        except DatabaseError as error:
            logger.warning("run %s: the database cannot be asked: %s", self.run_id, error)
            connection.close()
            return ""
        if asked is None:
            # Ended by its child, which now leaves; or taken over, and then the child must not go on.
            return "" if self._leaves() else "replaced"
        if asked and self.cancel_seen is None:
            self.cancel_seen = now
        return "cancel" if self.cancel_seen and now - self.cancel_seen > CANCEL_GRACE_SECONDS else ""

    def _leaves(self) -> bool:
        try:
            self.child.wait(STOP_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _kill(self, *, gently: bool) -> None:
        """SIGKILL for the child and all it has started; ``gently``: after a SIGTERM, at which it puts its run back."""
        if gently and self.child.poll() is None:
            self._signal(signal.SIGTERM)
            self._leaves()
        self._signal(signal.SIGKILL)
        self.child.wait()

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.child.pid, number)
        except ProcessLookupError:
            return  # the whole group has gone

    def _settle(self, reason: str) -> None:
        """Write how it ended, if the child did not."""
        hours = settings.RUN_TIMEOUT_SECONDS / 3600
        try:
            if reason == "cancel":
                run_cancelled(run_id=self.run_id, attempt=self.attempt)
            elif reason == "timeout":
                run_fail(run_id=self.run_id, attempt=self.attempt, error=f"It took longer than {hours:g} hours.")
            elif reason == "shutdown":
                run_put_back(run_id=self.run_id, attempt=self.attempt, reason="Its worker was shut down.", counts=False)
            else:
                run_put_back(run_id=self.run_id, attempt=self.attempt, reason=self._death(), counts=True)
        except StaleTransition:
            return  # the child wrote its end itself, or another attempt owns the run
        if not reason:
            self._keep_log()

    def _death(self) -> str:
        code = self.child.returncode
        if code < 0:
            hint = " (often: not enough memory)" if -code == signal.SIGKILL else ""
            return f"Its process was killed by {signal.Signals(-code).name}{hint}."
        return f"Its process ended with exit code {code} before the run did."

    def _keep_log(self) -> None:
        tail = self.log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace").strip()
        if tail:
            RunEvent.objects.create(run_id=self.run_id, attempt=self.attempt, kind="error", message=tail)
