"""Importing prompts and completions in the browser."""

import gzip

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from annotation.layouts import LAYOUTS
from annotation.models import Completion, Prompt
from tests.factories import PromptFactory
from webapp.dashboard.forms import LAYOUT_NAMES


@pytest.fixture
def send(client_for, rose, project):
    def post(**data):
        return client_for(rose).post(reverse("prompts_import", args=["dialogues"]), {"what": "prompts"} | data)

    return post


def file(content: bytes, name: str = "prompts.jsonl") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def test_a_file_is_imported_and_reported(send, project):
    response = send(file=file(b'{"id": "a", "dialogue": "Ann: Hi.", "summary": "Ann says hi."}\nnot json\n'))
    html = response.content.decode()
    assert Prompt.objects.get(project=project).references == ["Ann says hi."]
    assert response.context["report"]["created"] == 1
    assert "Not JSON" in html


def test_duplicates_are_counted_and_named(send, project):
    response = send(text='{"id": "a", "dialogue": "Hi."}\n{"id": "a", "dialogue": "Hi."}')
    assert response.context["report"]["duplicates"] == 1
    assert "is there already" in response.content.decode()


def test_csv_and_gzip_are_understood(send, project):
    send(file=file(gzip.compress(b"id,dialogue\na,Hi there.\n"), "prompts.csv.gz"))
    assert Prompt.objects.get().text == "Hi there."


def test_completions_of_other_models_are_imported(send, project):
    prompt = PromptFactory(project=project)
    send(what="completions", text=f'{{"prompt_id": "{prompt.identity}", "source": "gpt", "completion": "Lunch."}}')
    assert Completion.objects.get().source == "gpt"


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04zip", gzip.compress(b'{"dialogue": "x"}', mtime=0)[:-9], b"\x00\x01\x02"]
)
def test_an_unreadable_file_is_refused_with_its_reason(content, send, project):
    response = send(file=file(content))
    assert response.status_code == 422
    assert response.context["form"].errors
    assert not Prompt.objects.exists()


def test_neither_file_nor_text_is_asked_for(send, project):
    response = send()
    assert response.status_code == 422
    assert "one of the two" in response.content.decode()


def test_both_file_and_text_are_too_much(send, project):
    assert send(file=file(b'{"dialogue": "a"}'), text='{"dialogue": "b"}').status_code == 422
    assert not Prompt.objects.exists()


def test_an_unknown_kind_of_import_is_refused(send, project):
    assert send(what="users", text="{}").status_code == 422


VOTE = '{"instruction": "Say <b>hi</b>.", "response1": "Hi.", "response2": true, "votes": [1, 2, 0]}'


def test_rankings_of_others_are_imported_after_a_try(send, project):
    tried = send(what="rankings", layout="votes", text=VOTE, dry_run="1")
    assert tried.context["report"]["created"] == 3
    assert not Prompt.objects.exists()
    done = send(what="rankings", layout="votes", text=VOTE)
    assert done.context["report"] == tried.context["report"]
    assert "no text but bool" in done.content.decode()
    assert project.rankings.count() == 3


def test_rankings_without_a_layout_are_asked_for_one(send, project):
    response = send(what="rankings", text=VOTE)
    assert (response.status_code, "Choose the layout" in response.content.decode()) == (422, True)


def test_every_layout_can_be_chosen():
    assert list(LAYOUT_NAMES) == list(LAYOUTS)
