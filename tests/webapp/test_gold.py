"""Gold in the browser: added from a file, looked at, retired."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from annotation.models import Task, TaskKind
from annotation.services import gold_create
from tests.factories import UserFactory, ranked

TEXTS = ["Right.", "Wrong.", "Odd.", "<script>alert(1)</script>"]
LINE = json.dumps({"prompt": "<b>Ann</b>: Ten?", "completions": TEXTS, "pairs": [[0, 3]]})


@pytest.fixture
def page(client_for, rose, project):
    client, address = client_for(rose), reverse("gold", args=["dialogues"])

    def send(**data):
        return client.post(address, data) if data else client.get(address)

    return send


def gold(project):
    return Task.objects.filter(project=project, kind=TaskKind.GOLD)


def test_a_file_becomes_gold_and_hostile_text_stays_text(page, project):
    html = page(file=SimpleUploadedFile("gold.jsonl", f"{LINE}\nno json".encode())).content.decode()
    assert gold(project).count() == 1
    assert "Not JSON" in html
    assert "&lt;b&gt;Ann&lt;/b&gt;: Ten?" in html
    assert "&lt;script&gt;alert(1)" in html
    assert "<script>alert" not in html


def test_a_try_writes_nothing(page, project):
    html = page(text=LINE, dry_run="1").content.decode()
    assert "Nothing was written" in html
    assert not gold(project).exists()


@pytest.mark.parametrize("data", [{"text": ""}, {"file": SimpleUploadedFile("x.jsonl", b"PK\x03\x04zip")}])
def test_what_cannot_be_read_is_told(page, project, data):
    answer = page(**data)
    assert answer.status_code == 422
    assert answer.context["form"].errors


def test_gold_that_everybody_fails_is_named(page, project):
    task = gold_create(project=project, prompt="Ten?", completions=TEXTS, pairs=[(0, 3)], actor=None)
    assert "too few" in page().content.decode()
    Task.objects.filter(pk=task.pk).update(wanted_raters=9)
    for _ in range(5):
        ranked(project, UserFactory(), task=task, groups=((3,), (2,), (1,), (0,)))
    html = page().content.decode()
    assert "0 of 5" in html
    assert "1 gold task is in doubt" in html


def test_a_retired_one_is_handed_out_no_more(page, project, client_for, rose):
    task = gold_create(project=project, prompt="Ten?", completions=TEXTS, pairs=[(0, 3)], actor=None)
    client_for(rose).post(reverse("gold_retire", args=["dialogues", task.pk]))
    assert gold(project).get().wanted_raters == 0
    assert "retired" in page().content.decode()


def test_a_label_is_no_gold_to_retire(client_for, rose, project, alice):
    task = ranked(project, alice).assignment.task
    assert client_for(rose).post(reverse("gold_retire", args=["dialogues", task.pk])).status_code == 404
