"""Imports, pairs and snapshots over the API."""

import gzip
import hashlib
import io
import json

import pyarrow.parquet
import pytest

from annotation.models import Completion, Prompt, Snapshot
from tests.factories import PromptFactory, ranked

BASE = "/api/v1/projects/dialogues/"


@pytest.fixture
def api(api_for, rose, project):
    return api_for(rose)


def upload(api, content, name="prompts.jsonl", what="prompts"):
    file = io.BytesIO(content)
    file.name = name
    return api.post(f"{BASE}{what}/import/", {"file": file}, format="multipart")


def test_a_file_of_prompts(api):
    response = upload(api, gzip.compress(b'{"prompt": "Hi."}\n{"prompt": ""}\n{"prompt": "Hi."}\n'), "p.jsonl.gz")
    assert response.status_code == 200
    answer = response.json()
    assert (answer["created"], answer["duplicates"]) == (1, 1)
    assert answer["rejected"] == [{"line": 2, "error": "The prompt is empty."}]
    assert Prompt.objects.get().batch == "p.jsonl.gz"


def test_a_json_list_of_prompts(api):
    response = api.post(f"{BASE}prompts/import/", [{"prompt": "Hi."}, "no object"], format="json")
    assert (response.json()["created"], response.json()["rejected"][0]["line"]) == (1, 2)


def test_a_file_that_cannot_be_read(api):
    response = upload(api, gzip.compress(b'{"prompt": "Hi."}\n' * 99)[:-9])
    assert (response.status_code, response.json()["code"]) == (400, "import_refused")
    assert not Prompt.objects.exists()


@pytest.mark.parametrize("body", [{"prompts": []}, "text", 7, None])
def test_a_body_that_is_no_list(api, body):
    response = api.post(f"{BASE}prompts/import/", body, format="json")
    assert (response.status_code, list(response.json()["fields"])) == (400, ["file"])


def test_a_form_without_a_file(api):
    assert api.post(f"{BASE}prompts/import/", {"other": "x"}, format="multipart").status_code == 400


VOTE = {"instruction": "Say hi.", "response1": "Hi.", "response2": "No.", "votes": [1, 0]}


def test_rankings_of_others(api):
    response = api.post(f"{BASE}rankings/import/?layout=votes", [VOTE, {"votes": [1]}], format="json")
    answer = response.json()
    assert (answer["created"], answer["tasks"], answer["strict_pairs"], answer["tied_pairs"]) == (2, 1, 1, 1)
    assert answer["rejected"] == [{"line": 2, "error": "There is no 'response1'."}]


@pytest.mark.parametrize("query", ["", "?layout=other", "?layout=votes&dry_run=perhaps"])
def test_rankings_in_no_layout(api, query):
    assert api.post(f"{BASE}rankings/import/{query}", [VOTE], format="json").status_code == 400
    assert not Prompt.objects.exists()


@pytest.mark.parametrize(
    ("what", "rows"),
    [
        ("prompts/import/?", [{"prompt": "Hi."}]),
        ("completions/import/?", [{"prompt": "there", "source": "m", "completion": "c"}]),
        ("rankings/import/?layout=votes&", [VOTE]),
    ],
)
def test_a_dry_run_reports_and_writes_nothing(api, project, what, rows):
    PromptFactory(project=project, text="there")
    dry = api.post(f"{BASE}{what}dry_run=1", rows, format="json", headers={"Idempotency-Key": "dry"})
    assert (dry.status_code, dry.json()["created"] > 0) == (200, True)
    assert (Prompt.objects.count(), Completion.objects.count()) == (1, 0)
    assert api.post(f"{BASE}{what}dry_run=0", rows, format="json").json() == dry.json()


def test_completions_make_tasks(api):
    api.post(f"{BASE}prompts/import/", [{"id": "a", "prompt": "Hi."}], format="json")
    rows = [{"prompt_id": "a", "source": "m", "completion": f"Text {n}"} for n in range(4)]
    answer = api.post(f"{BASE}completions/import/", rows, format="json").json()
    assert (answer["created"], answer["tasks"]) == (4, 1)


def test_pairs_as_jsonl(api, project, alice):
    ranked(project, alice)
    response = api.get(f"{BASE}pairs/")
    rows = [json.loads(line) for line in b"".join(response.streaming_content).splitlines()]
    assert (len(rows), set(rows[0])) == (6, {"prompt", "chosen", "rejected"})
    assert response["Content-Disposition"] == 'attachment; filename="dialogues-pairs.jsonl"'


def test_pairs_as_csv(api, project, alice):
    ranked(project, alice)
    response = api.get(f"{BASE}pairs/?format=csv&layout=full")
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert b"".join(response.streaming_content).startswith(b"prompt,chosen,rejected,ranking,annotator,")


def test_pairs_as_parquet(api, project, alice):
    ranked(project, alice)
    response = api.get(f"{BASE}pairs/?format=parquet")
    table = pyarrow.parquet.read_table(io.BytesIO(b"".join(response.streaming_content)))
    response.close()
    assert table.num_rows == 6


@pytest.mark.parametrize("query", ["format=xlsx", "layout=wide"])
def test_an_unknown_format_or_layout(api, query):
    assert api.get(f"{BASE}pairs/?{query}").status_code == 400


def test_pairs_are_streamed_whatever_is_accepted(api, project, alice):
    ranked(project, alice)
    response = api.get(f"{BASE}pairs/", HTTP_ACCEPT="text/csv")
    assert (response.status_code, response.streaming) == (200, True)


def test_a_snapshot_over_the_api(api, project, alice):
    ranked(project, alice)
    answer = api.post(f"{BASE}snapshots/").json()
    assert (answer["rankings"], answer["pairs"]) == (1, 6)
    assert [one["sha256"] for one in api.get(f"{BASE}snapshots/").json()["results"]] == [answer["sha256"]]


def test_the_same_labels_again_give_the_same_snapshot(api, project, alice):
    ranked(project, alice)
    assert api.post(f"{BASE}snapshots/").json() == api.post(f"{BASE}snapshots/").json()
    assert Snapshot.objects.count() == 1


def test_no_labels_no_snapshot(api):
    assert api.post(f"{BASE}snapshots/").status_code == 409


def test_a_snapshots_file_has_its_hash(api, project, alice):
    ranked(project, alice)
    sha256 = api.post(f"{BASE}snapshots/").json()["sha256"]
    response = api.get(f"{BASE}snapshots/{sha256}/rankings.jsonl/")
    assert hashlib.sha256(b"".join(response.streaming_content)).hexdigest() == sha256
    response.close()


@pytest.mark.parametrize("name", ["other.txt", "..", "%2e%2e%2fmanifest.json", "manifest.json%00"])
def test_no_other_file_can_be_had(api, project, alice, name):
    ranked(project, alice)
    sha256 = api.post(f"{BASE}snapshots/").json()["sha256"]
    assert api.get(f"{BASE}snapshots/{sha256}/{name}/").status_code == 404
