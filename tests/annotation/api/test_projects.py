"""Projects and people over the API."""

import pytest

from annotation.models import AuditEvent, Membership, Project, Role
from annotation.services import task_next
from tests.factories import MembershipFactory, ProjectFactory, TaskFactory, ranked

BASE = "/api/v1/projects/"
MEMBERS = "/api/v1/projects/dialogues/members/"


@pytest.fixture
def api(api_for, lena, project):
    return api_for(lena)


def test_a_new_project_is_led_by_who_made_it(api, lena):
    response = api.post(BASE, {"slug": "new", "name": "New", "completions_per_prompt": 3}, format="json")
    assert (response.status_code, response.json()["completions_per_prompt"]) == (201, 3)
    assert Membership.objects.get(project__slug="new").user == lena
    assert Project.objects.get(slug="new").split_salt == "new"


def test_two_projects_cannot_share_an_address(api):
    response = api.post(BASE, {"slug": "dialogues", "name": "Again"}, format="json")
    assert (response.status_code, list(response.json()["fields"])) == (400, ["slug"])


@pytest.mark.parametrize("slug", ["", "with space", "ä", "a/b", "x" * 51])
def test_an_address_that_cannot_be(api, slug):
    assert api.post(BASE, {"slug": slug, "name": "X"}, format="json").status_code == 400


def test_a_change_changes_only_what_was_sent(api, project):
    api.patch(f"{BASE}dialogues/", {"lease_minutes": 5}, format="json")
    project.refresh_from_db()
    assert (project.lease_minutes, project.name) == (5, "Dialogues")


def test_a_change_is_audited(api, lena):
    api.patch(f"{BASE}dialogues/", {"lease_minutes": 5, "name": "Dialogues"}, format="json")
    event = AuditEvent.objects.get(verb="project.update")
    assert (event.actor, event.data) == (lena, {"lease_minutes": 5})


@pytest.mark.parametrize("field", ["slug", "split_salt", "created_by", "id"])
def test_what_fixes_the_split_can_never_be_changed(api, project, field):
    assert api.patch(f"{BASE}dialogues/", {field: "other"}, format="json").status_code == 400


@pytest.mark.parametrize("criteria", [["a", "a"], [""], ["x" * 51], "helpfulness", [["a"]]])
def test_criteria_that_cannot_be(api, criteria):
    assert api.patch(f"{BASE}dialogues/", {"criteria": criteria}, format="json").status_code == 400


def test_the_licence_of_the_data(api):
    assert api.get(f"{BASE}dialogues/").json()["data_license"] == ""
    answer = api.patch(f"{BASE}dialogues/", {"data_license": "CC-BY-4.0"}, format="json")
    assert (answer.status_code, answer.json()["data_license"]) == (200, "CC-BY-4.0")
    answer = api.patch(f"{BASE}dialogues/", {"data_license": "MIT\nlicense: other"}, format="json")
    assert (answer.status_code, list(answer.json()["fields"])) == (400, ["data_license"])


def test_a_project_list_holds_ones_own(api_for, alice, project):
    ProjectFactory(slug="hidden")
    assert [one["slug"] for one in api_for(alice).get(BASE).json()["results"]] == ["dialogues"]


def test_the_salt_is_not_shown(api):
    assert "split_salt" not in api.get(f"{BASE}dialogues/").json()


def test_the_members(api):
    found = {one["username"]: one["role"] for one in api.get(MEMBERS).json()["results"]}
    assert found == {"alice": "annotator", "bob": "reviewer", "rose": "engineer", "lena": "lead"}


def test_a_person_is_taken_in(api, charlie):
    response = api.put(f"{MEMBERS}charlie/", {"role": "annotator"}, format="json")
    assert (response.status_code, response.json()["role"]) == (200, "annotator")
    assert AuditEvent.objects.get(verb="member.set").target == "charlie"


def test_a_role_is_changed(api):
    api.put(f"{MEMBERS}alice/", {"role": "reviewer"}, format="json")
    assert Membership.objects.get(user__username="alice").role == Role.REVIEWER


@pytest.mark.parametrize("role", ["king", "", None, 7])
def test_a_role_that_is_none(api, role):
    assert api.put(f"{MEMBERS}alice/", {"role": role}, format="json").status_code == 400


@pytest.mark.parametrize("name", ["nobody", "a%00b", "%F0%9F%98%80"])
def test_nobody_has_this_name(api, name):
    assert api.put(f"{MEMBERS}{name}/", {"role": "annotator"}, format="json").status_code == 404


def test_a_person_is_taken_out(api):
    assert api.delete(f"{MEMBERS}alice/").status_code == 204
    assert not Membership.objects.filter(user__username="alice").exists()


def test_who_is_taken_out_loses_no_ranking_and_returns_the_task(api, project, alice, bob):
    ranking = ranked(project, alice)
    task = TaskFactory(project=project)
    task_next(project=project, annotator=alice)
    api.delete(f"{MEMBERS}alice/")
    ranking.refresh_from_db()
    assert ranking.is_current
    assert task_next(project=project, annotator=bob).task == task


def test_who_is_no_member_cannot_be_taken_out(api, charlie):
    assert api.delete(f"{MEMBERS}charlie/").status_code == 404


def test_the_last_lead_stays(api):
    assert api.delete(f"{MEMBERS}lena/").status_code == 409
    assert api.put(f"{MEMBERS}lena/", {"role": "annotator"}, format="json").status_code == 409


def test_one_of_two_leads_may_go(api, project):
    MembershipFactory(project=project, role=Role.LEAD)
    assert api.delete(f"{MEMBERS}lena/").status_code == 204


def test_annotators_see_no_other_annotator_in_the_stats(api_for, project, alice, bob):
    ranked(project, alice)
    ranked(project, bob)
    names = {
        person.username: {
            row["username"] for row in api_for(person).get(f"{BASE}dialogues/stats/").json()["annotators"]
        }
        for person in (alice, bob)
    }
    assert names == {"alice": {"alice"}, "bob": {"alice", "bob"}}


def test_quality_over_the_api(api, project, alice):
    ranked(project, alice)
    answer = api.get(f"{BASE}dialogues/quality/").json()
    assert (answer["rankings"], answer["pairwise_agreement"]) == (1, None)
