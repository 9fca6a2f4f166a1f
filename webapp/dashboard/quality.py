"""The figures of the quality page as charts and rows: each with its n and one line that says what it means."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from annotation.reliability import MINIMUM_TASKS
from webapp.dashboard.charts import DotChart, Row, dot_chart
from webapp.dashboard.templatetags.figures import figure

MATRIX = 10  # people in the matrix of pairs: more would not fit
CHANCE = [(0.5, "50 %: chance")]
NO_MORE = [(0.0, "0: chance")]
ALIKE = "pairs on which two people agree, ties left out; dashed: chance, 50 %"
BEYOND = "1 is perfect; dashed: chance, 0"


@dataclass(frozen=True)
class Check:
    """One figure over everybody; ``alarm`` says why to look, or nothing."""

    title: str
    figure: Mapping[str, Any] | None
    note: str
    unit: str = "share"
    alarm: str = ""
    absent: str = "too few"


@dataclass(frozen=True)
class Cell:
    """Two people's agreement in the matrix; ``small`` where too little is shared to say."""

    figure: Mapping[str, Any] | None
    prompts: int
    small: bool


def agreement_charts(quality: Mapping[str, Any]) -> list[DotChart]:
    """Pairwise agreement with the band of the best possible accuracy, and Krippendorff's alpha; then by group."""
    band, groups = quality["ceiling"], quality["groups"]
    by_group = {
        name: [Row(group, figures[name] or {}, series) for group, figures in groups.items()]
        for name, series in (("pairwise_agreement", 1), ("alpha_pairs", 2))
    }
    charts = [
        dot_chart(
            "Pairwise agreement",
            [Row("All annotators", quality["pairwise_agreement"] or {})],
            unit=ALIKE,
            form="share",
            band=(band["low"], band["high"], "Best possible accuracy of a reward model") if band else None,
            marks=CHANCE,
        ),
        dot_chart(
            "Krippendorff’s alpha, ordinal",
            [Row("All annotators", quality["alpha_pairs"] or {}, 2)],
            unit=BEYOND,
            marks=NO_MORE,
        ),
        dot_chart(
            "Agreement within each group", by_group["pairwise_agreement"], unit=ALIKE, form="share", marks=CHANCE
        ),
        dot_chart("Alpha within each group", by_group["alpha_pairs"], unit=BEYOND, marks=NO_MORE),
    ]
    return [chart for chart in charts if chart is not None]


def criteria_chart(quality: Mapping[str, Any]) -> DotChart | None:
    """Ordinal alpha of each criterion, over all raters and by group."""
    rows = [Row(name, figures["alpha_ordinal"] or {}, 2) for name, figures in quality["criteria"].items()]
    for group, found in quality["groups"].items():
        rows += [
            Row(f"{name}, {group}", figures["alpha_ordinal"] or {}, 3) for name, figures in found["criteria"].items()
        ]
    return dot_chart("Agreement on the criteria", rows, unit=f"ordinal alpha of the ratings; {BEYOND}", marks=NO_MORE)


def votes_chart(quality: Mapping[str, Any]) -> DotChart | None:
    """Nominal alpha of the votes and kappa of each two voters."""
    votes = quality["votes"]
    rows = [Row("Alpha, nominal, all voters", votes["alpha_nominal"] or {}, 2)]
    for key, kappa in votes["cohen_kappa"].items():
        one, other = (votes["raters"][int(place) - 1] for place in key.split("-"))
        rows.append(Row(f"Cohen’s kappa, {one} and {other}", kappa or {}, 1))
    return dot_chart("Votes on two completions", rows, unit=BEYOND, marks=NO_MORE)


def time_chart(quality: Mapping[str, Any]) -> DotChart | None:
    """Agreement by day or week, the newest at the bottom."""
    rows = [Row(stretch_name(one), one["agreement"] or {}) for one in quality["over_time"]]
    return dot_chart("Agreement over time", rows, unit=ALIKE, form="share", marks=CHANCE)


def stretch_name(stretch: Mapping[str, str]) -> str:
    first, last = (date.fromisoformat(stretch[end]) for end in ("first", "last"))
    return f"{first:%-d %b %Y}" if first == last else f"{first:%-d %b} – {last:%-d %b %Y}"


def checks(quality: Mapping[str, Any]) -> list[Check]:
    """What is measured over everybody beside agreement."""
    position, consistency, haste = quality["position"], quality["consistency"], quality["haste"] or {}
    leak = position is not None and position["p_value"] < 0.01
    again = "too few" if consistency else "no repeats"
    found = [
        Check("Ties", quality["ties"], "Pairs that people could not tell apart."),
        Check(
            "Skipped",
            quality["skipped"],
            "Of the tasks handed out here. Many skips ask for a look at the reasons, on the page Labels.",
        ),
        Check(
            "Shown earlier, ranked above",
            position and position["share"],
            "Does the order on the page leak in? 50 % is no bias. "
            + (
                f"First against last shown: {position['first_above_last']:,} of {position['trials']:,}, "
                f"exact binomial p = {position['p_value']:.2g}."
                if position
                else ""
            ),
            alarm="position bias" if leak else "",
        ),
        Check(
            "The same order again",
            consistency and consistency["same_order"],
            "Tasks that one person ranked twice, shown in reverse the second time.",
            absent=again,
        ),
        Check(
            "The same pairs again",
            consistency and consistency["pairs"],
            "Of their pairs that were no tie either time, those decided the same way.",
            absent=again,
        ),
        Check(
            "Faster than reading",
            haste.get("share"),
            "Timed rankings below a thousand words a minute. Flagged, never dropped.",
            alarm="fast" if haste.get("flagged") else "",
            absent="too few" if haste else "not timed",
        ),
        _seconds(quality["speed"], timed=bool(haste)),
    ]
    return found + [cycle for cycle in map(_cycle, ("majority_cycles", "vote_cycles"), (quality, quality)) if cycle]


def _seconds(speed: Mapping[str, Any] | None, *, timed: bool) -> Check:
    title, note = "Time for a ranking", "The median, and from the fastest tenth to the slowest."
    if speed is None:
        return Check(title, None, note, absent="too few" if timed else "not timed")
    spread = {"value": speed["median"], "low": speed["p10"], "high": speed["p90"], "n": speed["n"]}
    return Check(title, spread, f"{note} {figure(speed['per_pair'], 'seconds')} for each pair decided.", unit="seconds")


def _cycle(name: str, quality: Mapping[str, Any]) -> Check | None:
    cycles = quality[name]
    if not cycles["triples"]:
        return None
    title = "Cycles in majorities" if name == "majority_cycles" else "Cycles in a person’s own votes"
    null = "" if cycles["expected"] is None else f" Noisy transitive people make {100 * cycles['expected']:.1f} %."
    note = f"A over B over C over A: {cycles['cyclic']:,} of {cycles['triples']:,} triples.{null}"
    return Check(title, cycles["share"], note, alarm="above noise" if cycles["above"] else "")


def matrix(quality: Mapping[str, Any]) -> tuple[list[str], list[tuple[str, list[Cell | None]]]]:
    """Names, and for each a row of cells: the ten people who share the most prompts; None on the diagonal.

    Nobody, where most of them share too little with each other for a figure.
    """
    pairs = quality["by_annotator_pair"]
    shared: Counter[str] = Counter()
    for pair in pairs:
        if pair["agreement"]:
            shared.update({pair["first"]: pair["prompts"], pair["second"]: pair["prompts"]})
    names = sorted(name for name, _ in shared.most_common(MATRIX))
    known = {(pair["first"], pair["second"]): pair for pair in pairs}
    known |= {(second, first): pair for (first, second), pair in known.items()}
    said = sum(bool(known.get((one, other), {}).get("agreement")) for one in names for other in names if one != other)
    if 2 * said < len(names) * (len(names) - 1):
        return [], []
    rows = [(one, [None if one == other else _cell(known.get((one, other))) for other in names]) for one in names]
    return names, rows


def _cell(pair: Mapping[str, Any] | None) -> Cell:
    figure = pair["agreement"] if pair else None
    prompts = pair["prompts"] if pair else 0
    return Cell(figure, prompts, figure is None or figure["n"] < MINIMUM_TASKS)


def by_concern(quality: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The annotators, those with a flag first."""
    return sorted(quality["annotators"], key=lambda row: not row["flags"])


def flagged(quality: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return [row for row in quality["annotators"] if row["flags"]]


def gold_total(quality: Mapping[str, Any]) -> tuple[int, int] | None:
    """(right, pairs) over everybody; None without gold."""
    found = [row["gold"] for row in quality["annotators"] if row["gold"]]
    return (sum(one["right"] for one in found), sum(one["pairs"] for one in found)) if found else None
