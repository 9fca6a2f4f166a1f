"""Rankings made elsewhere: their prompts, completions, raters and pairs, all in one transaction.

Each set of completions of a prompt is one closed task; each rater's ranking is a submitted assignment of
it. The same ranking again is a duplicate, another one by the same rater is reported and not taken.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any, BinaryIO

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from annotation.distribution import split_of
from annotation.importers import RankingReport, batches_of, put_aside, rows_from
from annotation.layouts import comparisons_of
from annotation.layouts.base import Comparison, Opinion
from annotation.models import (
    Assignment,
    AssignmentEvent,
    AssignmentState,
    Completion,
    PreferencePair,
    Project,
    Prompt,
    Ranking,
    RankingOrigin,
    Task,
    TaskKind,
    TaskState,
)
from annotation.ranking import Answer, pairs_of
from annotation.services.audit import audit_record
from annotation.services.projects import project_create, project_update
from annotation.services.rankings import answer_as_json
from annotation.services.raters import raters_ensure
from annotation.texts import content_hash
from annotation.users import User

MAX_ORDINAL = 32_767
PAIRS_AT_ONCE = 5000


def rankings_import(
    *,
    project: Project | str,
    layout: str,
    file: BinaryIO | None = None,
    items: Iterable[Mapping[str, Any]] | None = None,
    name: str = "",
    actor: User | None = None,
    dry_run: bool = False,
) -> RankingReport:
    """Import rankings in one of the LAYOUTS; a text as ``project`` is the slug of one that is made with them.

    A dry run does everything and takes it back: its report is that of the import. ImportRefused when the
    file cannot be read to its end.
    """
    report = RankingReport()
    with put_aside(rows_from(file, items, name, ()), comparisons_of(layout), report) as good:
        return rankings_store(project=project, good=good, report=report, name=name, actor=actor, dry_run=dry_run)


def rankings_store(
    *,
    project: Project | str,
    good: IO[str],
    report: RankingReport,
    name: str,
    actor: User | None,
    dry_run: bool = False,
) -> RankingReport:
    """The second half of rankings_import: one transaction over what put_aside left in ``good``."""
    with transaction.atomic():
        if isinstance(project, str):
            project = project_create(actor=actor, slug=project, name=project)
        # One import at a time, so that none is blind to what another is writing.
        project = Project.objects.select_for_update().get(pk=project.pk)
        raters: dict[str, int] = {}
        criteria: dict[str, None] = dict.fromkeys(project.criteria)
        for batch in batches_of(good):
            comparisons = [Comparison.from_json(values) for values in batch]
            _Batch(project, name[:200], raters, report).write(comparisons)
            names = (name for one in comparisons for opinion in one.opinions for name in opinion.ratings)
            criteria.update(dict.fromkeys(names))
        if len(criteria) > len(project.criteria):
            project_update(project=project, actor=actor, criteria=list(criteria))
        audit_record(
            verb="rankings.import",
            actor=actor,
            project=project,
            target=name,
            created=report.created,
            duplicates=report.duplicates,
            rejected=report.rejected_count,
        )
        if dry_run:
            transaction.set_rollback(True)
    return report


@dataclass
class _Planned:
    """A ranking that will be written, with the task it belongs to."""

    task: Task
    annotator: int
    order: list[int]
    answer: Answer
    opinion: Opinion
    prompt: Prompt


TaskKey = frozenset[int]  # the completions' ids; they belong to one prompt
CONTENT = ("groups", "strengths", "none_acceptable", "ratings")
Content = tuple[Any, ...]


class _Batch:
    """Some lines at a time: a constant number of queries for each batch."""

    def __init__(self, project: Project, name: str, raters: dict[str, int], report: RankingReport) -> None:
        self.project, self.name, self.raters, self.report = project, name, raters, report

    def write(self, comparisons: Sequence[Comparison]) -> None:
        prompts = self._prompts(comparisons)
        taken = [one for one in comparisons if one.line in prompts]
        texts = self._completions(taken, prompts)
        names = {opinion.rater for one in taken for opinion in one.opinions}
        self.report.raters += raters_ensure(project=self.project, raters=names, known=self.raters)
        for one in taken:
            self._count(one)
        self._store(self._plan([one for one in taken if one.line in texts], prompts, texts))

    def _count(self, comparison: Comparison) -> None:
        words = [candidate.text for candidate in comparison.candidates]
        self.report.repeated_texts += len(words) - len(set(words))
        self.report.empty_texts += sum(not text.strip() for text in words)
        for problem in comparison.refused:
            self.report.reject(comparison.line, problem)
        for note in comparison.notes:
            self.report.note(comparison.line, note)

    def _prompts(self, comparisons: Sequence[Comparison]) -> dict[int, Prompt]:
        """Each line's prompt; by its id, else by its words."""
        hashes = {one.line: content_hash(one.prompt) for one in comparisons}
        identities = {one.line: one.prompt_id or hashes[one.line] for one in comparisons}
        worded = {hashes[one.line] for one in comparisons if one.prompt}
        rows = Prompt.objects.filter(project=self.project).defer("text", "turns", "references")
        known = list(rows.filter(Q(identity__in=set(identities.values())) | Q(content_hash__in=worded)))
        by_identity = {prompt.identity: prompt for prompt in known}
        by_content = {prompt.content_hash: prompt for prompt in known}
        found: dict[int, Prompt] = {}
        fresh: list[Prompt] = []
        for one in comparisons:
            content, identity = hashes[one.line], identities[one.line]
            prompt = by_identity.get(identity) or (by_content.get(content) if one.prompt else None)
            if prompt is None:
                prompt = self._prompt(one, identity, content)
                fresh.append(prompt)
                by_identity[identity] = by_content[content] = prompt
            elif one.prompt and prompt.content_hash != content:
                self.report.reject(one.line, f"The id {identity!r} stands for another text already.")
                continue
            found[one.line] = prompt
        self.report.prompts += len(Prompt.objects.bulk_create(fresh))
        return found

    def _prompt(self, comparison: Comparison, identity: str, content: str) -> Prompt:
        return Prompt(
            project=self.project,
            identity=identity,
            external_id=comparison.prompt_id,
            text=comparison.prompt,
            turns=comparison.turns,
            content_hash=content,
            references=list(comparison.references),
            split=split_of(identity, self.project.split_salt),
            batch=self.name,
        )

    def _completions(
        self, comparisons: Sequence[Comparison], prompts: Mapping[int, Prompt]
    ) -> dict[int, list[Completion]]:
        """Each line's completions. The n-th of the same words by the same source is the n-th there is of them."""
        there: dict[tuple[int, str, str], list[Completion]] = {}
        ordinals: Counter[tuple[int, str]] = Counter()
        keys = {prompt.pk for prompt in prompts.values()}
        for known in Completion.objects.filter(prompt__in=keys).order_by("ordinal"):
            there.setdefault((known.prompt_id, known.source, known.text), []).append(known)
            ordinals[known.prompt_id, known.source] = known.ordinal + 1
        found: dict[int, list[Completion]] = {}
        fresh: list[Completion] = []
        for one in comparisons:
            prompt = prompts[one.line].pk
            needed = Counter(candidate.source for candidate in one.candidates)
            if any(ordinals[prompt, source] + count > MAX_ORDINAL for source, count in needed.items()):
                self.report.reject(one.line, f"One source has {MAX_ORDINAL:,} completions of this prompt already.")
                continue
            used: Counter[tuple[int, str, str]] = Counter()
            line = found[one.line] = []
            for candidate in one.candidates:
                key = (prompt, candidate.source, candidate.text)
                same = there.setdefault(key, [])
                if used[key] == len(same):
                    ordinal = ordinals[prompt, candidate.source]
                    ordinals[prompt, candidate.source] += 1
                    same.append(
                        Completion(
                            prompt_id=prompt,
                            source=candidate.source,
                            ordinal=ordinal,
                            text=candidate.text,
                            backend="imported",
                        )
                    )
                    fresh.append(same[-1])
                line.append(same[used[key]])
                used[key] += 1
        self.report.completions += len(Completion.objects.bulk_create(fresh))
        return found

    def _plan(
        self,
        comparisons: Sequence[Comparison],
        prompts: Mapping[int, Prompt],
        texts: Mapping[int, Sequence[Completion]],
    ) -> list[_Planned]:
        """The rankings that are not there yet, under tasks whose places are counted; new tasks are not saved."""
        tasks, said = self._there({prompts[one.line].pk for one in comparisons})
        planned: list[_Planned] = []
        for one in comparisons:
            ids = [completion.pk for completion in texts[one.line]]
            for opinion in one.opinions:
                answer = _answer(opinion, ids)
                placed = {place for group in opinion.groups for place in group} or range(len(ids))
                order = [ids[place] for place in sorted(placed)]
                key, annotator = frozenset(order), self.raters[opinion.rater]
                words, earlier = _content(answer_as_json(answer)), said.get((key, annotator))
                if earlier == words:
                    self.report.repeat(one.line, f"The ranking by {opinion.rater!r} is there already.")
                elif earlier is not None:
                    self.report.changed += 1
                    self.report.reject(
                        one.line, f"{opinion.rater!r} ranked these completions otherwise already: nothing was changed."
                    )
                else:
                    said[key, annotator] = words
                    task = tasks[key] = tasks.get(key) or self._task(prompts[one.line])
                    task.wanted_raters = task.taken = task.taken + 1
                    planned.append(_Planned(task, annotator, order, answer, opinion, prompts[one.line]))
        return planned

    def _task(self, prompt: Prompt) -> Task:
        return Task(
            project=self.project, prompt=prompt, kind=TaskKind.IMPORTED, state=TaskState.CLOSED, wanted_raters=0
        )

    def _there(self, prompts: set[int]) -> tuple[dict[TaskKey, Task], dict[tuple[TaskKey, int], Content]]:
        """The imported tasks of these prompts, and what each annotator said of them last."""
        rows = Task.objects.filter(prompt__in=prompts, kind=TaskKind.IMPORTED)
        known = {task.pk: task for task in rows}
        members: dict[int, list[int]] = {}
        through = Task.completions.through.objects.filter(task__in=rows)
        for task, completion in through.values_list("task_id", "completion_id"):
            members.setdefault(task, []).append(completion)
        keys = {task: frozenset(completions) for task, completions in members.items()}
        rankings = Ranking.objects.filter(prompt__in=prompts, kind=TaskKind.IMPORTED).order_by("revision")
        said = {
            (keys[values["assignment__task_id"]], values["annotator_id"]): _content(values)
            for values in rankings.values("assignment__task_id", "annotator_id", *CONTENT)
        }
        return {keys[task]: known[task] for task in keys}, said

    def _store(self, planned: Sequence[_Planned]) -> None:
        orders = {id(one.task): one.order for one in planned}
        tasks = {id(one.task): one.task for one in planned}
        fresh = [task for task in tasks.values() if task.pk is None]
        Task.objects.bulk_update([task for task in tasks.values() if task.pk], ["wanted_raters", "taken"])
        self.report.tasks += len(Task.objects.bulk_create(fresh))
        through = Task.completions.through
        through.objects.bulk_create(
            through(task_id=task.pk, completion_id=completion) for task in fresh for completion in orders[id(task)]
        )
        assignments = Assignment.objects.bulk_create(map(_assignment, planned))
        AssignmentEvent.objects.bulk_create(
            AssignmentEvent(assignment=assignment, new=AssignmentState.SUBMITTED) for assignment in assignments
        )
        rankings = Ranking.objects.bulk_create(
            self._ranking(one, assignment) for one, assignment in zip(planned, assignments, strict=True)
        )
        self.report.created += len(rankings)
        pairs = (pair for one, ranking in zip(planned, rankings, strict=True) for pair in _pairs(one, ranking))
        while some := list(islice(pairs, PAIRS_AT_ONCE)):
            PreferencePair.objects.bulk_create(some)
            ties = sum(pair.tie for pair in some)
            self.report.tied_pairs += ties
            self.report.strict_pairs += len(some) - ties

    def _ranking(self, planned: _Planned, assignment: Assignment) -> Ranking:
        return Ranking(
            assignment=assignment,
            project=self.project,
            prompt=planned.prompt,
            annotator_id=planned.annotator,
            kind=TaskKind.IMPORTED,
            origin=RankingOrigin.IMPORTED,
            batch=self.name,
            rater_group=planned.opinion.group,
            **answer_as_json(planned.answer),
        )


def _content(values: Mapping[str, Any]) -> Content:
    """What makes two rankings the same; the order within a tie says nothing."""
    return ([sorted(group) for group in values["groups"]], *(values[name] for name in CONTENT[1:]))


def _answer(opinion: Opinion, ids: Sequence[int]) -> Answer:
    return Answer(
        groups=[[ids[place] for place in group] for group in opinion.groups],
        strengths=opinion.strengths,
        none_acceptable=opinion.none_acceptable,
        ratings={name: {ids[place]: of[place] for place in of} for name, of in opinion.ratings.items()},
        rationale=opinion.rationale,
    )


def _assignment(planned: _Planned) -> Assignment:
    now = timezone.now()
    return Assignment(
        task=planned.task,
        prompt=planned.prompt,
        annotator_id=planned.annotator,
        state=AssignmentState.SUBMITTED,
        display_order=planned.order,
        leased_at=now,
        lease_expires=now,
    )


def _pairs(planned: _Planned, ranking: Ranking) -> Iterator[PreferencePair]:
    for pair in pairs_of(planned.answer):
        yield PreferencePair(
            ranking=ranking,
            project_id=ranking.project_id,
            prompt_id=ranking.prompt_id,
            annotator_id=ranking.annotator_id,
            chosen_id=pair.chosen,
            rejected_id=pair.rejected,
            tie=pair.tie,
            strength=pair.strength,
            weight=pair.weight,
            split=planned.prompt.split,
        )
