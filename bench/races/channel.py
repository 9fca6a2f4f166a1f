"""The worker's end of a race: it takes a step when the driver says so, and reports what the step cost.

Standard library only. Lines of JSON go over the standard output that the driver opened; whatever a library prints
goes to standard error.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any


class Channel:
    """One side's turns. ``wait`` ends what a device still computes, ``peak`` gives its memory in MiB."""

    def __init__(self, wait: Callable[[], None] | None = None, peak: Callable[[], float] | None = None) -> None:
        self._answers = os.fdopen(os.dup(1), "w", buffering=1)
        os.dup2(2, 1)
        self._wait, self._peak = wait or (lambda: None), peak or resident_peak
        self._cpu = self._wall = 0.0
        self._warm = False

    def turn(self, facts: Mapping[str, Any]) -> None:
        """Call after every step: reports it (the first one says only that this side is ready) and waits for the next.

        Raises SystemExit when the driver hangs up.
        """
        self._wait()
        cost = {"cpu": time.process_time() - self._cpu, "wall": time.monotonic() - self._wall, "peak": self._peak()}
        self._answers.write(json.dumps({**(cost if self._warm else {}), **facts}) + "\n")
        if not sys.stdin.readline():
            raise SystemExit(0)
        self._warm = True
        self._cpu, self._wall = time.process_time(), time.monotonic()


def resident_peak() -> float:
    """The most memory this process ever held, in MiB (Linux counts KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
