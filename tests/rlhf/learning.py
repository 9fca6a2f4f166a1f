"""A tiny world to learn in: prompts, rankings by a rule, and rewards that need no model."""

from collections.abc import Mapping, Sequence

import numpy as np

from rlhf.types import Prompt, Ranking
from tests.rlhf.tiny import WORDS

SPLITS = ("train",) * 8 + ("validation", "test")


class Recorder:
    """A reporter that remembers, and asks to stop after ``stop_after`` metrics."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.curves: list[tuple[int, dict[str, float]]] = []
        self.events: list[tuple[str, str]] = []
        self.bars: list[tuple[int, int, str]] = []
        self._stop_after = stop_after

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self.curves.append((step, dict(values)))

    def progress(self, done: int, total: int, phase: str) -> None:
        self.bars.append((done, total, phase))

    def event(self, kind: str, message: str, **data: object) -> None:
        self.events.append((kind, message))

    def cancelled(self) -> bool:
        return self._stop_after is not None and len(self.curves) >= self._stop_after

    def curve(self, name: str) -> list[float]:
        return [values[name] for _step, values in self.curves if name in values]


class WordReward:
    """How many times ``word`` occurs, for each word of the text; the judge agrees unless ``judged`` is another word."""

    def __init__(self, word: str = "pizza", judged: str | None = None) -> None:
        self.word, self.judged = word, judged or word

    def score(self, prompts: Sequence[str], completions: Sequence[Sequence[str]]) -> list[list[float]]:
        return [[share(self.word, text) for text in texts] for texts in completions]

    def judge(self, prompts: Sequence[str], completions: Sequence[Sequence[str]]) -> list[list[float]]:
        return [[share(self.judged, text) for text in texts] for texts in completions]


def share(word: str, text: str) -> float:
    words = text.split()
    return 10 * words.count(word) / max(len(words), 4)


def prompts(count: int, *, seed: int = 0) -> list[Prompt]:
    rng = np.random.default_rng(seed)
    return [Prompt(f"p{seed}-{i}", " ".join(rng.choice(WORDS, 6))) for i in range(count)]


def rankings(count: int, *, word: str = "pizza", ties: bool = True, seed: int = 0) -> list[Ranking]:
    """Four random completions each, those with ``word`` above those without; tied unless ``ties`` is off."""
    rng = np.random.default_rng(seed)
    found = []
    for i in range(count):
        texts = [" ".join(rng.choice(WORDS, rng.integers(3, 8))) for _ in range(4)]
        texts[0] += f" {word}"
        best = [j for j, text in enumerate(texts) if word in text.split()]
        rest = [j for j in range(4) if j not in best]
        groups = (tuple(best), tuple(rest)) if ties else tuple((j,) for j in best + rest)
        found.append(
            Ranking(
                prompt_id=f"p{seed}-{i}",
                prompt=" ".join(rng.choice(WORDS, 6)),
                completions=tuple(texts),
                groups=tuple(group for group in groups if group),
                annotator="alice",
                split=SPLITS[i % 10],
            )
        )
    return found
