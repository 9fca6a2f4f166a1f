"""Rows written without models: their defaults, their keys, and how imports look up what is there."""

import os

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from annotation.models import Completion, Ranking, Task
from annotation.services import completions_import, prompts_import, rankings_import
from annotation.services.bulk import keys_take, rows_insert
from annotation.services.known_prompts import prompts_known
from tests.factories import PromptFactory

pytestmark = pytest.mark.django_db


def test_a_column_that_is_not_given_gets_the_models_default():
    prompt = PromptFactory()
    assert rows_insert(model=Completion, rows=[{"prompt_id": prompt.pk, "source": "a"}]) == 1
    made = Completion.objects.get()
    assert (made.text, made.ordinal, made.sampling, made.seed) == ("", 0, {}, None)
    assert made.created_at >= prompt.created_at


def test_a_row_without_a_needed_value_is_refused():
    with pytest.raises(IntegrityError), transaction.atomic():
        rows_insert(model=Completion, rows=[{"source": "a"}])


def test_keys_that_were_taken_are_nobody_elses():
    prompt = PromptFactory()
    keys = keys_take(model=Completion, count=3)
    rows_insert(
        model=Completion,
        rows=({"id": key, "prompt_id": prompt.pk, "source": "a", "ordinal": n} for n, key in enumerate(keys)),
    )
    later = Completion.objects.create(prompt=prompt, source="b")
    assert len({*keys, later.pk}) == 4


def test_known_prompts_are_found_by_id_and_by_words_within_the_project(project):
    by_id, by_words = PromptFactory(project=project), PromptFactory(project=project)
    PromptFactory(project=project)
    elsewhere = PromptFactory()
    found = prompts_known(
        project=project,
        identities=[by_id.identity, elsewhere.identity],
        contents=[by_words.content_hash, by_id.content_hash, elsewhere.content_hash],
    )
    assert sorted(prompt.pk for prompt in found) == sorted([by_id.pk, by_words.pk])


def ranked(number):
    return {"prompt": f"Prompt {number}.", "completions": ["One.", "Two."], "groups": [[0], [1]]}


def prompted(number):
    return {"id": f"p{number}", "prompt": f"Prompt {number}."}


def completed(number):
    return {"prompt": f"Prompt {number % 60}.", "source": f"s{number // 60}", "completion": f"{number}"}


@pytest.mark.parametrize("what", ["prompts", "completions", "rankings"])
def test_the_number_of_queries_does_not_grow_with_the_lines(project, what):
    def load(numbers):
        with CaptureQueriesContext(connection) as queries:
            if what == "rankings":
                rows = map(ranked, numbers)
                report = rankings_import(project=project, layout="rankings", items=rows, name="f")
            elif what == "prompts":
                report = prompts_import(project=project, items=map(prompted, numbers))
            else:
                report = completions_import(project=project, items=map(completed, numbers))
        assert report.created == len(numbers)
        return len(queries)

    prompts_import(project=project, items=map(prompted, range(60)) if what == "completions" else [])
    first = load(range(120, 122))
    assert load(range(200, 260)) <= first


def test_an_import_of_rankings_leaves_tasks_whose_completions_are_their_own(project):
    rankings_import(project=project, layout="rankings", items=map(ranked, range(3)), name="f")
    for task in Task.objects.all():
        assert {one.prompt_id for one in task.completions.all()} == {task.prompt_id}
    for ranking in Ranking.objects.all():
        assert {key for group in ranking.groups for key in group} == set(
            ranking.assignment.task.completions.values_list("pk", flat=True)
        )


@pytest.mark.skipif("postgres" in os.environ.get("DATABASE_URL", ""), reason="SQLite's plans")
def test_no_look_up_of_prompts_reads_the_whole_project(project):
    with CaptureQueriesContext(connection) as queries:
        prompts_known(project=project, identities=["a", "b"], contents=["c"])
    for query in queries:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
            plan = " ".join(str(row[3]) for row in cursor.fetchall())
        assert "identity=?" in plan or "content_hash=?" in plan
