"""Labels that the newest reward model is sure are the wrong way round, with what a reviewer needs to judge them."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, TypedDict

from django.core.cache import cache

from annotation.models import PLACED_KINDS, Completion, PreferencePair, Project, Ranking, TaskState
from annotation.quality_selectors import QUALITY_SECONDS, quality_state
from annotation.suspicious import Disagreements, Preferred, Suspicious, disagreements
from workers.models import CompletionReward, ModelVersion
from workers.selectors import completion_log_odds

EXCERPT = 600  # characters of each text


class SuspiciousLabel(TypedDict):
    ranking: int
    task: int
    annotator: str
    prompt: str
    chosen: str
    rejected: str
    probability: float
    placed: bool  # handed out here, so that it can be asked again


class SuspiciousLabels(TypedDict):
    model: str | None
    scored: int
    suspicious: int
    share: dict[str, Any] | None
    labels: list[SuspiciousLabel]


def suspicious_labels(project: Project) -> SuspiciousLabels:
    """What the newest rating model disagrees with, kept until a label changes or another model rates."""
    newest = ModelVersion.objects.filter(project=project, completion_rewards__isnull=False).order_by("-pk")
    rated_by = newest.values_list("pk", flat=True).first()
    if rated_by is None:
        return {"model": None, "scored": 0, "suspicious": 0, "share": None, "labels": []}
    key = f"suspicious:{rated_by}:{quality_state(project)}"
    found: SuspiciousLabels | None = cache.get(key)
    if found is None:
        model, log_odds = completion_log_odds(project)
        result = disagreements(_pairs(project, rated_by), log_odds)
        found = _described(model.slug if model else None, result)
        cache.set(key, found, QUALITY_SECONDS)
    return found


def _pairs(project: Project, model: int) -> Iterator[Preferred]:
    rated = CompletionReward.objects.filter(model=model).values("completion")
    rows = PreferencePair.objects.filter(project=project, tie=False, ranking__overruled=False, chosen__in=rated)
    for row in rows.values_list("ranking_id", "chosen_id", "rejected_id").iterator(chunk_size=5000):
        yield Preferred(*row)


def _described(model: str | None, result: Disagreements) -> SuspiciousLabels:
    rankings = Ranking.objects.select_related("annotator", "prompt", "assignment__task").in_bulk(
        [one.ranking for one in result.pairs]
    )
    ids = {completion for one in result.pairs for completion in (one.chosen, one.rejected)}
    texts = dict(Completion.objects.filter(pk__in=ids).values_list("pk", "text"))
    return {
        "model": model,
        "scored": result.scored,
        "suspicious": result.suspicious,
        "share": asdict(result.share) if result.share else None,
        "labels": [_label(one, rankings[one.ranking], texts) for one in result.pairs if one.ranking in rankings],
    }


def _label(one: Suspicious, ranking: Ranking, texts: dict[int, str]) -> SuspiciousLabel:
    task = ranking.assignment.task
    return {
        "ranking": one.ranking,
        "task": task.pk,
        "annotator": ranking.annotator.get_username(),
        "prompt": ranking.prompt.text[:EXCERPT],
        "chosen": texts[one.chosen][:EXCERPT],
        "rejected": texts[one.rejected][:EXCERPT],
        "probability": one.probability,
        "placed": task.kind in PLACED_KINDS and task.state != TaskState.CLOSED,
    }
