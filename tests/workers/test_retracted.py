"""Every model that saw rankings which were taken back says so, by its run's snapshot or through its ancestors."""

import pytest
from django.urls import reverse

from annotation.ranking import Answer
from annotation.services import retraction_create, retraction_undo, snapshot_freeze, task_adjudicate
from tests.factories import ranked
from tests.webapp.objects import model_make, run_make
from workers.models import ModelKind, RunKind
from workers.selectors import retracted_seen, round_gate, run_retracted


@pytest.fixture
def line(project, alice, bob):
    """A reward model and a policy of the first snapshot, a policy made from those, and one of a later snapshot."""
    ranked(project, bob)
    clean = snapshot_freeze(project=project, actor=None)
    ranked(project, alice)
    ranked(project, alice)
    held = snapshot_freeze(project=project, actor=None)
    anchor = model_make(project, slug="anchor", kind=ModelKind.SFT)
    made = {}
    for slug, inputs in {
        "clean": {"snapshot": clean.sha256, "anchor": "anchor"},
        "reward": {"snapshot": held.sha256, "anchor": "anchor", "prompts": ["clean"]},
        "policy": {"anchor": "anchor", "reward": "reward"},
        "next": {"anchor": "policy", "reward": "clean"},
    }.items():
        made[slug] = run_make(project, kind=RunKind.PPO, inputs=inputs)
        model_make(project, slug=slug, parent=anchor, run=made[slug])
    return held, made


def test_the_mark_goes_from_a_snapshot_to_all_that_was_made_of_it(project, alice, line, django_assert_num_queries):
    held, made = line
    assert retracted_seen(project.pk) == {}
    retraction = retraction_create(project=project, annotator=alice, reason="a script", actor=None)
    seen = {"rankings": 2, "snapshots": {held.sha256: 2}}
    with django_assert_num_queries(2):
        assert retracted_seen(project.pk) == {"reward": seen, "policy": seen, "next": seen}
    assert [run_retracted(made[slug]) for slug in ("clean", "reward", "policy")] == [None, seen, seen]
    retraction_undo(retraction=retraction, actor=None)
    assert retracted_seen(project.pk) == {}


def test_registry_and_run_page_say_it(project, alice, lena, line, api_for, client_for):
    retraction_create(project=project, annotator=alice, reason="a script", actor=None)
    rows = api_for(lena).get(reverse("api_models", args=["dialogues"])).json()["results"]
    assert {row["slug"]: (row["retracted"] or {}).get("rankings") for row in rows} == {
        "anchor": None,
        "clean": None,
        "reward": 2,
        "policy": 2,
        "next": 2,
    }
    client = client_for(lena)
    assert client.get(reverse("models", args=["dialogues"])).content.count(b"saw 2 retracted rankings") == 3
    for slug, times in (("policy", 1), ("clean", 0)):
        html = client.get(reverse("run", args=["dialogues", line[1][slug].pk])).content
        assert html.count(b"saw 2 retracted rankings") == times


def test_a_gate_counts_what_would_train(project, alice, bob, lena):
    task = ranked(project, alice).assignment.task
    ranked(project, lena)
    task_adjudicate(task=task, answer=Answer([list(task.completions.values_list("id", flat=True))]), actor=bob)
    assert round_gate(project)["rankings"] == 2
