"""How far a command is, on a terminal."""

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
                bar.close()
            bars[what] = tqdm(total=total, desc=what, unit="B", unit_scale=True, file=sys.stderr, dynamic_ncols=True)
        bars[what].update(done - bars[what].n)

    try:
        yield told
    finally:
        for bar in bars.values():
            bar.close()
