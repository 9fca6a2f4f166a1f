"""A project with an anchor that nobody had to train, and a queue that keeps what is sent."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from annotation import services as labelling
from annotation.models import Project, Role, Split
from rlhf import toy, training_config
from tests.factories import MembershipFactory, PromptFactory, TaskFactory, UserFactory
from workers import dispatch
from workers.models import ModelKind, ModelState, ModelVersion, Run, RunKind, RunState
from workers.pipelines import sft
from workers.services import run_claim

LORA = {"rank": 2, "alpha": 2, "targets": "all-linear"}


@pytest.fixture(autouse=True)
def sent(monkeypatch) -> list[int]:
    """The ids of the runs whose message went to the queue."""
    messages: list[int] = []

    def send_task(name: str, args: list[int], **options: Any) -> None:
        assert (name, options["queue"]) == ("workers.run", "gpu")
        messages.extend(args)

    monkeypatch.setattr(dispatch.current_app, "send_task", send_task)
    return messages


@pytest.fixture
def anchor(project) -> ModelVersion:
    """The row of an anchor; no model lies behind it."""
    return ModelVersion.objects.create(
        project=project,
        slug=f"{project.slug}-sft",
        kind=ModelKind.SFT,
        state=ModelState.PROMOTED,
        path=f"projects/{project.slug}/models/{project.slug}-sft",
    )


@pytest.fixture
def prompts(project) -> None:
    """One prompt of each split."""
    for split in Split:
        PromptFactory(project=project, split=split, identity=f"{split}-1")


@pytest.fixture
def ranked(project, prompts) -> Callable[[int], None]:
    """``ranked(n)``: n tasks, each ranked by a person of its own."""

    def rank(count: int) -> None:
        person = UserFactory()
        MembershipFactory(project=project, user=person, role=Role.ANNOTATOR)
        TaskFactory.create_batch(count, project=project)
        for _ in range(count):
            assignment = labelling.task_next(project=project, annotator=person)
            assert assignment is not None
            labelling.ranking_submit(assignment=assignment, groups=[[one] for one in assignment.display_order])

    return rank


@pytest.fixture
def queued(project) -> Callable[..., Run]:
    """A queued run, straight into the table: its inputs are not looked at."""

    def make(kind: RunKind = RunKind.EVALUATE, *, of: Project = project, **fields: Any) -> Run:
        return Run.objects.create(project=of, kind=kind, state=RunState.QUEUED, **fields)

    return make


@pytest.fixture
def running(queued) -> Callable[..., Run]:
    """A run that this process has claimed."""

    def make(**fields: Any) -> Run:
        run = queued(**fields)
        run_claim(run_id=run.pk)
        run.refresh_from_db()
        return run

    return make


@pytest.fixture(scope="session")
def toy_cache(tmp_path_factory) -> Path:
    """One tiny policy for all tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def small_toy(monkeypatch, settings, tmp_path, toy_cache) -> None:
    """The tiny policy after 800 dialogues, and trainings of a few steps."""
    settings.DATA_DIR, settings.CACHE_DIR = tmp_path, toy_cache
    monkeypatch.setattr(sft, "train_tiny_policy", partial(toy.train_tiny_policy, count=800))
    tiny = {
        training_config.RewardConfig: {"lora": LORA, "epochs": 1, "members": 1, "normalisation_samples": 16},
        training_config.PPOConfig: {"lora": LORA, "rollouts": 2, "rollout_prompts": 8, "held_out_samples": 16},
        training_config.DPOConfig: {"lora": LORA, "epochs": 1, "held_out_samples": 16, "evaluations": 1},
    }
    monkeypatch.setattr(training_config, "PRESETS", {**training_config.PRESETS, "tiny": tiny})
