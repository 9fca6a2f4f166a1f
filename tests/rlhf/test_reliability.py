"""The reliability model: its posterior against slow integration, its gradient, and whom it finds."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import check_grad
from scipy.special import expit
from scipy.stats import norm

from rlhf.exceptions import DataError
from rlhf.reliability import (
    GAMMA_MEAN,
    GAMMA_SD,
    LOG_SPREAD_SD,
    SPREAD,
    negative_log_posterior,
    reliabilities,
    shared_answers,
)
from rlhf.simulate import Annotator, simulated_ranking
from rlhf.types import Ranking


def crowd(gammas: Sequence[float], prompts: int, *, seed: int = 0, raters: int = 3) -> list[Ranking]:
    """``raters`` of the annotators rank each prompt's four texts; annotator i puts better above worse by σ(γ_i d)."""
    rng = np.random.default_rng(seed)
    found = []
    for prompt in range(prompts):
        utilities = 1.5 * rng.standard_normal(4)
        for who in rng.choice(len(gammas), raters, replace=False).tolist():
            groups = simulated_ranking(
                (gammas[who] * utilities).tolist(), annotator=Annotator(1.0, tie_margin=0.05), rng=rng
            )
            texts = ("a", "b", "c", "d")
            found.append(Ranking(f"p{prompt}", "prompt", texts, groups, f"person-{who}", "train"))
    return found


def test_the_posterior_equals_a_slow_integral() -> None:
    answers = shared_answers(crowd([1.0, 0.3, 2.0], 4))
    gamma, log_spread = np.array([0.8, -0.2, 1.7]), math.log(1.3)
    total = 0.0
    for pair in range(len(answers.weight)):
        rows = np.flatnonzero(answers.pair == pair)

        def chance(gap: float, rows: np.ndarray = rows) -> float:
            product = norm.pdf(gap, scale=1.3)
            for row in rows:
                p, y = expit(gamma[answers.annotator[row]] * gap), answers.wins[row]
                product *= p**y * (1 - p) ** (1 - y)
            return float(product)

        total += answers.weight[pair] * math.log(quad(chance, -12, 12)[0])
    prior = ((gamma - GAMMA_MEAN) ** 2).sum() / (2 * GAMMA_SD**2)
    prior += ((log_spread - math.log(SPREAD)) / LOG_SPREAD_SD) ** 2 / 2
    value, _gradient = negative_log_posterior(np.append(gamma, log_spread), answers)
    assert value == pytest.approx(prior - total, abs=1e-5)


def test_its_gradient_is_that_of_finite_differences() -> None:
    answers = shared_answers(crowd([1.0, 0.3, 2.0, -1.0], 10))
    point = np.array([0.9, 0.1, 1.5, -0.4, 0.3])
    error = check_grad(
        lambda x: negative_log_posterior(x, answers)[0], lambda x: negative_log_posterior(x, answers)[1], point
    )
    assert error < 1e-4


def test_it_finds_the_coin_the_careless_and_who_ranks_upside_down() -> None:
    found = reliabilities(crowd([1, 1, 1, 0.4, 0, -1], 150))
    gammas = [found[f"person-{i}"].gamma for i in range(6)]
    assert min(gammas[:3]) > gammas[3] + 0.15
    assert gammas[3] > 0.1
    assert abs(gammas[4]) < 0.15
    assert gammas[5] < -0.2


def test_more_prompts_sharpen_it_and_do_not_blow_it_up() -> None:
    """The most probable γ and u together would double from 30 prompts to 300."""
    small, large = (reliabilities(crowd([1.0] * 4, prompts))["person-0"].gamma for prompts in (30, 300))
    assert large < 1.5 * small


def test_weights_are_in_proportion_to_reliability_and_1_on_average() -> None:
    rankings = crowd([1, 1, 0.4, -1], 100)
    found = reliabilities(rankings)
    assert np.mean([found[ranking.annotator].weight for ranking in rankings]) == pytest.approx(1)
    assert found["person-3"].weight == 0, "turned round in silence, the labels would be ours, not theirs"
    ratio = found["person-0"].weight / found["person-2"].weight
    assert ratio == pytest.approx(found["person-0"].gamma / found["person-2"].gamma)
    assert found["person-0"].rankings == sum(ranking.annotator == "person-0" for ranking in rankings)


def test_who_shares_no_pair_counts_as_the_prior_says() -> None:
    alone = Ranking("alone", "prompt", ("a", "b"), ((0,), (1,)), "charlie", "train")
    assert reliabilities([*crowd([1, 1, 1], 20), alone])["charlie"].gamma == 1.0


def test_without_overlap_it_is_an_error() -> None:
    with pytest.raises(DataError, match="No pair of completions was ranked by two annotators"):
        reliabilities(crowd([1, 1], 5, raters=1))


def test_a_ranking_of_k_texts_counts_as_k_less_one_answers() -> None:
    answers = shared_answers(crowd([1, 1], 1, raters=2))
    assert answers.weight.sum() == pytest.approx(3), "four texts, six pairs"
