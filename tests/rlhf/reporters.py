"""A reporter that remembers what it was told."""

from collections.abc import Mapping


class Told:
    """Keeps events, progress and metrics in order; ``cancel_after`` calls of progress it asks to stop."""

    def __init__(self, cancel_after: int | None = None) -> None:
        self.events: list[tuple[str, str]] = []
        self.steps: list[tuple[int, int, str]] = []
        self.values: list[tuple[int, Mapping[str, float]]] = []
        self._left = cancel_after

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self.values.append((step, values))

    def progress(self, done: int, total: int, phase: str) -> None:
        self.steps.append((done, total, phase))

    def event(self, kind: str, message: str, **data: object) -> None:
        self.events.append((kind, message))

    def cancelled(self) -> bool:
        return self._left is not None and len(self.steps) >= self._left
