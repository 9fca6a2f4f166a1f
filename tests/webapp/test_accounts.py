"""Log in, log out, passwords, and where people land."""

import re

import pytest
from django.core import mail
from django.urls import reverse

from tests.factories import PASSWORD, MembershipFactory

pytestmark = pytest.mark.django_db
LOGIN = "/accounts/login/"


def log_in(client, username, password=PASSWORD, **extra):
    return client.post(LOGIN, {"username": username, "password": password, **extra})


def test_an_annotator_lands_on_the_ranking_page(client, alice, project):
    response = log_in(client, "alice")
    assert response.url == reverse("landing")
    assert client.get(response.url).url == reverse("rank", args=[project.slug])


def test_a_lead_lands_on_the_project(client, lena, project):
    log_in(client, "lena")
    assert client.get(reverse("landing")).url == reverse("project", args=[project.slug])


def test_a_member_of_two_projects_chooses(client, alice, project):
    MembershipFactory(user=alice)
    log_in(client, "alice")
    assert client.get(reverse("landing")).url == reverse("home")


def test_someone_without_a_project_sees_the_list(client, charlie):
    log_in(client, "charlie")
    assert client.get(reverse("landing")).url == reverse("home")


def test_a_stranger_is_sent_to_log_in_and_back(client, alice, project):
    page = reverse("rank", args=[project.slug])
    response = client.get(page)
    assert response.url == f"{LOGIN}?next={page}"
    assert log_in(client, "alice", next=page).url == page


def test_the_way_back_leads_nowhere_else(client, alice):
    assert log_in(client, "alice", next="https://evil.example/").url == reverse("landing")


def test_a_wrong_password_is_told_without_saying_which_part(client, alice):
    known, unknown = log_in(client, "alice", "wrong"), log_in(client, "nobody", "wrong")
    assert known.status_code == unknown.status_code == 200
    assert known.context["form"].non_field_errors() == unknown.context["form"].non_field_errors()


def test_too_many_wrong_passwords_lock_the_account_here(client, alice, settings):
    for _ in range(settings.AXES_FAILURE_LIMIT):
        response = log_in(client, "alice", "wrong")
    assert response.status_code == 429
    assert "Too many tries" in response.content.decode()
    assert log_in(client, "alice").status_code == 429


def test_others_are_not_locked_out(client, alice, bob, settings):
    for _ in range(settings.AXES_FAILURE_LIMIT):
        log_in(client, "alice", "wrong")
    assert log_in(client, "bob").status_code == 302


def test_log_out_needs_a_post(client_for, alice):
    client = client_for(alice)
    assert client.get(reverse("logout")).status_code == 405
    assert client.post(reverse("logout")).url == LOGIN
    assert client.get(reverse("home")).status_code == 302


def test_a_forgotten_password_is_set_by_mail(client, alice):
    client.post(reverse("password_reset"), {"email": alice.email})
    link = re.search(r"https?://[^/]+(/\S+)", mail.outbox[0].body)[1]
    form = client.get(link, follow=True)
    new = "another long pass phrase"
    client.post(form.request["PATH_INFO"], {"new_password1": new, "new_password2": new})
    assert log_in(client, "alice", new).status_code == 302
    assert "used before" in client.get(link, follow=True).content.decode()


def test_an_unknown_address_gets_no_mail_and_the_same_answer(client, alice):
    known = client.post(reverse("password_reset"), {"email": alice.email})
    unknown = client.post(reverse("password_reset"), {"email": "nobody@example.org"})
    assert known.url == unknown.url
    assert len(mail.outbox) == 1
    assert client.get(known.url).status_code == 200


def test_a_broken_reset_link_says_so(client, db):
    response = client.get(reverse("password_reset_confirm", args=["MQ", "set-nothing"]), follow=True)
    assert "used before" in response.content.decode()


def test_a_password_can_be_changed(client_for, client, alice):
    new = "another long pass phrase"
    data = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert client_for(alice).post(reverse("password_change"), data).url == reverse("landing")
    assert log_in(client, "alice", new).status_code == 302


def test_a_weak_password_is_refused(client_for, alice):
    data = {"old_password": PASSWORD, "new_password1": "12345", "new_password2": "12345"}
    assert "too short" in client_for(alice).post(reverse("password_change"), data).content.decode()


@pytest.mark.parametrize("name", ["password_change", "tokens", "landing"])
def test_strangers_see_no_account_page(client, name):
    assert client.get(reverse(name)).url.startswith(LOGIN)


@pytest.mark.parametrize("name", ["login", "password_reset", "password_reset_done"])
def test_pages_before_log_in_have_no_inline_code(client, db, name):
    html = client.get(reverse(name)).content.decode()
    assert "<style" not in html
    assert "<script>" not in html
