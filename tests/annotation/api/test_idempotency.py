"""The same write twice is done once."""

import io
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from annotation.importers import prompt_of
from annotation.models import IdempotentRequest, Project, Prompt

BASE = "/api/v1/projects/"


@pytest.fixture
def api(api_for, lena, project):
    client = api_for(lena)
    client.credentials(**client._credentials, HTTP_IDEMPOTENCY_KEY="key-1")
    return client


def test_the_same_request_gets_the_same_answer_and_is_done_once(api):
    answers = [api.post(BASE, {"slug": "new", "name": "New"}, format="json") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert Project.objects.filter(slug="new").count() == 1


def test_the_order_of_fields_does_not_matter(api):
    api.post(BASE, {"slug": "new", "name": "New"}, format="json")
    assert api.post(BASE, {"name": "New", "slug": "new"}, format="json").status_code == 201


def test_another_request_under_the_same_key_is_a_conflict(api):
    api.post(BASE, {"slug": "new", "name": "New"}, format="json")
    response = api.post(BASE, {"slug": "newer", "name": "New"}, format="json")
    assert (response.status_code, response.json()["code"]) == (409, "idempotency_conflict")
    assert not Project.objects.filter(slug="newer").exists()


def test_another_address_under_the_same_key_is_a_conflict(api):
    api.patch(f"{BASE}dialogues/", {"name": "New"}, format="json")
    assert api.put(f"{BASE}dialogues/members/alice/", {"role": "lead"}, format="json").status_code == 409


def test_an_error_is_not_remembered(api, project):
    assert api.post(BASE, {"slug": "dialogues", "name": "X"}, format="json").status_code == 400
    assert not IdempotentRequest.objects.exists()
    Project.objects.update(slug="renamed")
    assert api.post(BASE, {"slug": "dialogues", "name": "X"}, format="json").status_code == 201


def test_an_answer_without_a_body_comes_again(api):
    assert [api.delete(f"{BASE}dialogues/members/alice/").status_code for _ in range(2)] == [204, 204]


def test_two_people_may_use_the_same_key(api, api_for, rose):
    api.patch(f"{BASE}dialogues/", {"name": "New"}, format="json")
    other = api_for(rose)
    other.credentials(**other._credentials, HTTP_IDEMPOTENCY_KEY="key-1")
    assert other.post(f"{BASE}dialogues/prompts/import/", [{"prompt": "Hi."}], format="json").status_code == 200


def test_a_file_sent_again_is_imported_once(api):
    def send(content):
        return api.post(f"{BASE}dialogues/prompts/import/", {"file": io.BytesIO(content)}, format="multipart")

    first, second = send(b'{"prompt": "Hi."}'), send(b'{"prompt": "Hi."}')
    assert (first.json()["created"], second.json()) == (1, first.json())
    assert send(b'{"prompt": "Ho."}').status_code == 409
    assert Prompt.objects.count() == 1


def test_a_key_that_is_none(api_for, lena, project):
    client = api_for(lena)
    client.credentials(**client._credentials, HTTP_IDEMPOTENCY_KEY="k" * 201)
    assert client.patch(f"{BASE}dialogues/", {"name": "New"}, format="json").status_code == 400


def test_an_answer_is_forgotten_after_a_week(api):
    with time_machine.travel(timezone.now() - timedelta(days=8)):
        api.patch(f"{BASE}dialogues/", {"name": "New"}, format="json")
    assert api.patch(f"{BASE}dialogues/", {"name": "Newer"}, format="json").status_code == 200
    assert IdempotentRequest.objects.count() == 1


def test_a_file_is_read_outside_the_transaction_that_writes(api, monkeypatch):
    depths = []

    def look(row):
        depths.append(len(connection.savepoint_ids))
        return prompt_of(row)

    monkeypatch.setattr("annotation.api.views_data.prompt_of", look)
    before = len(connection.savepoint_ids)
    api.post(f"{BASE}dialogues/prompts/import/", [{"prompt": "Hi."}], format="json")
    assert depths == [before]
