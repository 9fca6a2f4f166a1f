"""The whole loop over HTTP: import, completions by themselves, rankings, a round, and its figures on the page."""

import re
import time

import pytest

from annotation.distribution import split_of
from annotation.models import Project, Ranking, Task
from tests.services.conftest import has_ended, wait_for
from tests.workers.tiny import prompt_text, round_config
from workers.models import RoundState, RunKind, RunState

pytestmark = [pytest.mark.service, pytest.mark.slow, pytest.mark.xdist_group("services")]

API = "/api/v1/projects/dialogues/"


@pytest.fixture
def empty_lab(transactional_db, project, base_model) -> Project:
    """The tiny model's project before anybody imported anything."""
    project.base_model = str(base_model)
    project.min_rankings = 10
    project.min_reward_accuracy = 0.0
    project.save()
    return project


def rows(project: Project) -> list[dict[str, object]]:
    """Twelve prompts for training, three to validate and three to test on."""
    wanted = {"train": 12, "validation": 3, "test": 3}
    found = []
    for index in range(1000):
        side = split_of(f"d{index}", project.split_salt)
        if wanted[side]:
            wanted[side] -= 1
            found.append({"id": f"d{index}", "dialogue": prompt_text(len(found)), "summary": "anna meets bob"})
    return found


def rank_all(api) -> int:
    """Rank until nothing is left, shorter completions first; how many rankings were made."""
    made = 0
    while (answer := api.post(f"{API}tasks/next/")).status_code == 200:
        task = answer.json()
        order = sorted(task["completions"], key=lambda one: len(one["text"]))
        body = {"groups": [[one["id"]] for one in order]}
        assert api.post(f"/api/v1/tasks/{task['task']}/ranking/", body, format="json").status_code == 201
        made += 1
    return made


def wait_for_run(project: Project, kind: RunKind):
    deadline = time.monotonic() + 60
    while (run := project.runs.filter(kind=kind).first()) is None:
        assert time.monotonic() < deadline, f"no {kind} run was started"
        time.sleep(0.1)
    return wait_for(run, has_ended)


def test_a_round_from_import_to_figures(empty_lab, api_for, client_for, alice, rose, lena, start_worker):
    start_worker()
    engineer = api_for(rose)

    # 1. Prompts come in; the anchor and the first completions come by themselves.
    report = engineer.post(f"{API}prompts/import/", rows(empty_lab), format="json").json()
    assert (report["created"], report["rejected"]) == (18, [])
    for kind in (RunKind.SFT, RunKind.GENERATE):
        run = wait_for_run(empty_lab, kind)
        assert run.state == RunState.SUCCEEDED, run.error
    assert Task.objects.count() == 18

    # 2. Alice ranks all of them.
    assert rank_all(api_for(alice)) == 18

    # 3. One call starts the round.
    body = {"algorithm": "ppo", "config": configuration(), "seed": 1}
    answer = engineer.post(f"{API}rounds/", body, format="json", HTTP_IDEMPOTENCY_KEY="round-1")
    assert answer.status_code == 202, answer.json()
    round_ = empty_lab.rounds.get()
    deadline = time.monotonic() + 180
    while round_.state == RoundState.RUNNING:
        assert time.monotonic() < deadline, f"{round_} did not end"
        time.sleep(0.3)
        round_.refresh_from_db()
    assert round_.state == RoundState.SUCCEEDED, round_.error

    # 4. Its figures, over the API and on the page.
    evaluations = engineer.get(f"{API}evaluations/").json()["results"]
    assert [one["model"] for one in evaluations] == ["dialogues-r1-ppo", "dialogues-sft"]
    metrics = evaluations[0]["metrics"]
    assert {"rouge1", "rouge2", "rougeL", "rougeLsum", "toxicity", "reward", "kl", "length"} <= set(metrics)
    page = client_for(lena).get("/projects/dialogues/evaluations/").content.decode()
    for word in ("dialogues-r1-ppo", "ROUGE-1", "ROUGE-Lsum", "oxicity", "eward", "KL"):
        assert word in page, f"{word} is not on the page"
    assert re.search(rf"{metrics['rouge1']['value']:.3f}", page)

    # 5. The next completions wait to be ranked, and every ranking is still there.
    assert engineer.get(f"{API}rounds/1/").json()["steps"][-1]["state"] == "succeeded"
    assert Task.objects.filter(round_number=1).count() == 5
    assert Ranking.objects.filter(is_current=True).count() == 18


def configuration() -> dict[str, dict[str, object]]:
    config = round_config("ppo")
    config["evaluate"] = config["evaluate"] | {"toxicity": "profanity-proxy"}
    return config
