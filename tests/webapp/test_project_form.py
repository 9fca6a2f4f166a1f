"""Making and changing a project."""

import pytest
from django.urls import reverse

from annotation.models import AuditEvent, Membership, Project

VALUES = {
    "name": "Letters",
    "guidelines": "Be kind.",
    "prompt_template": "Summarize: {prompt}",
    "completions_per_prompt": "3",
    "raters_per_task": "1",
    "overlap_share": "0.1",
    "overlap_raters": "2",
    "criteria": "helpfulness\nharmlessness\n\n",
    "lease_minutes": "20",
    "strategy": "random",
    "random_share": "0.25",
    "gold_share": "0.05",
    "gold_before_trust": "20",
    "gold_pass": "0.7",
    "repeat_share": "0.04",
    "min_rankings": "100",
    "min_reward_accuracy": "0.55",
    "base_model": "google/flan-t5-base",
    "data_license": " CC-BY-4.0 ",
}


def test_a_lead_makes_a_project_and_leads_it(lead, lena, project):
    response = lead.post(reverse("project_create"), VALUES | {"slug": "letters"})
    made = Project.objects.get(slug="letters")
    assert response.headers["Location"] == reverse("prompts_import", args=["letters"])
    assert (made.completions_per_prompt, made.criteria) == (3, ["helpfulness", "harmlessness"])
    assert (made.strategy, made.paused, made.gold_share) == ("random", False, 0.05)
    assert Membership.objects.get(project=made).user == lena


def test_an_annotator_makes_none(client_for, alice, project):
    response = client_for(alice).post(reverse("project_create"), VALUES | {"slug": "letters"})
    assert response.status_code == 403
    assert not Project.objects.filter(slug="letters").exists()


def test_an_address_is_used_once(lead, project):
    response = lead.post(reverse("project_create"), VALUES | {"slug": "dialogues"})
    assert response.status_code == 422
    assert Project.objects.filter(slug="dialogues").count() == 1


def test_a_lead_changes_a_project(lead, project):
    assert lead.post(reverse("project_update", args=["dialogues"]), VALUES).status_code == 302
    project.refresh_from_db()
    assert (project.name, project.base_model, project.min_rankings) == ("Letters", "google/flan-t5-base", 100)
    assert project.data_license == "CC-BY-4.0"
    assert AuditEvent.objects.filter(project=project, verb="project.update").exists()


def test_the_form_shows_what_is_set(lead, project):
    html = lead.get(reverse("project_update", args=["dialogues"])).content.decode()
    assert "helpfulness\nfaithfulness" in html


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("completions_per_prompt", "1"),
        ("overlap_share", "1.5"),
        ("prompt_template", "no place for it"),
        ("criteria", "same\nsame"),
        ("lease_minutes", "many"),
        ("name", ""),
        ("base_model", "/no/such/folder"),
        ("data_license", "MIT\nlicense: other"),
        ("base_model", "flan t5 <b>"),
    ],
)
def test_a_bad_value_changes_nothing_and_is_named(field, value, lead, project):
    response = lead.post(reverse("project_update", args=["dialogues"]), VALUES | {field: value})
    project.refresh_from_db()
    assert response.status_code == 422
    assert field in response.context["form"].errors
    assert project.name == "Dialogues"


def test_the_page_s_head_keeps_the_name_that_holds(lead, project):
    response = lead.post(reverse("project_update", args=["dialogues"]), VALUES | {"name": "New", "lease_minutes": "0"})
    assert response.context["project"].name == "Dialogues"
