"""The loop command's rounds: every figure there, the same seed the same hashes, bad files refused."""

import contextlib
import gzip
import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from rlhf.exceptions import DataError
from rlhf.types import Silent
from workers import loop
from workers.loop import Loop, LoopPlan, row_table

FIGURES = [
    "agreement",
    "reward_accuracy",
    "best_possible_accuracy",
    "true_utility",
    "true_win_rate",
    "kl",
    "length",
    "rouge1",
    "rouge2",
    "rougeL",
    "rougeLsum",
    "toxicity",
]
HASHES = ("snapshot_hash", "reward_model_hash", "policy_hash")


@pytest.fixture
def small(monkeypatch, small_toy):
    """Everything real, but a hundred times smaller: a policy that has hardly learnt to write."""
    monkeypatch.setattr(loop, "GENERATED_PROMPTS", 120)
    monkeypatch.setattr(loop, "TEST_PROMPTS", 24)
    monkeypatch.setattr(loop, "HELD_OUT_PROMPTS", 16)


def rounds(**plan):
    return Loop(LoopPlan(rankings=40, **plan), Silent()).run(lambda row: None)


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.parametrize("algorithm", ["ppo", "dpo"])
def test_a_round_reports_every_figure_with_its_interval(small, algorithm):
    (row,) = rounds(rounds=1, algorithm=algorithm)
    for name in FIGURES:
        assert row[name] is None or row[name]["low"] <= row[name]["value"] <= row[name]["high"], name
    assert all(row[name] is not None for name in FIGURES if name != "agreement")
    assert (row["round"], row["rankings"], row["true_win_rate"]["n"]) == (1, 40, 24)
    assert row["pairs"] > 200
    assert set(row["gate"]) == {"passed", "reasons"}
    assert row["kl"]["value"] >= 0
    json.dumps(row)
    assert "true_win_rate" in row_table(row)


@pytest.mark.slow
@pytest.mark.django_db
def test_the_same_seed_gives_the_same_hashes_on_another_database(small):
    class UndoError(Exception):
        """Takes the first loop's rows out again; the second finds an empty database, with other ids."""

    found = []
    for _ in range(2):
        with contextlib.suppress(UndoError), transaction.atomic():
            found.append([row[name] for row in rounds(rounds=1, algorithm="dpo") for name in HASHES])
            raise UndoError
    assert found[0] == found[1]


@pytest.mark.slow
@pytest.mark.django_db
def test_shuffled_labels_can_be_guessed_by_lot_only(small):
    (row,) = rounds(rounds=1, algorithm="dpo", shuffle_labels=True)
    assert row["best_possible_accuracy"]["value"] == 0.5


@pytest.mark.django_db
def test_prompts_that_the_policy_is_trained_on_are_refused(small, tmp_path):
    prompts, training = tmp_path / "prompts.jsonl", tmp_path / "train.jsonl.gz"
    prompts.write_text(json.dumps({"id": "p1", "dialogue": "Anna: Hi.", "summary": "Anna says hi."}) + "\n")
    with gzip.open(training, "wt") as file:
        file.write(json.dumps({"id": "t1", "dialogue": "Anna: Hi.", "summary": "Hi."}) + "\n")
    with pytest.raises(DataError, match="'p1'"):
        rounds(rounds=1, prompts=prompts, sft_data=training)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rounds": 0}, "--rounds is 0"),
        ({"rankings": -1}, "--rankings is -1"),
        ({"prompts": "nowhere.jsonl"}, "there is no file nowhere.jsonl"),
        ({"prompts": __file__}, "--sft-data"),
        ({"sft_data": __file__}, "--sft-data goes with --prompts"),
        ({"database": __file__}, "exists already"),
        ({"json": "/nowhere/report.json"}, "there is no folder"),
    ],
)
def test_what_cannot_work_is_refused_before_it_starts(options, said):
    values = {key: Path(value) if isinstance(value, str) else value for key, value in options.items()}
    with pytest.raises(CommandError, match=said):
        call_command("loop", stdout=io.StringIO(), **values)
