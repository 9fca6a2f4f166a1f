"""Agreement against a slow count, the labelling side's own figure and the published counts; the band exactly."""

import gzip
import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from annotation.outcomes import Ranked
from annotation.quality import agreement as labelling_agreement
from annotation.quality import ceiling
from rlhf.agreement import agreement_band, best_accuracy, pairwise_agreement, wrong_labels
from rlhf.types import Interval, Ranking

RATINGS = Path(__file__).parents[3] / "shared" / "data" / "dialogue_summary_ratings.jsonl.gz"


def drawn(prompts: int = 40, *, seed: int = 0) -> list[Ranking]:
    """Rankings of four texts with ties, each prompt by one to four annotators who look at the same noisy quality."""
    rng = np.random.default_rng(seed)
    found = []
    for prompt in range(prompts):
        quality = rng.normal(size=4)
        for annotator in range(rng.integers(1, 5)):
            levels = np.round(quality + rng.normal(size=4)).tolist()
            groups = tuple(
                tuple(i for i in range(4) if levels[i] == level) for level in sorted(set(levels), reverse=True)
            )
            texts = tuple(f"text {i} of {prompt}" for i in range(4))
            found.append(Ranking(f"p{prompt}", "prompt", texts, groups, f"a{annotator}", "train"))
    return found


def place(ranking: Ranking, text: str) -> int:
    index = ranking.completions.index(text)
    return next(level for level, group in enumerate(ranking.groups) if index in group)


def slow_count(rankings: list[Ranking]) -> tuple[int, int]:
    """(equal, both decided) over all two annotators and two texts of a prompt."""
    same = both = 0
    for one, other in itertools.combinations(rankings, 2):
        if one.prompt_id != other.prompt_id:
            continue
        for first, second in itertools.combinations(sorted(one.completions), 2):
            signs = [np.sign(place(r, second) - place(r, first)) for r in (one, other)]
            if 0 not in signs:
                both += 1
                same += signs[0] == signs[1]
    return same, both


def test_it_equals_a_slow_count() -> None:
    same, both = slow_count(drawn())
    found = pairwise_agreement(drawn())
    assert found is not None
    assert found.value == pytest.approx(same / both, abs=1e-12)
    assert found.low < found.value < found.high
    assert 0.5 < found.value < 0.9


def test_it_is_the_figure_that_the_labelling_side_shows() -> None:
    rankings = drawn(seed=3)
    numbers = {text: index for index, text in enumerate(sorted({t for r in rankings for t in r.completions}))}
    ranked = [
        Ranked(
            prompt=int(r.prompt_id[1:]),
            annotator=r.annotator,
            groups=tuple(tuple(numbers[r.completions[i]] for i in group) for group in r.groups),
        )
        for r in rankings
    ]
    theirs, ours = labelling_agreement(ranked).pairwise, pairwise_agreement(rankings)
    assert theirs is not None
    assert ours is not None
    assert ours.value == pytest.approx(theirs.value, abs=1e-12)
    band, shown = agreement_band(ours), ceiling(theirs)
    assert (band.low, band.high) == pytest.approx((shown.low, shown.high))


@pytest.mark.skipif(not RATINGS.is_file(), reason="the shared data is not here")
def test_the_published_counts_of_real_ratings() -> None:
    """Rankings by the sum of four scales: 9,974 agreeing and 2,890 disagreeing rater pairs."""
    rankings = []
    with gzip.open(RATINGS, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    for row in rows:
        for rater in range(3):
            totals = [sum(one["ratings"][rater].values()) for one in row["candidates"]]
            groups = tuple(
                tuple(i for i, total in enumerate(totals) if total == level)
                for level in sorted(set(totals), reverse=True)
            )
            # Two systems may have written the same summary: the letter keeps them apart, as the published count does.
            texts = tuple(f"{one['candidate']}: {one['summary']}" for one in row["candidates"])
            rankings.append(Ranking(row["id"], row["dialogue"], texts, groups, str(rater), "test"))
    found = pairwise_agreement(rankings)
    assert found is not None
    assert found.value == pytest.approx(9974 / (9974 + 2890), abs=1e-12)
    assert found.n == 70


def test_one_annotator_for_each_prompt_says_nothing() -> None:
    rankings = [ranking for ranking in drawn() if ranking.annotator == "a0"]
    assert pairwise_agreement(rankings) is None


def test_a_text_that_stands_twice_in_a_ranking_is_left_out() -> None:
    texts = ("same", "same", "other", "third")
    rankings = [Ranking("p", "p", texts, ((0,), (2,), (3,), (1,)), name, "train") for name in ("alice", "bob")]
    found = pairwise_agreement(rankings)
    assert found is not None
    assert found.value == 1.0


def test_an_annotator_who_ranked_twice_counts_once_by_the_later_answer() -> None:
    one = Ranking("p", "p", ("x", "y"), ((0,), (1,)), "alice", "train")
    other = Ranking("p", "p", ("x", "y"), ((1,), (0,)), "alice", "train")
    bob = Ranking("p", "p", ("x", "y"), ((1,), (0,)), "bob", "train")
    found = pairwise_agreement([one, other, bob])
    assert found is not None
    assert found.value == 1.0


@pytest.mark.parametrize("right", [0.5, 0.6, 0.75, 0.9, 1.0])
def test_the_band_ends_where_equally_hard_pairs_would_put_the_truth(right: float) -> None:
    agreement = right**2 + (1 - right) ** 2
    assert best_accuracy(agreement) == pytest.approx(right)
    assert wrong_labels(agreement) == pytest.approx(1 - right)
    band = agreement_band(Interval(agreement, agreement - 0.01, agreement, 50))
    assert band.low == agreement
    assert band.high == pytest.approx(max(right, agreement))
    assert band.lowest == agreement - 0.01
    assert band.n == 50


def test_below_chance_there_is_no_better_than_chance() -> None:
    assert best_accuracy(0.4) == 0.5
