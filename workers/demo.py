"""The demo project: generated dialogues, 200 simulated rankings and one finished round.

Each step looks at what is there and does the rest, so that a set-up that was cut off goes on where it was.
"""

import json
import os
import secrets
from pathlib import Path
from typing import TypedDict

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from knox.models import AuthToken

from annotation.models import Project, Ranking, RankingOrigin, Role
from annotation.services import annotators_add, member_set, project_create, prompts_import
from annotation.users import User
from rlhf.types import Reporter
from workers import dispatch
from workers.models import ModelKind, ModelState, ModelVersion, RoundState, Run, RunState
from workers.services import round_start, run_create, run_drain, run_put_back

SLUG = "dialogues"
PEOPLE = {"alice": Role.ANNOTATOR, "bob": Role.REVIEWER, "rose": Role.ENGINEER, "lena": Role.LEAD}
PROMPTS = 800
FIRST_PROMPTS = 240  # get completions before the first round
RANKINGS = 200
ANNOTATORS = 5
SEED = 0
GUIDELINES = """\
## Rank the summaries from best to worst

1. **Right** – the people, days, times and places are those that were agreed on in the end.
2. **Whole** – nothing that matters is left out.
3. **Nothing more** – nothing is invented, and what was rejected or said by the way is not there.
4. **Short and polite** – one or two sentences, no rude words.

Two summaries that are equally good are a **tie** (`=`). If you would send none of them, press `0`.
"""


class Login(TypedDict):
    username: str
    password: str
    role: str


class Logins(TypedDict):
    project: str
    users: list[Login]
    token: str


def logins_path() -> Path:
    return Path(settings.DATA_DIR) / "demo.json"


def demo_prepare(*, reporter: Reporter) -> None:
    """Bring the demo project to where a new user finds it. In seconds when it is there already."""
    # Nobody else works on this data folder (the supervisor holds its lock): what runs here was cut off.
    for run in Run.objects.filter(state=RunState.RUNNING):
        run_put_back(run_id=run.pk, attempt=run.attempt, reason="The demo was stopped while it ran.", counts=False)
    project = Project.objects.filter(slug=SLUG).first()
    if project is not None and project.rounds.filter(state=RoundState.SUCCEEDED).exists():
        return
    with dispatch.held():
        project = project or _project_create()
        _anchor_and_completions(project, reporter)
        _rankings(project, reporter)
        _first_round(project, reporter)


@transaction.atomic
def _project_create() -> Project:
    # Imported here, because it brings torch: the second start finds everything there and needs none of it.
    from rlhf.toy import dialogues
    from workers.simulation import toy_batch

    logins: list[Login] = []
    people: dict[str, User] = {}
    for name, role in PEOPLE.items():
        password = secrets.token_urlsafe(9)
        people[name] = get_user_model().objects.create_user(username=name, password=password)
        logins.append({"username": name, "password": password, "role": role.value})
    project = project_create(
        actor=people["lena"],
        slug=SLUG,
        name="Dialogue summaries",
        guidelines=GUIDELINES,
        criteria=["faithfulness", "helpfulness"],
        base_model="toy",
        min_rankings=40,
        min_reward_accuracy=0.5,
    )
    for name, role in PEOPLE.items():
        member_set(project=project, user=people[name], role=role, actor=people["lena"])
    train = dialogues(SEED, PROMPTS, "train")
    rows = [{"id": one.id, "prompt": one.text, "references": list(one.references)} for one in train]
    prompts_import(
        project=project, items=rows, name=toy_batch(seed=SEED, count=PROMPTS, split="train"), actor=people["lena"]
    )
    token: str = AuthToken.objects.create(user=people["lena"])[1]
    _logins_write({"project": SLUG, "users": logins, "token": token})
    return project


def _logins_write(logins: Logins) -> None:
    """Readable by their owner only; written before the commit, or nobody would ever know the passwords."""
    path = logins_path()
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        json.dump(logins, file, indent=1)


def _anchor_and_completions(project: Project, reporter: Reporter) -> None:
    run_drain(project=project, listener=reporter)
    if not ModelVersion.objects.filter(project=project, kind=ModelKind.SFT, state=ModelState.PROMOTED).exists():
        reporter.event("log", "Training the tiny policy on generated dialogues (about two minutes).")
        run_create(project=project, kind="sft", seed=SEED)
        run_drain(project=project, listener=reporter)
    if not project.tasks.exists():
        run_create(project=project, kind="generate", seed=SEED, config={"prompts": FIRST_PROMPTS})
        run_drain(project=project, listener=reporter)


def _rankings(project: Project, reporter: Reporter) -> None:
    from workers.simulation import rankings_simulate

    people = get_user_model().objects.filter(username__startswith="simulated", memberships__project=project)
    if not people.exists():
        annotators_add(project=project, count=ANNOTATORS, prefix="simulated", simulated=True)
    there = Ranking.objects.filter(project=project, is_current=True, origin=RankingOrigin.SIMULATED).count()
    if there < RANKINGS:
        rankings_simulate(
            project=project,
            annotators=list(people.order_by("pk")),
            count=RANKINGS - there,
            seed=SEED,
            listener=lambda done, total: reporter.progress(done, total, "simulated annotators rank"),
        )


def _first_round(project: Project, reporter: Reporter) -> None:
    if not project.rounds.exists():
        reporter.event("log", "The first round: reward model, PPO, evaluation, next completions.")
        # Forced: a demo must have a finished round, and the page says that it was.
        round_start(project=project, algorithm="ppo", seed=SEED, force=True)
    run_drain(project=project, listener=reporter)
