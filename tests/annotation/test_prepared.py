from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction
from django.db.models import F, JSONField
from django.utils import timezone

from annotation.models import Assignment, AssignmentState, IdempotentRequest, Project, Task
from annotation.prepared import Insert, Select, Slot, Update, key, moment, word
from tests.factories import TaskFactory, UserFactory, ranked

pytestmark = pytest.mark.django_db


def of_project(values=("id",)):
    return Select(lambda: Task.objects.filter(project=key("project")).order_by("id").values_list(*values))


def test_the_rows_are_those_of_the_value_given_now(project):
    other = TaskFactory(project=Project.objects.create(slug="other", name="Other", split_salt="o"))
    mine = TaskFactory(project=project)
    find = of_project()
    assert find(project=project.pk) == [(mine.pk,)]
    assert find(project=other.project_id) == [(other.pk,)]
    assert find(project=0) == []


def test_the_queryset_is_built_once(project):
    built = []

    def build():
        built.append(True)
        return Task.objects.filter(project=key("project"))

    find = Select(build)
    for _ in range(3):
        find(project=project.pk)
    assert built == [True]


def test_models_come_with_what_is_selected_with_them(project, alice, django_assert_num_queries):
    given = ranked(project, alice).assignment
    find = Select(lambda: Assignment.objects.filter(pk=key("one")).select_related("task__project", "prompt"))
    with django_assert_num_queries(1):
        found = find.first(one=given.pk)
        assert found == given
        assert found.task.project == project
        assert found.prompt.text == given.prompt.text
    assert found.display_order == given.display_order
    assert found.leased_at == given.leased_at
    assert found.leased_at.tzinfo is UTC
    found.save()  # it is a row that is there


def test_first_is_none_where_there_is_none(project):
    assert of_project().first(project=0) is None


def test_times_and_words_are_compared_as_by_a_queryset(project, alice):
    given = ranked(project, alice).assignment
    find = Select(
        lambda: Assignment.objects.filter(leased_at__lte=moment("now"), task__project__slug=word("slug")).values_list(
            "id"
        )
    )
    assert find(now=given.leased_at, slug=project.slug) == [(given.pk,)]
    assert find(now=given.leased_at - timedelta(microseconds=1), slug=project.slug) == []
    assert find(now=given.leased_at, slug="'; --") == []


def test_an_update_says_how_many_rows_it_hit(project):
    task = TaskFactory(project=project, wanted_raters=2)
    take = Update(
        lambda: (Task.objects.filter(pk=key("task"), taken__lt=F("wanted_raters")), {"taken": F("taken") + 1})
    )
    assert [take(task=task.pk) for _ in range(3)] == [1, 1, 0]
    task.refresh_from_db()
    assert task.taken == 2


def test_an_update_writes_what_it_is_given(project, alice):
    given = ranked(project, alice).assignment
    change = Update(
        lambda: (
            Assignment.objects.filter(pk=key("one")),
            {"draft": Slot("draft", JSONField()), "lease_expires": moment("expires"), "state": word("state")},
        )
    )
    now = datetime(2026, 5, 1, 12, 30, 1, 2, tzinfo=UTC)
    assert change(one=given.pk, draft='{"order": [1, 2]}', expires=now, state=AssignmentState.EXPIRED) == 1
    given.refresh_from_db()
    assert (given.draft, given.lease_expires, given.state) == ({"order": [1, 2]}, now, "expired")


def test_an_inserted_row_is_as_saved(project, alice):
    task = TaskFactory(project=project)
    now = timezone.now()
    row = Assignment(
        task=task, prompt=task.prompt, annotator=alice, display_order=[3, 1], leased_at=now, lease_expires=now
    )
    assert Insert(Assignment).one(row)
    found = Assignment.objects.get(pk=row.pk)
    for field in Assignment._meta.concrete_fields:
        assert getattr(found, field.attname) == getattr(row, field.attname), field.name
    row.skip_note = "saved again"
    row.save()
    assert Assignment.objects.get().skip_note == "saved again"


def test_a_broken_rule_is_djangos_own_error(project, alice):
    given = ranked(project, alice).assignment
    again = Assignment(
        task=given.task,
        prompt=given.prompt,
        annotator=alice,
        display_order=[],
        leased_at=given.leased_at,
        lease_expires=given.leased_at,
    )
    with pytest.raises(IntegrityError), transaction.atomic():
        Insert(Assignment).one(again)


def test_unless_there_says_whether_it_was_inserted():
    alice = UserFactory()

    def request():
        return IdempotentRequest(user=alice, key="one", fingerprint="f", status=0)

    insert = Insert(IdempotentRequest)
    first, second = request(), request()
    assert insert.one(first, unless_there=True)
    assert not insert.one(second, unless_there=True)
    assert IdempotentRequest.objects.get().pk == first.pk
    assert second.pk is None
