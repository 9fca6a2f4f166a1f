"""The logs of a training: ``metrics.jsonl`` and TensorBoard's event files, in one folder."""

import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

METRICS = "metrics.jsonl"
RUN = "run.json"
SUFFIX = ".kedge"  # of our event files: others in the folder are not ours to delete


class Logs:
    """A line ``{"step": 1, "loss": 0.5}`` for each step, NaN and infinity as null, and the same for TensorBoard.

    Nothing is touched before the first metrics. Then a fresh training empties the folder of its own files, and one
    that goes on from a checkpoint (`go_on`) keeps the lines before its first new step.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._goes_on = False
        self._lines: TextIO | None = None
        self._board: Any = None

    def go_on(self) -> None:
        """This training was broken off and goes on: what is there belongs to it."""
        self._goes_on = True

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """The metrics of one step, on the disk when this returns."""
        if self._lines is None:
            self._lines = self._open(step)
        line = {"step": step} | {name: value if math.isfinite(value) else None for name, value in values.items()}
        self._lines.write(json.dumps(line, allow_nan=False) + "\n")
        self._lines.flush()
        for name, value in values.items():
            self._board.add_scalar(name, value, step)

    def close(self) -> None:
        if self._lines is not None:
            self._lines.close()
            self._board.close()

    def _open(self, step: int) -> TextIO:
        from torch.utils.tensorboard import SummaryWriter

        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / METRICS
        kept = list(lines_before(path, step)) if self._goes_on else []
        fresh = path.with_name(METRICS + ".new")
        fresh.write_text("".join(kept), encoding="utf-8")
        os.replace(fresh, path)
        if not self._goes_on:
            for old in self._folder.glob(f"events.out.tfevents.*{SUFFIX}"):
                old.unlink()
        # TensorBoard then forgets what the broken-off training wrote of this step and later ones.
        purge = step if self._goes_on else None
        self._board = SummaryWriter(str(self._folder), purge_step=purge, filename_suffix=SUFFIX, flush_secs=5)
        return path.open("a", encoding="utf-8")


def lines_before(path: Path, step: int) -> Iterator[str]:
    """The whole lines of earlier steps; a line that a crash cut short is none."""
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            number = json.loads(line)["step"]
        except (ValueError, KeyError, TypeError):
            continue
        if isinstance(number, int) and number < step:
            yield line + "\n"
