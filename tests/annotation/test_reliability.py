"""The reliability model: its gradient, whom it flags on a simulated panel, and whom it does not judge."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from annotation.bootstrap import Figure
from annotation.outcomes import pair_outcomes, shared_units
from annotation.reliability import (
    GUESSING,
    flags_of,
    group_reliabilities,
    most_probable,
    negative_log_posterior,
    reliabilities,
    shared_answers,
    standard_errors,
)
from bench.panels import BAD, Design, judged, panel


@pytest.fixture(scope="module")
def crowd():
    return panel(3, 60, 10)


def test_the_gradient_equals_finite_differences():
    _, rankings = panel(1, 8, 4)
    pairs = pair_outcomes(rankings)
    answers = shared_answers(pairs, shared_units(pairs))
    point = np.random.default_rng(0).normal(0.5, 0.5, size=2 * answers.people + 1)
    slow = approx_fprime(point, lambda at: negative_log_posterior(at, answers)[0], 1e-6)
    assert negative_log_posterior(point, answers)[1] == pytest.approx(slow, abs=1e-4)


def test_a_spammer_a_clicker_and_an_adversary_are_flagged_and_nobody_else(crowd):
    people, rankings = crowd
    found = judged(rankings)
    by_kind = {person.kind: found[person.name] for person in people}
    assert "close to guessing" in by_kind["spammer"].flags
    assert "position bias" in by_kind["position clicker"].flags
    assert by_kind["adversary"].flags == ("inverted",)
    assert {person.kind for person in people if found[person.name].flags} == set(BAD)
    assert all(one.shared == 60 and one.gamma.low < one.gamma.value < one.gamma.high for one in found.values())


def test_who_ties_everything_and_who_clicks_from_below_are_flagged_too():
    design = Design("odd", bad=("ties everything", "reverse clicker"))
    people, rankings = panel(4, 60, 10, design)
    found = judged(rankings)
    assert found["ties everything 0"].flags == ("close to guessing",)
    assert "position bias" in found["reverse clicker 1"].flags
    assert found["reverse clicker 1"].bias.high < -1
    assert not any(found[person.name].flags for person in people[2:])


def test_who_is_weak_but_surely_above_guessing_is_not_flagged():
    people, rankings = panel(20, 60, 10, Design("mixed", right=(0.6, 0.9)))
    found = judged(rankings)
    weak = [person for person in people if person.kind == "honest" and found[person.name].gamma.value < GUESSING]
    assert weak
    assert not any(found[person.name].flags for person in people if person.kind == "honest")
    assert all(found[person.name].flags for person in people if person.kind != "honest")


def test_in_a_panel_that_agrees_on_little_the_adversary_is_still_found():
    found = judged(panel(11, 30, 3, Design("little", right=(0.6, 0.7)))[1])
    assert found["adversary 2"].gamma.value < 0, "with a free spread it is 0.44"


def test_below_thirty_shared_tasks_nobody_is_judged(crowd):
    _, rankings = crowd
    found = judged([one for one in rankings if one.prompt < 29])
    assert {(one.shared, one.gamma, one.bias, one.flags) for one in found.values()} == {(29, None, None, ())}


def test_who_shares_nothing_counts_nothing(crowd):
    _, rankings = crowd
    alone = [replace(one, prompt=1000 + one.prompt, annotator="zoe") for one in rankings[:80]]
    found = judged([*rankings, *{one.prompt: one for one in alone}.values()])
    assert (found["zoe"].shared, found["zoe"].gamma) == (0, None)
    assert judged(rankings)["spammer 0"].gamma.value == pytest.approx(found["spammer 0"].gamma.value)


def test_without_a_display_order_there_is_no_lean_and_the_rest_stands(crowd):
    people, rankings = crowd
    found = judged([replace(one, display_order=()) for one in rankings])
    assert {one.bias for one in found.values()} == {None}
    assert {person.kind for person in people if found[person.name].flags} == set(BAD)


def test_experts_are_held_against_experts_and_not_against_a_crowd_that_turns_everything_round(crowd):
    _, rankings = crowd
    honest = [one for one in rankings if one.annotator.startswith("honest")]
    experts = [replace(one, rater_group="expert") for one in honest if one.annotator in ("honest 3", "honest 4")]
    others = [
        replace(one, groups=one.groups[::-1], rater_group="crowd") for one in honest if one.annotator > "honest 5"
    ]
    together = [*experts, *others]
    pairs = pair_outcomes(together)
    alone = group_reliabilities(together, pairs, shared_units(pairs))
    assert {one.flags for one in alone.values()} == {()}
    assert reliabilities(pairs, shared_units(pairs))["honest 3"].flags == ("inverted",)


def test_of_very_many_shared_tasks_the_newest_are_looked_at(crowd):
    _, rankings = crowd
    pairs = pair_outcomes(rankings)
    newest = reliabilities(pairs, shared_units(pairs), newest=40)
    later = pair_outcomes([one for one in rankings if one.prompt >= 20])
    alone = reliabilities(later, shared_units(later))
    assert newest["spammer 0"].gamma.value == pytest.approx(alone["spammer 0"].gamma.value, abs=1e-3)
    assert (newest["spammer 0"].shared, alone["spammer 0"].shared) == (60, 40)


def test_the_interval_is_as_wide_as_the_estimates_scatter():
    values, errors = [], []
    for seed in range(8):
        pairs = pair_outcomes(panel(seed, 30, 10)[1])
        answers = shared_answers(pairs, shared_units(pairs))
        point = most_probable(answers)
        values.append(point[0])
        errors.append(standard_errors(point, answers)[0, 0])
    assert np.mean(errors) == pytest.approx(np.std(values, ddof=1), rel=0.6)


@pytest.mark.parametrize(
    ("gamma", "bias", "flags"),
    [
        ((0.9, 0.7, 1.1), (0.2, 0.0, 0.4), ()),
        ((0.1, -0.1, 0.3), (0.2, 0.0, 0.4), ("close to guessing",)),
        ((0.2, 0.1, 0.3), (0.2, 0.0, 0.4), ()),
        ((0.8, 0.6, 1.0), (1.1, 0.3, 1.9), ()),
        ((-0.1, -0.3, 0.1), None, ("close to guessing",)),
        ((-0.8, -1.0, -0.6), None, ("inverted",)),
        ((0.8, 0.6, 1.0), (-1.5, -2.0, -1.0), ("position bias",)),
    ],
)
def test_the_flags(gamma, bias, flags):
    assert flags_of(Figure(*gamma, 60), Figure(*bias, 60) if bias else None) == flags
