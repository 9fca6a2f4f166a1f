"""``manage.py quality``: the real files go in as they are and the published values come out."""

import json
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import krippendorff
import numpy as np
import pytest
from django.core.management import CommandError, call_command

from annotation.models import RankingOrigin
from annotation.services import rankings_import
from tests.factories import TaskFactory, ranked

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
PUBLISHED = SHARED / "published" / "agreement_computed_shared.json"
needs_shared = pytest.mark.skipif(not PUBLISHED.exists(), reason="the shared data folder is not beside this checkout")


@cache
def published() -> Any:
    return json.loads(PUBLISHED.read_text())["values"]


def said(*arguments: str) -> str:
    out = StringIO()
    call_command("quality", "--project", *arguments, stdout=out)
    return out.getvalue()


def imported(layout: str, name: str) -> Any:
    call_command("import_rankings", "--project", "real", "--layout", layout, str(SHARED / name), stdout=StringIO())
    return json.loads(said("real", "--json"))


def ordinal(criteria: Any) -> dict[str, float]:
    return {name: figures["alpha_ordinal"]["value"] for name, figures in criteria.items()}


def expected(name: str) -> Any:
    criteria = {key: value["ordinal"] for key, value in published()[name].items() if "ordinal" in value}
    return pytest.approx(criteria, abs=1e-3)


@needs_shared
def test_dialogue_ratings(db):
    found = imported("ratings", "dialogue_summary_ratings.jsonl.gz")
    pairs = published()["dialogue_summary_rankings_by_sum_of_four_ratings"]
    pairwise = found["pairwise_agreement"]
    assert pairwise["agreeing"] == pairs["rater_pairs_agreeing_on_strict_pairs"] == 9974
    assert pairwise["disagreeing"] == pairs["rater_pairs_disagreeing_on_strict_pairs"] == 2890
    assert pairwise["value"] == pytest.approx(9974 / (9974 + 2890))
    assert pairwise["low"] < pairwise["value"] < pairwise["high"]
    assert pairwise["n"] == found["alpha_pairs"]["n"] == 70
    assert ordinal(found["criteria"]) == expected("dialogue_summary_ratings")
    assert found["groups"] == {}
    assert "9,974 pairs alike and 2,890 not" in said("real")


@needs_shared
def test_expert_and_crowd_ratings(db):
    found = imported("ratings", "summeval_ratings.jsonl.gz")
    assert ordinal(found["groups"]["expert"]["criteria"]) == expected("summeval_expert")
    assert ordinal(found["groups"]["crowd"]["criteria"]) == expected("summeval_crowd")
    assert (found["groups"]["expert"]["raters"], found["groups"]["crowd"]["raters"]) == (3, 5)
    assert all(figures["alpha_ordinal"]["n"] == 70 for figures in found["groups"]["crowd"]["criteria"].values())
    assert found["position"] is None, "in which order a file's raters saw the texts is not known"


@needs_shared
def test_votes(db):
    votes = imported("votes", "pairwise_votes.jsonl.gz")["votes"]
    real = published()["pairwise_votes"]
    assert votes["alpha_nominal"]["value"] == pytest.approx(real["alpha_nominal"])
    kappas = {pair: figure["value"] for pair, figure in votes["cohen_kappa"].items()}
    assert kappas == pytest.approx(real["cohen_kappa"])
    assert votes["items"] == real["rows"]
    assert votes["alpha_nominal"]["n"] <= real["rows"], "what is asked again with other responses is one prompt"


def test_halves_of_a_rating_count_as_they_are(project):
    """Seven prompts of two completions; on a scale of halves the raters differ on one unit of fourteen."""
    rows = [
        {
            "id": f"d{number}",
            "dialogue": f"Talk {number}.",
            "candidates": [
                {"candidate": "A", "summary": "a", "ratings": [{"c": 4.5}, {"c": 4.5 if number else 4}]},
                {"candidate": "B", "summary": "b", "ratings": [{"c": 2}, {"c": 2}]},
            ],
        }
        for number in range(7)
    ]
    rankings_import(project=project, layout="ratings", items=rows)
    units = [[4.5, 4.5 if number else 4] for number in range(7)] + [[2, 2]] * 7
    reference = krippendorff.alpha(reliability_data=np.array(units).T, level_of_measurement="ordinal")
    found = json.loads(said(project.slug, "--json"))["criteria"]["c"]
    assert found["alpha_ordinal"]["value"] == pytest.approx(reference)
    assert found["completions"] == 14


def test_where_there_is_too_little_the_report_says_so(project, alice):
    ranked(project, alice)
    assert json.loads(said("dialogues", "--json"))["pairwise_agreement"] is None
    assert "Pairwise agreement     too few" in said("dialogues")


def test_what_a_reviewer_set_does_not_agree_with_itself(project, alice, bob, lena):
    for task in TaskFactory.create_batch(5, project=project, wanted_raters=3):
        ranked(project, alice, task=task)
        ranked(project, bob, task=task)
        ranked(project, lena, task=task, groups=((3,), (2,), (1,), (0,)), origin=RankingOrigin.ADJUDICATED)
    assert json.loads(said("dialogues", "--json"))["pairwise_agreement"]["value"] == 1


def test_a_hostile_name_does_not_reach_the_terminal(project, alice, bob):
    for task in TaskFactory.create_batch(5, project=project, wanted_raters=2):
        for person in (alice, bob):
            found = ranked(project, person, task=task)
            type(found).objects.filter(pk=found.pk).update(rater_group="\x1b[2Jcrowd")
    assert "Group \\x1b[2Jcrowd: 2 raters" in said("dialogues")


def test_an_unknown_project_is_named(project):
    with pytest.raises(CommandError, match="no project 'other'"):
        said("other")
