"""The metrics of a file of predictions: each collects a few numbers a line, and makes figures of them at the end."""

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rlhf import text_metrics
from rlhf.prediction_rows import Row
from rlhf.rouge import NAMES, rouge
from rlhf.statistics import (
    bootstrap_mean,
    bootstrap_moments,
    bootstrap_ratio,
    bootstrap_sd,
    paired_bootstrap,
)
from rlhf.text_metrics import Found
from rlhf.toxicity import Toxicity
from rlhf.types import Interval

Figures = dict[str, Any]  # JSON-ready: intervals as {value, low, high, n}


@dataclass(frozen=True)
class Bootstrap:
    """Lines are resampled: the same ones for both sides of a difference."""

    seed: int
    resamples: int

    def mean(self, values: ArrayLike) -> Figures:
        return asdict(bootstrap_mean(values, self.seed, self.resamples))

    def difference(self, ours: ArrayLike, theirs: ArrayLike) -> Figures:
        return asdict(paired_bootstrap(ours, theirs, self.seed, self.resamples))


class Metric(Protocol):
    """Lines in, figures out."""

    def add(self, texts: Sequence[str], rows: Sequence[Row]) -> None:
        """Score ``texts``, which belong to ``rows``."""

    def figures(self, boot: Bootstrap) -> Figures:
        """What was measured, by name."""

    def differences(self, baseline: Self, boot: Bootstrap) -> Figures:
        """Ours minus the baseline's, line by line."""


class RougeMetric:
    """ROUGE against all references of a line: the mean over them, and the best of them."""

    def __init__(self) -> None:
        self._columns = {name: {"mean_over_references": array("d"), "best_reference": array("d")} for name in NAMES}

    def add(self, texts: Sequence[str], rows: Sequence[Row]) -> None:
        for text, row in zip(texts, rows, strict=True):
            for name, score in rouge(text, row.references).items():
                self._columns[name]["mean_over_references"].append(score.mean)
                self._columns[name]["best_reference"].append(score.best)

    def figures(self, boot: Bootstrap) -> Figures:
        return {name: {key: boot.mean(values) for key, values in own.items()} for name, own in self._columns.items()}

    def differences(self, baseline: Self, boot: Bootstrap) -> Figures:
        return {
            name: {key: boot.difference(values, baseline._columns[name][key]) for key, values in own.items()}
            for name, own in self._columns.items()
        }


class ToxicityMetric:
    """Toxicity by one backend, which stands beside the figures."""

    def __init__(self, backend: Toxicity) -> None:
        self._backend = backend
        self._scores = array("d")

    def add(self, texts: Sequence[str], rows: Sequence[Row]) -> None:
        self._scores.extend(self._backend.score(texts))

    def figures(self, boot: Bootstrap) -> Figures:
        found = toxicity_figures(self._scores, boot.seed, boot.resamples)
        return {"toxicity": self._named() | {name: asdict(figure) for name, figure in found.items()}}

    def differences(self, baseline: Self, boot: Bootstrap) -> Figures:
        ours, theirs = np.asarray(self._scores), np.asarray(baseline._scores)
        columns = np.stack([moment for side in (ours, theirs) for moment in _moments(side)], axis=1)
        sd = bootstrap_moments(columns, lambda m: _sd(m[:, :2]) - _sd(m[:, 2:]), boot.seed, boot.resamples)
        found = {
            "mean": boot.difference(ours, theirs),
            "sd": asdict(sd),
            "share_above_half": boot.difference(ours > 0.5, theirs > 0.5),
        }
        return {"toxicity": self._named() | found}

    def _named(self) -> Figures:
        return {"backend": self._backend.name, "version": self._backend.version}


@dataclass(frozen=True)
class Count:
    """``of`` finds so many of so many in a line. ``pooled``: over all lines together, else the mean of their shares."""

    of: Callable[[str, Row], Found]
    pooled: bool = False


class CountMetric:
    """Shares and counts of a text alone or with its source; a line with nothing to count is left out."""

    def __init__(self, counts: Mapping[str, Count]) -> None:
        self._counts = counts
        self._columns = {name: (array("d"), array("d")) for name in counts}  # found, total

    def add(self, texts: Sequence[str], rows: Sequence[Row]) -> None:
        for text, row in zip(texts, rows, strict=True):
            for name, count in self._counts.items():
                found = count.of(text, row)
                self._columns[name][0].append(found.found)
                self._columns[name][1].append(found.total)

    def figures(self, boot: Bootstrap) -> Figures:
        figures = {}
        for name, count in self._counts.items():
            found, total = self._arrays(name)
            used = total > 0
            if count.pooled and used.any():
                figures[name] = asdict(bootstrap_ratio(found, total, boot.seed, boot.resamples))
            elif used.any():
                figures[name] = boot.mean(found[used] / total[used])
        return figures

    def differences(self, baseline: Self, boot: Bootstrap) -> Figures:
        figures = {}
        for name, count in self._counts.items():
            (found, total), (other, others) = self._arrays(name), baseline._arrays(name)
            if not (total.any() and others.any()):
                continue
            if count.pooled:
                columns = np.stack([found, total, other, others], axis=1)[(total > 0) | (others > 0)]
                figures[name] = asdict(bootstrap_moments(columns, _ratio_gap, boot.seed, boot.resamples))
            elif (used := (total > 0) & (others > 0)).any():
                figures[name] = boot.difference(found[used] / total[used], other[used] / others[used])
        return figures

    def _arrays(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        found, total = self._columns[name]
        return np.asarray(found), np.asarray(total)


COUNTS: Mapping[str, Mapping[str, Count]] = {
    "length": {"words": Count(lambda text, row: Found(len(text_metrics.words(text)), 1))},
    "distinct": {
        "distinct1": Count(lambda text, row: text_metrics.distinct([text], 1)),
        "distinct2": Count(lambda text, row: text_metrics.distinct([text], 2)),
    },
    "source": {
        "copy_rate": Count(lambda text, row: text_metrics.copied(text, row.source)),
        "names_found": Count(lambda text, row: text_metrics.names_found(text, row.source), pooled=True),
        "numbers_found": Count(lambda text, row: text_metrics.numbers_found(text, row.source), pooled=True),
    },
}


def metric_named(name: str, backend: Toxicity | None) -> Metric:
    """A metric of `PredictionsConfig.metrics` with nothing in it; toxicity needs its backend."""
    if name == "rouge":
        return RougeMetric()
    if name == "toxicity":
        assert backend is not None  # whoever asks for toxicity has chosen one
        return ToxicityMetric(backend)
    return CountMetric(COUNTS[name])


def toxicity_figures(scores: ArrayLike, seed: int, resamples: int) -> dict[str, Interval]:
    """``mean``, ``sd`` (population) and ``share_above_half`` of toxicity scores, bootstrapped over texts."""
    values = np.asarray(scores, dtype=np.float64)
    return {
        "mean": bootstrap_mean(values, seed, resamples),
        "sd": bootstrap_sd(values, seed, resamples),
        "share_above_half": bootstrap_mean((values > 0.5).astype(np.float64), seed, resamples),
    }


def _moments(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    centred = values - values.mean()  # the squares of large values would lose the small spread between them
    return centred, centred**2


def _sd(moments: NDArray[np.float64]) -> NDArray[np.float64]:
    spread: NDArray[np.float64] = np.sqrt(np.maximum(moments[:, 1] - moments[:, 0] ** 2, 0))
    return spread


def _ratio_gap(means: NDArray[np.float64]) -> NDArray[np.float64]:
    gap: NDArray[np.float64] = means[:, 0] / means[:, 1] - means[:, 2] / means[:, 3]
    return gap
