"""How far a command is, on a terminal."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from annotation.readers import Progress


@contextmanager
def progress_bar() -> Iterator[Progress | None]:
    """A bar on the terminal's standard error for each thing that is done, in bytes; None where there is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm  # 50 ms that only people wait for

    bars: dict[str, tqdm[Any]] = {}

    def told(what: str, done: int, total: int) -> None:
        if what not in bars:
            for bar in bars.values():
                bar.update((bar.total or 0) - bar.n)  # it is told now and then, and not at its end
                bar.close()
            # Some terminals say that they have no size (docker exec -t, script): this takes 80 × 24 then.
            columns, lines = shutil.get_terminal_size()
            bars[what] = tqdm(total=total, desc=what, unit="B", unit_scale=True, ncols=columns, nrows=lines)
        bars[what].update(done - bars[what].n)

    try:
        yield told
    finally:
        for bar in bars.values():
            bar.close()
