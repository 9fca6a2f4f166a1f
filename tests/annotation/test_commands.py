"""The commands are doors to the same services."""

import json
import sys
from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import get_hasher, make_password
from django.core.management import CommandError, call_command
from django.test import override_settings

from annotation.exceptions import InvalidInput
from annotation.models import AuditEvent, Membership, Prompt, Role
from annotation.services import annotators_add
from tests.factories import TaskFactory, UserFactory, ranked


def run(name, *arguments):
    out = StringIO()
    call_command(name, "--project", "dialogues", *arguments, stdout=out)
    return out.getvalue()


def test_annotators_are_printed_as_json(project):
    made = json.loads(run("add_annotators", "--count", "3", "--json"))
    assert [one["username"] for one in made] == ["annotator01", "annotator02", "annotator03"]
    assert all(set(one) == {"username", "password", "token"} for one in made)
    assert Membership.objects.filter(role=Role.ANNOTATOR, user__username__startswith="annotator").count() == 3


def test_a_new_annotator_can_log_in(project):
    (one,) = annotators_add(project=project, count=1)
    assert get_user_model().objects.get(username=one["username"]).check_password(one["password"])


def test_a_new_annotators_token_works(project, api_for):
    TaskFactory(project=project)
    (one,) = annotators_add(project=project, count=1)
    client = api_for(None)
    client.credentials(HTTP_AUTHORIZATION=f"Token {one['token']}")
    assert client.post("/api/v1/projects/dialogues/tasks/next/").status_code == 200


def test_names_that_are_taken_are_passed_over(project):
    UserFactory(username="team02")
    made = annotators_add(project=project, count=2, prefix="team")
    assert [one["username"] for one in made] == ["team01", "team03"]


def test_adding_again_adds_others(project):
    names = [one["username"] for _ in range(2) for one in annotators_add(project=project, count=2)]
    assert len(set(names)) == 4


@pytest.mark.parametrize("count", [0, -1, 1001])
def test_a_count_that_cannot_be(project, count):
    with pytest.raises(InvalidInput):
        annotators_add(project=project, count=count)


@pytest.mark.parametrize("prefix", ["with space", "semi;colon", "x" * 200])
def test_a_prefix_that_is_no_name(project, prefix):
    with pytest.raises(InvalidInput):
        annotators_add(project=project, count=1, prefix=prefix)
    assert not AuditEvent.objects.filter(verb="annotators.add").exists()


def test_simulated_annotators_cannot_log_in(project):
    (one,) = annotators_add(project=project, count=1, simulated=True)
    user = get_user_model().objects.get(username=one["username"])
    assert (one["password"], one["token"], user.has_usable_password()) == ("", "", False)
    assert not user.auth_token_set.exists()


@override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.PBKDF2PasswordHasher"])
def test_a_random_password_is_hashed_fast_and_strengthened_at_the_first_log_in(project):
    (one,) = annotators_add(project=project, count=1)
    user = get_user_model().objects.get(username=one["username"])
    assert get_hasher("default").must_update(user.password)
    assert user.check_password(one["password"])
    user.refresh_from_db()
    assert not get_hasher("default").must_update(user.password)
    assert not user.check_password(make_password("other"))


def test_an_unknown_project_names_those_there_are(project):
    with pytest.raises(CommandError, match="dialogues"):
        call_command("add_annotators", "--project", "nothing", "--count", "1")


def test_prompts_are_imported(project, tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_text('{"prompt": "Hi."}\n{"prompt": ""}\n')
    assert run("import_prompts", "--file", str(path)) == (
        "1 created, 0 duplicates, 1 rejected\nline 2: The prompt is empty.\n"
    )
    assert Prompt.objects.count() == 1


def test_a_file_that_is_not_there(project, tmp_path):
    with pytest.raises(CommandError, match="cannot be read"):
        run("import_prompts", "--file", str(tmp_path / "none.jsonl"))


def test_pairs_go_to_the_standard_output(project, alice, capfdbinary):
    ranked(project, alice)
    run("export_pairs")
    sys.stdout.flush()
    assert capfdbinary.readouterr().out.count(b"\n") == 6


def test_parquet_needs_a_file(project):
    with pytest.raises(CommandError, match="--out"):
        run("export_pairs", "--format", "parquet")


def test_an_export_to_a_place_that_cannot_be_written(project):
    with pytest.raises(CommandError, match="cannot be written"):
        run("export_pairs", "--out", "/nowhere/at/all.jsonl")
