"""Agreement, ceiling, position bias, ties and speed against published values and slow oracles."""

import gzip
import itertools
import json
import math
import time
from pathlib import Path
from typing import Any

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from annotation.measures import alpha
from annotation.outcomes import pair_outcomes, shared_units
from annotation.quality import (
    Figure,
    Ranked,
    agreement,
    ceiling,
    position_bias,
    quality,
    speed,
)

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="the shared data folder is not beside this checkout")


def ranked(prompt: int, annotator: str, order: str, **more: Any) -> Ranked:
    """``order`` like "b>a=c"; ids are prompt * 100 + letter."""
    groups = tuple(tuple(prompt * 100 + ord(c) - 97 for c in group.split("=")) for group in order.split(">"))
    return Ranked(prompt, annotator, groups, **more)


def random_rankings(seed: int, prompts: int, annotators: int, size: int = 4, ties: float = 0.3) -> list[Ranked]:
    rng = np.random.default_rng(seed)
    found = []
    for prompt in range(prompts):
        for annotator in range(annotators):
            order = [int(c) + prompt * size for c in rng.permutation(size)]
            groups: list[tuple[int, ...]] = [(order[0],)]
            for completion in order[1:]:
                if rng.random() < ties:
                    groups[-1] = (*groups[-1], completion)
                else:
                    groups.append((completion,))
            shown = tuple(int(c) + prompt * size for c in rng.permutation(size))
            found.append(Ranked(prompt, f"a{annotator}", tuple(groups), shown, int(rng.integers(5_000, 60_000))))
    return found


def test_two_who_say_the_same_agree_fully() -> None:
    rankings = [ranked(p, who, "a>b>c") for p in range(6) for who in ("alice", "bob")]
    found = agreement(rankings)
    assert found.pairwise == Figure(1.0, pytest.approx(1 / (1 + 1.96**2 / 6), abs=1e-4), 1.0, 6), (
        "six prompts prove little"
    )
    assert found.comparisons == 18


def test_two_who_say_the_opposite_agree_never_and_alpha_is_negative() -> None:
    rankings = [ranked(p, w, o) for p in range(8) for w, o in (("alice", "a>b>c"), ("bob", "c>b>a"))]
    found = agreement(rankings)
    assert found.pairwise is not None
    assert found.alpha is not None
    assert found.pairwise.value == 0
    assert found.alpha.value < 0


def test_ties_are_left_out_of_pairwise_agreement() -> None:
    rankings = [ranked(p, w, o) for p in range(5) for w, o in (("alice", "a>b=c"), ("bob", "a>b>c"))]
    found = agreement(rankings)
    assert found.comparisons == 10, "b against c is a tie for alice and counts for nobody"
    assert found.pairwise is not None
    assert found.pairwise.value == 1


def test_a_prompt_ranked_once_adds_nothing() -> None:
    rankings = [ranked(p, w, "a>b") for p in range(5) for w in ("alice", "bob")]
    alone = [ranked(p, "alice", "b>a") for p in range(10, 40)]
    assert agreement(rankings + alone) == agreement(rankings)


def test_only_completions_that_both_ranked_are_compared() -> None:
    rankings = [ranked(p, w, o) for p in range(5) for w, o in (("alice", "a>b>c"), ("bob", "b>c>d"))]
    assert agreement(rankings).comparisons == 5


def test_the_same_ids_under_two_prompts_are_two_pairs() -> None:
    rankings = [Ranked(p, w, ((0,), (1,))) for p in range(5) for w in ("alice", "bob")]
    found = agreement(rankings)
    assert found.prompts == 5
    assert found.comparisons == 5


def test_a_repeat_by_the_same_annotator_is_no_second_rater() -> None:
    rankings = [ranked(p, "alice", "a>b") for p in range(6)] * 2
    found = agreement(rankings)
    assert found.prompts == 0
    assert found.pairwise is None


def test_of_a_repeat_the_later_entry_counts() -> None:
    first = [ranked(p, w, "a>b") for p in range(5) for w in ("alice", "bob")]
    again = [ranked(p, "alice", "b>a") for p in range(5)]
    found = agreement(first + again)
    assert found.pairwise is not None
    assert found.pairwise.value == 0


@pytest.mark.parametrize("rankings", [[], [ranked(1, "alice", "a>b")], [ranked(1, "alice", "a")]])
def test_too_little_gives_none_and_counts(rankings: list[Ranked]) -> None:
    found = quality(rankings)
    assert found.rankings == len(rankings)
    assert (found.pairwise_agreement, found.alpha_pairs, found.criteria, found.groups) == (None, None, {}, {})
    assert (found.ceiling, found.position, found.ties, found.speed) == (None, None, None, None)


def test_four_prompts_are_too_few_and_five_are_enough() -> None:
    rankings = [ranked(p, w, "a>b") for p in range(5) for w in ("alice", "bob")]
    assert agreement(rankings[:8]).pairwise is None
    assert agreement(rankings).pairwise is not None


def test_one_value_only_has_no_alpha() -> None:
    rankings = [ranked(p, w, "a=b") for p in range(9) for w in ("alice", "bob")]
    assert agreement(rankings).alpha is None


def test_a_completion_named_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="prompt 7 by alice names a completion twice"):
        agreement([ranked(7, "alice", "a>b>a")])


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=25)
def test_agreement_equals_a_plain_loop(seed: int) -> None:
    rankings = random_rankings(seed, prompts=6, annotators=3)
    agree = strict = 0
    for prompt in range(6):
        level = [{c: g for g, group in enumerate(r.groups) for c in group} for r in rankings if r.prompt == prompt]
        for one, other in itertools.combinations(level, 2):
            for a, b in itertools.combinations(sorted(one), 2):
                x, y = np.sign(one[b] - one[a]), np.sign(other[b] - other[a])
                strict += bool(x and y)
                agree += bool(x and x == y)
    found = agreement(rankings, resamples=50)
    assert found.comparisons == strict
    assert found.pairwise is not None
    assert found.pairwise.value == pytest.approx(agree / strict)


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=25)
def test_our_alpha_formula_equals_the_package(seed: int) -> None:
    counts = shared_units(pair_outcomes(random_rankings(seed, prompts=5, annotators=3))).counts
    together = counts[:, :, None] * (counts[:, None, :] - np.eye(3, dtype=int))
    mean = (together / (counts.sum(axis=1) - 1)[:, None, None]).mean(axis=0)
    expected = krippendorff.alpha(value_counts=counts, value_domain=[-1, 0, 1], level_of_measurement="ordinal")
    assert alpha(mean[None] * len(counts), np.array([-1.0, 0, 1]), "ordinal")[0] == pytest.approx(expected)


def test_without_ties_alpha_is_about_twice_a_minus_one() -> None:
    """annotation.md; annotators who are right with a fixed chance on 800 independent pairs."""
    rng = np.random.default_rng(0)
    rankings = [
        Ranked(p, who, ((2 * p,), (2 * p + 1,)) if rng.random() < 0.8 else ((2 * p + 1,), (2 * p,)))
        for p in range(800)
        for who in ("alice", "bob", "charlie")
    ]
    found = agreement(rankings)
    assert found.alpha is not None
    assert found.pairwise is not None
    assert found.alpha.value == pytest.approx(2 * found.pairwise.value - 1, abs=0.02)
    assert found.alpha.low < found.alpha.value < found.alpha.high


def test_chance_agreement_is_one_half_and_alpha_zero_within_the_intervals() -> None:
    found = agreement(random_rankings(3, prompts=400, annotators=3, ties=0.0))
    assert found.pairwise is not None
    assert found.alpha is not None
    assert found.pairwise.low < 0.5 < found.pairwise.high
    assert found.alpha.low < 0 < found.alpha.high


def test_the_ceiling_inverts_how_two_equally_good_annotators_agree() -> None:
    for p in (0.6, 0.75, 0.9):
        a = p * p + (1 - p) ** 2
        band = ceiling(Figure(a, a - 0.01, a + 0.01, 50))
        assert band.high == pytest.approx(p)
        assert band.low == a
        assert band.lowest < band.low < band.high < band.highest


def test_the_ceiling_below_chance_is_no_complex_number() -> None:
    band = ceiling(Figure(0.4, 0.3, 0.6, 20))
    assert (band.low, band.high) == (0.4, 0.5)
    assert band.highest == pytest.approx(0.5 * (1 + math.sqrt(0.2)))


def test_one_who_clicks_down_the_page_is_found() -> None:
    rng = np.random.default_rng(0)
    rankings = []
    for prompt in range(30):
        shown = tuple(int(c) for c in rng.permutation(4))
        rankings.append(Ranked(prompt, "charlie", tuple((c,) for c in shown), shown))
    found = position_bias(rankings)
    assert found is not None
    assert found.share.value == 1
    assert found.trials == found.first_above_last == 30
    assert found.p_value == pytest.approx(2 * 0.5**30)


def test_honest_rankings_show_no_position_bias_and_equal_scipy() -> None:
    rankings = random_rankings(5, prompts=100, annotators=2)
    found = position_bias(rankings)
    assert found is not None
    assert found.share.low < 0.5 < found.share.high
    assert found.share.n <= 200
    assert found.p_value == pytest.approx(stats.binomtest(found.first_above_last, found.trials).pvalue)
    assert found.p_value > 0.01


def test_without_a_display_order_there_is_no_position_bias() -> None:
    assert position_bias([ranked(p, "alice", "a>b") for p in range(20)]) is None


def test_speed_by_hand() -> None:
    found = speed([ranked(p, "alice", "a>b>c>d", duration_ms=(p + 1) * 6000) for p in range(5)])
    assert found is not None
    assert found.median == 18
    assert found.per_pair == 3
    assert found.n == 5


def test_speed_leaves_out_what_was_not_timed() -> None:
    assert speed([ranked(p, "alice", "a>b") for p in range(9)]) is None


def test_each_annotator_has_their_own_line() -> None:
    rankings = [
        ranked(p, w, o, duration_ms=ms)
        for p in range(6)
        for w, o, ms in (
            ("alice", "a>b>c", 10_000),
            ("bob", "a>b>c", 20_000),
            ("charlie", "c>b=a", 1_000),
        )
    ]
    lines = {line.annotator: line for line in quality(rankings).annotators}
    assert list(lines) == ["alice", "bob", "charlie"]
    assert lines["alice"].rankings == lines["alice"].timed == 6
    assert lines["alice"].pairs == 18
    assert lines["alice"].median_seconds == 10
    assert lines["charlie"].tie_rate == pytest.approx(1 / 3)
    agree = {name: line.agreement for name, line in lines.items()}
    assert agree["alice"] is not None
    assert agree["charlie"] is not None
    assert agree["alice"].value == pytest.approx(3 / 5)  # with bob on 3 pairs, with charlie on none of 2
    assert agree["charlie"].value == 0


def test_the_figures_do_not_depend_on_the_order_of_the_rankings() -> None:
    rankings = random_rankings(1, prompts=20, annotators=3)
    one, other = quality(rankings), quality(rankings[::-1])
    assert one.pairwise_agreement == other.pairwise_agreement
    assert one.alpha_pairs is not None
    assert other.alpha_pairs is not None
    assert one.alpha_pairs.value == pytest.approx(other.alpha_pairs.value)


def test_ten_thousand_rankings_take_seconds() -> None:
    rankings = random_rankings(0, prompts=3400, annotators=3)
    begun = time.process_time()
    found = quality(rankings)
    assert time.process_time() - begun < 10
    assert found.rankings == 10_200


def published(name: str) -> Any:
    return json.loads((SHARED / "published" / name).read_text())


@needs_shared
def test_krippendorffs_textbook_tables() -> None:
    """The package, called with the level named, gives the published values; its default level does not."""
    for table in published("agreement_reference.json")["krippendorff_alpha"]:
        data = np.array(table["ratings"], dtype=float)
        for level, value in table["computed"].items():
            assert krippendorff.alpha(data, level_of_measurement=level) == pytest.approx(value)


def dialogue_rankings() -> list[Ranked]:
    """Each rater's sums of four scales as a ranking of the 14 summaries, ties included."""
    found = []
    with gzip.open(SHARED / "dialogue_summary_ratings.jsonl.gz", "rt") as lines:
        for prompt, line in enumerate(lines):
            candidates = json.loads(line)["candidates"]
            for rater in range(3):
                by_sum: dict[int, list[int]] = {}
                for index, candidate in enumerate(candidates):
                    by_sum.setdefault(sum(candidate["ratings"][rater].values()), []).append(prompt * 14 + index)
                groups = tuple(tuple(by_sum[total]) for total in sorted(by_sum, reverse=True))
                found.append(Ranked(prompt, f"rater {rater}", groups))
    return found


@needs_shared
def test_pair_counts_of_the_dialogue_ratings_equal_the_published_ones() -> None:
    expected = published("agreement_computed_shared.json")["values"]["dialogue_summary_rankings_by_sum_of_four_ratings"]
    rankings = dialogue_rankings()
    outcome = pair_outcomes(rankings).outcome
    assert int((outcome != 0).sum()) == expected["strict_preference_pairs_over_all_raters"]
    assert int((outcome == 0).sum()) == expected["tied_pairs_over_all_raters"]
    found = agreement(rankings)
    agreeing, disagreeing = (
        expected["rater_pairs_agreeing_on_strict_pairs"],
        expected["rater_pairs_disagreeing_on_strict_pairs"],
    )
    assert found.comparisons == agreeing + disagreeing
    assert found.pairwise is not None
    assert found.pairwise.value == pytest.approx(agreeing / (agreeing + disagreeing))
    assert found.pairwise.n == expected["dialogues"]


@needs_shared
def test_alpha_of_the_dialogue_ratings_lies_near_its_rule_of_thumb() -> None:
    found = agreement(dialogue_rankings())
    assert found.alpha is not None
    assert found.alpha.low < found.alpha.value < found.alpha.high
    assert 0.3 < found.alpha.value < 0.6


def test_what_best_and_worst_leave_open_is_no_tie() -> None:
    groups = ((1,), (2, 3, 4), (5,))
    table = pair_outcomes([Ranked(1, "alice", groups, best_worst=True), Ranked(1, "bob", groups)])
    assert np.bincount(table.ranking).tolist() == [7, 10]
    assert (table.outcome[table.ranking == 0] != 0).all()
