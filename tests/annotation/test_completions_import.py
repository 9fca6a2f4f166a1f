"""Completions of other models, and the tasks that follow."""

import io
import json

import pytest

from annotation.exceptions import ImportRefused
from annotation.models import Completion, Task
from annotation.services import completions_import, prompts_import


@pytest.fixture
def prompts(project):
    prompts_import(project=project, items=[{"id": "a", "prompt": "Hi."}, {"prompt": "Bye."}])


@pytest.fixture
def load(project, prompts):
    def run(*items):
        content = "\n".join(map(json.dumps, items)).encode()
        return completions_import(project=project, file=io.BytesIO(content), name="c.jsonl")

    return run


def written(prompt, *texts, source="one"):
    return [{**prompt, "source": source, "completion": text} for text in texts]


A = {"prompt_id": "a"}
BYE = {"prompt": "Bye."}


def test_a_prompt_is_found_by_its_id(load):
    assert load(*written(A, "Hello.")).created == 1
    completion = Completion.objects.get()
    assert (completion.prompt.external_id, completion.source, completion.text) == ("a", "one", "Hello.")


def test_a_prompt_is_found_by_its_text(load):
    assert load(*written(BYE, "Goodbye.")).created == 1
    assert Completion.objects.get().prompt.text == "Bye."


def test_an_unknown_prompt_is_reported(load):
    report = load(*written({"prompt_id": "zzz"}, "Hello."), *written(A, "Hi."))
    assert report.created == 1
    assert "No prompt with the id 'zzz'" in report.rejected[0].error


def test_the_samples_of_one_source_are_counted(load):
    load(*written(A, "One.", "Two."))
    load(*written(A, "Three."))
    assert list(Completion.objects.order_by("id").values_list("ordinal", flat=True)) == [0, 1, 2]


def test_the_same_words_of_the_same_source_are_a_duplicate(load):
    load(*written(A, "One."))
    assert load(*written(A, "One.")).duplicates == 1


def test_two_sources_may_write_the_same_words(load):
    report = load(*written(A, "One."), *written(A, "One.", source="two"))
    assert (report.created, report.duplicates) == (2, 0)


def test_an_empty_completion_is_a_completion(load):
    assert load(*written(A, "")).created == 1


def test_a_completion_without_a_source_is_reported(load):
    assert "No source" in load({"prompt_id": "a", "completion": "x"}).rejected[0].error


def test_enough_completions_make_a_task_at_once(load):
    assert load(*written(A, "One.", "Two.", "Three.", "Four.")).tasks == 1
    assert Task.objects.get().completions.count() == 4


def test_completions_of_several_systems_make_a_task_together(load):
    lines = [line for name in "wxyz" for line in written(A, f"By {name}.", source=name)]
    assert load(*lines).tasks == 1


def test_too_few_completions_make_no_task(load):
    assert load(*written(A, "One.", "Two.", "Three.")).tasks == 0


def test_a_csv_of_completions(project, prompts):
    file = io.BytesIO(b"prompt_id,source,completion\na,one,Hello.\n")
    assert completions_import(project=project, file=file, name="c.csv").created == 1


def test_a_file_without_the_columns_is_refused(project, prompts):
    with pytest.raises(ImportRefused, match="source"):
        completions_import(project=project, file=io.BytesIO(b"prompt_id,completion\na,Hello.\n"), name="c.csv")


def test_another_projects_prompt_is_unknown(project, prompts):
    other = type(project).objects.create(slug="other", name="Other", split_salt="other")
    assert completions_import(project=other, items=written(A, "Hello.")).rejected_count == 1
