"""Who is in the project."""

from django.urls import reverse

from annotation.models import Membership, Role
from annotation.services import assignment_skip, gold_create, ranking_submit, task_next
from tests.factories import TaskFactory


def role(project, user) -> str | None:
    return Membership.objects.filter(project=project, user=user).values_list("role", flat=True).first()


def test_every_member_is_listed_with_their_role(lead, project):
    html = lead.get(reverse("members", args=["dialogues"])).content.decode()
    assert all(name in html for name in ("alice", "bob", "rose", "lena"))


def test_somebody_with_an_account_is_added_by_name(lead, project, charlie):
    lead.post(reverse("members", args=["dialogues"]), {"username": "charlie", "role": "reviewer"})
    assert role(project, charlie) == Role.REVIEWER


def test_somebody_with_an_account_is_added_by_address(lead, project, charlie):
    lead.post(reverse("members", args=["dialogues"]), {"username": "Charlie@example.org", "role": "annotator"})
    assert role(project, charlie) == Role.ANNOTATOR


def test_an_unknown_name_is_refused_with_what_to_do(lead, project):
    response = lead.post(reverse("members", args=["dialogues"]), {"username": "nobody", "role": "annotator"})
    assert response.status_code == 422
    assert "invite" in response.content.decode()


def test_an_empty_address_matches_nobody(lead, project, charlie):
    charlie.email = ""
    charlie.save()
    assert lead.post(reverse("members", args=["dialogues"]), {"username": " ", "role": "lead"}).status_code == 422
    assert role(project, charlie) is None


def test_a_member_is_not_added_twice(lead, project, alice):
    response = lead.post(reverse("members", args=["dialogues"]), {"username": "alice", "role": "lead"})
    assert response.status_code == 422
    assert role(project, alice) == Role.ANNOTATOR


def test_a_role_is_changed(lead, project, alice):
    lead.post(reverse("member_change", args=["dialogues", "alice"]), {"role": "engineer"})
    assert role(project, alice) == Role.ENGINEER


def test_an_unknown_role_changes_nothing(lead, project, alice):
    lead.post(reverse("member_change", args=["dialogues", "alice"]), {"role": "owner"})
    assert role(project, alice) == Role.ANNOTATOR


def test_the_last_lead_stays_lead(lead, project, lena):
    response = lead.post(reverse("member_change", args=["dialogues", "lena"]), {"role": "annotator"}, follow=True)
    assert role(project, lena) == Role.LEAD
    assert "last lead" in response.content.decode()


def test_a_member_is_removed(lead, project, alice):
    lead.post(reverse("member_remove", args=["dialogues", "alice"]))
    assert role(project, alice) is None


def test_the_last_lead_is_not_removed(lead, project, lena):
    lead.post(reverse("member_remove", args=["dialogues", "lena"]))
    assert role(project, lena) == Role.LEAD


def test_a_lead_who_leaves_lands_on_their_projects(lead, project, lena, rose):
    Membership.objects.filter(user=rose).update(role=Role.LEAD)
    response = lead.post(reverse("member_remove", args=["dialogues", "lena"]))
    assert response.headers["Location"] == "/"


def test_somebody_who_is_no_member_cannot_be_removed(lead, project, charlie):
    assert lead.post(reverse("member_remove", args=["dialogues", "charlie"])).status_code == 404


def test_a_member_gets_a_quota_and_a_pause(lead, project, alice):
    values = {"role": "annotator", "daily_quota": "12", "paused": "on"}
    html = lead.post(reverse("member_change", args=["dialogues", "alice"]), values, follow=True).content.decode()
    assert "at most 12 rankings a day, paused" in html
    membership = Membership.objects.get(project=project, user=alice)
    assert (membership.daily_quota, membership.paused) == (12, True)


def test_a_quota_that_is_none_is_refused_with_its_reason(lead, project, alice):
    values = {"role": "annotator", "daily_quota": "-1"}
    html = lead.post(reverse("member_change", args=["dialogues", "alice"]), values, follow=True).content.decode()
    assert "Nothing was changed" in html
    assert Membership.objects.get(project=project, user=alice).daily_quota is None


def gold_failed(project, person):
    """Everything up to the next gold task skipped, and that one ranked the wrong way round."""
    while (held := task_next(project=project, annotator=person)).task.kind != "gold":
        assignment_skip(assignment=held, reason="other")
    ranking_submit(assignment=held, groups=[[one] for one in sorted(held.display_order, reverse=True)])


def test_who_fails_on_gold_is_flagged_for_the_lead(lead, project, alice):
    texts = ["Right.", "Wrong.", "Odd.", "Rude."]
    for number in range(6):
        gold_create(project=project, prompt=f"Gold {number}?", completions=texts, pairs=[(0, 1)], actor=None)
    TaskFactory.create_batch(40, project=project)
    project.gold_before_trust = 6
    project.save()
    for _ in range(5):
        gold_failed(project, alice)
    html = lead.get(reverse("members", args=["dialogues"])).content.decode()
    assert "0 of 5" in html
    assert "too few" in html
    assert "Below the pass mark" not in html
    gold_failed(project, alice)
    html = lead.get(reverse("members", args=["dialogues"])).content.decode()
    assert "0 of 6" in html
    assert "Below the pass mark on gold: alice" in html
