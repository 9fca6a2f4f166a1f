"""Errors look like the rest of the product, and tell no more than they must."""

import pytest
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse

pytestmark = pytest.mark.django_db


def test_an_unknown_address(client):
    response = client.get("/nothing/here/")
    assert response.status_code == 404
    assert "There is nothing here" in response.content.decode()


def test_somebody_elses_project_looks_the_same_as_none(client_for, charlie, project):
    client = client_for(charlie)
    other = client.get(reverse("rank", args=[project.slug]))
    none = client.get(reverse("rank", args=["nothing"]))
    assert other.status_code == none.status_code == 404
    assert project.name not in other.content.decode()


def test_a_page_that_the_role_may_not_see(client_for, alice, project):
    response = client_for(alice).get(reverse("invite", args=[project.slug]))
    assert response.status_code == 403
    assert "Your role does not allow this" in response.content.decode()


def test_a_form_without_its_token():
    response = Client(enforce_csrf_checks=True).post("/accounts/login/", {"username": "alice", "password": "x"})
    assert response.status_code == 403
    assert "This form is too old" in response.content.decode()


def test_the_page_for_failures_needs_no_request_and_no_database(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert "Something went wrong here" in render_to_string("500.html")
