"""Plain data that crosses the library's boundary."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Prompt:
    """A prompt as the model reads it (template applied) and its reference answers."""

    id: str
    text: str
    references: tuple[str, ...] = ()


@dataclass(frozen=True)
class Example:
    """One supervised pair."""

    prompt: str
    target: str


@dataclass(frozen=True)
class Completion:
    """One answer. ``finished`` is False when no EOS came within the limit; ``backend`` is the library that decoded."""

    prompt_id: str
    ordinal: int
    text: str
    token_ids: tuple[int, ...]
    finished: bool
    seed: int
    backend: str


@dataclass(frozen=True)
class Ranking:
    """One annotator's ordering of the completions of one prompt: one element of a training batch.

    ``groups`` holds indices into ``completions``, best group first; two indices in one group are a
    tie. ``strengths`` has one entry for each boundary between groups (1 slightly, 2, 3 much better).
    With ``ties`` False the texts of one group were not compared (best and worst alone): they are no pairs.
    """

    prompt_id: str
    prompt: str
    completions: tuple[str, ...]
    groups: tuple[tuple[int, ...], ...]
    annotator: str
    split: str  # train, validation or test, decided by the prompt's hash
    strengths: tuple[int, ...] | None = None
    ties: bool = True


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval and the number of independent units behind it."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Artifact:
    """A saved model. ``sha256`` covers weights and settings, no paths and no times."""

    path: str
    sha256: str
    trainable_parameters: int
    total_parameters: int
    size_bytes: int
    facts: Mapping[str, object] = field(default_factory=dict)


class Reporter(Protocol):
    """How a training tells the outside what it does."""

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Values measured at ``step``."""

    def progress(self, done: int, total: int, phase: str) -> None:
        """``done`` of ``total`` units of ``phase``."""

    def event(self, kind: str, message: str, **data: object) -> None:
        """A line of the log; ``kind`` is log, warning or stop-rule."""

    def cancelled(self) -> bool:
        """True when the training must stop at the next step."""


class Silent:
    """A reporter that tells nobody."""

    def metrics(self, step: int, values: Mapping[str, float]) -> None: ...

    def progress(self, done: int, total: int, phase: str) -> None: ...

    def event(self, kind: str, message: str, **data: object) -> None: ...

    def cancelled(self) -> bool:
        return False
