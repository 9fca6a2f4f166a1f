"""The figures of the quality page as charts and rows: each with its n and one line that says what it means."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from annotation.reliability import MINIMUM_TASKS
from webapp.dashboard.charts import DotChart, Row, dot_chart

MATRIX = 10  # people in the matrix of pairs: more would not fit
CHANCE = [(0.5, "0.5: chance")]
NO_MORE = [(0.0, "0: chance")]


@dataclass(frozen=True)
class Check:
    """One figure over everybody; ``alarm`` says why to look, or nothing."""

    title: str
    figure: Mapping[str, Any] | None
    note: str
    unit: str = "share"
    alarm: str = ""


@dataclass(frozen=True)
class Cell:
    """Two people's agreement in the matrix; ``small`` where too little is shared to say."""

    figure: Mapping[str, Any] | None
    prompts: int
    small: bool


def agreement_charts(quality: Mapping[str, Any]) -> list[DotChart]:
    """Pairwise agreement with the band of the best possible accuracy, and Krippendorff's alpha; then by group."""
    band, groups = quality["ceiling"], quality["groups"]
    pairwise, alpha = "share of pairs on which two people agree, ties left out", "1 is perfect, 0 is chance"
    by_group = {
        name: [Row(group, figures[name] or {}, series) for group, figures in groups.items()]
        for name, series in (("pairwise_agreement", 1), ("alpha_pairs", 2))
    }
    charts = [
        dot_chart(
            "Pairwise agreement",
            [Row("All annotators", quality["pairwise_agreement"] or {})],
            unit=pairwise,
            band=(band["low"], band["high"], "Best possible accuracy of a reward model") if band else None,
            marks=CHANCE,
        ),
        dot_chart(
            "Krippendorff’s alpha, ordinal",
            [Row("All annotators", quality["alpha_pairs"] or {}, 2)],
            unit=alpha,
            marks=NO_MORE,
        ),
        dot_chart("Agreement within each group", by_group["pairwise_agreement"], unit=pairwise, marks=CHANCE),
        dot_chart("Alpha within each group", by_group["alpha_pairs"], unit=alpha, marks=NO_MORE),
    ]
    return [chart for chart in charts if chart is not None]


def criteria_chart(quality: Mapping[str, Any]) -> DotChart | None:
    """Ordinal alpha of each criterion, over all raters and by group."""
    rows = [Row(name, figures["alpha_ordinal"] or {}, 2) for name, figures in quality["criteria"].items()]
    for group, found in quality["groups"].items():
        rows += [
            Row(f"{name}, {group}", figures["alpha_ordinal"] or {}, 3) for name, figures in found["criteria"].items()
        ]
    return dot_chart("Agreement on the criteria", rows, unit="ordinal alpha of the ratings", marks=NO_MORE)


def votes_chart(quality: Mapping[str, Any]) -> DotChart | None:
    """Nominal alpha of the votes and kappa of each two voters."""
    votes = quality["votes"]
    rows = [Row("Alpha, nominal, all voters", votes["alpha_nominal"] or {}, 2)]
    for key, figure in votes["cohen_kappa"].items():
        one, other = (votes["raters"][int(place) - 1] for place in key.split("-"))
        rows.append(Row(f"Cohen’s kappa, {one} and {other}", figure or {}, 1))
    return dot_chart("Votes on two completions", rows, unit="1 is perfect, 0 is chance", marks=NO_MORE)


def time_chart(quality: Mapping[str, Any]) -> DotChart | None:
    """Agreement by day or week, the newest at the bottom."""
    rows = [Row(stretch_name(one), one["agreement"] or {}) for one in quality["over_time"]]
    return dot_chart("Agreement over time", rows, unit="pairwise, ties left out", marks=CHANCE)


def stretch_name(stretch: Mapping[str, str]) -> str:
    first, last = (date.fromisoformat(stretch[end]) for end in ("first", "last"))
    return f"{first:%-d %b %Y}" if first == last else f"{first:%-d %b} – {last:%-d %b %Y}"


def checks(quality: Mapping[str, Any]) -> list[Check]:
    """What is measured over everybody beside agreement."""
    position, consistency, haste = quality["position"], quality["consistency"], quality["haste"] or {}
    leak = position is not None and position["p_value"] < 0.01
    found = [
        Check("Ties", quality["ties"], "Pairs that people could not tell apart."),
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
        ),
        Check(
            "The same pairs again",
            consistency and consistency["pairs"],
            "Of their pairs that were no tie either time, those decided the same way.",
        ),
        Check(
            "Faster than reading",
            haste.get("share"),
            "Timed rankings below a thousand words a minute. Flagged, never dropped.",
            alarm="fast" if haste.get("flagged") else "",
        ),
    ]
    return found + [cycle for cycle in map(_cycle, ("majority_cycles", "vote_cycles"), (quality, quality)) if cycle]


def _cycle(name: str, quality: Mapping[str, Any]) -> Check | None:
    cycles = quality[name]
    if not cycles["triples"]:
        return None
    title = "Cycles in majorities" if name == "majority_cycles" else "Cycles in a person’s own votes"
    null = "" if cycles["expected"] is None else f" Noisy transitive people make {100 * cycles['expected']:.1f} %."
    note = f"A over B over C over A: {cycles['cyclic']:,} of {cycles['triples']:,} triples.{null}"
    return Check(title, cycles["share"], note, alarm="above noise" if cycles["above"] else "")


def matrix(quality: Mapping[str, Any]) -> tuple[list[str], list[tuple[str, list[Cell | None]]]]:
    """Names, and for each a row of cells: the ten people who share the most prompts; None on the diagonal."""
    pairs = quality["by_annotator_pair"]
    shared: Counter[str] = Counter()
    for pair in pairs:
        shared.update({pair["first"]: pair["prompts"], pair["second"]: pair["prompts"]})
    names = sorted(name for name, _ in shared.most_common(MATRIX))
    known = {(pair["first"], pair["second"]): pair for pair in pairs}
    known |= {(second, first): pair for (first, second), pair in known.items()}
    rows = [(one, [None if one == other else _cell(known.get((one, other))) for other in names]) for one in names]
    return names, rows


def _cell(pair: Mapping[str, Any] | None) -> Cell:
    figure = pair["agreement"] if pair else None
    prompts = pair["prompts"] if pair else 0
    return Cell(figure, prompts, figure is None or figure["n"] < MINIMUM_TASKS)


def flagged(quality: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return [row for row in quality["annotators"] if row["flags"]]


def gold_total(quality: Mapping[str, Any]) -> tuple[int, int] | None:
    """(right, pairs) over everybody; None without gold."""
    found = [row["gold"] for row in quality["annotators"] if row["gold"]]
    return (sum(one["right"] for one in found), sum(one["pairs"] for one in found)) if found else None
