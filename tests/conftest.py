"""The people of every test: Alice annotates, Bob reviews, Rose engineers, Lena leads, Charlie is an outsider."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client
from knox.models import AuthToken
from rest_framework.test import APIClient

from annotation.models import Project, Role
from annotation.users import User
from tests.factories import MembershipFactory, ProjectFactory, UserFactory


@pytest.fixture(autouse=True)
def data_folder(settings, tmp_path_factory) -> Path:
    """A data folder for each test: nothing that one writes is there for another."""
    settings.DATA_DIR = tmp_path_factory.mktemp("data")
    return settings.DATA_DIR


@pytest.fixture
def alice(db) -> User:
    return UserFactory(username="alice")


@pytest.fixture
def bob(db) -> User:
    return UserFactory(username="bob")


@pytest.fixture
def rose(db) -> User:
    return UserFactory(username="rose")


@pytest.fixture
def lena(db) -> User:
    return UserFactory(username="lena")


@pytest.fixture
def charlie(db) -> User:
    return UserFactory(username="charlie")


@pytest.fixture
def project(alice, bob, rose, lena) -> Project:
    """A project with its four members; K = 4, one rater for each task and no overlap."""
    project = ProjectFactory(slug="dialogues", name="Dialogues", created_by=lena)
    roles = {Role.ANNOTATOR: alice, Role.REVIEWER: bob, Role.ENGINEER: rose, Role.LEAD: lena}
    for role, user in roles.items():
        MembershipFactory(project=project, user=user, role=role)
    return project


@pytest.fixture
def client_for() -> Callable[[User], Client]:
    """A browser that is logged in."""

    def make(user: User) -> Client:
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return make


@pytest.fixture
def api_for() -> Callable[[User | None], APIClient]:
    """An API client with ``Authorization: Token …``; without one for None."""

    def make(user: User | None) -> APIClient:
        client = APIClient()
        if user is not None:
            _, token = AuthToken.objects.create(user=user)
            client.credentials(HTTP_AUTHORIZATION=f"Token {token}")
        return client

    return make
