"""A project with something on every page: labels, a round with its runs, models and evaluations."""

from dataclasses import dataclass

import pytest
from django.test import Client
from django.utils import timezone

from annotation.models import Project, Retraction
from annotation.services import gold_create, snapshot_freeze
from tests.factories import ranked
from tests.webapp.objects import evaluation_make, metrics_make, model_make, round_make, run_make
from workers.models import ModelKind, ModelState, Round, Run, RunKind, RunState


@dataclass(frozen=True)
class World:
    """The project and the things its addresses name."""

    project: Project
    round: Round
    run: Run
    task: int
    retraction: int
    gold: int


@pytest.fixture
def world(project, alice, lena) -> World:
    for _ in range(3):
        ranking = ranked(project, alice)
    snapshot = snapshot_freeze(project=project, actor=lena)
    round_ = round_make(project, snapshot=snapshot)
    anchor = model_make(project, slug="dialogues-sft", kind=ModelKind.SFT, state=ModelState.PROMOTED)
    reward_run = run_make(project, kind=RunKind.REWARD, round=round_, position=0)
    model_make(
        project,
        slug="dialogues-r1-reward",
        kind=ModelKind.REWARD,
        run=reward_run,
        facts={"accuracy": {"value": 0.68, "low": 0.61, "high": 0.75, "n": 50}},
    )
    run = run_make(project, kind=RunKind.PPO, round=round_, position=1, config={"kl_target": 3.0})
    metrics_make(run)
    policy = model_make(project, slug="dialogues-r1-ppo", parent=anchor, run=run)
    for model in (anchor, policy):
        evaluation_make(model, run=run_make(project, kind=RunKind.EVALUATE, round=round_, position=2))
    undone = Retraction.objects.create(
        project=project, annotator=alice, reason="A mistake.", rankings=0, undone_at=timezone.now()
    )
    gold = gold_create(
        project=project, prompt="Ann: At <b>ten</b>?", completions=["1", "2", "3", ""], pairs=[(0, 3)], actor=None
    )
    return World(project, round_, run, ranking.assignment.task_id, undone.pk, gold.pk)


@pytest.fixture
def failed_run(project) -> Run:
    return run_make(project, kind=RunKind.SFT, state=RunState.FAILED, error="Traceback\nModelError: no such model")


@pytest.fixture
def lead(client_for, lena) -> Client:
    return client_for(lena)
