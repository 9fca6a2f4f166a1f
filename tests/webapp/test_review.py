"""What reviewers and leads do on the review pages."""

import re

import pytest
from django.core.cache import cache
from django.urls import reverse

from annotation.models import Prompt, Ranking, RankingOrigin, Retraction, Task
from annotation.services import retraction_create, snapshot_freeze
from tests.factories import TaskFactory, UserFactory, ranked


@pytest.fixture
def torn(project, alice):
    cache.clear()
    task = TaskFactory(project=project, wanted_raters=2)
    ranked(project, alice, task=task, rationale="<script>alert(1)</script>")
    ranked(project, UserFactory(username="ann"), task=task, groups=[(3,), (1, 2), (0,)])
    return task


@pytest.fixture
def reviewer(client_for, bob):
    return client_for(bob)


def case(task):
    return reverse("review_case", args=["dialogues", task.pk])


def decide(client, task, act, **more):
    return client.post(case(task), {"act": act, **more}, follow=True).content.decode()


def test_the_queue_names_no_rater(reviewer, torn):
    for address in (reverse("review", args=["dialogues"]), case(torn)):
        html = reviewer.get(address).content.decode()
        assert "the raters disagree" in html
        assert "ann" not in html.replace("annot", "")
        assert "alice" not in html
        assert "<script>alert" not in html


def test_a_case_says_who_put_what_where(reviewer, torn):
    html = reviewer.get(case(torn)).content.decode()
    assert "D &gt; B = C &gt; A" in html
    assert "A &gt; B &gt; C &gt; D" in html
    assert re.search(r'data-label="Rater [12]">2 =</td>', html)


def test_one_click_takes_a_raters_ranking(reviewer, torn):
    taken = Ranking.objects.get(annotator__username="ann")
    assert "The final ranking is set." in decide(reviewer, torn, f"take-{taken.pk}")
    assert Ranking.objects.training().get().groups == taken.groups
    assert "Take it" not in reviewer.get(case(torn)).content.decode()
    decide(reviewer, torn, "undo")
    assert Ranking.objects.training().count() == 2


def test_places_become_groups_and_ties(reviewer, torn):
    first, second, third, fourth = torn.completions.order_by("id").values_list("id", flat=True)
    places = {f"place-{first}": 3, f"place-{second}": 1, f"place-{third}": 3, f"place-{fourth}": 4}
    decide(reviewer, torn, "final", **places)
    final = Ranking.objects.training().get()
    assert (final.groups, final.origin) == ([[second], [first, third], [fourth]], RankingOrigin.ADJUDICATED)


def places(task, *numbers):
    """The form's places, by the completions' ids."""
    ids = task.completions.order_by("id").values_list("id", flat=True)
    return {f"place-{one}": number for one, number in zip(ids, numbers, strict=True)}


def test_the_queue_shows_how_each_prompt_begins(reviewer, torn):
    Prompt.objects.filter(pk=torn.prompt_id).update(text="<b>Anna</b>:\n Lunch? " + "word " * 100)
    html = reviewer.get(reverse("review", args=["dialogues"])).content.decode()
    assert "&lt;b&gt;Anna&lt;/b&gt;: Lunch? word" in html
    assert "word " * 30 not in html


def test_neighbours_of_the_final_ranking_may_have_strengths(reviewer, torn):
    decide(reviewer, torn, "final", **places(torn, 1, 1, 3, 4), **{"strength-1": 3, "strength-2": 2, "strength-3": 1})
    assert Ranking.objects.training().get().strengths == [3, 1]
    assert "A = B ≫ C ≳ D" in reviewer.get(case(torn)).content.decode()


def test_places_alone_say_no_strengths(reviewer, torn):
    decide(reviewer, torn, "final", **places(torn, 1, 2, 3, 4), **{f"strength-{place}": 2 for place in (1, 2, 3)})
    assert Ranking.objects.training().get().strengths is None


@pytest.mark.parametrize(
    ("strength", "problem"), [("strength-2", "nothing stands on it"), ("strength-3", "nothing stands below it")]
)
def test_a_strength_without_neighbours_is_told_and_what_was_chosen_stays(reviewer, torn, strength, problem):
    answer = reviewer.post(case(torn), {"act": "final", **places(torn, 1, 1, 3, 3), strength: 3})
    html = answer.content.decode()
    assert answer.status_code == 422
    assert problem in html
    assert html.count('<option value="1" selected>1') == 2
    assert html.count('<option value="3" selected>much better') == 1


def test_a_case_shows_the_raters_strengths(reviewer, torn, project):
    Task.objects.filter(pk=torn.pk).update(wanted_raters=3)
    ranked(project, UserFactory(username="tim"), task=torn, strengths=[3, 2, 1])
    html = reviewer.get(case(torn)).content.decode()
    assert "A ≫ B &gt; C ≳ D" in html
    assert "≳ slightly better" in html


@pytest.mark.parametrize("act", ["final", "take-999", "nonsense", ""])
def test_a_decision_that_says_too_little_is_told(reviewer, torn, act):
    assert "notice-error" in decide(reviewer, torn, act)
    assert Ranking.objects.training().count() == 2


def test_asking_again_and_leaving(reviewer, torn):
    Task.objects.filter(pk=torn.pk).update(taken=2)
    assert "One more person" in decide(reviewer, torn, "again")
    assert "comes next" in decide(reviewer, torn, "again")
    torn.refresh_from_db()
    assert torn.wanted_raters == 3
    assert "stay as they are" in decide(reviewer, torn, "leave")


def test_a_lead_takes_labels_back_and_brings_them_again(lead, torn, lena):
    address = reverse("retract", args=["dialogues"])
    lead.post(address, {"what": "annotator:alice", "reason": "A script clicked.", "requeue": "on"})
    made = Retraction.objects.get()
    assert (made.rankings, made.actor, made.requeued) == (1, lena, True)
    assert "A script clicked." in lead.get(reverse("review", args=["dialogues"])).content.decode()
    lead.post(reverse("retraction_undo", args=["dialogues", made.pk]))
    assert Ranking.objects.labels().count() == 2


@pytest.mark.parametrize("form", [{}, {"what": "annotator:nobody", "reason": "x"}, {"what": "annotator:alice"}])
def test_a_retraction_that_says_too_little_is_told(lead, torn, form):
    html = lead.post(reverse("retract", args=["dialogues"]), form, follow=True).content.decode()
    assert "notice-error" in html
    assert not Retraction.objects.exists()


def test_two_snapshots_side_by_side(lead, torn, project, alice):
    address = reverse("snapshot_diff", args=["dialogues"])
    assert "Nothing is frozen yet" in lead.get(address).content.decode()
    first = snapshot_freeze(project=project, actor=None)
    retraction_create(project=project, annotator=alice, reason="x", actor=None)
    ranked(project, alice)
    second = snapshot_freeze(project=project, actor=None)
    html = lead.get(address).content.decode()
    assert "Added" in html
    assert "Taken back" in html
    assert "Changed" not in html
    html = lead.get(address, {"before": second.sha256, "after": first.sha256}).content.decode()
    assert "Gone for another reason" in html
