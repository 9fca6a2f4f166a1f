"""Gold: tasks whose better side is known, with which annotators are tested."""

from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter

from django.db import transaction

from annotation.distribution import split_of
from annotation.exceptions import Conflict, InvalidInput, NotFound
from annotation.models import Completion, Project, Prompt, Task, TaskKind, TaskState
from annotation.ranking import MAX_TEXT
from annotation.services.audit import audit_record
from annotation.texts import content_hash, json_problem
from annotation.users import User

SOURCE = "gold"


def gold_create(
    *,
    project: Project,
    prompt: str,
    completions: Sequence[str],
    pairs: Sequence[Sequence[int]],
    external_id: str = "",
    actor: User | None,
) -> Task:
    """A gold task: ``pairs`` holds [better, worse], places from 0 in ``completions``.

    It has as many completions as other tasks, or it would stand out. Open tasks of the same prompt are closed, and none
    are made any more: gold never trains or tests a model. Raises InvalidInput, and Conflict for a prompt that is gold.
    """
    _check(project, prompt, completions, pairs, external_id)
    identity = external_id or content_hash(prompt)
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=project.pk)
        row, _ = Prompt.objects.get_or_create(
            project=project,
            identity=identity,
            defaults={"external_id": external_id, "text": prompt, "split": split_of(identity, project.split_salt)},
        )
        if row.content_hash != content_hash(prompt):
            message = f"The id {external_id!r} stands for another text already."
            raise InvalidInput(message, fields={"external_id": [message]})
        if row.tasks.filter(kind=TaskKind.GOLD, wanted_raters__gt=0).exists():
            raise Conflict("This prompt is gold already: retire that task first.")
        row.tasks.filter(state=TaskState.OPEN).update(state=TaskState.CLOSED)
        first = row.completions.filter(source=SOURCE).count()
        texts = Completion.objects.bulk_create(
            Completion(prompt=row, source=SOURCE, ordinal=first + place, text=text)
            for place, text in enumerate(completions)
        )
        known = [[texts[better].pk, texts[worse].pk] for better, worse in pairs]
        task = Task.objects.create(
            project=project, prompt=row, kind=TaskKind.GOLD, state=TaskState.CLOSED, wanted_raters=1, gold=known
        )
        task.completions.set(texts)
        audit_record(verb="gold.create", actor=actor, project=project, target=str(task.pk), prompt=identity)
    return task


def gold_retire(*, project: Project, task_id: int, actor: User | None) -> None:
    """Hand a gold task out no more. What people said of it still counts. Doing it twice changes nothing."""
    gold = Task.objects.filter(project=project, pk=task_id, kind=TaskKind.GOLD)
    with transaction.atomic():
        if not gold.exists():
            raise NotFound("No such gold task.")
        if gold.filter(wanted_raters__gt=0).update(wanted_raters=0):  # wanted by nobody any more
            audit_record(verb="gold.retire", actor=actor, project=project, target=str(task_id))


def _check(
    project: Project, prompt: str, completions: Sequence[str], pairs: Sequence[Sequence[int]], external_id: str
) -> None:
    fields: dict[str, list[str]] = {}
    for name, texts in (("prompt", [prompt]), ("external_id", [external_id]), ("completions", completions)):
        if problem := json_problem(list(texts)):
            fields[name] = [problem]
    if not prompt.strip():
        fields["prompt"] = ["The prompt is empty."]
    if len(external_id) > 200:
        fields["external_id"] = ["Longer than 200 characters."]
    if any(len(text) > MAX_TEXT for text in completions):
        fields["completions"] = [f"A completion is longer than {MAX_TEXT} characters."]
    k = project.completions_per_prompt
    if len(completions) != k or len({text.strip() for text in completions}) != k:
        fields["completions"] = [f"{k} different completions are needed, as in the project's other tasks."]
    elif problem := _pairs_problem(pairs, k):
        fields["pairs"] = [problem]
    if fields:
        raise InvalidInput(" ".join(messages[0] for messages in fields.values()), fields=fields)


def _pairs_problem(pairs: Sequence[Sequence[int]], k: int) -> str | None:
    if not pairs:
        return "At least one pair, [better, worse], must be known."
    if any(len(pair) != 2 or pair[0] == pair[1] or not all(0 <= place < k for place in pair) for pair in pairs):
        return f"A pair is [better, worse]: two different places from 0 to {k - 1}."
    above: dict[int, set[int]] = {}
    for better, worse in pairs:
        above.setdefault(worse, set()).add(better)
    try:
        TopologicalSorter(above).prepare()
    except CycleError as error:
        return f"The pairs go round in a circle: {' < '.join(map(str, error.args[1]))}. Nobody could get them right."
    return None
