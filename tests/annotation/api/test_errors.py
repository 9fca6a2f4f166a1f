"""One shape for every error."""

import json

import pytest

from tests.factories import TaskFactory

BASE = "/api/v1/projects/dialogues/"


def shape(response, status, code):
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/json"
    answer = response.json()
    assert set(answer) == {"code", "detail", "fields"}
    assert answer["code"] == code
    assert isinstance(answer["detail"], str)
    return answer


def test_no_token(api_for, project):
    response = api_for(None).get(BASE)
    shape(response, 401, "not_authenticated")
    assert response["WWW-Authenticate"] == "Token"


def test_a_wrong_token(api_for, project):
    client = api_for(None)
    client.credentials(HTTP_AUTHORIZATION="Token nonsense")
    shape(client.get(BASE), 401, "authentication_failed")


def test_a_token_that_is_no_text(api_for, project):
    client = api_for(None)
    client.credentials(HTTP_AUTHORIZATION="Token \xff\xfe")
    assert client.get(BASE).status_code in (400, 401)


def test_an_unknown_project(api_for, alice):
    shape(api_for(alice).get("/api/v1/projects/nothing/"), 404, "not_found")


def test_an_unknown_address(api_for, alice):
    shape(api_for(alice).get("/api/v1/nothing/here/"), 404, "not_found")


def test_a_wrong_method(api_for, alice, project):
    shape(api_for(alice).delete(BASE), 405, "method_not_allowed")


def test_a_wrong_content_type(api_for, lena, project):
    response = api_for(lena).patch(BASE, "name=x", content_type="application/x-www-form-urlencoded")
    shape(response, 415, "unsupported_media_type")


@pytest.mark.parametrize("body", ["{", '{"name": NaN}', "[" * 100_000, b"\xff\xfe"])
def test_a_body_that_is_no_json(api_for, lena, project, body):
    shape(api_for(lena).patch(BASE, body, content_type="application/json"), 400, "parse_error")


@pytest.mark.parametrize("body", ["[]", '"text"', "7", "null"])
def test_a_body_that_is_no_object(api_for, lena, project, body):
    shape(api_for(lena).patch(BASE, body, content_type="application/json"), 400, "invalid")


def test_a_body_that_is_too_large(api_for, lena, project):
    shape(api_for(lena).patch(BASE, {"name": "x" * 3_000_000}, format="json"), 413, "too_large")


def test_an_unknown_field_is_named(api_for, lena, project):
    answer = shape(api_for(lena).patch(BASE, {"lease_minuts": 5}, format="json"), 400, "invalid")
    assert "lease_minutes" in answer["fields"]["lease_minuts"][0]


def test_a_field_at_fault_is_named(api_for, lena, project):
    answer = shape(api_for(lena).patch(BASE, {"completions_per_prompt": 10}, format="json"), 400, "invalid")
    assert list(answer["fields"]) == ["completions_per_prompt"]


def test_a_rule_of_the_service_has_the_same_shape(api_for, lena, project):
    answer = shape(api_for(lena).patch(BASE, {"prompt_template": "no place"}, format="json"), 400, "invalid")
    assert "{prompt}" in answer["fields"]["prompt_template"][0]


@pytest.mark.parametrize("text", ["a\x00b", "half \ud83d"])
def test_a_text_that_no_database_can_hold(api_for, lena, project, text):
    body = json.dumps({"guidelines": text})
    shape(api_for(lena).patch(BASE, body, content_type="application/json"), 400, "invalid")


@pytest.mark.parametrize("number", ["99999999999999999999999", "0"])
def test_a_task_that_cannot_be(api_for, alice, project, number):
    shape(api_for(alice).post(f"/api/v1/tasks/{number}/release/"), 404, "not_found")


def test_a_session_needs_its_csrf_token(client_for, alice, project):
    TaskFactory(project=project)
    client = client_for(alice)
    client.handler.enforce_csrf_checks = True
    shape(client.post(f"{BASE}tasks/next/"), 403, "permission_denied")


def test_a_session_is_good_for_reading(client_for, alice, project):
    assert client_for(alice).get(BASE).status_code == 200


def test_every_answer_tells_the_servers_time(api_for, alice):
    assert api_for(alice).get("/api/v1/projects/none/progress/").headers["Date"].endswith("GMT")
