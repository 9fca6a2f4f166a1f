"""Which prompts get completions next."""

import hashlib

from django.db.models import Count, Exists, OuterRef, Q

from annotation.models import LABEL_KINDS, Completion, Project, Prompt, Task, TaskKind


def prompts_next(*, project: Project, run_id: int, count: int, round_number: int) -> list[Prompt]:
    """Prompts that a generate run has to write for, in a fixed pseudo-random order that no database id shapes.

    ``count`` 0: every prompt that has no task yet (after an import). Else ``count`` prompts without a task of
    this round, those with the fewest rankings first; what an earlier attempt of the run wrote is taken off.
    """
    readable = Prompt.objects.filter(project=project).exclude(text="")  # an import may not know the source
    if not count:
        return _ordered(list(readable.filter(tasks__isnull=True)), project)
    written = Completion.objects.filter(prompt__project=project, sampling__run=run_id)
    left = count - written.values("prompt").distinct().count()
    ranked = Count("rankings", filter=Q(rankings__is_current=True, rankings__kind__in=LABEL_KINDS), distinct=True)
    gold = Task.objects.filter(prompt=OuterRef("pk"), kind=TaskKind.GOLD)  # it gets no other task
    rows = readable.filter(~Exists(gold)).exclude(tasks__round_number=round_number).annotate(ranked=ranked)
    counts = dict(rows.values_list("pk", "ranked"))
    prompts = _ordered(list(rows), project)
    return sorted(prompts, key=lambda prompt: counts[prompt.pk])[: max(0, left)]


def _ordered(prompts: list[Prompt], project: Project) -> list[Prompt]:
    """By hash of the identity, keyed by the project: stable, and unlike the order of the import."""
    return sorted(
        prompts, key=lambda prompt: hashlib.sha256(f"next:{project.split_salt}:{prompt.identity}".encode()).digest()
    )
