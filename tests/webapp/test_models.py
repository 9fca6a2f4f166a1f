"""The registry of model versions."""

from django.urls import reverse

from tests.webapp.objects import model_make, run_make
from workers.models import ModelKind, ModelState, RunKind


def test_lineage_and_size_are_shown(lead, project):
    anchor = model_make(project, slug="anchor", kind=ModelKind.SFT, run=run_make(project, kind=RunKind.SFT))
    model_make(project, slug="policy", parent=anchor)
    html = lead.get(reverse("models", args=["dialogues"])).content.decode()
    assert '<a href="#anchor">anchor</a>' in html
    assert "147 k" in html
    assert "3.21 M" in html


def test_a_lead_promotes_a_policy(lead, project):
    before = model_make(project, slug="old", state=ModelState.PROMOTED)
    policy = model_make(project, slug="new")
    lead.post(reverse("model_promote", args=["dialogues", "new"]))
    policy.refresh_from_db()
    before.refresh_from_db()
    assert (policy.state, before.state) == (ModelState.PROMOTED, ModelState.ARCHIVED)


def test_what_is_no_policy_is_not_promoted_and_that_is_said(lead, project):
    model_make(project, slug="reward", kind=ModelKind.REWARD)
    response = lead.post(reverse("model_promote", args=["dialogues", "reward"]), follow=True)
    assert "only a policy can be promoted" in response.content.decode()


def test_an_unknown_model_is_not_there(lead, project):
    assert lead.post(reverse("model_promote", args=["dialogues", "nothing"])).status_code == 404


def test_an_annotator_sees_no_button(client_for, alice, project):
    model_make(project)
    assert "Promote" not in client_for(alice).get(reverse("models", args=["dialogues"])).content.decode()


def test_an_empty_registry_says_where_the_first_one_comes_from(lead, project):
    assert "No model version yet" in lead.get(reverse("models", args=["dialogues"])).content.decode()
