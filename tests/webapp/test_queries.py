"""A page asks the database as often for fifty rows as for five."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from annotation.models import Project, Retraction, Role
from annotation.services import gold_create
from tests.factories import MembershipFactory, ProjectFactory, TaskFactory, UserFactory, ranked
from tests.webapp.objects import evaluation_make, metrics_make, model_make, round_make, run_make, snapshot_make
from tests.webapp.test_roles import arguments
from workers.models import RoundState, RunEvent, RunKind, RunState

Grow = Callable[[Project, int], None]


def runs(project: Project, number: int) -> None:
    run_make(project, round=round_make(project, number=number + 100), kind=RunKind.DPO, state=RunState.RUNNING)


def rounds(project: Project, number: int) -> None:
    round_make(project, number=number + 100, snapshot=snapshot_make(project, number), state=RoundState.FAILED)


def models(project: Project, number: int) -> None:
    run = run_make(project, round=round_make(project, number=number + 100))
    parent = model_make(project, slug=f"parent-{number}")
    evaluation_make(model_make(project, slug=f"model-{number}", parent=parent, run=run), run=run)


def members(project: Project, number: int) -> None:
    MembershipFactory(project=project, role=Role.ANNOTATOR)


def labels(project: Project, number: int) -> None:
    person = UserFactory()
    MembershipFactory(project=project, user=person)
    ranked(project, person)


def snapshots(project: Project, number: int) -> None:
    round_make(project, number=number + 100, snapshot=snapshot_make(project, number))


def cases(project: Project, number: int) -> None:
    task = TaskFactory(project=project, wanted_raters=2)
    ranked(project, UserFactory(), task=task)
    ranked(project, UserFactory(), task=task, groups=[(3,), (2,), (1,), (0,)])
    Retraction.objects.create(project=project, batch=f"batch {number}", reason="x", rankings=1)


def gold_tasks(project: Project, number: int) -> None:
    texts = [f"Text {place}" for place in range(project.completions_per_prompt)]
    gold_create(project=project, prompt=f"Gold {number}?", completions=texts, pairs=[(0, 1)], actor=None)


def events(project: Project, number: int) -> None:
    run = project.runs.get(kind=RunKind.PPO)
    RunEvent.objects.create(run=run, kind="stop-rule" if number % 2 else "log", message=f"line {number}")
    model_make(project, slug=f"model-{number}", run=run)


def own_projects(project: Project, number: int) -> None:
    lena = project.memberships.get(role=Role.LEAD).user
    MembershipFactory(project=ProjectFactory(), user=lena, role=Role.LEAD)


@pytest.mark.parametrize(
    ("name", "grow"),
    [
        ("home", own_projects),
        ("project", runs),
        ("project", labels),
        ("runs", runs),
        ("run", events),
        ("run_status", events),
        ("run_log", events),
        ("rounds", rounds),
        ("round", runs),
        ("models", models),
        ("evaluations", models),
        ("members", members),
        ("labels", labels),
        ("quality", labels),
        ("snapshots", snapshots),
        ("review", cases),
        ("gold", gold_tasks),
    ],
)
def test_the_number_of_queries_does_not_grow(name: str, grow: Grow, world, lead, settings):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    address = reverse(name, kwargs={} if name == "home" else arguments(name, world))

    def queries(first: int, last: int) -> int:
        for number in range(first, last):
            grow(world.project, number)
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert lead.get(address).status_code == 200
        return len(captured)

    few = queries(0, 5)
    assert queries(5, 50) == few


def test_a_long_curve_does_not_slow_the_page(world, lead):
    address = reverse("run", args=["dialogues", world.run.pk])
    with CaptureQueriesContext(connection) as few:
        lead.get(address)
    world.run.metrics.all().delete()
    metrics_make(world.run, steps=500)
    with CaptureQueriesContext(connection) as many:
        lead.get(address)
    assert len(many) == len(few)
