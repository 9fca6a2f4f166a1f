"""``python -m workers.execute RUN ATTEMPT``: one attempt of one run, in a process of its own.

CUDA and OpenMP do not survive a fork, and a crash in native code must not take the worker with it. The
process dies with its parent: by the kernel on Linux, by polling its parent's id elsewhere.
"""

import argparse
import ctypes
import os
import select
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

from django.db import DatabaseError, connection

if TYPE_CHECKING:
    from workers.reporter import RunReporter

PARENT_SECONDS = 1.0
HEARTBEAT_SECONDS = 4.0
PR_SET_PDEATHSIG = 1
EXIT_REPLACED = 75  # EX_TEMPFAIL: nothing was written, somebody else owns the run
EXIT_STOPPED = 143  # 128 + SIGTERM


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=int)
    parser.add_argument("attempt", type=int)
    parser.add_argument("--parent", type=int, default=0, help="End when this process is no longer the parent.")
    options = parser.parse_args()
    _die_with_parent(options.parent)

    import django

    django.setup()
    return _execute(options.run, options.attempt, options.parent)


def _execute(run_id: int, attempt: int, parent: int) -> int:
    from workers.exceptions import RunReplaced
    from workers.services.execution import run_execute

    heart = threading.Thread(target=_heart, args=(run_id, attempt, parent, _terminations()), daemon=True)
    heart.start()
    try:
        run_execute(run_id, attempt)
    except RunReplaced:
        return EXIT_REPLACED
    return 0


def _die_with_parent(parent: int) -> None:
    """Ask the kernel for a SIGTERM when the parent dies, even by SIGKILL."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    # The parent may have died before the call above: then nobody sends that signal any more.
    if _orphaned(parent):
        os._exit(EXIT_STOPPED)


def _orphaned(parent: int) -> bool:
    return bool(parent) and os.getppid() != parent


def _terminations() -> int:
    """A pipe that SIGTERM writes to at once, even while the main thread is inside a long torch step."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    return reader


def _heart(run_id: int, attempt: int, parent: int, terminations: int) -> None:
    """Heartbeats; ends the process when it was replaced, when its parent died, or when it is asked to stop."""
    from workers.reporter import RunReporter

    reporter = RunReporter(run_id=run_id, attempt=attempt)
    beaten = 0.0
    while True:
        if time.monotonic() - beaten >= HEARTBEAT_SECONDS:
            _beat(reporter, **({} if beaten else {"phase": "loading the libraries"}))
            beaten = time.monotonic()
        ready, _, _ = select.select([terminations], [], [], PARENT_SECONDS)
        stop = bool(ready) and signal.SIGTERM in os.read(terminations, 64)
        if stop or _orphaned(parent):
            _put_back(run_id, attempt, orphaned=_orphaned(parent))
            _leave(EXIT_STOPPED)


def _beat(reporter: "RunReporter", **changes: str) -> None:
    from workers.exceptions import RunReplaced

    try:
        reporter.beat(**changes)
    except RunReplaced:
        _leave(EXIT_REPLACED)
    except DatabaseError as error:
        # A database that is away for a moment must not end a training; if it stays away, the run is taken over.
        print(f"no heartbeat: {error}", file=sys.stderr, flush=True)
        connection.close()


def _put_back(run_id: int, attempt: int, *, orphaned: bool) -> None:
    """Leave the run to the next worker at once, without waiting until its heartbeat is missed."""
    from workers.exceptions import StaleTransition
    from workers.services.endings import run_put_back

    reason = "Its worker died." if orphaned else "Its worker was shut down."
    try:
        run_put_back(run_id=run_id, attempt=attempt, reason=reason, counts=orphaned)
    except (StaleTransition, DatabaseError) as error:
        print(f"not put back: {error}", file=sys.stderr, flush=True)


def _leave(code: int) -> None:
    """End this process, whatever its main thread does, and all it has started: it leads a group of its own."""
    sys.stdout.flush()
    sys.stderr.flush()
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
