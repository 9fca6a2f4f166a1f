"""Tasks out of prompts that have enough completions."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Prefetch

from annotation.exceptions import InvalidInput
from annotation.models import PLACED_KINDS, Completion, Project, Prompt, Task, TaskKind, TaskState
from annotation.services.audit import audit_record
from annotation.services.bulk import keys_take, rows_insert
from annotation.texts import json_problem
from annotation.users import User

BATCH = 500
MAX_PRIORITY = 1000


def tasks_create(
    *,
    project: Project,
    prompts: Iterable[Prompt] | None = None,
    round_number: int,
    source: str | None = None,
    completions: Mapping[int, Sequence[Completion]] | None = None,
    priority: int = 0,
    actor: User | None = None,
) -> int:
    """One task for each prompt that has K completions and none in this round yet; how many were made.

    K is the project's ``completions_per_prompt``. Completions of the newest generation are taken: those
    of ``source``, else of the source that wrote last for this prompt; when no source alone has K, as with
    several imported systems, all of the prompt's. More than K are thinned by hash. Repeated words are
    left out: nobody can rank them. ``completions`` names the texts instead, by prompt id: a round's task
    mixes two sources, the new policy and the anchor.
    A share of the tasks (``overlap_share``, by hash of the prompt's identity) goes to ``overlap_raters`` people.
    """
    made = 0
    with transaction.atomic():
        # In a row, so that two calls make a prompt's task once.
        Project.objects.select_for_update().get(pk=project.pk)
        for batch in _without_task(project, prompts, round_number):
            made += _make(project, batch, round_number, source, priority, completions)
        if made:
            audit_record(verb="tasks.create", actor=actor, project=project, count=made, round=round_number)
    return made


def tasks_score(*, project: Project, scores: Mapping[int, float | None]) -> int:
    """Write what a ranking of each task would teach the reward model, by task id; how many were written.

    The scores of the project's other open tasks, which an older model gave, are taken off.
    """
    wanted = list(scores)
    Task.objects.filter(project=project, state=TaskState.OPEN, score__isnull=False).update(score=None)
    written = 0
    for start in range(0, len(wanted), BATCH):
        tasks = list(Task.objects.filter(project=project, pk__in=wanted[start : start + BATCH]).only("pk"))
        for task in tasks:
            task.score = scores[task.pk]
        written += Task.objects.bulk_update(tasks, ["score"]) if tasks else 0
    return written


def tasks_prioritise(
    *,
    project: Project,
    priority: int,
    prompts: Sequence[str] | None = None,
    batch: str | None = None,
    round_number: int | None = None,
    actor: User | None,
) -> int:
    """Another priority for the tasks of these prompts, of an import's batch, of a round; how many have it now.

    ``prompts`` are external ids (content hashes where there is none). What is given must all hold. Higher comes first.
    """
    if prompts is None and batch is None and round_number is None:
        raise InvalidInput("Say which tasks: prompts, batch or round.", fields={"prompts": ["Which tasks?"]})
    if abs(priority) > MAX_PRIORITY:
        message = f"{priority}: a priority is from -{MAX_PRIORITY} to {MAX_PRIORITY}."
        raise InvalidInput(message, fields={"priority": [message]})
    if problem := json_problem([batch, *(prompts or ())]):
        raise InvalidInput(problem, fields={"prompts": [problem]})
    tasks = Task.objects.filter(project=project, kind__in=PLACED_KINDS)
    if batch is not None:
        tasks = tasks.filter(prompt__batch=batch)
    if round_number is not None:
        tasks = tasks.filter(round_number=round_number)
    chosen = [tasks]
    if prompts is not None:
        parts = [prompts[start : start + BATCH] for start in range(0, len(prompts), BATCH)]
        chosen = [tasks.filter(prompt__project=project, prompt__identity__in=part) for part in parts]
    with transaction.atomic():
        changed = sum(part.update(priority=priority) for part in chosen)
        audit_record(
            verb="tasks.prioritise",
            actor=actor,
            project=project,
            target=batch or "",
            priority=priority,
            round=round_number,
            prompts=None if prompts is None else len(prompts),
            count=changed,
        )
    return changed


def is_overlap(*, identity: str, project: Project) -> bool:
    """Whether the prompt belongs to the share that several people rank; the same answer on any database."""
    return share_of("overlap", identity=identity, project=project) < project.overlap_share


def share_of(purpose: str, *, identity: str, project: Project) -> float:
    """A number from 0 to 1 that the prompt has for this purpose, by hash: the same on any database."""
    digest = hashlib.sha256(f"{purpose}:{project.split_salt}:{identity}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64


def _without_task(project: Project, prompts: Iterable[Prompt] | None, round_number: int) -> Iterator[list[Prompt]]:
    there = Task.objects.filter(prompt=OuterRef("pk"), kind=TaskKind.RANK, round_number=round_number)
    gold = Task.objects.filter(prompt=OuterRef("pk"), kind=TaskKind.GOLD)  # it never trains or tests a model
    rows = Prompt.objects.filter(~Exists(there), ~Exists(gold), project=project).order_by("id")
    rows = rows.only("identity")
    texts = Prefetch("completions", Completion.objects.only("prompt_id", "source", "ordinal", "text"))
    # Ids first: what is read must not change while tasks are written.
    wanted = [prompt.pk for prompt in prompts] if prompts is not None else list(rows.values_list("id", flat=True))
    for start in range(0, len(wanted), BATCH):
        yield list(rows.filter(pk__in=wanted[start : start + BATCH]).prefetch_related(texts))


def _make(
    project: Project,
    prompts: list[Prompt],
    round_number: int,
    source: str | None,
    priority: int,
    given: Mapping[int, Sequence[Completion]] | None,
) -> int:
    tasks: list[dict[str, Any]] = []
    texts: list[list[Completion]] = []
    for prompt in prompts:
        offered = list(prompt.completions.all()) if given is None else list(given.get(prompt.pk, ()))
        chosen = choose(offered, project=project, source=source)
        if chosen is None:
            continue
        overlap = is_overlap(identity=prompt.identity, project=project)
        raters = max(project.overlap_raters, project.raters_per_task) if overlap else project.raters_per_task
        tasks.append(
            {
                "project_id": project.pk,
                "prompt_id": prompt.pk,
                "wanted_raters": raters,
                "priority": priority,
                "round_number": round_number,
                "lot": share_of(f"lot:{round_number}", identity=prompt.identity, project=project),
            }
        )
        texts.append(chosen)
    keys = keys_take(model=Task, count=len(tasks))
    rows_insert(model=Task, rows=(task | {"id": key} for task, key in zip(tasks, keys, strict=True)))
    rows_insert(
        model=Task.completions.through,
        rows=(
            {"task_id": key, "completion_id": completion.pk}
            for key, chosen in zip(keys, texts, strict=True)
            for completion in chosen
        ),
    )
    return len(tasks)


def choose(completions: list[Completion], *, project: Project, source: str | None) -> list[Completion] | None:
    """K different texts for one task, or None when there are not as many."""
    k = project.completions_per_prompt
    by_source: dict[str, list[Completion]] = {}
    for completion in sorted(completions, key=lambda one: one.pk):
        by_source.setdefault(completion.source, []).append(completion)
    if source is not None:
        pools = [by_source.get(source, [])]
    else:
        newest_first = sorted(by_source.values(), key=lambda pool: -pool[-1].pk)
        pools = [*newest_first, [completion for pool in by_source.values() for completion in pool]]
    for pool in pools:
        different = list({completion.text.strip(): completion for completion in reversed(pool)}.values())
        if len(different) >= k:
            return sorted(different, key=lambda one: _thinning(one, project))[:k]
    return None


def _thinning(completion: Completion, project: Project) -> bytes:
    name = f"thin:{project.split_salt}:{completion.source}:{completion.ordinal}:{completion.text}"
    return hashlib.sha256(name.encode()).digest()
