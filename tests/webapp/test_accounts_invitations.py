"""A lead invites; the link sets the first password, once."""

import re

import pytest
from django.core import mail
from django.urls import reverse

from annotation.models import AuditEvent, Membership
from webapp.accounts.models import User

pytestmark = pytest.mark.django_db
INVITE = "/accounts/projects/dialogues/invite/"
NEW = "another long pass phrase"


@pytest.fixture
def lead(client_for, lena, project):
    return client_for(lena)


def invite(client, username="nora", email="", role="annotator"):
    return client.post(INVITE, {"username": username, "email": email, "role": role})


def link_in(response) -> str:
    return re.search(r"/accounts/invitation/[^\"'&<\s]+", response.content.decode())[0]


def accept(client, link):
    form = client.get(link, follow=True)
    return client.post(form.request["PATH_INFO"], {"new_password1": NEW, "new_password2": NEW})


def test_an_invitation_makes_an_account_with_a_role(lead, project):
    invite(lead, role="reviewer")
    assert Membership.objects.get(user__username="nora").role == "reviewer"
    assert not User.objects.get(username="nora").has_usable_password()
    assert AuditEvent.objects.filter(verb="member.set", target="nora").exists()


def test_the_link_sets_a_password_and_logs_in(lead, client, project):
    response = accept(client, link_in(invite(lead)))
    assert response.url == reverse("landing")
    assert client.get(response.url).url == reverse("rank", args=[project.slug])


def test_the_link_works_once(lead, client, client_for):
    link = link_in(invite(lead))
    accept(client, link)
    client.logout()
    assert "used before" in client.get(link, follow=True).content.decode()


def test_the_link_is_no_password_reset(lead, client):
    link = link_in(invite(lead)).replace("/invitation/", "/reset/")
    assert "used before" in client.get(link, follow=True).content.decode()


def test_the_link_is_mailed_where_there_is_an_address(lead):
    response = invite(lead, email="nora@example.org")
    assert link_in(response) in mail.outbox[0].body
    assert mail.outbox[0].to == ["nora@example.org"]
    assert "It was sent to nora@example.org" in response.content.decode()


def test_without_an_address_nothing_is_mailed(lead):
    assert "Pass it on yourself" in invite(lead).content.decode()
    assert mail.outbox == []


def test_a_taken_name_is_refused(lead, alice):
    assert "already exists" in invite(lead, username="alice").content.decode()


def test_an_unknown_role_is_refused(lead):
    invite(lead, role="emperor")
    assert not User.objects.filter(username="nora").exists()


def test_who_has_not_come_yet_gets_a_new_link(lead, client):
    invite(lead)
    response = lead.post(INVITE, {"again": "nora"})
    assert accept(client, link_in(response)).url == reverse("landing")


def test_nobody_with_a_password_gets_a_link(lead, alice):
    response = lead.post(INVITE, {"again": "alice"})
    assert "/accounts/invitation/" not in response.content.decode()
    assert "has a password already" in response.content.decode()


def test_nobody_outside_the_project_gets_a_link(lead, charlie):
    assert lead.post(INVITE, {"again": "charlie"}).status_code == 404


@pytest.mark.parametrize(("who", "status"), [("alice", 403), ("bob", 403), ("rose", 403), ("charlie", 404)])
def test_only_a_lead_invites(request, client_for, project, who, status):
    client = client_for(request.getfixturevalue(who))
    assert client.get(INVITE).status_code == status
    assert invite(client).status_code == status
    assert not User.objects.filter(username="nora").exists()


def test_strangers_are_sent_to_log_in(client, project):
    assert client.get(INVITE).url.startswith("/accounts/login/")
