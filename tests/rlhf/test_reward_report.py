"""The report on held-out rankings: each figure against a slow count of the same pairs, or an exact value."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import expit

from rlhf.judged_pairs import Judged, JudgedPair, ScoredText, judged, win_probabilities
from rlhf.reward_model import MemberSettings, RewardEnsemble, RewardHead, RewardSettings
from rlhf.reward_report import calibration_error, figures, reliability, report, suspicion
from rlhf.types import Interval, Ranking
from tests.rlhf.learning import rankings
from tests.rlhf.tiny import tiny_policy

THETA = 0.4


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory: pytest.TempPathFactory) -> RewardEnsemble:
    """Two scoring members and a judge with random heads on one tiny body: whole models, so nothing is switched."""
    policy = tiny_policy(tmp_path_factory.mktemp("t5"))
    members = (
        MemberSettings("one", "scorer", gain=0.5, bias=0.1),
        MemberSettings("two", "scorer", gain=2.0, bias=-0.3),
        MemberSettings("judge", "judge", gain=1.5, bias=0.2),
    )
    heads = {}
    for index, member in enumerate(members):
        generator = torch.Generator().manual_seed(index)
        heads[member.name] = RewardHead(policy.hidden_size, theta=0.0, generator=generator)
        heads[member.name].raw_theta.data.fill_(math.log(math.expm1(THETA)))
        heads[member.name].weight.data *= 20
    settings = RewardSettings("full", members, 1.5, "rao-kupper", "", "", 64, 24, gain=0.8, bias=0.05)
    return RewardEnsemble(settings, dict.fromkeys(heads, policy), heads)


def held_out() -> list[Ranking]:
    """Twelve rankings, three of each prompt, with ties and strengths."""
    found = []
    for index, ranking in enumerate(rankings(12)):
        groups = ((2,), (0, 1), (3,)) if index % 2 else ((1,), (3,), (2,), (0,))
        strengths = (3, 1) if index % 2 else (1, 2, 1)
        found.append(replace(ranking, prompt_id=f"p{index // 3}", groups=groups, strengths=strengths))
    return found


def decided(ranking: Ranking) -> list[tuple[int, int]]:
    """(better, worse) of each pair, by the places alone."""
    level = {index: place for place, group in enumerate(ranking.groups) for index in group}
    return [(i, j) for i, j in itertools.permutations(range(len(ranking.completions)), 2) if level[i] < level[j]]


def slow_scores(ensemble: RewardEnsemble, ranking: Ranking) -> tuple[list[float], list[float], np.ndarray]:
    """Reward, judgement and raw scores of the two scorers, by the definition, one text at a time."""
    rewards, judgements, raws = [], [], []
    for text in ranking.completions:
        raw = [float(ensemble.raw([name], [ranking.prompt], [[text]])[0, 0]) for name in ("one", "two", "judge")]
        own = [0.5 * (raw[0] + 0.1), 2.0 * (raw[1] - 0.3)]
        rewards.append((np.mean(own) - 1.5 * np.std(own) + 0.05) * 0.8)
        judgements.append(1.5 * (raw[2] + 0.2))
        raws.append(raw[:2])
    return rewards, judgements, np.array(raws)


def test_accuracy_log_loss_and_judge_equal_a_slow_count(ensemble: RewardEnsemble) -> None:
    right, judged_right, losses = [], [], []
    for ranking in held_out():
        rewards, judgements, raw = slow_scores(ensemble, ranking)
        for i, j in decided(ranking):
            right.append(rewards[i] > rewards[j])
            judged_right.append(judgements[i] > judgements[j])
            wins, loses = expit(raw[i] - raw[j] - THETA), expit(raw[j] - raw[i] - THETA)
            losses.append(-math.log(np.mean(wins / (wins + loses))))
    facts = report(ensemble, held_out(), seed=0)
    assert facts["test_pairs"] == len(right)
    for name, expected in (("accuracy", right), ("judge_accuracy", judged_right), ("log_loss", losses)):
        found = facts[name]
        assert isinstance(found, Interval)
        assert found.value == pytest.approx(np.mean(expected), abs=1e-5), name
        assert found.n == facts["test_prompts"] == 4, "prompts, not pairs"


def test_win_probabilities_of_one_ranking_add_up_to_one_both_ways(ensemble: RewardEnsemble) -> None:
    for chances in win_probabilities(ensemble, held_out()):
        table = np.array(chances)
        assert table + table.T == pytest.approx(np.ones((4, 4)), abs=1e-9)


def test_without_a_threshold_the_probability_is_that_of_bradley_and_terry(ensemble: RewardEnsemble) -> None:
    plain = ensemble.with_settings(replace(ensemble.settings, tie_rule="soft"))
    ranking = held_out()[0]
    raw = slow_scores(ensemble, ranking)[2]
    chances = win_probabilities(plain, [ranking])[0]
    assert chances[1][3] == pytest.approx(np.mean(expit(raw[1] - raw[3])), abs=1e-5)


def test_accuracy_by_strength_takes_the_strongest_boundary_between_the_two(ensemble: RewardEnsemble) -> None:
    right: dict[str, list[bool]] = {"1": [], "2": [], "3": []}
    for ranking in held_out():
        rewards, _judgements, _raw = slow_scores(ensemble, ranking)
        level = {index: place for place, group in enumerate(ranking.groups) for index in group}
        for i, j in decided(ranking):
            assert ranking.strengths is not None
            right[str(max(ranking.strengths[level[i] : level[j]]))].append(rewards[i] > rewards[j])
    found = report(ensemble, held_out(), seed=0)["accuracy_by_strength"]
    assert isinstance(found, dict)
    assert {name: one.value for name, one in found.items()} == {
        name: pytest.approx(np.mean(own)) for name, own in right.items()
    }


def test_a_text_that_three_people_ranked_counts_once_for_length(ensemble: RewardEnsemble) -> None:
    one = held_out()[0]
    thrice = [replace(one, annotator=name) for name in ("alice", "bob", "charlie")]
    assert judged(ensemble, thrice).texts == judged(ensemble, [one]).texts
    found = report(ensemble, held_out(), seed=0)["length_correlation"]
    assert isinstance(found, Interval)
    rewards = {
        (r.prompt_id, text): reward
        for r in held_out()
        for text, reward in zip(r.completions, slow_scores(ensemble, r)[0], strict=True)
    }
    expected = stats.spearmanr(list(rewards.values()), [len(text) for _prompt, text in rewards]).statistic
    assert found.value == pytest.approx(expected, abs=1e-6)
    assert found.n == 4


def test_the_newest_policys_pairs_are_those_with_both_texts_by_it(ensemble: RewardEnsemble) -> None:
    data = held_out()
    newest = {data[0].prompt_id: {data[0].completions[0], data[0].completions[1], "never ranked"}}
    rewards = slow_scores(ensemble, data[0])[0]
    found = report(ensemble, data, seed=0, newest=newest)["newest_accuracy"]
    assert isinstance(found, Interval)
    assert found.value == float(rewards[1] > rewards[0])
    assert found.n == 1
    assert report(ensemble, data, seed=0)["newest_accuracy"] is None


def pair(delta: float = 1.0, **more: object) -> JudgedPair:
    values = {"prompt_id": "p", "judge_delta": None, "probability": 0.8, "better_length": 10, "worse_length": 10}
    return JudgedPair(**{"delta": delta, "strength": None, **values, **more})  # type: ignore[arg-type]


def test_equal_rewards_are_half_right() -> None:
    facts = figures(Judged((pair(0.0), pair(1.0), pair(-1.0), pair(2.0)), ()), seed=0)
    accuracy = facts["accuracy"]
    assert isinstance(accuracy, Interval)
    assert accuracy.value == 0.625
    assert facts["judge_accuracy"] is facts["length_correlation"] is None


def test_lengths_within_a_tenth_are_matched_and_longer_wins_is_counted() -> None:
    pairs = (
        pair(1.0, better_length=100, worse_length=90),  # matched, right, the longer one won
        pair(-1.0, better_length=90, worse_length=100),  # matched, wrong
        pair(1.0, better_length=100, worse_length=89),  # not matched, the longer one won
        pair(1.0, better_length=10, worse_length=10),  # matched, right, of equal length
    )
    facts = figures(Judged(pairs, ()), seed=0)
    matched, longer = facts["length_matched_accuracy"], facts["longer_wins"]
    assert isinstance(matched, Interval)
    assert isinstance(longer, Interval)
    assert matched.value == pytest.approx(2 / 3)
    assert longer.value == pytest.approx((1 + 0 + 1 + 0.5) / 4)


def test_calibration_is_exact_on_two_bins() -> None:
    """0.9 and right 8 of 10 times; 0.55 on the wrong side 3 of 10 times: |0.9 − 0.8|/2 + |0.55 − 0.7|/2."""
    sure = [pair(probability=0.9)] * 8 + [pair(probability=0.1)] * 2
    unsure = [pair(probability=0.55)] * 7 + [pair(probability=0.45)] * 3
    assert calibration_error(sure + unsure) == pytest.approx(0.5 * 0.1 + 0.5 * 0.15)
    curve = [{key: pytest.approx(value) for key, value in row.items()} for row in reliability(sure + unsure)]
    assert curve == [{"confidence": 0.55, "accuracy": 0.7, "n": 10}, {"confidence": 0.9, "accuracy": 0.8, "n": 10}]


def test_a_model_that_is_sure_of_all_falls_into_the_last_bin() -> None:
    assert reliability([pair(probability=1.0)] * 3) == [{"confidence": 1.0, "accuracy": 1.0, "n": 3.0}]


def test_the_judgements_of_two_models_can_be_put_together(ensemble: RewardEnsemble) -> None:
    data = held_out()
    whole, parts = judged(ensemble, data), judged(ensemble, data[:6]) + judged(ensemble, data[6:])
    assert figures(parts, seed=0) == figures(whole, seed=0)


def test_no_decided_pair_no_figures(ensemble: RewardEnsemble) -> None:
    tied = [replace(ranking, groups=((0, 1, 2, 3),), strengths=None) for ranking in held_out()]
    assert report(ensemble, tied, seed=0) == {"test_rankings": 12, "test_pairs": 0}


def test_an_accuracy_that_is_too_good_is_told_with_what_to_look_at() -> None:
    figure = {"longer_wins": Interval(0.61, 0.5, 0.7, 9)}
    assert suspicion(figure | {"accuracy": Interval(0.75, 0.7, 0.8, 9)}) is None
    assert suspicion({}) is None
    doubt = suspicion(figure | {"accuracy": Interval(0.83, 0.8, 0.9, 9)})
    assert doubt is not None
    assert "0.83 is above 0.75" in doubt
    assert "0.61" in doubt


def test_texts_without_a_prompt_in_common_are_resampled_by_prompt() -> None:
    texts = tuple(ScoredText(f"p{i % 5}", "x" * (i + 1), float(i)) for i in range(20))
    found = figures(Judged((pair(),), texts), seed=0)["length_correlation"]
    assert isinstance(found, Interval)
    assert (found.value, found.n) == (1.0, 5)
