"""The rules of a ranking and the pairs that follow from it, without a database."""

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.exceptions import InvalidRanking
from annotation.ranking import Answer, Pair, Rewrite, Span, answer_check, pairs_of

TEXTS = {1: "one", 2: "two", 3: "three", 4: "four"}
CRITERIA = ["helpfulness"]
FULL = ((3,), (1, 4), (2,))


def check(groups=FULL, **answer):
    answer_check(Answer(groups, **answer), completions=TEXTS, criteria=CRITERIA)


def refused(groups=FULL, **answer):
    with pytest.raises(InvalidRanking) as caught:
        check(groups, **answer)
    return caught.value.fields


def test_every_completion_once_is_right():
    check()


def test_all_in_one_group_is_right():
    check(((1, 2, 3, 4),))


def test_a_missing_completion_is_named():
    assert refused(((3,), (1,), (2,))) == {"groups": ["Completion 4 is missing: every completion is placed once."]}


def test_a_repeated_completion_is_named():
    assert refused(((3,), (1, 3), (2,), (4,))) == {"groups": ["Completion 3 is placed 2 times: each is placed once."]}


def test_a_foreign_completion_is_named():
    assert refused(((3,), (1, 4), (2,), (99,)))["groups"] == ["99 is not one of this task's completions."]


def test_an_untouched_order_is_no_answer():
    assert "Nothing is ranked yet" in refused(())["groups"][0]


def test_an_empty_group_is_refused():
    assert "empty" in refused(((3,), (), (1, 4), (2,)))["groups"][0]


def test_none_acceptable_needs_no_groups():
    check((), none_acceptable=True)


def test_none_acceptable_with_half_a_ranking_is_refused():
    assert "groups" in refused(((1,),), none_acceptable=True)


def test_strengths_have_one_for_each_boundary():
    check(strengths=(1, 3))
    assert "1 strengths for 2 boundaries" in refused(strengths=(1,))["strengths"][0]


def test_a_strength_is_1_2_or_3():
    assert "strengths" in refused(strengths=(0, 4))


def test_a_rating_runs_from_1_to_5():
    check(ratings={"helpfulness": {1: 5, 2: 1}})
    assert "6 is no rating" in refused(ratings={"helpfulness": {1: 6}})["ratings"][0]


def test_a_rating_is_on_one_of_the_projects_criteria():
    assert "'charm'" in refused(ratings={"charm": {1: 5}})["ratings"][0]


def test_a_rating_is_of_one_of_the_tasks_completions():
    assert "ratings" in refused(ratings={"helpfulness": {9: 5}})


def test_a_flag_is_on_one_of_the_tasks_completions():
    check(flags={1: "rude"})
    assert "flags" in refused(flags={9: "rude"})


@pytest.mark.parametrize("span", [Span(1, 0, 4), Span(1, 2, 2), Span(1, -1, 2), Span(9, 0, 1)])
def test_a_span_lies_inside_its_completion(span):
    assert "spans" in refused(spans=[span])


def test_a_span_up_to_the_last_letter_is_right():
    check(spans=[Span(1, 0, 3)])


def test_an_empty_rewrite_is_refused():
    check(rewrite=Rewrite(1, "Better."))
    assert "rewrite" in refused(rewrite=Rewrite(1, "  "))


@pytest.mark.parametrize("text", ["a\x00b", "half \ud83d"])
def test_a_text_that_no_database_can_hold_is_refused(text):
    assert set(refused(rationale=text, rewrite=Rewrite(1, text), flags={1: text})) == {"rationale", "rewrite", "flags"}


@pytest.mark.parametrize("duration", [-1, 10**12])
def test_a_time_that_cannot_be_is_refused(duration):
    assert "duration_ms" in refused(duration_ms=duration)


def test_every_mistake_is_named_at_once():
    assert set(refused(((1,),), strengths=(1, 1, 1), duration_ms=-1)) == {"groups", "strengths", "duration_ms"}


def test_the_pairs_of_a_ranking_with_a_tie():
    assert pairs_of(Answer(((3,), (4, 1)), strengths=(2,))) == [
        Pair(3, 1, False, 2, 1 / 3),
        Pair(3, 4, False, 2, 1 / 3),
        Pair(1, 4, True, None, 1 / 3),
    ]


def test_a_pair_across_several_boundaries_has_the_greatest_strength():
    pairs = {(pair.chosen, pair.rejected): pair.strength for pair in pairs_of(Answer(((1,), (2,), (3,)), (1, 3)))}
    assert pairs == {(1, 2): 1, (1, 3): 3, (2, 3): 3}


def test_none_acceptable_alone_makes_no_pair():
    assert pairs_of(Answer((), none_acceptable=True)) == []


@given(st.permutations(range(5)), st.sets(st.integers(1, 4)))
def test_a_ranking_weighs_one_and_decides_every_pair_once(order, cuts):
    edges = [0, *sorted(cuts), 5]
    groups = [order[start:end] for start, end in pairwise(edges)]
    pairs = pairs_of(Answer(groups))
    level = {item: place for place, group in enumerate(groups) for item in group}
    assert {frozenset((pair.chosen, pair.rejected)) for pair in pairs} == set(map(frozenset, combinations(range(5), 2)))
    assert sum(pair.weight for pair in pairs) == pytest.approx(1)
    assert all(pair.tie == (level[pair.chosen] == level[pair.rejected]) for pair in pairs)
    assert all(level[pair.chosen] <= level[pair.rejected] for pair in pairs)


@pytest.mark.parametrize("groups", [((3,), (1,), (4,), (2,)), ((3, 1), (4,), (2,)), ((3,), (1, 4, 2)), ()])
def test_best_and_worst_are_one_each(groups):
    assert "three groups" in refused(groups, method="best_worst")["method"][0]


def test_best_and_worst_need_four_and_a_known_method():
    check(method="best_worst")
    check((), none_acceptable=True, method="best_worst")
    assert "no method" in refused(method="guess")["method"][0]
    with pytest.raises(InvalidRanking, match="4 completions or more"):
        answer_check(Answer(((1,), (2,), (3,)), method="best_worst"), completions={1: "", 2: "", 3: ""}, criteria=[])


def test_best_and_worst_decide_nothing_between_the_others():
    pairs = pairs_of(Answer(((3,), (1, 4, 5), (2,)), method="best_worst"))
    assert {(pair.chosen, pair.rejected) for pair in pairs} == {(3, 1), (3, 4), (3, 5), (3, 2), (1, 2), (4, 2), (5, 2)}
    assert {(pair.tie, pair.weight) for pair in pairs} == {(False, 1 / 7)}
