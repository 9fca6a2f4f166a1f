"""Pages that say no."""

from django.urls import reverse


def test_the_wrong_role_is_told_so(client_for, alice, project):
    response = client_for(alice).get(reverse("members", args=["dialogues"]))
    assert response.status_code == 403
    assert "Your role in this project is annotator" in response.content.decode()


def test_what_is_not_visible_is_not_told_apart_from_what_is_not_there(client_for, charlie, project):
    client = client_for(charlie)
    hidden = client.get(reverse("project", args=["dialogues"]))
    missing = client.get(reverse("project", args=["nothing"]))
    assert (hidden.status_code, missing.status_code) == (404, 404)
    assert "There is nothing here" in hidden.content.decode()
    assert "dialogues" not in hidden.content.decode().lower()
