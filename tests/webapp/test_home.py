"""/ : the reader's projects."""

import pytest
from django.urls import reverse

from tests.factories import ProjectFactory, TaskFactory


def test_a_member_sees_their_projects_only(client_for, alice, project):
    ProjectFactory(name="Secret")
    html = client_for(alice).get("/").content.decode()
    assert "Dialogues" in html
    assert "Secret" not in html


def test_the_work_that_waits_is_shown(client_for, alice, project):
    TaskFactory.create_batch(2, project=project)
    html = client_for(alice).get("/").content.decode()
    assert "2 tasks" in html
    assert reverse("rank", args=["dialogues"]) in html


def test_a_lead_may_make_a_project(lead, project):
    assert reverse("project_create") in lead.get("/").content.decode()


def test_an_annotator_may_not_make_a_project(client_for, alice, project):
    assert f'href="{reverse("project_create")}"' not in client_for(alice).get("/").content.decode()


@pytest.mark.django_db
def test_somebody_without_a_project_is_told_whom_to_ask(client_for, charlie):
    assert "charlie@example.org" in client_for(charlie).get("/").content.decode()
