"""The generated corpus: the same everywhere, thousands of dialogues, two sides that share nothing."""

import hashlib
import subprocess
import sys

import pytest

from rlhf.exceptions import DataError
from rlhf.toy_dialogues import SCENARIOS, dialogues, examples_of, scenario_named, side_of
from rlhf.toy_flaws import FLAWED_SHARE, sft_examples
from rlhf.toy_vocabulary import KIND_OF, KINDS

MANY = 4000
FINGERPRINT = """
import hashlib
from rlhf.toy_dialogues import dialogues
print(hashlib.sha256(repr(dialogues(3, 50, "train")).encode()).hexdigest())
"""


def test_the_same_seed_gives_the_same_dialogues() -> None:
    assert dialogues(3, 100, "train") == dialogues(3, 100, "train")


def test_another_process_gives_the_same_dialogues() -> None:
    """Hash randomisation and set order differ from process to process."""
    other = subprocess.run([sys.executable, "-c", FINGERPRINT], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == hashlib.sha256(repr(dialogues(3, 50, "train")).encode()).hexdigest()


def test_another_seed_gives_other_dialogues() -> None:
    assert not {one.id for one in dialogues(0, 500, "train")} & {one.id for one in dialogues(1, 500, "train")}


def test_a_longer_list_starts_with_the_shorter() -> None:
    assert dialogues(5, 80, "test")[:30] == dialogues(5, 30, "test")


def test_thousands_are_distinct() -> None:
    many = dialogues(0, MANY, "train")
    assert len(many) == MANY
    assert len({one.id for one in many}) == len({one.text for one in many}) == MANY


@pytest.mark.parametrize("seed", [0, 1])
def test_train_and_test_share_nothing(seed: int) -> None:
    train, test = dialogues(seed, MANY, "train"), dialogues(0, MANY // 4, "test")
    assert not {one.id for one in train} & {one.id for one in test}
    assert not {one.text for one in train} & {one.text for one in test}
    assert not {str(one.facts) for one in train} & {str(one.facts) for one in test}


def test_the_side_depends_on_the_facts_alone() -> None:
    assert {side_of(one.facts) for one in dialogues(8, 200, "test")} == {"test"}
    assert {side_of(one.facts) for one in dialogues(9, 200, "train")} == {"train"}


def test_an_unknown_side_is_named() -> None:
    with pytest.raises(DataError, match="validation"):
        dialogues(0, 1, "validation")  # type: ignore[arg-type]  # what a caller without mypy may do


def test_an_unknown_scenario_is_named() -> None:
    with pytest.raises(DataError, match="wedding"):
        scenario_named("wedding")


def test_every_scenario_occurs() -> None:
    assert len(SCENARIOS) >= 12
    assert {one.facts.scenario for one in dialogues(0, 500, "test")} == {scenario.name for scenario in SCENARIOS}


def test_dialogues_are_short() -> None:
    lengths = [len(one.text.split()) for one in dialogues(0, 1000, "train")]
    assert 60 <= sum(lengths) / len(lengths) <= 110
    assert max(lengths) <= 110


def test_the_dialogue_says_every_fact_and_every_distractor() -> None:
    for one in dialogues(0, 300, "test"):
        for word in (*one.facts.required.values(), *one.facts.forbidden.values()):
            assert word in one.text


def test_a_reference_says_every_fact_and_no_distractor() -> None:
    for one in dialogues(0, 300, "test"):
        for reference in one.references:
            assert all(word in reference for word in one.facts.required.values())
            assert not set(one.facts.forbidden.values()) & set(reference.rstrip(".").replace(",", "").split())


def test_every_scenario_has_several_wordings() -> None:
    for scenario in SCENARIOS:
        assert len(scenario.phrasings()) >= 4
        assert all(len(turn) >= 3 for turn in scenario.turns)


def test_a_word_carries_one_kind_of_fact() -> None:
    assert len(KIND_OF) == sum(len(words) for words in KINDS.values())


def test_four_in_ten_training_targets_are_flawed() -> None:
    chosen = dialogues(0, 2000, "train")
    flawed = [
        example.target not in one.references for one, example in zip(chosen, sft_examples(chosen, seed=0), strict=True)
    ]
    assert sum(flawed) / len(flawed) == pytest.approx(FLAWED_SHARE, abs=0.04)


def test_the_training_targets_depend_on_the_seed_alone() -> None:
    chosen = dialogues(0, 100, "train")
    assert sft_examples(chosen, seed=1) == sft_examples(chosen[::-1], seed=1)[::-1]
    assert sft_examples(chosen, seed=1) != sft_examples(chosen, seed=2)


def test_no_evaluation_reference_is_flawed() -> None:
    chosen = dialogues(0, 200, "test")
    assert all(example.target in one.references for one, example in zip(chosen, examples_of(chosen), strict=True))
