"""Evaluations as tables and charts: which figures there are, what they are called, and in which unit."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from webapp.dashboard.charts import DotChart, Row, dot_chart, is_figure
from workers.models import Evaluation, ModelVersion

SAMPLES_SHOWN = 12
TABLE_ROWS = 50


@dataclass(frozen=True)
class Metric:
    """A figure's name for people, its unit, and how to read it."""

    name: str
    title: str
    unit: str = ""
    note: str = ""


METRICS = (
    Metric("rouge1", "ROUGE-1", "", "Words shared with the reference, F1 with stemming; higher is better."),
    Metric("rouge2", "ROUGE-2", "", "Pairs of words shared with the reference; higher is better."),
    Metric("rougeL", "ROUGE-L", "", "Longest common subsequence with the reference; higher is better."),
    Metric("rougeLsum", "ROUGE-Lsum", "", "The same, sentence by sentence; higher is better."),
    Metric("toxicity", "Toxicity", "", "Mean probability that a text is toxic; lower is better."),
    Metric("reward", "Reward", "sd", "The reward model’s score; 0 is the anchor’s mean, 1 its standard deviation."),
    Metric("reward_before", "Reward before", "sd", "The anchor’s completions of the same prompts, same reward model."),
    Metric("reward_gain", "Reward gain", "sd", "After minus before, prompt by prompt."),
    Metric(
        "kl", "KL", "nats", "Distance from the anchor for each completion, summed over its tokens; 0 is the anchor."
    ),
    Metric("win_rate", "Win rate", "", "Against the anchor on the same prompts; 0.5 is a draw."),
    Metric("length", "Length", "tokens", "Tokens of a completion."),
    Metric("eos_rate", "Finished", "share", "Completions that end by themselves."),
    Metric("distinct1", "Distinct-1", "", "Different words among all words."),
    Metric("distinct2", "Distinct-2", "", "Different pairs of words among all pairs."),
    Metric("copy_rate", "Copied", "share", "Words of the completion that stand in the prompt."),
)
BY_NAME: Mapping[str, Metric] = {metric.name: metric for metric in METRICS}
HEADLINES = ("rouge1", "rouge2", "rougeL", "rougeLsum", "toxicity", "reward", "kl", "length")


def metrics_of(names: Iterable[str]) -> list[Metric]:
    """The known ones in their order, then whatever else was measured."""
    found = set(names)
    known = [metric for metric in METRICS if metric.name in found]
    return known + [Metric(name, name.replace("_", " ")) for name in sorted(found - BY_NAME.keys())]


@dataclass(frozen=True)
class ResultRow:
    """One model version's figures; ``cells`` stand in the order of the table's columns."""

    slug: str
    split: str
    promoted: bool
    cells: list[Mapping[str, Any] | None]


def result_rows(evaluations: Sequence[Evaluation], metrics: Sequence[Metric]) -> list[ResultRow]:
    return [
        ResultRow(
            slug=one.model.slug,
            split=one.split,
            promoted=one.model.state == "promoted",
            cells=[one.metrics.get(metric.name) for metric in metrics],
        )
        for one in evaluations
    ]


def result_charts(evaluations: Sequence[Evaluation], metrics: Sequence[Metric]) -> list[DotChart]:
    """One chart for each figure, all versions below each other; the anchor has a colour of its own."""
    charts = [
        dot_chart(
            metric.title,
            [
                Row(one.model.slug, one.metrics.get(metric.name) or {}, 3 if one.model.kind in ("sft", "base") else 1)
                for one in evaluations
            ],
            unit=metric.unit,
            note=metric.note,
        )
        for metric in metrics
    ]
    return [chart for chart in charts if chart is not None]


@dataclass(frozen=True)
class SampleText:
    slug: str
    text: str
    reward: float | None


@dataclass(frozen=True)
class Sample:
    """One prompt with its references and what each version wrote."""

    prompt: str
    references: list[str]
    texts: list[SampleText]


def samples_side_by_side(evaluations: Sequence[Evaluation]) -> list[Sample]:
    """The same prompts under every version, those that most versions answered first."""
    found: dict[str, Sample] = {}
    for one in evaluations:
        for raw in one.samples:
            prompt = str(raw.get("prompt", ""))
            sample = found.setdefault(prompt, Sample(prompt, _references(raw), []))
            reward = raw.get("reward")
            sample.texts.append(
                SampleText(one.model.slug, str(raw.get("text", "")), reward if is_figure(reward) else None)
            )
    return sorted(found.values(), key=lambda sample: -len(sample.texts))[:SAMPLES_SHOWN]


def _references(raw: Mapping[str, Any]) -> list[str]:
    many = raw.get("references")
    if isinstance(many, list):
        return [str(one) for one in many[:3]]
    return [str(raw["reference"])] if raw.get("reference") else []


@dataclass(frozen=True)
class RewardTable:
    """The same prompts before and after, and for how many the reward rose."""

    slug: str
    rows: list[dict[str, Any]]
    better: int


def reward_table(evaluations: Sequence[Evaluation]) -> RewardTable | None:
    """Of the newest version that has one."""
    newest = max((one for one in evaluations if one.reward_table), key=lambda one: one.pk, default=None)
    if newest is None:
        return None
    rows = [raw | {"change": _change(raw)} for raw in newest.reward_table[:TABLE_ROWS]]
    return RewardTable(newest.model.slug, rows, sum(1 for row in rows if (row["change"] or 0) > 0))


def _change(raw: Mapping[str, Any]) -> float | None:
    before, after = raw.get("reward_before"), raw.get("reward_after")
    return after - before if is_figure(before) and is_figure(after) else None  # type: ignore[operator] # is_figure


def notes_of(evaluations: Sequence[Evaluation]) -> list[str]:
    """How the figures were measured: decoding, and the name of what measured toxicity."""
    decodings = sorted({_readable(one.decoding) for one in evaluations if one.decoding})
    notes = [f"Decoding: {decoding}." for decoding in decodings]
    backends = {str(name) for one in evaluations if (name := toxicity_backend(one))}
    notes += [f"Toxicity is measured by {name}." for name in sorted(backends)]
    return notes


def toxicity_backend(evaluation: Evaluation) -> object:
    return evaluation.decoding.get("toxicity") or (evaluation.metrics.get("toxicity") or {}).get("backend")


def _readable(decoding: Mapping[str, Any]) -> str:
    shown = {
        name: value for name, value in decoding.items() if not isinstance(value, dict | list) and name != "toxicity"
    }
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in sorted(shown.items()))


def newest_first_by_line(evaluations: Iterable[Evaluation]) -> list[Evaluation]:
    """The anchor first, then the policies from old to new, as one reads a history."""
    return sorted(evaluations, key=lambda one: (_rank(one.model), one.model.pk))


def _rank(model: ModelVersion) -> int:
    return {"base": 0, "sft": 1}.get(model.kind, 2)
