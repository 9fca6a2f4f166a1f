"""The admin shows the training side and changes nothing of it."""

import pytest
from django.urls import reverse

from tests.factories import UserFactory
from workers import models


@pytest.fixture
def root(db, client_for):
    return client_for(UserFactory(is_staff=True, is_superuser=True))


@pytest.mark.parametrize("model", ["run", "runevent", "round", "modelversion", "evaluation"])
def test_every_list_opens_and_nothing_can_be_added(root, anchor, running, model):
    running()
    assert root.get(reverse(f"admin:workers_{model}_changelist")).status_code == 200
    assert root.get(reverse(f"admin:workers_{model}_add")).status_code == 403


def test_a_run_can_be_read_and_not_changed(root, running):
    run = running()
    address = reverse("admin:workers_run_change", args=[run.pk])
    assert root.get(address).status_code == 200
    assert root.post(address, {"state": "succeeded"}).status_code == 403
    run.refresh_from_db()
    assert run.state == models.RunState.RUNNING
