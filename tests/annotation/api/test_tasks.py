"""An annotator's work over the API."""

import json

import pytest

from annotation.models import Assignment, PreferencePair, Ranking, SkipReason
from annotation.services import task_next
from tests.factories import CompletionFactory, PromptFactory, TaskFactory, ranked

NEXT = "/api/v1/projects/dialogues/tasks/next/"
HOSTILE = "<script>alert('x')</script><img src=x onerror=alert(1)>\u2028\"'&lt;"


@pytest.fixture
def task(project):
    return TaskFactory(project=project)


@pytest.fixture
def api(api_for, alice, project):
    return api_for(alice)


@pytest.fixture
def shown(api, task):
    return api.post(NEXT).json()


def rank(api, shown, **answer):
    body = {"groups": [[one["id"]] for one in shown["completions"]], **answer}
    return api.post(f"/api/v1/tasks/{shown['task']}/ranking/", json.dumps(body), content_type="application/json")


def test_next_shows_the_prompt_and_its_completions(shown, task):
    assert shown["prompt"] == task.prompt.text
    assert {one["text"] for one in shown["completions"]} == set(task.completions.values_list("text", flat=True))


def test_next_shows_them_in_the_stored_order(shown):
    assert [one["id"] for one in shown["completions"]] == Assignment.objects.get().display_order


def test_next_is_blind(shown):
    assert set(shown) == {
        "task", "lease_expires", "prompt", "turns", "completions", "method", "criteria", "draft", "draft_saved_at",
    }  # fmt: skip
    assert all(set(one) == {"id", "text"} for one in shown["completions"])


def test_next_carries_nothing_of_where_the_texts_come_from(api, project):
    prompt = PromptFactory(project=project, references=["SECRET-REFERENCE"])
    task = TaskFactory(project=project, prompt=prompt)
    task.completions.update(source="SECRET-MODEL", sampling={"reward": "SECRET-REWARD"}, backend="SECRET-BACKEND")
    assert "SECRET" not in api.post(NEXT).content.decode()


def test_next_says_204_when_nothing_is_left(api):
    assert api.post(NEXT).status_code == 204


def test_next_twice_is_the_same_task(api, shown):
    TaskFactory.create_batch(2)
    assert api.post(NEXT).json() == shown


def test_ahead_is_another_task(api, shown, project):
    other = TaskFactory(project=project)
    assert api.post(f"{NEXT}?ahead=1").json()["task"] == other.pk


def test_a_hostile_completion_is_plain_text(api, project):
    task = TaskFactory(project=project)
    task.completions.update(text=HOSTILE)
    response = api.post(NEXT)
    assert response["Content-Type"] == "application/json"
    assert [one["text"] for one in response.json()["completions"]] == [HOSTILE] * 4


def test_a_ranking_says_how_many_pairs_it_made(api, shown):
    response = rank(api, shown)
    assert response.status_code == 201
    assert response.json() == {"ranking": Ranking.objects.get().pk, "revision": 1, "pairs": 6}


def test_a_ranking_with_everything(api, shown):
    first, second, third, fourth = (one["id"] for one in shown["completions"])
    response = rank(
        api, shown,
        groups=[[first], [second, third], [fourth]], strengths=[3, 1], none_acceptable=True, flags={fourth: "rude"},
        ratings={"helpfulness": {first: 5}}, spans=[{"completion": first, "start": 0, "end": 4, "label": "name"}],
        rationale="Because.", rewrite={"completion": fourth, "text": "Better."}, duration_ms=9000,
    )  # fmt: skip
    assert response.status_code == 201, response.content
    ranking = Ranking.objects.get()
    assert ranking.groups == [[first], [second, third], [fourth]]
    assert ranking.ratings == {"helpfulness": {str(first): 5}}
    assert ranking.spans == [{"completion": first, "start": 0, "end": 4, "label": "name"}]
    assert ranking.rewrite == {"completion": fourth, "text": "Better."}
    assert PreferencePair.objects.filter(tie=True).count() == 1


def test_a_missing_completion_is_named(api, shown):
    ids = [one["id"] for one in shown["completions"]]
    response = rank(api, shown, groups=[[one] for one in ids[1:]])
    assert response.status_code == 400
    assert response.json()["code"] == "invalid_ranking"
    assert f"Completion {ids[0]} is missing" in response.json()["fields"]["groups"][0]


def test_a_repeated_completion_is_named(api, shown):
    ids = [one["id"] for one in shown["completions"]]
    response = rank(api, shown, groups=[ids, ids[:1]])
    assert response.status_code == 400
    assert f"Completion {ids[0]} is placed 2 times" in response.json()["detail"]


@pytest.mark.parametrize(
    "groups", [None, "1,2,3", [1, 2], [["a"]], [[None]], [[1.5]], [[True]], {"0": [1]}, [[[1]]], [[10**30]]]
)
def test_groups_that_are_none(api, shown, groups):
    assert rank(api, shown, groups=groups).status_code == 400


@pytest.mark.parametrize(
    "answer",
    [
        {"strengths": [9, 9, 9]},
        {"strengths": "123"},
        {"flags": {"x": "rude"}},
        {"ratings": {"helpfulness": 5}},
        {"spans": [{"completion": 1}]},
        {"rewrite": "text"},
        {"duration_ms": -1},
        {"duration_ms": 10**15},
        {"rationale": "a\x00b"},
        {"rationale": "\ud83d"},
        {"grups": []},
    ],
)
def test_an_answer_that_is_none(api, shown, answer):
    response = rank(api, shown, **answer)
    assert (response.status_code, set(response.json())) == (400, {"code", "detail", "fields"})
    assert not Ranking.objects.exists()


def test_somebody_elses_task_cannot_be_ranked(api_for, bob, shown):
    assert rank(api_for(bob), shown).status_code == 404
    assert not Ranking.objects.exists()


def test_a_second_ranking_is_a_conflict(api, shown):
    rank(api, shown)
    response = rank(api, shown)
    assert (response.status_code, response.json()["code"]) == (409, "already_submitted")


def test_a_ranking_sent_again_with_its_key_gets_its_answer_again(api, shown):
    api.credentials(**api._credentials, HTTP_IDEMPOTENCY_KEY="k1")
    first, second = rank(api, shown), rank(api, shown)
    assert (first.status_code, first.json()) == (second.status_code, second.json())
    assert Ranking.objects.count() == 1


def test_a_draft_comes_back_with_its_task(api, shown):
    draft = {"order": [[shown["completions"][0]["id"]]], "seconds": 4}
    response = api.put(f"/api/v1/tasks/{shown['task']}/draft/", {"draft": draft}, format="json")
    assert response.status_code == 200
    assert api.post(NEXT).json()["draft"] == draft


@pytest.mark.parametrize("draft", [{"a": "x\x00"}, {"a": "\ud83d"}, {"a": "x" * 70_000}, [1], "text"])
def test_a_draft_that_cannot_be_kept(api, shown, draft):
    body = json.dumps({"draft": draft})
    response = api.put(f"/api/v1/tasks/{shown['task']}/draft/", body, content_type="application/json")
    assert (response.status_code, set(response.json())) == (400, {"code", "detail", "fields"})


def test_a_ranked_task_takes_no_draft(api, shown):
    rank(api, shown)
    assert api.put(f"/api/v1/tasks/{shown['task']}/draft/", {"draft": {}}, format="json").status_code == 409


@pytest.mark.parametrize("reason", SkipReason.values)
def test_every_reason_to_skip(api, shown, reason):
    assert api.post(f"/api/v1/tasks/{shown['task']}/skip/", {"reason": reason}, format="json").status_code == 204
    assert Assignment.objects.get().skip_reason == reason


def test_a_skip_needs_a_reason(api, shown):
    assert api.post(f"/api/v1/tasks/{shown['task']}/skip/", {}, format="json").status_code == 400
    assert Assignment.objects.get().state == "leased"


def test_a_release_gives_the_task_to_others(api, api_for, bob, shown):
    assert api.post(f"/api/v1/tasks/{shown['task']}/release/").status_code == 204
    assert api_for(bob).post(NEXT).json()["task"] == shown["task"]


def test_my_rankings_are_mine_and_newest_first(api, project, alice, bob):
    mine = [ranked(project, alice).pk for _ in range(3)]
    ranked(project, bob)
    results = api.get("/api/v1/projects/dialogues/rankings/mine/").json()["results"]
    assert [one["ranking"] for one in results] == mine[::-1]


def test_my_rankings_come_in_pages(api, project, alice):
    for _ in range(5):
        ranked(project, alice)
    first = api.get("/api/v1/projects/dialogues/rankings/mine/?page_size=3").json()
    second = api.get(first["next"]).json()
    assert [len(page["results"]) for page in (first, second)] == [3, 2]
    assert second["next"] is None


@pytest.mark.parametrize("number", [2, 8])
def test_my_rankings_cost_the_same_however_many(api, project, alice, number, django_assert_num_queries):
    for _ in range(number):
        ranked(project, alice)
    with django_assert_num_queries(4):
        api.get("/api/v1/projects/dialogues/rankings/mine/")


def test_a_ranking_opens_again_as_it_was_shown(api, project, alice):
    TaskFactory(project=project)
    held = task_next(project=project, annotator=alice)
    answer = rank(api, {"task": held.task_id, "completions": [{"id": one} for one in held.display_order]}).json()
    opened = api.get(f"/api/v1/rankings/{answer['ranking']}/").json()
    assert [one["id"] for one in opened["completions"]] == held.display_order
    assert opened["groups"] == [[one] for one in held.display_order]
    assert all(set(one) == {"id", "text"} for one in opened["completions"])


def test_a_revision_over_the_api(api, project, alice):
    first = ranked(project, alice)
    response = api.put(f"/api/v1/rankings/{first.pk}/", {"groups": first.groups[::-1]}, format="json")
    assert response.status_code == 200
    assert response.json() == {"ranking": Ranking.objects.get(revision=2).pk, "revision": 2, "pairs": 6}


def test_an_old_revision_is_a_conflict(api, project, alice):
    first = ranked(project, alice)
    api.put(f"/api/v1/rankings/{first.pk}/", {"groups": first.groups}, format="json")
    response = api.put(f"/api/v1/rankings/{first.pk}/", {"groups": first.groups}, format="json")
    assert (response.status_code, response.json()["code"]) == (409, "stale")


def test_progress_counts_mine_and_everybodys(api, project, alice, bob):
    ranked(project, alice)
    ranked(project, bob)
    TaskFactory(project=project, wanted_raters=3)
    assert api.get("/api/v1/projects/dialogues/progress/").json() == {"today": 1, "mine": 1, "done": 2, "open": 3}


def test_other_completions_of_the_prompt_are_not_shown(api, task):
    CompletionFactory(prompt=task.prompt, text="Not in the task.")
    assert "Not in the task." not in json.dumps(api.post(NEXT).json())


def test_a_conversation_comes_as_its_turns(api, project):
    turns = [{"speaker": "user", "text": "Hi"}, {"speaker": "assistant", "text": "Hello: you"}]
    TaskFactory(project=project, prompt=PromptFactory(project=project, turns=turns))
    shown = api.post(NEXT).json()
    assert shown["turns"] == turns
    rank(api, shown)
    assert api.get("/api/v1/projects/dialogues/rankings/mine/").json()["results"][0]["turns"] == turns


def test_best_and_worst_are_asked_of_five_and_make_no_ties(api, project):
    project.best_worst = True
    project.save()
    TaskFactory(project=project, k=5)
    shown = api.post(NEXT).json()
    best, *middle, worst = [one["id"] for one in shown["completions"]]
    assert shown["method"] == "best_worst"
    answer = rank(api, shown, groups=[[best], middle, [worst]], method="best_worst")
    assert answer.json()["pairs"] == 7  # 2K - 3
    assert not PreferencePair.objects.filter(tie=True).exists()
    assert Ranking.objects.get().method == "best_worst"


def test_four_are_ordered_whatever_the_project_says(api, project, task):
    project.best_worst = True
    project.save()
    assert api.post(NEXT).json()["method"] == "full"
