"""The admin shows everything and changes no truth."""

import pytest
from django.contrib import admin
from django.urls import reverse

from annotation import models
from annotation.services import snapshot_freeze
from tests.factories import UserFactory, ranked

SHOWN = (
    models.Project, models.Membership, models.Prompt, models.Completion, models.Task, models.Assignment,
    models.Ranking, models.PreferencePair, models.Snapshot, models.AuditEvent,
)  # fmt: skip
TRUTH = (models.Ranking, models.PreferencePair, models.Snapshot, models.AuditEvent, models.Assignment)


@pytest.fixture
def root(db, client_for):
    return client_for(UserFactory(is_staff=True, is_superuser=True))


@pytest.fixture
def rows(project, alice):
    ranked(project, alice)
    snapshot_freeze(project=project, actor=alice)


@pytest.mark.parametrize("model", SHOWN)
def test_every_list_and_every_row_opens(root, rows, model):
    name = model._meta.model_name
    assert root.get(reverse(f"admin:annotation_{name}_changelist")).status_code == 200
    assert root.get(reverse(f"admin:annotation_{name}_change", args=[model.objects.first().pk])).status_code == 200


@pytest.mark.parametrize("model", TRUTH)
def test_the_truth_can_only_be_read(root, rows, model, rf):
    request = rf.get("/")
    request.user = UserFactory(is_staff=True, is_superuser=True)
    page = admin.site._registry[model]
    assert not page.has_add_permission(request)
    assert not page.has_change_permission(request)
    assert not page.has_delete_permission(request)


def test_a_role_given_in_the_admin_is_audited(root, project, alice):
    membership = models.Membership.objects.get(user=alice)
    url = reverse("admin:annotation_membership_change", args=[membership.pk])
    root.post(url, {"project": project.pk, "user": alice.pk, "role": "lead"})
    event = models.AuditEvent.objects.get(verb="member.set")
    assert (event.target, event.data) == ("alice", {"role": "lead"})


def test_a_lead_is_no_admin(client_for, lena, project):
    assert client_for(lena).get(reverse("admin:annotation_project_changelist")).status_code == 302
