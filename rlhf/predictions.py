"""Scores of any file of predictions, ours or others': JSON lines, plain or gzip."""

import gzip
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rlhf.exceptions import ConfigError, DataError
from rlhf.rouge import rouge_table
from rlhf.statistics import RESAMPLES, bootstrap_mean, bootstrap_sd
from rlhf.toxicity import Toxicity, choose_backend
from rlhf.types import Interval, Reporter

METRICS = ("rouge", "toxicity")


@dataclass(frozen=True)
class Predictions:
    """Texts and, where the file has them, their references; same length."""

    texts: list[str]
    references: list[list[str]]


def score_predictions(
    path: Path | str,
    *,
    metrics: Sequence[str] = METRICS,
    prediction_field: str = "prediction",
    references_field: str = "references",
    toxicity: str | Toxicity = "auto",
    seed: int = 0,
    resamples: int = RESAMPLES,
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """JSON-ready scores of the file's ``prediction_field`` against its ``references_field``.

    Each ROUGE is ``{mean_over_references, best_reference}`` and toxicity ``{backend, version, mean,
    sd, share_above_half}``; each figure is ``{value, low, high, n}``, bootstrapped over lines.
    Raises DataError naming the line and what it lacks, ConfigError for an unknown metric.
    """
    unknown = [metric for metric in metrics if metric not in METRICS]
    if unknown or not metrics:
        raise ConfigError(f"unknown metric {', '.join(map(repr, unknown))}; there are {', '.join(METRICS)}")
    wanted = references_field if "rouge" in metrics else None
    predictions = read_predictions(Path(path), prediction_field, wanted)
    scores: dict[str, Any] = {"file": Path(path).name, "predictions": len(predictions.texts)}
    if "rouge" in metrics:
        for name, rows in rouge_table(predictions.texts, predictions.references).items():
            scores[name] = {
                "mean_over_references": asdict(bootstrap_mean([row.mean for row in rows], seed, resamples)),
                "best_reference": asdict(bootstrap_mean([row.best for row in rows], seed, resamples)),
            }
    if "toxicity" in metrics:
        backend = choose_backend(toxicity, reporter) if isinstance(toxicity, str) else toxicity
        try:
            figures = toxicity_figures(backend.score(predictions.texts), seed, resamples)
            scores["toxicity"] = {"backend": backend.name, "version": backend.version} | {
                name: asdict(figure) for name, figure in figures.items()
            }
        finally:
            if isinstance(toxicity, str):
                backend.close()
    return scores


def toxicity_figures(scores: Sequence[float], seed: int, resamples: int = RESAMPLES) -> dict[str, Interval]:
    """``mean``, ``sd`` (population) and ``share_above_half`` of toxicity scores, bootstrapped over texts."""
    values = np.asarray(scores, dtype=np.float64)
    return {
        "mean": bootstrap_mean(values, seed, resamples),
        "sd": bootstrap_sd(values, seed, resamples),
        "share_above_half": bootstrap_mean((values > 0.5).astype(np.float64), seed, resamples),
    }


def read_predictions(path: Path, prediction_field: str, references_field: str | None) -> Predictions:
    """The file's texts and references (none are asked for where ``references_field`` is None)."""
    texts: list[str] = []
    references: list[list[str]] = []
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    row = _row(line, number)
                    texts.append(_text(row, prediction_field, number))
                    references.append(_references(row, references_field, number) if references_field else [])
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    if not texts:
        raise DataError(f"{path} holds no predictions")
    return Predictions(texts, references)


def _row(line: str, number: int) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"line {number} is not JSON: {error}") from error
    if not isinstance(row, dict):
        raise DataError(f"line {number} is a {type(row).__name__}, not an object")
    return row


def _text(row: dict[str, Any], field: str, number: int) -> str:
    if field not in row:
        raise DataError(f"line {number} has no field {field!r}; it has {', '.join(map(repr, sorted(row)))}")
    if not isinstance(row[field], str):
        raise DataError(f"line {number}: {field!r} is a {type(row[field]).__name__}, not a text")
    return str(row[field])


def _references(row: dict[str, Any], field: str, number: int) -> list[str]:
    found = row.get(field)
    if isinstance(found, str):
        return [found]
    if not isinstance(found, list) or not found or not all(isinstance(one, str) for one in found):
        seen = "missing" if field not in row else f"{str(found)[:60]!r}"
        raise DataError(f"line {number}: {field!r} must be a text or a list of texts, and is {seen}")
    return list(found)
