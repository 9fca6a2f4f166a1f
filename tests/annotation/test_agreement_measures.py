"""Alpha and kappa against the published matrices and packages; criteria, votes, stretches and pairs of people."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import krippendorff
import numpy as np
import pytest

from annotation.bootstrap import expanded_tail, ratio_figure, wilson
from annotation.criteria import Ratings, criteria
from annotation.measures import alpha, alpha_figure, cohen_kappa, kappa_figure
from annotation.outcomes import Ranked, pair_outcomes
from annotation.quality import quality
from annotation.votes import votes

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
REFERENCE = SHARED / "published" / "agreement_reference.json"
needs_shared = pytest.mark.skipif(not REFERENCE.exists(), reason="the shared data folder is not beside this checkout")
LEVELS = ("nominal", "ordinal", "interval")


def figure_of(ratings: list[list[float | None]], level: Any, **options: Any) -> Any:
    """Rows are raters, columns units: alpha by our function, each unit a prompt of its own."""
    data = np.array(ratings, dtype=float)
    values = np.unique(data[~np.isnan(data)])
    counts = np.array([[(unit == value).sum() for value in values] for unit in data.T])
    return alpha_figure(counts, np.arange(len(counts)), values, level, minimum=1, **options)


@needs_shared
@pytest.mark.parametrize("level", LEVELS)
def test_alpha_equals_the_published_matrices(level):
    tables = [table for table in json.loads(REFERENCE.read_text())["krippendorff_alpha"] if level in table["computed"]]
    assert len(tables) == (3 if level == "nominal" else 2)
    for table in tables:
        found = figure_of(table["ratings"], level)
        assert found.value == pytest.approx(table["computed"][level], abs=1e-3)
        assert found.value == pytest.approx(table["published"].get(level, found.value), abs=1e-3)
        assert found.low <= found.value <= found.high


@needs_shared
@pytest.mark.parametrize("level", LEVELS)
def test_alpha_of_the_published_edge_cases(level):
    perfect, constant, single = json.loads(REFERENCE.read_text())["edge_cases"]
    assert figure_of(perfect["ratings"], level).value == perfect["alpha"] == 1
    assert figure_of(constant["ratings"], level) is None
    assert figure_of(single["ratings"], level) is None


@pytest.mark.parametrize("level", LEVELS)
def test_our_alpha_of_the_resamples_equals_the_package(level):
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 3, size=(40, 5))
    counts = counts[counts.sum(axis=1) >= 2]
    values = np.array([1.0, 2.0, 3.0, 4.0, 7.0])
    together = counts[:, :, None] * (counts[:, None, :] - np.eye(5, dtype=int))
    total = (together / (counts.sum(axis=1) - 1)[:, None, None]).sum(axis=0)
    expected = krippendorff.alpha(value_counts=counts, value_domain=values, level_of_measurement=level)
    assert alpha(total[None], values, level)[0] == pytest.approx(expected)


@needs_shared
def test_kappa_equals_the_published_table():
    (table,) = json.loads(REFERENCE.read_text())["cohen_kappa"]
    cells = table["table_reader_a_by_reader_b"]
    counts = np.array([[cells["yes_yes"], cells["yes_no"]], [cells["no_yes"], cells["no_no"]]], dtype=float)
    assert cohen_kappa(counts[None])[0] == pytest.approx(table["published"], abs=1e-3)


def test_kappa_is_undefined_where_both_always_say_the_same():
    one = np.ones(9, dtype=np.int64)
    assert kappa_figure(one, one, np.arange(9), 3) is None


def test_where_nobody_disagrees_the_interval_is_not_of_no_width():
    one = np.tile([0, 2], 10)
    found = kappa_figure(one, one, np.arange(20), 3)
    assert (found.value, found.high) == (1, 1)
    assert found.low == wilson(1, 20).low < 0.9
    assert figure_of([one.tolist(), one.tolist()], "nominal") == found


def test_ten_prompts_cover_the_truth_as_often_as_they_say():
    """The plain percentiles do in 89 % of these samples."""
    hits = 0
    for seed in range(400):
        share = np.random.default_rng(seed).beta(6, 3, size=10)
        found = ratio_figure(18 * share, np.full(10, 18.0), seed=seed)
        hits += found.low <= 2 / 3 <= found.high
    assert 0.92 <= hits / 400 <= 0.98
    assert expanded_tail(5) < 0.002
    assert expanded_tail(1000) == pytest.approx(0.025, abs=2e-4)


def test_kappa_of_opposite_answers_is_negative_and_of_equal_ones_one():
    one = np.tile([0, 2], 10)
    assert kappa_figure(one, 2 - one, np.arange(20), 3).value == pytest.approx(-1)
    assert kappa_figure(one, one, np.arange(20), 3).value == pytest.approx(1)


def test_criteria_are_measured_apart_and_by_group():
    ratings = Ratings()
    for prompt in range(6):
        for group, shift in (("expert", 0), ("expert", 0), ("crowd", 0), ("crowd", 1)):
            given = {str(2 * prompt + place): 1 + 2 * ((prompt + place + shift) % 2) for place in (0, 1)}
            ratings.add(prompt=prompt, group=group, ratings={"fluency": given})
    ratings.add(prompt=99, group="expert", ratings={"relevance": {"1000": 3}})
    assert criteria(ratings, groups=["expert"])["fluency"].alpha_ordinal.value == 1
    assert criteria(ratings, groups=["crowd"])["fluency"].alpha_ordinal.value < 0
    found = criteria(ratings)
    assert (found["fluency"].completions, found["fluency"].alpha_ordinal.n) == (12, 6)
    assert (found["relevance"].alpha_ordinal, found["relevance"].completions) == (None, 0)


def vote(prompt: int, person: str, said: int) -> Ranked:
    first, second = 2 * prompt, 2 * prompt + 1
    return Ranked(prompt, person, {0: ((first, second),), 1: ((first,), (second,)), 2: ((second,), (first,))}[said])


def test_votes_name_the_two_people_in_their_natural_order():
    people = ("rater10", "rater2", "rater1")
    rankings = [vote(p, who, 1 + (p + (who == "rater10")) % 2) for p in range(6) for who in people]
    found = votes(rankings, pair_outcomes(rankings))
    assert found.raters == ("rater1", "rater2", "rater10")
    assert {pair: figure.value for pair, figure in found.cohen_kappa.items()} == pytest.approx(
        {"1-2": 1, "1-3": -1, "2-3": -1}
    )
    assert (found.items, found.alpha_nominal.n) == (6, 6)


def test_rankings_of_three_are_no_votes():
    rankings = [Ranked(p, who, ((3 * p,), (3 * p + 1,), (3 * p + 2,))) for p in range(6) for who in ("a", "b")]
    assert votes(rankings, pair_outcomes(rankings)).items == 0


def test_what_best_worst_did_not_compare_is_no_tie():
    rankings = [Ranked(p, who, ((1,), (2, 3, 4), (5,)), best_worst=True) for p in range(6) for who in ("a", "b")]
    assert len(pair_outcomes(rankings).low) == 12 * 7
    found = quality(rankings)
    assert found.ties.value == 0
    assert found.comparisons == 6 * 7


def test_each_two_people_have_their_agreement():
    rankings = [vote(p, who, said) for p in range(7) for who, said in (("a", 1), ("b", 1), ("c", 2))]
    rankings += [vote(100, "a", 1), vote(100, "d", 1)]
    found = quality(rankings)
    pairs = {(one.first, one.second): one for one in found.by_annotator_pair}
    assert {key: pair.agreement and pair.agreement.value for key, pair in pairs.items()} == {
        ("a", "b"): 1,
        ("a", "c"): 0,
        ("b", "c"): 0,
        ("a", "d"): None,
    }
    assert (pairs["a", "d"].prompts, pairs["a", "d"].comparisons, found.pairs_of_annotators) == (1, 1, 4)


def test_agreement_over_time_is_by_day_and_in_a_long_project_by_week():
    start = date(2026, 1, 5).toordinal()

    def made(days: list[int]) -> Any:
        rankings = [
            Ranked(
                p, who, ((2 * p,), (2 * p + 1,)) if who == "a" or p < 6 else ((2 * p + 1,), (2 * p,)), day=start + day
            )
            for p, day in enumerate(days)
            for who in ("a", "b")
        ]
        return [(one.first, one.last, one.agreement and one.agreement.value) for one in quality(rankings).over_time]

    assert made([0] * 6 + [2] * 6) == [("2026-01-05", "2026-01-05", 1), ("2026-01-07", "2026-01-07", 0)]
    assert made([0, 1, 2, 3, 4, 6] + [30] * 5 + [40]) == [
        ("2026-01-05", "2026-01-11", 1),
        ("2026-02-02", "2026-02-08", 0),
        ("2026-02-09", "2026-02-15", None),
    ]
