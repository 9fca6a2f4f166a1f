"""Gold, repeats, reading speed, cycles and the reward model's disagreements: by hand, against nulls, and from rows."""

from itertools import permutations

import numpy as np
import pytest
from django.core.cache import cache
from scipy.stats import binomtest

from annotation.bootstrap import wilson
from annotation.cycles import majority_cycles, null_rate, spread_of, vote_cycles
from annotation.gold_and_repeats import GoldAnswer, Repeat, consistencies, gold_results
from annotation.models import Assignment, AssignmentState, Task, TaskKind, TaskState
from annotation.outcomes import Ranked, pair_outcomes
from annotation.reading import Timed, hastes, least_ms
from annotation.selectors import project_quality
from annotation.suspicious import Preferred, disagreements
from tests.factories import AssignmentFactory, MembershipFactory, TaskFactory, ranked


def gold(right: int, wrong: int, tied: int = 0, name: str = "alice") -> list[GoldAnswer]:
    answers = [((1,), (2,))] * right + [((2,), (1,))] * wrong + [((1, 2),)] * tied
    return [GoldAnswer(name, groups, [[1, 2]]) for groups in answers]


@pytest.mark.parametrize(
    ("answers", "verdict", "right"),
    [
        (gold(14, 6), "passed", 14),
        (gold(13, 7), "failed", 13),
        (gold(14, 0, tied=6), "passed", 14),
        (gold(13, 0, tied=7), "failed", 13),
        (gold(19, 0), "too few", 19),
    ],
)
def test_gold_passes_at_the_share_wanted_and_from_the_tasks_wanted_on(answers, verdict, right):
    found = gold_results(answers, needed=0.7, before_trust=20)["alice"]
    assert (found.verdict, found.right, found.pairs) == (verdict, right, len(answers))
    assert found.share.value == right / len(answers)


def test_the_pairs_of_a_gold_task_are_not_so_many_trials():
    answer = GoldAnswer("alice", ((1,), (2,), (3,), (4,)), [[1, 2], [1, 3], [4, 1]])
    found = gold_results([answer] * 10, needed=0.7, before_trust=5)["alice"]
    assert (found.right, found.pairs, found.share.n) == (20, 30, 10)


def test_none_acceptable_answers_no_gold():
    assert gold_results([GoldAnswer("alice", (), [[1, 2]])], needed=0.7, before_trust=5) == {}


@pytest.mark.parametrize(("hits", "n"), [(0, 12), (7, 9), (30, 30)])
def test_wilson_equals_scipy(hits, n):
    known = binomtest(hits, n).proportion_ci(method="wilson")
    found = wilson(hits / n, n)
    assert (found.value, found.low, found.high) == pytest.approx((hits / n, known.low, known.high))


def test_a_person_is_held_against_themselves():
    first = ((1,), (2,), (3,))
    repeats = [Repeat("alice", first, first)] * 4 + [Repeat("alice", first, ((2,), (1, 3)))] * 2
    found = consistencies(repeats)
    assert (found["alice"].repeats, found["alice"].same_order.value) == (6, pytest.approx(4 / 6))
    assert found["alice"].pairs.value == pytest.approx((4 * 3 + 2 * 1) / (4 * 3 + 2 * 2))
    assert found[""] == found["alice"]


def test_two_repeats_are_too_few():
    found = consistencies([Repeat("alice", ((1,), (2,)), ((1,), (2,)))] * 2)["alice"]
    assert (found.repeats, found.same_order, found.pairs) == (2, None, None)


def test_who_cannot_have_read_is_flagged():
    assert least_ms(6000) == 60_000
    quick, slow = Timed("bob", 6000, 59_999), Timed("alice", 6000, 60_000)
    found = hastes([quick] * 20 + [slow] * 20)
    assert (found["bob"].share.value, found["bob"].flagged) == (1, True)
    assert (found["alice"].share.value, found["alice"].flagged) == (0, False)
    assert (found[""].fast, found[""].timed) == (20, 40)
    assert hastes([quick] * 3)["bob"].flagged is False


def crowd(spread: float, seed: int, prompts: int, *, votes: bool = False, raters: int = 3) -> list[Ranked]:
    """Noisy transitive people; with ``votes`` each judges the three pairs one by one."""
    rng = np.random.default_rng(seed)
    found = []
    for prompt in range(prompts):
        utility = rng.normal(0, spread, size=3)
        for rater in range(raters):
            asked = [(0, 1), (0, 2), (1, 2)] if votes else [(0, 1, 2)]
            for these in asked:
                score = utility + rng.gumbel(size=3)
                order = sorted(these, key=lambda one: -score[one])
                found.append(Ranked(prompt, f"a{rater}", tuple((3 * prompt + one,) for one in order)))
    return found


def sizes(rankings: list[Ranked]) -> np.ndarray:
    return np.array([sum(map(len, one.groups)) for one in rankings])[pair_outcomes(rankings).ranking]


def test_transitive_people_make_as_many_cycles_as_the_null_says():
    agreement = 0.62
    rankings = crowd(spread_of(agreement), 0, 600)
    found = majority_cycles(pair_outcomes(rankings), agreement)
    assert found.share.low <= found.expected <= found.share.high
    assert (found.triples, found.above) == (600, False)
    own = crowd(spread_of(agreement), 1, 400, votes=True)
    by_votes = vote_cycles(pair_outcomes(own), sizes(own), agreement)
    assert by_votes.share.low <= by_votes.expected <= by_votes.share.high
    assert (by_votes.triples, by_votes.above) == (1200, False)


def test_people_who_disagree_in_a_circle_are_above_the_null():
    circle = [((0,), (1,), (2,)), ((1,), (2,), (0,)), ((2,), (0,), (1,))]
    rankings = [
        Ranked(p, f"a{rater}", tuple((3 * p + one,) for (one,) in order))
        for p in range(20)
        for rater, order in enumerate(circle)
    ]
    found = majority_cycles(pair_outcomes(rankings), 1 / 3)
    assert (found.share.value, found.cyclic, found.above) == (1, 20, True)


def test_the_null_at_pure_chance_by_hand():
    """Three coins on three pairs are a cycle in 2 of 8; three random orders by counting all 216."""
    assert null_rate(0, 1, votes=True) == pytest.approx(0.25, abs=0.01)
    orders = list(permutations(range(3)))
    cyclic = 0
    for one in orders:
        for two in orders:
            for three in orders:
                wins = [
                    sum(order[a] < order[b] for order in (one, two, three)) > 1 for a, b in ((0, 1), (1, 2), (2, 0))
                ]
                cyclic += len(set(wins)) == 1
    assert null_rate(0, 3, votes=False) == pytest.approx(cyclic / 216, abs=0.01)


def test_one_ranking_has_no_cycle():
    rankings = [Ranked(p, "alice", ((3 * p,), (3 * p + 1,), (3 * p + 2,))) for p in range(9)]
    assert majority_cycles(pair_outcomes(rankings), None).triples == 0
    assert vote_cycles(pair_outcomes(rankings), sizes(rankings), None).triples == 0


def test_where_the_reward_model_is_sure_of_the_opposite():
    pairs = [Preferred(1, 10, 11), Preferred(1, 10, 12), Preferred(2, 20, 21), Preferred(3, 30, 31)]
    rewards = {10: -2.0, 11: 1.0, 12: 2.0, 20: 1.0, 21: 0.0, 30: 0.0}
    found = disagreements(pairs, rewards, minimum=1)
    assert [(one.ranking, one.chosen, one.rejected) for one in found.pairs] == [(1, 10, 12)]
    assert found.pairs[0].probability == pytest.approx(1 / (1 + np.exp(-4)))
    assert (found.suspicious, found.scored, found.share.value) == (1, 2, 1 / 2)
    assert disagreements(pairs, rewards).share is None, "two rankings are too few"
    assert disagreements(pairs, {}, minimum=0).share is None


def closed(project, kind: TaskKind, **fields) -> Task:
    return TaskFactory(project=project, kind=kind, state=TaskState.CLOSED, **fields)


def test_gold_repeats_speed_and_skips_come_from_the_rows(project, alice, bob):
    cache.clear()
    project.gold_before_trust = 1
    project.save()
    for _ in range(6):
        first = ranked(project, alice, duration_ms=1)
        again = closed(project, TaskKind.REPEAT, prompt=first.prompt, repeats=first.assignment, k=1)
        again.completions.set(first.assignment.task.completions.all())
        ranked(project, alice, task=again, groups=((0,), (1,), (3,), (2,)))
        task = closed(project, TaskKind.GOLD)
        ids = list(task.completions.order_by("id").values_list("id", flat=True))
        Task.objects.filter(pk=task.pk).update(gold=[[ids[0], ids[1]], [ids[3], ids[0]]])
        ranked(project, bob, task=task)
        AssignmentFactory(task=TaskFactory(project=project), annotator=bob, state=AssignmentState.SKIPPED)
    found = project_quality(project)
    people = {row["annotator"]: row for row in found["annotators"]}
    assert found["rankings"] == 6, "gold and repeats are no labels"
    assert people["alice"]["consistency"]["same_order"]["value"] == 0
    assert people["alice"]["consistency"]["pairs"]["value"] == pytest.approx(5 / 6)
    assert people["alice"]["haste"]["share"]["value"] == 1
    assert people["alice"]["flags"] == ("faster than reading",)
    assert (people["bob"]["gold"]["right"], people["bob"]["gold"]["pairs"]) == (6, 12)
    assert people["bob"]["flags"] == ("failed gold",)
    assert (people["bob"]["rankings"], people["bob"]["skips"], people["bob"]["skipped"]["value"]) == (0, 6, 1)
    assert found["consistency"]["repeats"] == 6
    assert Assignment.objects.filter(state=AssignmentState.SKIPPED).count() == 6


@pytest.mark.parametrize("people", [1, 4])
def test_the_queries_do_not_grow(project, people, django_assert_num_queries):
    for _ in range(people):
        user = MembershipFactory(project=project).user
        first = ranked(project, user, duration_ms=9)
        ranked(project, user, task=closed(project, TaskKind.GOLD, gold=[[1, 2]]))
        ranked(project, user, task=closed(project, TaskKind.REPEAT, prompt=first.prompt, repeats=first.assignment))
    cache.clear()
    with django_assert_num_queries(9):
        project_quality(project)
