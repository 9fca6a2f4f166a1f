"""What a new user finds: made once, and taken up where it was cut off."""

import json
import stat

import pytest
from django.contrib.auth import get_user_model

from annotation.models import Project, Ranking, RankingOrigin
from rlhf.exceptions import Cancelled
from rlhf.types import Silent
from workers import demo
from workers.models import Evaluation, ModelKind, ModelVersion, Round, RoundState, Run, RunState
from workers.services import run_claim, run_create

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def small(monkeypatch, small_toy):
    monkeypatch.setattr(demo, "PROMPTS", 120)
    monkeypatch.setattr(demo, "FIRST_PROMPTS", 60)
    monkeypatch.setattr(demo, "RANKINGS", 50)


@pytest.mark.django_db(transaction=True)
def test_it_is_made_once_with_a_finished_round_and_logins_that_work(client):
    demo.demo_prepare(reporter=Silent())
    project = Project.objects.get(slug=demo.SLUG)
    assert Ranking.objects.filter(project=project, origin=RankingOrigin.SIMULATED, is_current=True).count() == 50
    assert project.rounds.get().state == RoundState.SUCCEEDED
    assert {model.kind for model in ModelVersion.objects.all()} == {ModelKind.SFT, ModelKind.REWARD, ModelKind.POLICY}
    assert Evaluation.objects.count() == 2  # of the anchor and of the new policy
    assert project.tasks.filter(assignments=None).exists()

    path = demo.logins_path()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    logins = json.loads(path.read_text())
    assert {user["role"] for user in logins["users"]} == {"annotator", "reviewer", "engineer", "lead"}
    people = {user.username: user for user in get_user_model().objects.all()}
    assert all(people[user["username"]].check_password(user["password"]) for user in logins["users"])
    header = {"Authorization": f"Token {logins['token']}"}
    assert client.get(f"/api/v1/projects/{demo.SLUG}/rounds/", headers=header).status_code == 200

    # The next start makes nothing again, and puts back what the last one was cut off in.
    run = run_create(project=project, kind="generate", config={"prompts": 1})
    run_claim(run_id=run.pk)
    before = Run.objects.count()
    demo.demo_prepare(reporter=Silent())
    assert (Run.objects.count(), Round.objects.count()) == (before, 1)
    run.refresh_from_db()
    assert (run.state, run.max_attempts) == (RunState.QUEUED, 4)


@pytest.mark.django_db(transaction=True)
def test_a_set_up_that_was_cut_off_goes_on_where_it_was(monkeypatch):
    def cut_off(*args, **options):
        raise Cancelled("the power went")

    with monkeypatch.context() as patch:
        patch.setattr(demo, "_first_round", cut_off)
        with pytest.raises(Cancelled):
            demo.demo_prepare(reporter=Silent())
    runs, rankings = Run.objects.count(), Ranking.objects.count()
    demo.demo_prepare(reporter=Silent())
    assert Ranking.objects.count() == rankings == 50
    assert Run.objects.filter(kind="sft").count() == 1
    assert Run.objects.count() > runs
    assert Round.objects.get().state == RoundState.SUCCEEDED
