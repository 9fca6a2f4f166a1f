"""A person's own API tokens: made, shown once, revoked."""

import pytest
from django.urls import reverse
from knox.models import AuthToken
from rest_framework.test import APIClient

pytestmark = pytest.mark.django_db
TOKENS = "/accounts/tokens/"
PROGRESS = "/api/v1/projects/dialogues/progress/"


def test_a_token_is_shown_once_and_opens_the_api(client_for, alice, project):
    client = client_for(alice)
    secret = client.post(TOKENS).context["secret"]
    api = APIClient()
    api.credentials(HTTP_AUTHORIZATION=f"Token {secret}")
    assert api.get(PROGRESS).status_code == 200
    assert secret not in client.get(TOKENS).content.decode()


def test_a_revoked_token_opens_nothing(client_for, alice, project):
    token, secret = AuthToken.objects.create(user=alice)
    client_for(alice).post(reverse("token_revoke", args=[token.digest]))
    api = APIClient()
    api.credentials(HTTP_AUTHORIZATION=f"Token {secret}")
    assert api.get(PROGRESS).status_code == 401


def test_another_persons_token_cannot_be_revoked(client_for, alice, bob):
    token, _ = AuthToken.objects.create(user=bob)
    assert client_for(alice).post(reverse("token_revoke", args=[token.digest])).status_code == 404
    assert AuthToken.objects.filter(user=bob).exists()


def test_only_ones_own_tokens_are_listed(client_for, alice, bob):
    AuthToken.objects.create(user=bob)
    assert "You have no token yet" in client_for(alice).get(TOKENS).content.decode()


def test_revoking_needs_a_post(client_for, alice):
    token, _ = AuthToken.objects.create(user=alice)
    assert client_for(alice).get(reverse("token_revoke", args=[token.digest])).status_code == 405


def test_the_page_with_a_token_is_not_kept_by_caches(client_for, alice):
    assert "no-store" in client_for(alice).post(TOKENS).headers["Cache-Control"]
