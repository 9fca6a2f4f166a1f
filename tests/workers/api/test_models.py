"""/projects/{slug}/models/, /models/{slug}/promote/ and /projects/{slug}/evaluations/"""

import pytest

from annotation.models import AuditEvent
from workers.models import Evaluation, ModelKind, ModelState, ModelVersion, RunKind

MODELS = "/api/v1/projects/dialogues/models/"
EVALUATIONS = "/api/v1/projects/dialogues/evaluations/"


@pytest.fixture
def policy(project, anchor) -> ModelVersion:
    return ModelVersion.objects.create(
        project=project, slug="dialogues-r1-ppo", kind=ModelKind.POLICY, method="ppo", parent=anchor, path="p"
    )


def promote(api, model: ModelVersion):
    return api.post(f"/api/v1/models/{model.slug}/promote/")


def test_the_registry_shows_lineage(api_for, alice, policy, anchor):
    first, second = api_for(alice).get(MODELS).json()["results"]
    assert (first["slug"], first["parent"]) == (policy.slug, anchor.slug)
    assert (second["kind"], second["state"]) == ("sft", "promoted")
    assert "path" not in first


def test_a_lead_promotes_a_policy(api_for, lena, policy):
    answer = promote(api_for(lena), policy)
    assert (answer.status_code, answer.json()["state"]) == (200, "promoted")
    assert AuditEvent.objects.get(verb="model.promoted").actor == lena


def test_the_policy_before_it_is_archived_and_can_come_back(api_for, lena, policy, project, anchor):
    newer = ModelVersion.objects.create(project=project, slug="newer", kind=ModelKind.POLICY, path="n")
    api = api_for(lena)
    promote(api, policy)
    promote(api, newer)
    policy.refresh_from_db()
    assert policy.state == ModelState.ARCHIVED
    assert promote(api, policy).status_code == 200
    newer.refresh_from_db()
    assert newer.state == ModelState.ARCHIVED


def test_what_is_promoted_already_is_a_conflict(api_for, lena, policy):
    api = api_for(lena)
    promote(api, policy)
    assert promote(api, policy).status_code == 409


def test_an_anchor_cannot_be_promoted_as_a_policy(api_for, lena, anchor):
    assert promote(api_for(lena), anchor).status_code == 400


@pytest.mark.parametrize(("name", "status"), [("alice", 403), ("bob", 403), ("rose", 403), ("charlie", 404)])
def test_who_may_not_promote(request, api_for, policy, name, status):
    assert promote(api_for(request.getfixturevalue(name)), policy).status_code == status
    policy.refresh_from_db()
    assert policy.state == ModelState.CANDIDATE


def test_evaluations_carry_intervals_and_decoding(api_for, alice, policy, queued):
    interval = {"value": 0.4, "low": 0.3, "high": 0.5, "n": 100}
    Evaluation.objects.create(
        run=queued(RunKind.EVALUATE),
        model=policy,
        split="test",
        decoding={"greedy": True},
        metrics={"rouge1": interval},
    )
    (row,) = api_for(alice).get(EVALUATIONS).json()["results"]
    assert (row["model"], row["metrics"]["rouge1"], row["decoding"]) == (policy.slug, interval, {"greedy": True})


@pytest.mark.parametrize("path", [MODELS, EVALUATIONS])
def test_an_outsider_sees_nothing(api_for, charlie, policy, path):
    assert api_for(charlie).get(path).status_code == 404
