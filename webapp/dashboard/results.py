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
    Metric("rouge1", "ROUGE-1", "", "Words shared with the references, F1 with stemming; higher is better."),
    Metric("rouge2", "ROUGE-2", "", "Pairs of words shared with the references; higher is better."),
    Metric("rougeL", "ROUGE-L", "", "Longest common subsequence with the references; higher is better."),
    Metric("rougeLsum", "ROUGE-Lsum", "", "The same, sentence by sentence; higher is better."),
    Metric("toxicity", "Toxicity", "", "Mean score of the samples, 0 to 1; lower is better."),
    Metric("reward", "Reward", "sd", "The reward model’s score; 0 is the anchor’s mean, 1 its standard deviation."),
    Metric(
        "kl", "KL", "nats", "Distance from the anchor for each completion, summed over its tokens; 0 is the anchor."
    ),
    Metric("length", "Length", "tokens", "Tokens of a completion."),
    Metric("rouge1_best", "ROUGE-1, best reference"),
    Metric("rouge2_best", "ROUGE-2, best reference"),
    Metric("rougeL_best", "ROUGE-L, best reference"),
    Metric("rougeLsum_best", "ROUGE-Lsum, best reference"),
    Metric("rougeLsum_split", "ROUGE-Lsum, split", "", "ROUGE-Lsum with each sentence on a line of its own."),
    Metric("rougeLsum_split_best", "ROUGE-Lsum, split, best reference"),
    Metric("toxicity_before", "Toxicity of the anchor"),
    Metric("toxicity_sd", "Toxicity, spread", "", "Standard deviation over prompts."),
    Metric("toxicity_share", "Toxic", "share", "Samples that score above 0.5."),
    Metric("reward_before", "Reward before", "sd", "The anchor’s completions of the same prompts, same reward model."),
    Metric("reward_gain", "Reward gain", "sd", "After minus before, prompt by prompt."),
    Metric("reward_win_rate", "Higher reward", "share", "Prompts on which the policy scores above the anchor; ties ½."),
    Metric("judge_reward", "Judge’s reward", "sd", "By the held-back member, which never trains a policy."),
    Metric("judge_reward_before", "Judge’s reward before", "sd"),
    Metric("judge_reward_gain", "Judge’s reward gain", "sd"),
    Metric("judge_win_rate", "Higher judge’s reward", "share", "The same by the judge; ties ½."),
    Metric("utility", "Simulated utility", "", "What simulated annotators rank by: ROUGE against the references."),
    Metric("utility_before", "Simulated utility of the anchor"),
    Metric("utility_gain", "Simulated utility gain", "", "After minus before, prompt by prompt."),
    Metric("utility_win_rate", "Higher simulated utility", "share", "Prompts on which the policy’s is higher; ties ½."),
    Metric("reference_perplexity", "Perplexity", "", "Of the references under the policy; lower is better."),
    Metric("reference_perplexity_before", "Perplexity of the anchor", "", "Of the same references."),
    Metric("length_before", "Length of the anchor", "tokens"),
    Metric("words", "Words"),
    Metric("eos_rate", "Finished", "share", "Completions that end by themselves."),
    Metric("distinct1", "Distinct-1", "share", "Different words among all words."),
    Metric("distinct2", "Distinct-2", "share", "Different pairs of words among all pairs."),
    Metric("copy_rate", "Copied", "share", "Runs of three words that stand in the prompt as they are."),
    Metric("names_found", "Names supported", "share", "Names of the completion that stand in the prompt."),
    Metric("numbers_found", "Numbers supported", "share", "Numbers of the completion that stand in the prompt."),
)
BY_NAME: Mapping[str, Metric] = {metric.name: metric for metric in METRICS}
NOTE_NAMES = {"rouge": "ROUGE", "reward": "Reward, KL and length"}
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


@dataclass(frozen=True)
class FigureRow:
    """One figure of every version: a line of the long table."""

    metric: Metric
    cells: list[Mapping[str, Any] | None]


def figure_rows(evaluations: Sequence[Evaluation], metrics: Sequence[Metric]) -> list[FigureRow]:
    """The table turned over, for figures too many to stand side by side."""
    return [FigureRow(metric, [one.metrics.get(metric.name) for one in evaluations]) for metric in metrics]


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
    """How the figures were measured, in words: decoding, the toxicity backend's name, what was left out."""
    notes: dict[str, None] = {}
    for one in evaluations:
        for name, words in (one.decoding.get("how") or {}).items():
            notes[f"{NOTE_NAMES.get(name, name.capitalize())}: {words}."] = None
        if too_long := (one.decoding.get("counts") or {}).get("too_long"):
            notes[f"{too_long} prompts are too long for the model and were left out."] = None
    return list(notes)


def newest_first_by_line(evaluations: Iterable[Evaluation]) -> list[Evaluation]:
    """The anchor first, then the policies from old to new, as one reads a history."""
    return sorted(evaluations, key=lambda one: (_rank(one.model), one.model.pk))


def _rank(model: ModelVersion) -> int:
    return {"base": 0, "sft": 1}.get(model.kind, 2)
