"""What a training reports, on a terminal: one bar for each phase, one line for each event."""

import sys
from collections.abc import Mapping
from typing import Any, TextIO

from tqdm import tqdm


class TerminalReporter:
    """rlhf's Reporter on ``stream``; close it when done. Where it is no terminal, a line at each tenth of a phase."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._bar: tqdm[Any] | None = None
        self._tenth = -1
        self._phase = ""

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        if self._bar is not None:
            shown = {name: f"{value:.3g}" for name, value in list(values.items())[:4]}
            self._bar.set_postfix(shown, refresh=False)

    def progress(self, done: int, total: int, phase: str) -> None:
        if phase != self._phase:
            self.close()
            self._phase, self._tenth = phase, -1
        if self._stream.isatty():
            self._draw(done, total)
        elif total and done * 10 // total > self._tenth:
            self._tenth = done * 10 // total
            print(f"  {phase}: {done} of {total}", file=self._stream, flush=True)

    def event(self, kind: str, message: str, **data: object) -> None:
        mark = "" if kind == "log" else f"{kind}: "
        tqdm.write(f"  {mark}{printable(message)}", file=self._stream)

    def cancelled(self) -> bool:
        return False

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _draw(self, done: int, total: int) -> None:
        bar: tqdm[Any] = self._bar or tqdm(total=total, desc=f"  {self._phase}", file=self._stream, dynamic_ncols=True)
        bar.total = total
        bar.update(done - bar.n)
        self._bar = bar
        if done >= total:
            self.close()
            self._phase = ""


def printable(text: str) -> str:
    """``text`` without control characters: model output may carry a terminal's escape codes."""
    return "".join(sign if sign.isprintable() or sign in "\n\t" else "\N{REPLACEMENT CHARACTER}" for sign in text)
