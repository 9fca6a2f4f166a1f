"""Reporters around a reporter: a training inside a training."""

from collections.abc import Mapping
from dataclasses import dataclass

from rlhf.types import Reporter


@dataclass(frozen=True)
class Part:
    """A training that is steps ``offset`` + 1 … of ``total`` of a larger one, on one bar and one axis of the curves."""

    whole: Reporter
    offset: int
    total: int
    phase: str

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self.whole.metrics(self.offset + step, values)

    def progress(self, done: int, total: int, phase: str) -> None:
        self.whole.progress(self.offset + done, self.total, self.phase)

    def event(self, kind: str, message: str, **data: object) -> None:
        self.whole.event(kind, message, **data)

    def cancelled(self) -> bool:
        return self.whole.cancelled()


@dataclass(frozen=True)
class Quiet:
    """A step inside a step (sampling in a rollout): no bar of its own, but events and cancelling pass through."""

    whole: Reporter

    def metrics(self, step: int, values: Mapping[str, float]) -> None: ...

    def progress(self, done: int, total: int, phase: str) -> None: ...

    def event(self, kind: str, message: str, **data: object) -> None:
        self.whole.event(kind, message, **data)

    def cancelled(self) -> bool:
        return self.whole.cancelled()
