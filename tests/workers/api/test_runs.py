"""/projects/{slug}/runs/ and /runs/{id}/…"""

import pytest

from workers.models import Metric, Run, RunEvent, RunState
from workers.services import run_fail

RUNS = "/api/v1/projects/dialogues/runs/"


@pytest.fixture
def rose_api(api_for, rose):
    return api_for(rose)


def test_a_run_is_accepted_with_its_address(rose_api, project, anchor):
    answer = rose_api.post(RUNS, {"kind": "generate", "config": {"temperature": 0.7}, "seed": 4}, format="json")
    assert answer.status_code == 202
    assert answer["Location"] == answer.json()["url"]
    body = rose_api.get(answer["Location"]).json()
    assert (body["kind"], body["state"], body["seed"]) == ("generate", "queued", 4)
    assert body["config"]["temperature"] == 0.7
    assert body["config"]["top_p"] == 1.0
    assert body["created_by"] == "rose"


def test_an_unknown_key_is_an_error_in_the_one_shape(rose_api, project, anchor):
    answer = rose_api.post(RUNS, {"kind": "generate", "config": {"temprature": 1}}, format="json")
    assert answer.status_code == 400
    assert answer.json()["code"] == "config_invalid"
    assert "temperature" in answer.json()["detail"]
    assert answer.json()["fields"]["config"]


def test_an_unknown_kind_is_an_error(rose_api, project):
    answer = rose_api.post(RUNS, {"kind": "magic"}, format="json")
    assert answer.status_code == 400
    assert "kind" in answer.json()["fields"]


def test_what_is_needed_first_is_said(rose_api, project, prompts):
    answer = rose_api.post(RUNS, {"kind": "generate"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_ready")
    assert "sft run" in answer.json()["detail"]


def test_the_same_key_makes_one_run(rose_api, project, anchor):
    headers = {"HTTP_IDEMPOTENCY_KEY": "one"}
    first = rose_api.post(RUNS, {"kind": "generate"}, format="json", **headers)
    second = rose_api.post(RUNS, {"kind": "generate"}, format="json", **headers)
    assert first.json()["id"] == second.json()["id"]
    assert Run.objects.count() == 1


def test_the_list_is_newest_first_and_filtered(rose_api, queued, running):
    old, new = queued(), running()
    assert [run["id"] for run in rose_api.get(RUNS).json()["results"]] == [new.pk, old.pk]
    assert [run["id"] for run in rose_api.get(f"{RUNS}?state=queued").json()["results"]] == [old.pk]
    assert rose_api.get(f"{RUNS}?state=lost").status_code == 400


def test_metrics_after_a_step(rose_api, running):
    run = running()
    Metric.objects.bulk_create(
        Metric(run=run, step=step, name=name, value=step / 10) for step in range(10) for name in ("loss", "kl")
    )
    body = rose_api.get(f"/api/v1/runs/{run.pk}/metrics/?after=7&names=loss").json()
    assert body["series"] == {"loss": [[8, 0.8], [9, 0.9]]}
    assert (body["last_step"], body["downsampled"], body["state"]) == (9, False, "running")


def test_long_curves_are_thinned_and_keep_their_ends(rose_api, running):
    run = running()
    Metric.objects.bulk_create(Metric(run=run, step=step, name="loss", value=step) for step in range(1000))
    body = rose_api.get(f"/api/v1/runs/{run.pk}/metrics/?limit=100").json()
    points = body["series"]["loss"]
    assert (len(points), points[0], points[-1], body["downsampled"]) == (100, [0, 0], [999, 999], True)


@pytest.mark.parametrize("query", ["after=x", "after=-1", "limit=9999", "after=99999999999999999999"])
def test_a_number_that_is_none_is_an_error(rose_api, running, query):
    assert rose_api.get(f"/api/v1/runs/{running().pk}/metrics/?{query}").status_code == 400


def test_events_after_the_last_one_seen(rose_api, running):
    run = running()
    seen = run.events.get()
    RunEvent.objects.create(run=run, kind="log", message="next")
    body = rose_api.get(f"/api/v1/runs/{run.pk}/events/?after={seen.pk}").json()
    assert [event["message"] for event in body] == ["next"]


def test_a_queued_run_is_cancelled(rose_api, queued):
    run = queued()
    answer = rose_api.post(f"/api/v1/runs/{run.pk}/cancel/")
    assert (answer.status_code, answer.json()["state"]) == (202, "cancelled")
    again = rose_api.post(f"/api/v1/runs/{run.pk}/cancel/")
    assert (again.status_code, again.json()["code"]) == (409, "conflict")


def test_a_failed_run_is_tried_again(rose_api, project, anchor):
    run_id = rose_api.post(RUNS, {"kind": "generate"}, format="json").json()["id"]
    Run.objects.filter(pk=run_id).update(state=RunState.RUNNING, attempt=1)
    run_fail(run_id=run_id, attempt=1, error="broken")
    answer = rose_api.post(f"/api/v1/runs/{run_id}/retry/")
    assert answer.status_code == 202
    assert answer.json()["id"] != run_id


@pytest.mark.parametrize("run_id", [999, 2**70])
def test_a_run_that_is_not_there(rose_api, project, run_id):
    assert rose_api.get(f"/api/v1/runs/{run_id}/").status_code == 404


READ = ["", "metrics/", "events/"]


@pytest.mark.parametrize("path", READ)
@pytest.mark.parametrize(
    ("name", "status"), [("alice", 403), ("bob", 200), ("rose", 200), ("lena", 200), ("charlie", 404)]
)
def test_who_may_read_a_run(request, api_for, running, path, name, status):
    run = running()
    api = api_for(request.getfixturevalue(name))
    assert api.get(f"/api/v1/runs/{run.pk}/{path}").status_code == status


@pytest.mark.parametrize(
    ("name", "status"), [("alice", 403), ("bob", 403), ("rose", 202), ("lena", 202), ("charlie", 404)]
)
def test_who_may_start_and_cancel_a_run(request, api_for, project, anchor, queued, name, status):
    api = api_for(request.getfixturevalue(name))
    assert api.post(RUNS, {"kind": "generate"}, format="json").status_code == status
    assert api.post(f"/api/v1/runs/{queued().pk}/cancel/").status_code == status


def test_without_a_token_nothing(api_for, queued):
    run = queued()
    api = api_for(None)
    assert api.get(RUNS).status_code == 401
    assert api.post(f"/api/v1/runs/{run.pk}/cancel/").status_code == 401
    run.refresh_from_db()
    assert run.state == RunState.QUEUED
