"""Freezing and downloading labels."""

from django.urls import reverse

from annotation.models import Snapshot
from tests.factories import ranked


def test_a_freeze_makes_a_snapshot(lead, project, alice, lena):
    ranked(project, alice)
    lead.post(reverse("snapshots", args=["dialogues"]))
    assert Snapshot.objects.get(project=project).created_by == lena


def test_the_same_labels_are_not_frozen_twice_and_that_is_said(lead, project, alice):
    ranked(project, alice)
    lead.post(reverse("snapshots", args=["dialogues"]))
    response = lead.post(reverse("snapshots", args=["dialogues"]), follow=True)
    assert Snapshot.objects.count() == 1
    assert "the same labels already" in response.content.decode()


def test_nothing_to_freeze_is_said(lead, project):
    response = lead.post(reverse("snapshots", args=["dialogues"]), follow=True)
    assert "nothing to freeze" in response.content.decode()
    assert not Snapshot.objects.exists()


def test_each_file_can_be_downloaded_by_its_link(lead, project, alice):
    ranked(project, alice)
    lead.post(reverse("snapshots", args=["dialogues"]))
    sha256 = Snapshot.objects.get().sha256
    address = reverse("api-snapshot-file", args=["dialogues", sha256, "rankings.jsonl"])
    assert address in lead.get(reverse("snapshots", args=["dialogues"])).content.decode()
    assert lead.get(address).status_code == 200


def test_the_pairs_are_linked_as_jsonl_and_csv(lead, project, alice):
    ranked(project, alice)
    html = lead.get(reverse("snapshots", args=["dialogues"])).content.decode()
    pairs = reverse("api-pairs", args=["dialogues"])
    for format_ in ("jsonl", "csv"):
        assert f"{pairs}?layout=trl&amp;format={format_}" in html
        assert lead.get(f"{pairs}?format={format_}&layout=trl").status_code == 200
