"""Each stop rule fires on what it is for, and only then."""

from dataclasses import replace

import pytest

from rlhf.exceptions import ConfigError
from rlhf.stop_rules import Measurement, StopLimits, StopRules, checkpoint_order, unique_share

START = Measurement(step=0, kl=0.0, reward=0.0, judge=0.0, length=20.0, eos_rate=1.0, unique_share=0.9)
LIMITS = StopLimits(kl_target=4.0)


def fired(*measurements: Measurement) -> list[str]:
    rules = StopRules(LIMITS, START)
    return [[stop.rule for stop in rules.check(seen)] for seen in measurements][-1]


def test_a_healthy_policy_goes_on() -> None:
    assert fired(replace(START, kl=4.0, reward=1.0, judge=0.5, length=24.0)) == []


def test_kl_above_the_band_must_be_seen_twice() -> None:
    high = replace(START, kl=6.5)
    assert fired(high) == []
    assert fired(high, replace(START, kl=3.0), high) == []
    assert fired(high, high) == ["kl-target"]


def test_kl_above_the_limit_stops_at_once() -> None:
    assert fired(replace(START, kl=10.1)) == ["kl-limit"]


@pytest.mark.parametrize("length", [9.9, 30.1])
def test_length_may_not_leave_half_to_one_and_a_half_of_the_reference(length: float) -> None:
    assert fired(replace(START, length=length)) == ["length"]


def test_too_few_samples_end() -> None:
    assert fired(replace(START, eos_rate=0.89)) == ["eos-rate"]


def test_a_policy_that_repeats_itself_stops() -> None:
    assert fired(replace(START, unique_share=0.62)) == ["unique-share"]


def test_the_judge_falling_while_the_reward_rises_stops_after_three_evaluations() -> None:
    worse = [replace(START, reward=0.1 * i, judge=-0.1 * i) for i in (1, 2, 3)]
    assert fired(*worse[:2]) == []
    assert fired(*worse) == ["judge"]


def test_no_judge_no_disagreement() -> None:
    rules = StopRules(LIMITS, replace(START, judge=None))
    assert [rules.check(replace(START, reward=float(i), judge=None)) for i in (1, 2, 3)] == [[], [], []]


def test_a_target_of_zero_is_an_error() -> None:
    with pytest.raises(ConfigError, match="kl_target"):
        StopLimits(kl_target=0.0)


def test_a_checkpoint_inside_the_band_beats_a_better_reward_outside() -> None:
    inside = checkpoint_order(replace(START, kl=4.0, judge=0.1), kl_target=4.0, kl_limit=10.0)
    outside = checkpoint_order(replace(START, kl=9.0, judge=3.0), kl_target=4.0, kl_limit=10.0)
    untrained = checkpoint_order(START, kl_target=4.0, kl_limit=10.0)
    assert inside > untrained > outside


def test_inside_the_band_the_judge_decides() -> None:
    first = checkpoint_order(replace(START, kl=3.0, reward=2.0, judge=0.1), kl_target=4.0, kl_limit=10.0)
    second = checkpoint_order(replace(START, kl=5.0, reward=1.0, judge=0.2), kl_target=4.0, kl_limit=10.0)
    assert second > first


def test_unique_share_counts_within_a_prompt_where_there_are_several_samples() -> None:
    assert unique_share([["a", "a"], ["a", "b"]]) == 0.75
    assert unique_share([["a"], ["a"], ["b"], ["c"]]) == 0.75
