"""Scores of any file of predictions, ours or others', each with its interval, and differences between two systems."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from itertools import chain, islice
from pathlib import Path
from typing import Any

from rlhf.evaluation_config import PredictionsConfig
from rlhf.exceptions import Cancelled
from rlhf.prediction_rows import Row, prediction_rows
from rlhf.prediction_scores import Bootstrap, Metric, metric_named
from rlhf.rouge import tokens
from rlhf.toxicity import Toxicity, choose_backend
from rlhf.types import Reporter, Silent

CHUNK = 256  # lines held at once: a file may be larger than the memory


def score_predictions(
    path: Path | str,
    config: PredictionsConfig | None = None,
    *,
    baseline: Path | None = None,
    seed: int = 0,
    toxicity: Toxicity | None = None,
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """JSON-ready scores of the file's predictions against its references; intervals resample lines.

    Each ROUGE is ``{mean_over_references, best_reference}``, toxicity ``{backend, version, mean, sd,
    share_above_half}``; each figure ``{value, low, high, n}``. With a baseline (another file, or another field of
    this one) its own scores stand under ``baseline`` and the paired differences under ``difference``. ``toxicity``
    stands in for the backend that the config names. Raises DataError naming file, line and field, ModelError where
    the toxicity backend cannot be had, and Cancelled.
    """
    config, told = config or PredictionsConfig(), reporter or Silent()
    compared = baseline is not None or bool(config.baseline_field)
    chunks = _chunks(Path(path), config, baseline, told)
    first = next(chunks)  # a file that cannot be used is told before a classifier is loaded
    with _backend(config, toxicity, told) as backend:
        ours, theirs = _Side(config, backend), _Side(config, backend)
        for rows in chain([first], chunks):
            ours.add([row.text for row in rows], rows)
            if compared:
                theirs.add([row.baseline or "" for row in rows], rows)
        ours.warn(told)
        return _scores(Path(path), config, baseline, ours, theirs if compared else None, seed)


class _Side:
    """One system's texts: all metrics, and how many texts there were."""

    def __init__(self, config: PredictionsConfig, backend: Toxicity | None) -> None:
        self.metrics: Mapping[str, Metric] = {name: metric_named(name, backend) for name in config.metrics}
        self.count = self.empty = self.unread = 0

    def add(self, texts: Sequence[str], rows: Sequence[Row]) -> None:
        for metric in self.metrics.values():
            metric.add(texts, rows)
        self.count += len(texts)
        self.empty += sum(not text.strip() for text in texts)
        if "rouge" in self.metrics:
            self.unread += sum(bool(text.strip()) and not tokens(text) for text in texts)

    def warn(self, reporter: Reporter) -> None:
        """ROUGE's 0 for a text in another script says nothing of the text."""
        if self.unread:
            reporter.event(
                "warning",
                f"{self.unread} of {self.count} predictions have no Latin letter and no digit: rouge_score reads "
                "nothing else, so their ROUGE is 0.",
            )

    def figures(self, boot: Bootstrap) -> dict[str, Any]:
        return {name: figure for metric in self.metrics.values() for name, figure in metric.figures(boot).items()}

    def differences(self, baseline: "_Side", boot: Bootstrap) -> dict[str, Any]:
        return {
            name: figure
            for key, metric in self.metrics.items()
            for name, figure in metric.differences(baseline.metrics[key], boot).items()
        }


def _scores(
    path: Path, config: PredictionsConfig, baseline: Path | None, ours: _Side, theirs: _Side | None, seed: int
) -> dict[str, Any]:
    boot = Bootstrap(seed, config.resamples)
    scores: dict[str, Any] = {
        "file": path.name,
        "field": config.prediction_field,
        "predictions": ours.count,
        "empty": ours.empty,
        "made_with": {"rouge_score": version("rouge_score"), "stemmer": True, "seed": seed} | vars(boot),
        **ours.figures(boot),
    }
    if theirs is not None:
        field = config.baseline_field or config.prediction_field
        scores["baseline"] = {"file": (baseline or path).name, "field": field, **theirs.figures(boot)}
        scores["difference"] = ours.differences(theirs, boot)
    return scores


def _chunks(path: Path, config: PredictionsConfig, baseline: Path | None, reporter: Reporter) -> Iterator[list[Row]]:
    """The file's rows, a few at a time, with progress in bytes."""

    def tell(done: int, total: int) -> None:
        if reporter.cancelled():
            raise Cancelled("The scoring was cancelled.")
        reporter.progress(done, total, "scoring, bytes")

    rows = prediction_rows(path, config, baseline, tell)
    while chunk := list(islice(rows, CHUNK)):
        yield chunk


@contextmanager
def _backend(config: PredictionsConfig, given: Toxicity | None, reporter: Reporter) -> Iterator[Toxicity | None]:
    """The toxicity backend: the given one, which stays open, or the one that the config names, where it is wanted."""
    if given is not None or "toxicity" not in config.metrics:
        yield given
        return
    backend = choose_backend(config.toxicity, reporter)
    try:
        yield backend
    finally:
        backend.close()
