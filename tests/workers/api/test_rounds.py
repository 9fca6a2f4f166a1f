"""/projects/{slug}/rounds/"""

import pytest

from annotation.models import AuditEvent
from workers.models import Round

ROUNDS = "/api/v1/projects/dialogues/rounds/"


@pytest.fixture
def rose_api(api_for, rose):
    return api_for(rose)


def test_a_round_is_one_call(rose_api, project, anchor, ranked):
    project.min_rankings = 2
    project.save()
    ranked(2)
    answer = rose_api.post(ROUNDS, {"algorithm": "dpo", "seed": 3}, format="json")
    assert answer.status_code == 202
    body = rose_api.get(answer["Location"]).json()
    assert (body["number"], body["algorithm"], body["state"], body["seed"]) == (1, "dpo", "running", 3)
    assert [step["state"] for step in body["steps"]] == ["queued", *["planned"] * 4]
    assert body["gate"] == {"passed": True, "reasons": []}


def test_too_few_rankings_are_a_conflict_with_figures_and_remedy(rose_api, project, anchor, ranked):
    ranked(1)
    answer = rose_api.post(ROUNDS, {"algorithm": "ppo"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "gate_closed")
    assert "1 of the 500 rankings" in answer.json()["detail"]
    assert "force" in answer.json()["detail"]
    assert not Round.objects.exists()


def test_force_starts_it_and_is_written_down(rose_api, project, anchor, ranked, rose):
    ranked(1)
    answer = rose_api.post(ROUNDS, {"algorithm": "ppo", "force": True}, format="json")
    assert (answer.status_code, answer.json()["forced"]) == (202, True)
    assert AuditEvent.objects.get(verb="round.force").actor == rose


def test_a_second_round_at_once_is_a_conflict(rose_api, project, anchor, ranked):
    ranked(1)
    rose_api.post(ROUNDS, {"algorithm": "ppo", "force": True}, format="json")
    answer = rose_api.post(ROUNDS, {"algorithm": "ppo", "force": True}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "round_running")


def test_the_same_key_starts_one_round(rose_api, project, anchor, ranked):
    ranked(1)
    for _ in range(2):
        answer = rose_api.post(ROUNDS, {"algorithm": "ppo", "force": True}, format="json", HTTP_IDEMPOTENCY_KEY="once")
        assert answer.status_code == 202
    assert Round.objects.count() == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"algorithm": "magic"},
        {"algorithm": "ppo", "config": {"dpo": {}}},
        {"algorithm": "ppo", "config": {"ppo": 3}},
        {"algorithm": "ppo", "config": {"ppo": {"rollout": 3}}},
        {"algorithm": "ppo", "seed": -1},
        {"algorithm": "ppo", "speed": 1},
    ],
)
def test_a_bad_request_starts_nothing(rose_api, project, anchor, ranked, body):
    ranked(1)
    answer = rose_api.post(ROUNDS, {"force": True, **body}, format="json")
    assert answer.status_code == 400
    assert set(answer.json()) == {"code", "detail", "fields"}
    assert not Round.objects.exists()


def test_the_list_is_newest_first(rose_api, project):
    for number in (1, 2):
        Round.objects.create(project=project, number=number, algorithm="ppo", state="succeeded")
    assert [one["number"] for one in rose_api.get(ROUNDS).json()["results"]] == [2, 1]


def test_a_round_that_is_not_there(rose_api, project):
    assert rose_api.get(f"{ROUNDS}7/").status_code == 404


@pytest.mark.parametrize(
    ("name", "read", "write"),
    [("alice", 403, 403), ("bob", 200, 403), ("rose", 200, 202), ("lena", 200, 202), ("charlie", 404, 404)],
)
def test_who_may(request, api_for, project, anchor, ranked, name, read, write):
    ranked(1)
    api = api_for(request.getfixturevalue(name))
    assert api.get(ROUNDS).status_code == read
    assert api.post(ROUNDS, {"algorithm": "ppo", "force": True}, format="json").status_code == write
