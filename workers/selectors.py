"""What pages and the API read about training."""

from collections.abc import Iterable, Sequence
from typing import Any, TypedDict

from django.db.models import Count, Max, QuerySet

from annotation.models import Project, Ranking, Snapshot
from workers.models import Evaluation, Metric, ModelVersion, Round, Run, RunEvent
from workers.services.gates import rankings_gate

SERIES_POINTS = 2000
METRIC_ORDER = (
    *("rouge1", "rouge2", "rougeL", "rougeLsum", "toxicity", "reward", "reward_before", "reward_gain"),
    *("kl", "length", "eos_rate", "distinct1", "distinct2", "copy_rate"),
)


class Series(TypedDict):
    """Curves by name, each a list of [step, value] by rising step."""

    series: dict[str, list[tuple[int, float]]]
    last_step: int | None  # ask for what comes after it next time
    downsampled: bool


class Step(TypedDict):
    position: int
    kind: str
    label: str
    state: str  # planned, or the state of its run
    run: Run | None


class EvaluationRow(TypedDict):
    model: ModelVersion
    evaluation: Evaluation
    metrics: dict[str, dict[str, float]]


def project_models(project: Project) -> QuerySet[ModelVersion]:
    """The registry, newest first, with each version's parent and run."""
    return ModelVersion.objects.filter(project=project).select_related("parent", "run").order_by("-pk")


def completion_log_odds(project: Project) -> tuple[ModelVersion | None, dict[int, float]]:
    """The newest reward model that rated the ranked completions, and its log-odds by completion id."""
    model = ModelVersion.objects.filter(project=project, completion_rewards__isnull=False).order_by("-pk").first()
    if model is None:
        return None, {}
    return model, dict(model.completion_rewards.values_list("completion_id", "log_odds"))


def run_list(project: Project, *, kind: str | None = None, state: str | None = None) -> QuerySet[Run]:
    """Runs, newest first."""
    runs = Run.objects.filter(project=project).select_related("round", "created_by").order_by("-pk")
    runs = runs.filter(kind=kind) if kind else runs
    return runs.filter(state=state) if state else runs


def run_detail(project: Project, run_id: int) -> Run:
    """Raises Run.DoesNotExist when the project has no such run."""
    return run_list(project).select_related("project").get(pk=run_id)


def run_events(run: Run, *, after: int | None = None, limit: int = 500) -> list[RunEvent]:
    """The run's log, oldest first; ``after`` is the id of the last one seen. Without it, the last ``limit``."""
    events = RunEvent.objects.filter(run=run)
    if after is not None:
        return list(events.filter(pk__gt=after).order_by("pk")[:limit])
    return list(events.order_by("-pk")[:limit])[::-1]


def metric_names(run: Run) -> list[str]:
    return sorted(Metric.objects.filter(run=run).values_list("name", flat=True).distinct())


def metric_series(
    run: Run, *, names: Iterable[str] | None = None, after: int | None = None, limit: int = SERIES_POINTS
) -> Series:
    """The run's curves, at most ``limit`` points each: longer ones are thinned evenly, first and last kept."""
    rows = Metric.objects.filter(run=run)
    rows = rows.filter(name__in=list(names)) if names is not None else rows
    rows = rows.filter(step__gt=after) if after is not None else rows
    last: int | None = rows.aggregate(last=Max("step"))["last"]
    counts = dict(rows.values_list("name").annotate(points=Count("pk")).order_by())
    curves: dict[str, list[tuple[int, float]]] = {name: [] for name in sorted(counts)}
    for name, step, value in rows.order_by("name", "step").values_list("name", "step", "value").iterator():
        curves[name].append((step, value))
    thinned = {name: thin(points, limit) for name, points in curves.items()}
    return {"series": thinned, "last_step": last, "downsampled": any(count > limit for count in counts.values())}


def thin(points: Sequence[tuple[int, float]], limit: int) -> list[tuple[int, float]]:
    """At most ``limit`` of the points, evenly spread, the first and the last among them."""
    if len(points) <= limit or limit < 2:
        return list(points)
    stride = (len(points) - 1) / (limit - 1)
    return [points[round(index * stride)] for index in range(limit)]


def evaluation_list(project: Project) -> QuerySet[Evaluation]:
    """Every evaluation, newest first."""
    return Evaluation.objects.filter(model__project=project).select_related("model", "run").order_by("-pk")


def evaluation_table(project: Project) -> dict[str, Any]:
    """``{metrics: names in display order, rows: [EvaluationRow]}``: every model version side by side, oldest first.

    Of each version and split, the newest evaluation.
    """
    newest: dict[tuple[int, str], Evaluation] = {}
    for evaluation in evaluation_list(project).order_by("pk"):
        newest[evaluation.model_id, evaluation.split] = evaluation
    rows: list[EvaluationRow] = [
        {"model": one.model, "evaluation": one, "metrics": one.metrics}
        for one in sorted(newest.values(), key=lambda one: (one.model_id, one.split))
    ]
    seen = {name for row in rows for name in row["metrics"]}
    names = [name for name in METRIC_ORDER if name in seen]
    return {"metrics": [*names, *sorted(seen - set(names))], "rows": rows}


def round_list(project: Project) -> QuerySet[Round]:
    """Rounds, newest first."""
    return Round.objects.filter(project=project).select_related("snapshot", "created_by").order_by("-number")


def round_detail(round_: Round) -> dict[str, Any]:
    """``{round, steps, models, evaluations, gate}``: the plan with its runs, and what they made."""
    runs = {run.position: run for run in round_.runs.order_by("pk")}
    models = ModelVersion.objects.filter(run__round=round_).select_related("parent", "run").order_by("pk")
    evaluations = Evaluation.objects.filter(run__round=round_).select_related("model").order_by("pk")
    return {
        "round": round_,
        "steps": [_step(position, step, runs.get(position)) for position, step in enumerate(round_.plan)],
        "models": list(models),
        "evaluations": list(evaluations),
        "gate": round_.gate,
    }


def round_gate(project: Project) -> dict[str, Any]:
    """Whether a round may start now: ``{passed, reasons, rankings, min_rankings}``."""
    gate = rankings_gate(project=project)
    rankings = Ranking.objects.training().filter(project=project).count()
    return gate.as_json() | {"rankings": rankings, "min_rankings": project.min_rankings}


def _step(position: int, step: dict[str, str], run: Run | None) -> Step:
    labels = {
        "reward": "reward model",
        "ppo": "policy by PPO",
        "dpo": "policy by DPO",
        "evaluate": "evaluation of the anchor" if step.get("policy") == "anchor" else "evaluation of the new policy",
        "generate": "next completions",
    }
    kind = step["kind"]
    return {
        "position": position,
        "kind": kind,
        "label": labels.get(kind, kind),
        "state": run.state if run else "planned",
        "run": run,
    }


class Seen(TypedDict):
    """Taken-back rankings that a model learnt from, through snapshots of its own run or of its ancestors'."""

    rankings: (
        int  # of the snapshot that holds most: snapshots share rankings, so with several it is the least there are
    )
    snapshots: dict[str, int]  # sha256: how many of its rankings were taken back


def retracted_seen(project_id: int) -> dict[str, Seen]:
    """By slug, the project's models that saw rankings that are taken back now: what they were made from, and so on."""
    marked = _marked(project_id)
    if not marked:
        return {}
    rows = ModelVersion.objects.filter(project=project_id).values_list("slug", "parent__slug", "run__inputs")
    sources = {slug: {*_names(inputs), *filter(None, [parent])} for slug, parent, inputs in rows}
    found = {slug: _seen(slug, sources, marked) for slug in sources}
    return {slug: seen for slug, seen in found.items() if seen["rankings"]}


def run_retracted(run: Run) -> Seen | None:
    """The same for what a run reads; None when it reads nothing of the kind."""
    marked = _marked(run.project_id)
    if not marked:
        return None
    models = retracted_seen(run.project_id)
    names = _names(run.inputs)
    held = {name: marked[name] for name in names if name in marked}
    for name in names:
        held |= models[name]["snapshots"] if name in models else {}
    return _as_seen(held) if held else None


def _marked(project_id: int) -> dict[str, int]:
    rows = Snapshot.objects.filter(project=project_id, retracted__gt=0)
    return dict(rows.values_list("sha256", "retracted"))


def _names(inputs: dict[str, Any] | None) -> set[str]:
    """Snapshots' hashes and models' slugs among a run's inputs."""
    return {value for value in (inputs or {}).values() if isinstance(value, str)}


def _seen(slug: str, sources: dict[str, set[str]], marked: dict[str, int]) -> Seen:
    held: dict[str, int] = {}
    met: set[str] = set()
    waiting = {slug}
    while waiting:
        met |= waiting
        names = {name for one in waiting for name in sources[one]}
        held |= {name: marked[name] for name in names if name in marked}
        waiting = (names & sources.keys()) - met
    return _as_seen(held)


def _as_seen(held: dict[str, int]) -> Seen:
    return {"rankings": max(held.values(), default=0), "snapshots": held}
