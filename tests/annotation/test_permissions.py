"""Not a member: 404. Wrong role: 403. Nothing is allowed by default."""

import pytest

from annotation.exceptions import Forbidden, NotFound
from annotation.models import Role
from annotation.permissions import CAPABILITIES, allowed, may_create_projects, project_get
from tests.factories import MembershipFactory


def test_a_member_with_the_role_gets_the_project(project, rose):
    assert project_get(slug="dialogues", user=rose, capability="export") == project


def test_a_member_without_the_role_is_told_so(project, alice):
    with pytest.raises(Forbidden, match="annotator"):
        project_get(slug="dialogues", user=alice, capability="export")


def test_an_outsider_sees_no_project(project, charlie):
    with pytest.raises(NotFound):
        project_get(slug="dialogues", user=charlie, capability="see_project")


def test_an_outsider_cannot_tell_a_hidden_project_from_none(project, charlie):
    messages = []
    for slug in ("dialogues", "nothing-here"):
        with pytest.raises(NotFound) as caught:
            project_get(slug=slug, user=charlie, capability="see_project")
        messages.append(caught.value.detail)
    assert messages[0] == messages[1]


def test_a_deactivated_member_sees_nothing(project, alice):
    alice.is_active = False
    alice.save()
    with pytest.raises(NotFound):
        project_get(slug="dialogues", user=alice, capability="annotate")


def test_a_role_elsewhere_counts_for_nothing_here(project, charlie):
    MembershipFactory(user=charlie, role=Role.LEAD)
    with pytest.raises(NotFound):
        project_get(slug="dialogues", user=charlie, capability="see_project")


def test_no_role_has_no_capability():
    assert not any(allowed(None, capability) for capability in CAPABILITIES)


def test_an_unknown_capability_is_an_error_and_no_yes():
    with pytest.raises(KeyError):
        allowed(Role.LEAD, "fly")


def test_only_leads_and_staff_make_projects(project, alice, bob, rose, lena, charlie):
    assert [may_create_projects(user) for user in (alice, bob, rose, lena, charlie)] == [False] * 3 + [True, False]
    charlie.is_staff = True
    assert may_create_projects(charlie)
