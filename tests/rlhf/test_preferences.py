"""Rankings as batches: pairs, weights, margins, limits."""

from pathlib import Path

import pytest

from rlhf.preferences import default_tie_rule, fitting, pair_batch, preference_batch, tie_share
from rlhf.types import Ranking
from tests.rlhf.learning import Recorder
from tests.rlhf.tiny import tiny_policy

FOUR = Ranking("p", "anna", ("bob", "pizza", "key", "train"), ((2,), (0, 3), (1,)), "alice", "train", strengths=(3, 1))
TWO = Ranking("q", "carla", ("late", "early"), ((1,), (0,)), "alice", "train")


def test_four_completions_make_six_pairs() -> None:
    pairs = pair_batch([FOUR])
    assert list(zip(pairs.better.tolist(), pairs.worse.tolist(), pairs.tie.tolist(), strict=True)) == [
        (2, 0, False), (2, 3, False), (2, 1, False), (0, 3, True), (0, 1, False), (3, 1, False),
    ]  # fmt: skip


def test_indices_run_on_over_the_rankings() -> None:
    pairs = pair_batch([TWO, FOUR])
    assert (pairs.better[0].item(), pairs.worse[0].item()) == (1, 0)
    assert pairs.better[1].item() == 2 + 2


def test_the_weights_of_a_ranking_add_up_to_one() -> None:
    pairs = pair_batch([FOUR, TWO])
    assert pairs.weight[:6].sum().item() == pytest.approx(1)
    assert pairs.weight[6:].tolist() == [1]


def test_a_rankings_own_weight_is_shared_by_its_pairs() -> None:
    pairs = pair_batch([FOUR, TWO], weights=[3.0, 0.5])
    assert pairs.weight[:6].tolist() == pytest.approx([0.5] * 6)
    assert pairs.weight[6:].tolist() == [0.5]


def test_a_margin_is_that_of_the_strongest_boundary_crossed() -> None:
    margins = pair_batch([FOUR], margins=True).margin.tolist()
    assert margins == pytest.approx([1, 1, 1, 0, 1 / 3, 1 / 3])


def test_without_strengths_there_is_no_margin() -> None:
    assert pair_batch([TWO], margins=True).margin.tolist() == [0]


def test_margins_are_off_unless_asked_for() -> None:
    assert pair_batch([FOUR]).margin.sum() == 0


def test_a_prompt_is_encoded_once_for_all_its_completions(tmp_path: Path) -> None:
    batch = preference_batch(tiny_policy(tmp_path), [FOUR, TWO])
    assert len(batch.prompts) == 2
    assert batch.owner.tolist() == [0, 0, 0, 0, 1, 1]


def test_a_text_that_does_not_fit_takes_its_ranking_out(tmp_path: Path) -> None:
    recorder = Recorder()
    long = Ranking("long", "anna", ("bob", "late " * 40), ((0,), (1,)), "alice", "train")
    kept, too_long = fitting(tiny_policy(tmp_path), [FOUR, long, TWO], recorder)
    assert (kept, too_long) == ([FOUR, TWO], 1)
    assert "long is left out" in recorder.events[0][1]


def test_the_share_of_ties_decides_their_rule() -> None:
    assert tie_share([FOUR, TWO]) == pytest.approx(1 / 7)
    assert default_tie_rule(0.05) == "rao-kupper"
    assert default_tie_rule(0.049) == "soft"
