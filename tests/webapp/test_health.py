"""/healthz and /readyz say what is missing."""

import pytest
from django.db import DatabaseError
from django.utils import timezone

from annotation.models import AssignmentState, TaskState
from tests.factories import AssignmentFactory, TaskFactory
from webapp.dashboard import health


def test_healthy_when_a_task_is_open(client, project):
    TaskFactory(project=project)
    response = client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"ok": True, "missing": []})


def test_healthy_when_somebody_holds_the_last_task(client, project, alice):
    AssignmentFactory(task=TaskFactory(project=project, state=TaskState.FULL), annotator=alice)
    assert client.get("/healthz").status_code == 200


@pytest.mark.django_db
def test_not_healthy_without_a_task(client):
    response = client.get("/healthz")
    assert response.status_code == 503
    assert "open task" in response.json()["missing"][0]


@pytest.mark.parametrize("state", [AssignmentState.LEASED, AssignmentState.SUBMITTED])
def test_not_healthy_by_what_is_over(state, client, project, alice):
    AssignmentFactory(
        task=TaskFactory(project=project, state=TaskState.FULL),
        annotator=alice,
        state=state,
        lease_expires=timezone.now() - timezone.timedelta(minutes=1),
    )
    assert client.get("/healthz").status_code == 503


@pytest.mark.django_db
def test_not_healthy_before_migrations(client, monkeypatch):
    monkeypatch.setattr(health.MigrationExecutor, "migration_plan", lambda self, targets: [("annotation", "0002")])
    response = client.get("/healthz")
    assert response.status_code == 503
    assert "migrate" in response.json()["missing"][0]


def test_not_healthy_without_a_database_and_its_address_is_not_told(client, monkeypatch):
    def refuse(self):
        raise DatabaseError("no connection to 10.0.0.7")

    monkeypatch.setattr(health, "connection", type("Dead", (), {"cursor": refuse})())
    response = client.get("/healthz")
    assert response.status_code == 503
    assert "10.0.0.7" not in response.content.decode()


@pytest.mark.django_db
def test_ready_with_a_database_and_a_broker(client, settings):
    settings.CELERY_BROKER_URL = "memory://"
    assert client.get("/readyz").status_code == 200


@pytest.mark.django_db
def test_not_ready_without_a_broker(client, settings):
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
    response = client.get("/readyz")
    assert response.status_code == 503
    assert "broker" in response.json()["missing"][0]


@pytest.mark.parametrize("address", ["/healthz", "/readyz"])
def test_health_is_only_read(address, client, db):
    assert client.post(address).status_code == 405
