"""Where a reviewer has set the final ranking of a task, the others are overruled: they stay, and have no pairs."""

from collections.abc import Sequence

from annotation.models import PreferencePair, Ranking, RankingOrigin, Task
from annotation.services.pairs import pairs_store

TASKS_AT_ONCE = 500


def overruling_refresh(*, task_ids: Sequence[int]) -> None:
    """Bring the other rankings of these tasks in line with whether they have a final one. Doing it twice is once.

    Call it in the transaction that writes or removes the final rankings.
    """
    for start in range(0, len(task_ids), TASKS_AT_ONCE):
        _refresh(task_ids[start : start + TASKS_AT_ONCE])


def _refresh(task_ids: Sequence[int]) -> None:
    # In a row with rankings of the same tasks that arrive at this moment.
    list(Task.objects.select_for_update(no_key=True).filter(pk__in=task_ids).order_by("pk").values_list("pk"))
    current = Ranking.objects.labels().filter(assignment__task__in=task_ids)
    finals = current.filter(origin=RankingOrigin.ADJUDICATED)
    settled = set(finals.values_list("assignment__task_id", flat=True))
    others = Ranking.objects.filter(assignment__task__in=task_ids).exclude(origin=RankingOrigin.ADJUDICATED)
    # Retracted ones too: they come back as they should stand.
    others.filter(assignment__task__in=settled, overruled=False).update(overruled=True)
    PreferencePair.objects.filter(ranking__in=others.filter(overruled=True)).delete()
    lifted = others.exclude(assignment__task__in=settled).filter(overruled=True)
    freed = list(lifted.values_list("pk", flat=True))
    Ranking.objects.filter(pk__in=freed).update(overruled=False)
    pairs_store(Ranking.objects.filter(pk__in=freed).select_related("prompt").order_by("pk"))
