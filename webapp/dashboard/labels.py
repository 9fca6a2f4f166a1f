"""The figures of the label dashboard as charts and tables."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from django.utils import timezone

from annotation.models import SkipReason
from annotation.stats import AnnotatorRow, Stats
from webapp.dashboard.charts import (
    Column,
    ColumnChart,
    ShareBar,
    column_chart,
    share_bar,
)
from webapp.dashboard.decision import STRENGTH_NAMES

PACE_DAYS = 7
ORIGINS = ("by people", "simulated", "imported")
STRENGTHS = {str(value): name for value, name in STRENGTH_NAMES.items()}


def days_chart(stats: Stats) -> ColumnChart | None:
    """Rankings a day, days without any included."""
    found = {date.fromisoformat(day["date"]): day for day in stats["per_day"]}
    if not found:
        return None
    first = min(found)
    days = [first + timedelta(days=offset) for offset in range((max(found) - first).days + 1)]
    columns = []
    for day in days:
        row = found.get(day)
        values = (row["person"], row["simulated"], row["imported"]) if row else (0, 0, 0)
        columns.append(Column(f"{day:%-d %b}", values))
    return column_chart("Rankings per day", columns, ORIGINS)


def queue_bar(stats: Stats) -> ShareBar | None:
    """Of the rankings that are wanted: done or in somebody's hands, and left."""
    queue = stats["queue"]
    if not queue["wanted"]:
        return None
    taken = queue["wanted"] - queue["remaining"] - queue["leased"]
    names = ("done", "being ranked now", "waiting")
    return share_bar("Queue", (max(taken, 0), queue["leased"], queue["remaining"]), names)


def queue_days(stats: Stats) -> float | None:
    """Days until the queue is empty at the pace of the last seven days; None without a pace."""
    since = (timezone.localdate() - timedelta(days=PACE_DAYS)).isoformat()
    recent = sum(day["person"] + day["simulated"] for day in stats["per_day"] if day["date"] > since)
    return stats["queue"]["remaining"] * PACE_DAYS / recent if recent else None


def rank_names(size: int) -> list[str]:
    return [f"rank {rank + 1}" for rank in range(size)]


def place_bars(stats: Stats) -> list[ShareBar]:
    """For each place on the page, how often it got each rank."""
    ranks = stats["ranks"]
    return [
        share_bar(f"Shown {ordinal(place + 1)}", row, rank_names(len(row)), scale="rank")
        for place, row in enumerate(ranks)
    ]


def ordinal(number: int) -> str:
    return f"{number}{({1: 'st', 2: 'nd', 3: 'rd'} if number not in (11, 12, 13) else {}).get(number % 10, 'th')}"


def tie_bar(stats: Stats) -> ShareBar:
    """Of all pairs, those in which one completion was preferred, and ties."""
    return share_bar("Pairs", (stats["pairs"] - stats["tied_pairs"], stats["tied_pairs"]), ("one preferred", "tie"))


def strength_bar(stats: Stats) -> ShareBar | None:
    """How strongly neighbours were told apart, where people said so."""
    counts = stats["strengths"]
    if not counts:
        return None
    return share_bar("Strength", [counts.get(key, 0) for key in STRENGTHS], list(STRENGTHS.values()), scale="rank")


def reason_rows(stats: Stats) -> list[tuple[str, int]]:
    """Why tasks were skipped, the commonest first."""
    labels = dict(SkipReason.choices)
    return [
        (str(labels.get(reason, reason or "no reason given")), count) for reason, count in stats["skip_reasons"].items()
    ]


def annotator_rows(stats: Stats, quality: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """One row for each annotator: throughput, and with ``quality`` their agreement with the others."""
    found: Sequence[Mapping[str, Any]] = quality["annotators"] if quality else ()
    by_name = {row["annotator"]: row for row in found}
    return [_annotator_row(row, by_name.get(row["username"], {})) for row in stats["annotators"]]


def _annotator_row(row: AnnotatorRow, figures: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "agreement": figures.get("agreement"), "tie_rate": figures.get("tie_rate")}
