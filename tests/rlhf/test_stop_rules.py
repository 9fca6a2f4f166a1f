"""Each stop rule fires on what it is for, and only then; together they end a collapse that was measured."""

from dataclasses import replace

import pytest

from rlhf.exceptions import ConfigError
from rlhf.stop_rules import Measurement, StopLimits, StopRules, checkpoint_order, unique_share
from rlhf.training_config import PPOConfig, with_preset

START = Measurement(step=0, kl=0.0, reward=0.0, judge=0.0, length=20.0, eos_rate=1.0, unique_share=0.9)
LIMITS = StopLimits(kl_target=4.0)

# bench.over_optimisation, seed 7: PPO without a KL penalty against a weak reward model, no stop rules. Every text ended
# and none was written twice. The true win rate is on 300 test dialogues; half-width of its interval at most 0.055.
COLLAPSE = [  # step, KL, reward, judge, length, true win rate
    (0, 0.000, 0.047, 0.024, 17.398, 0.5),
    (4, 0.358, 0.371, 0.295, 15.555, 0.652),
    (8, 1.130, 0.603, 0.338, 14.469, 0.623),
    (12, 3.238, 0.760, 0.351, 14.516, 0.520),
    (16, 5.940, 0.956, 0.473, 14.125, 0.440),
    (20, 11.993, 1.374, 0.113, 13.047, 0.343),
    (24, 25.992, 2.418, 0.196, 14.047, 0.205),
    (28, 27.954, 3.112, 0.318, 12.992, 0.150),
    (32, 32.621, 3.715, 0.502, 12.938, 0.103),
    (36, 32.835, 4.127, 0.418, 12.398, 0.105),
    (40, 32.208, 4.228, 0.468, 12.570, 0.105),
]


def collapse() -> list[Measurement]:
    return [Measurement(*row[:5], eos_rate=1.0, unique_share=1.0) for row in COLLAPSE]


def stopped_at(limits: StopLimits) -> tuple[str, float]:
    """The first rule that fires on the collapse, and the true win rate at that measurement."""
    start, *seen = collapse()
    rules = StopRules(limits, start)
    for now, (*_figures, win_rate) in zip(seen, COLLAPSE[1:], strict=True):
        if stops := rules.check(now):
            return stops[0].rule, win_rate
    raise AssertionError("no rule ended the collapse")


def kept_of(limits: StopLimits) -> float:
    """The true win rate of the checkpoint that is kept of the collapse."""
    keys = [checkpoint_order(seen, kl_target=limits.kl_target, kl_limit=limits.kl_limit) for seen in collapse()]
    return COLLAPSE[keys.index(max(keys))][-1]


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


@pytest.mark.parametrize("target", [None, 0.8])
def test_the_tiny_presets_rules_end_a_collapse_before_the_policy_loses_to_its_anchor(target: float | None) -> None:
    limits = with_preset(PPOConfig, {"preset": "tiny", "kl_target": target}).limits
    rule, win_rate = stopped_at(limits)
    assert rule == "kl-limit"
    assert win_rate > 0.5
    assert kept_of(limits) > 0.6


def test_a_limit_for_long_texts_is_too_late_for_short_ones() -> None:
    """Why the preset has a limit of its own: 10 nats are more than its texts' entropy, and no other rule sees it."""
    limits = StopLimits(kl_target=None)
    rule, win_rate = stopped_at(limits)
    assert rule == "kl-limit"
    assert win_rate < 0.5
    assert kept_of(limits) < 0.5


def test_a_target_of_zero_is_an_error() -> None:
    with pytest.raises(ConfigError, match="kl_target"):
        StopLimits(kl_target=0.0)


def test_a_limit_below_the_target_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"kl_limit must be above kl_target \(4 nats a sequence\), not 2"):
        StopLimits(kl_target=4.0, kl_limit=2.0)


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
