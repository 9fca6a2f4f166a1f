"""Where a project's loop stands, and what should be done next."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.urls import reverse

from annotation.models import (
    Completion,
    Membership,
    PreferencePair,
    Project,
    Prompt,
    Ranking,
    RankingOrigin,
    Role,
    Task,
    TaskState,
)
from annotation.users import User
from workers.models import ModelKind, ModelState, ModelVersion, Round, RoundState, Run, RunKind, RunState

LIVE = (RunState.QUEUED, RunState.RUNNING)


@dataclass(frozen=True)
class ProjectRow:
    """One project in the list."""

    project: Project
    role_label: str
    open_tasks: int
    rankings: int
    rounds: int
    running: bool


def project_rows(user: User) -> list[ProjectRow]:
    """The projects of a person, with the figures that say where work waits."""
    memberships = Membership.objects.filter(user=user).select_related("project").order_by("project__name")
    ids = [membership.project_id for membership in memberships]
    tasks = _counts(Task.objects.filter(project__in=ids, state=TaskState.OPEN))
    rankings = _counts(Ranking.objects.labels().filter(project__in=ids))
    rounds = _counts(Round.objects.filter(project__in=ids))
    running = _counts(Round.objects.filter(project__in=ids, state=RoundState.RUNNING))
    return [
        ProjectRow(
            project=row.project,
            role_label=Role(row.role).label,
            open_tasks=tasks.get(row.project_id, 0),
            rankings=rankings.get(row.project_id, 0),
            rounds=rounds.get(row.project_id, 0),
            running=row.project_id in running,
        )
        for row in memberships
    ]


def _counts(rows: QuerySet[Any]) -> dict[int, int]:
    return dict(rows.order_by().values_list("project").annotate(n=Count("pk")))


@dataclass(frozen=True)
class Loop:
    """The figures on the arrows of the loop."""

    prompts: int
    waiting: int  # prompts without a single completion
    completions: int
    tasks: int
    open_tasks: int
    rankings: int
    simulated: int
    pairs: int
    rounds: int
    last_round: Round | None
    running_round: Round | None
    policy: ModelVersion | None
    candidate: ModelVersion | None  # a policy newer than the promoted one
    since_snapshot: int  # rankings that no snapshot of a round holds


def loop_state(project: Project) -> Loop:
    """Everything the project's home shows, in a fixed number of queries."""
    written = Completion.objects.filter(prompt=OuterRef("pk"))
    prompts = Prompt.objects.filter(project=project).aggregate(
        all=Count("pk"), waiting=Count("pk", filter=~Exists(written))
    )
    tasks = Task.objects.filter(project=project).aggregate(
        all=Count("pk"), open=Count("pk", filter=Q(state=TaskState.OPEN))
    )
    rankings = (
        Ranking.objects.labels()
        .filter(project=project)
        .aggregate(all=Count("pk"), simulated=Count("pk", filter=Q(origin=RankingOrigin.SIMULATED)))
    )
    rounds = list(project.rounds.select_related("snapshot").order_by("-number")[:1])
    last = rounds[0] if rounds else None
    policies = list(
        project.models.filter(kind__in=(ModelKind.POLICY, ModelKind.SFT))
        .exclude(state=ModelState.ARCHIVED)
        .order_by("-pk")
    )
    policy = next((one for one in policies if one.kind == ModelKind.POLICY and one.state == ModelState.PROMOTED), None)
    newest = next((one for one in policies if one.kind == ModelKind.POLICY), None)
    anchor = next((one for one in policies if one.state == ModelState.PROMOTED), None)
    candidate = newest if newest and (policy is None or newest.pk > policy.pk) else None
    return Loop(
        prompts=prompts["all"],
        waiting=prompts["waiting"],
        completions=Completion.objects.filter(prompt__project=project).count(),
        tasks=tasks["all"],
        open_tasks=tasks["open"],
        rankings=rankings["all"],
        simulated=rankings["simulated"],
        pairs=PreferencePair.objects.filter(project=project).count(),
        rounds=last.number if last else 0,
        last_round=last,
        running_round=last if last and last.state == RoundState.RUNNING else None,
        policy=policy or newest or anchor,
        candidate=candidate,
        since_snapshot=rankings["all"] - (last.snapshot.rankings if last and last.snapshot else 0),
    )


def runs_live(project: Project) -> list[Run]:
    """Runs that are queued or running, the oldest first."""
    return list(project.runs.filter(state__in=LIVE).order_by("pk")[:20])


@dataclass(frozen=True)
class Action:
    """A sensible next step; without an address it only says what is going on."""

    title: str
    text: str
    url: str = ""
    label: str = ""
    warning: bool = False


def actions_next(project: Project, loop: Loop, can: frozenset[str]) -> list[Action]:
    """What to do next, the most pressing first, among what this reader may do; at most three."""
    steps = [*_training_steps(project, loop, can), *_label_steps(project, loop, can)]
    return steps[:3]


def _training_steps(project: Project, loop: Loop, can: frozenset[str]) -> Iterable[Action]:
    last = loop.last_round
    if last is not None and "see_training" in can:
        address = reverse("round", args=[project.slug, last.number])
        if last.state == RoundState.RUNNING:
            yield Action(f"Round {last.number} is running", "Watch the policy being trained.", address, "Watch it")
        elif last.state == RoundState.FAILED:
            text = last.error.strip().partition("\n")[0] or "One of its runs failed."
            yield Action(f"Round {last.number} failed", text, address, "Look at it", warning=True)
    if loop.candidate is not None and loop.running_round is None and "promote" in can:
        text = f"{loop.candidate.slug} is not promoted yet: compare it with the others first."
        yield Action("A new policy waits for you", text, reverse("evaluations", args=[project.slug]), "Compare")
    missing = project.min_rankings - loop.rankings
    if loop.running_round is None and "train" in can and loop.rankings and missing <= 0 and loop.since_snapshot > 0:
        text = f"{loop.rankings:,} rankings, {loop.since_snapshot:,} of them new since the last round."
        yield Action("A round can start", text, reverse("rounds", args=[project.slug]) + "#start", "Start a round")


def _label_steps(project: Project, loop: Loop, can: frozenset[str]) -> Iterable[Action]:
    if not loop.prompts:
        if "import" in can:
            address = reverse("prompts_import", args=[project.slug])
            yield Action("Import prompts", "Completions are written by themselves afterwards.", address, "Import")
        else:
            yield Action("Nothing to rank yet", "An engineer or lead imports prompts first.")
        return
    missing = project.min_rankings - loop.rankings
    if loop.open_tasks:
        wait = (
            f"{missing:,} more until the next round." if missing > 0 else "Every ranking makes the next round better."
        )
        count = "1 task waits" if loop.open_tasks == 1 else f"{loop.open_tasks:,} tasks wait"
        yield Action(f"{count} to be ranked", wait, reverse("rank", args=[project.slug]), "Rank")
    elif project.runs.filter(kind=RunKind.GENERATE, state__in=LIVE).exists():
        yield Action("Completions are being written", "Tasks appear here as soon as they are ready.")
    elif loop.waiting:
        text = f"{loop.waiting:,} prompts have no completions: look at the runs for what stopped them."
        address = reverse("runs", args=[project.slug]) if "see_training" in can else ""
        yield Action("Nothing to rank", text, address, "Look at the runs" if address else "", warning=True)
    else:
        text = "Import more prompts, or start a round: it writes new completions."
        address = reverse("prompts_import", args=[project.slug]) if "import" in can else ""
        yield Action("Everything is ranked", text, address, "Import" if address else "")
