"""Gold: mixed in unseen, never a label, and in the lead's sight when a person or a task fails."""

import io
import json
from dataclasses import asdict

import pytest
from django.core.management import CommandError, call_command

from annotation.exceptions import Conflict, InvalidInput
from annotation.gold import gold_rows, gold_standings
from annotation.gold_and_repeats import pairs_right
from annotation.leases import lease_revive
from annotation.models import AuditEvent, Membership, PreferencePair, Ranking, Task, TaskKind
from annotation.selectors import project_quality
from annotation.services import (
    assignment_release,
    assignment_skip,
    gold_create,
    gold_import,
    gold_retire,
    ranking_submit,
    snapshot_freeze,
    task_next,
    tasks_create,
)
from tests.factories import CompletionFactory, MembershipFactory, PromptFactory, TaskFactory, UserFactory, ranked

TEXTS = ["Right.", "Wrong.", "Odd.", "Rude."]


def make(project, number, pairs=((0, 1), (0, 3))):
    return gold_create(project=project, prompt=f"Gold {number}?", completions=TEXTS, pairs=pairs, actor=None)


@pytest.fixture
def gold(project):
    """Four gold tasks among forty, and a project that trusts after three."""
    project.gold_before_trust, project.gold_share, project.completions_per_prompt = 3, 0.0, 4
    TaskFactory.create_batch(40, project=project)
    return [make(project, number) for number in range(4)]


def work(project, annotator, number, right=True):
    """Rank the next tasks; the kinds in their order. Gold is ranked as its pairs say, or the other way round."""
    kinds = []
    for _ in range(number):
        assignment = task_next(project=project, annotator=annotator)
        order = sorted(assignment.display_order)
        groups = [[one] for one in (order if right else order[::-1])]
        ranking_submit(assignment=assignment, groups=groups)
        kinds.append(assignment.task.kind)
    return kinds


def test_new_annotators_get_gold_among_the_first_tasks_and_then_no_more(project, gold):
    TaskFactory.create_batch(80, project=project)
    people = [member.user for member in MembershipFactory.create_batch(5, project=project)]
    where = [[place for place, kind in enumerate(work(project, one, 24)) if kind == TaskKind.GOLD] for one in people]
    assert [len(places) for places in where] == [3] * 5
    assert any(places != [0, 1, 2] for places in where), "in a block it would stand out"


def test_then_a_trickle(project, alice, gold):
    project.gold_before_trust, project.gold_share = 0, 0.2
    assert 1 <= work(project, alice, 20).count(TaskKind.GOLD) <= 4


def test_two_people_do_not_get_it_at_the_same_places(project, alice, bob, gold):
    assert work(project, alice, 12) != work(project, bob, 12)


def test_no_gold_comes_twice_to_one_person(project, alice, gold):
    project.gold_before_trust = 20
    kinds = work(project, alice, 30)
    assert kinds.count(TaskKind.GOLD) == 4


def test_gold_cannot_be_told_from_other_tasks(project, api_for, alice, gold):
    project.save()
    api = api_for(alice)
    seen = {}
    for _ in range(16):
        shown = api.post("/api/v1/projects/dialogues/tasks/next/").json()
        answer = {"groups": [[one["id"]] for one in shown["completions"]]}
        response = api.post(f"/api/v1/tasks/{shown['task']}/ranking/", answer, format="json").json()
        kind = Task.objects.get(pk=shown["task"]).kind
        seen[kind] = {name: type(value) for name, value in {**shown, **response}.items()}
        seen[kind] |= {"sizes": len(shown["completions"]), "pairs": response["pairs"]}
    assert seen[TaskKind.GOLD] == seen[TaskKind.RANK]


def test_gold_makes_no_pairs_and_is_in_no_snapshot(project, alice, gold):
    kinds = work(project, alice, 12)
    assert PreferencePair.objects.filter(prompt__in=[task.prompt for task in gold]).count() == 0
    assert snapshot_freeze(project=project, actor=None).rankings == kinds.count(TaskKind.RANK)


@pytest.fixture
def held(project, alice, gold):
    """A gold task in Alice's hands."""
    while (assignment := task_next(project=project, annotator=alice)).task.kind != TaskKind.GOLD:
        assignment_skip(assignment=assignment, reason="other")
    return assignment


def test_gold_is_released_and_skipped_like_any_other_task(project, alice, held):
    assignment_release(assignment=held)
    assert lease_revive(assignment=held, project=project)
    assignment_skip(assignment=held, reason="unclear")
    held.refresh_from_db()
    assert held.state == "skipped"


def test_an_answer_to_gold_that_comes_late_still_counts(held):
    assignment_release(assignment=held)
    ranking_submit(assignment=held, groups=[[one] for one in held.display_order])
    assert Ranking.objects.get().kind == TaskKind.GOLD


def test_who_fails_is_seen_and_keeps_getting_tasks(project, alice, bob, gold):
    make(project, 4)
    project.gold_before_trust = 5
    assert work(project, alice, 24).count(TaskKind.GOLD) == 5
    assert work(project, bob, 24, right=False).count(TaskKind.GOLD) == 5
    found = {name: (one.verdict, one.share.value) for name, one in gold_standings(project).items()}
    assert found == {"alice": ("passed", 1.0), "bob": ("failed", 0.0)}
    assert task_next(project=project, annotator=bob) is not None


def test_nobody_is_judged_before_they_had_enough(project, alice, gold):
    project.gold_before_trust = 20
    work(project, alice, 12)
    assert gold_standings(project)["alice"].verdict == "too few"


def test_the_members_and_the_quality_page_judge_alike(project, alice, bob, gold):
    make(project, 4)
    project.gold_before_trust = 5
    work(project, alice, 24)
    work(project, bob, 24, right=False)
    project.save()
    rows = {row["annotator"]: row["gold"] for row in project_quality(project)["annotators"]}
    assert rows == {name: asdict(one) for name, one in gold_standings(project).items()}


def test_an_impossible_gold_is_seen_and_retired(project, alice, lena, api_for, gold):
    make(project, 9, pairs=[(3, 0)])
    project.gold_before_trust = 20
    work(project, alice, 30)
    project.save()
    api = api_for(lena)
    rows = api.get("/api/v1/projects/dialogues/gold/").json()
    assert [row["pass_rate"] for row in rows] == [0.0, 1.0, 1.0, 1.0, 1.0]
    assert rows[0]["completions"] == TEXTS
    assert rows[0]["pairs"] == [[3, 0]]
    assert api.delete(f"/api/v1/projects/dialogues/gold/{rows[0]['gold']}/").status_code == 204
    assert [row.retired for row in gold_rows(project)] == [True, False, False, False, False]
    assert AuditEvent.objects.filter(verb="gold.retire").count() == 1


def test_retired_gold_goes_to_nobody(project, alice, gold):
    project.gold_before_trust = 20
    for task in gold:
        gold_retire(project=project, task_id=task.pk, actor=None)
    assert TaskKind.GOLD not in work(project, alice, 12)


def test_a_prompt_that_is_gold_is_not_labelled_any_more(project):
    prompt = PromptFactory(project=project, text="Gold 0?")
    CompletionFactory.create_batch(4, prompt=prompt)
    tasks_create(project=project, round_number=0)
    task = gold_create(
        project=project, prompt=prompt.text, completions=TEXTS, pairs=[(0, 1)], external_id=prompt.identity, actor=None
    )
    assert task.prompt == prompt
    assert list(Task.objects.values_list("state", flat=True)) == ["closed", "closed"]
    assert tasks_create(project=project, round_number=1) == 0
    with pytest.raises(Conflict):
        gold_create(
            project=project, prompt=prompt.text, completions=TEXTS, pairs=[(0, 1)], external_id=prompt.identity,
            actor=None,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("pairs", {"pairs": []}),
        ("pairs", {"pairs": [(0, 0)]}),
        ("pairs", {"pairs": [(0, 4)]}),
        ("pairs", {"pairs": [(0, 1), (1, 2), (2, 0)]}),
        ("completions", {"completions": TEXTS[:3]}),
        ("completions", {"completions": [*TEXTS[:3], " Right."]}),
        ("prompt", {"prompt": " "}),
        ("prompt", {"prompt": "a\x00"}),
    ],
)
def test_gold_that_is_none(project, field, change):
    values = {"prompt": "Gold?", "completions": TEXTS, "pairs": [(0, 1)], **change}
    with pytest.raises(InvalidInput) as refused:
        gold_create(project=project, actor=None, **values)
    assert set(refused.value.fields) == {field}


@pytest.mark.parametrize(
    ("groups", "method", "expected"),
    [
        ([[1], [2], [3]], "full", (2, 2)),
        ([[3], [2], [1]], "full", (2, 0)),
        ([[1, 2], [3]], "full", (2, 1)),
        ([[2, 1], [3]], "best_worst", (1, 1)),
        ([[7]], "full", (0, 0)),
    ],
)
def test_known_pairs_that_were_ranked_right(groups, method, expected):
    assert pairs_right(groups, [[1, 2], [2, 3]], method=method) == expected


@pytest.mark.parametrize(
    ("right", "wrong", "verdict"), [(0, 4, "too few"), (0, 5, "doubtful"), (2, 3, "fine"), (5, 0, "fine")]
)
def test_gold_that_everybody_fails_is_in_doubt(project, right, wrong, verdict):
    task = make(project, 0)
    Task.objects.filter(pk=task.pk).update(wanted_raters=9)
    for number in range(right + wrong):
        groups = [(place,) for place in (range(4) if number < right else range(3, -1, -1))]
        ranked(project, UserFactory(), task=task, groups=groups)
    row = gold_rows(project)[0]
    assert (row.verdict, row.score.tasks) == (verdict, right + wrong)


def test_finding_none_acceptable_is_no_wrong_answer(project):
    task = make(project, 0)
    Task.objects.filter(pk=task.pk).update(wanted_raters=9)
    for _ in range(6):
        ranked(project, UserFactory(), task=task, groups=(), none_acceptable=True)
    row = gold_rows(project)[0]
    assert (row.verdict, row.score.answers, row.share) == ("too few", 6, None)


def line(number, **change):
    return json.dumps({"prompt": f"P{number}", "completions": TEXTS, "pairs": [[0, 1]], **change})


def imported(project, *lines, **options):
    return gold_import(project=project, file=io.BytesIO("\n".join(lines).encode()), **options)


def test_gold_from_a_file_with_a_report_of_each_line(project):
    bad = [line(1, pairs=[[0, 9]]), line(2, pairs="no"), line(3, completions=["a"]), '{"prompt": 1}', "no json"]
    report = imported(project, line(0), *bad, line(0))
    assert (report.created, report.duplicates, report.rejected_count) == (1, 1, 5)
    assert sorted(one.line for one in report.rejected) == [2, 3, 4, 5, 6]
    assert Task.objects.get().kind == TaskKind.GOLD
    assert AuditEvent.objects.filter(verb="gold.import").get().data == {"created": 1, "duplicates": 1, "rejected": 5}


def test_a_dry_run_makes_no_gold(project):
    prompt = TaskFactory(project=project).prompt
    report = imported(project, line(0, prompt=prompt.text, id=prompt.identity), dry_run=True)
    assert report.created == 1
    assert Task.objects.get().kind == TaskKind.RANK
    assert not AuditEvent.objects.exists()


def test_gold_from_a_table(project):
    cells = [json.dumps(TEXTS).replace('"', '""'), "[[0, 1]]"]
    row = ",".join(["id,prompt,completions,pairs\ng1,Gold?", *(f'"{cell}"' for cell in cells)])
    assert imported(project, row, name="gold.csv").created == 1
    assert Task.objects.get().prompt.external_id == "g1"


def test_gold_by_the_command(project, tmp_path, capsys):
    file = tmp_path / "gold.jsonl"
    file.write_text("\n".join([line(0), line(1), '{"prompt": 1}']))
    call_command("import_gold", project="dialogues", file=file)
    assert "2 created, 0 duplicates, 1 rejected\nline 3: " in capsys.readouterr().out
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("import_gold", project="dialogues", file=tmp_path / "none.jsonl")


def test_an_earlier_task_comes_again_in_reverse_and_is_no_label(project, alice):
    project.repeat_share = 1.0
    TaskFactory.create_batch(24, project=project)
    kinds = work(project, alice, 26)
    assert kinds[:21] == [TaskKind.RANK] * 21
    assert kinds[21:].count(TaskKind.REPEAT) >= 2
    repeats = Task.objects.filter(kind=TaskKind.REPEAT)
    for task in repeats:
        again = task.assignments.get()
        assert again.display_order == task.repeats.display_order[::-1]
        assert again.prompt == task.repeats.prompt
    assert len({task.repeats_id for task in repeats}) == len(repeats)
    assert Ranking.objects.labels().count() == kinds.count(TaskKind.RANK)


def test_a_simulated_crowd_gets_neither(project, alice, gold):
    project.repeat_share = 1.0
    assert Membership.objects.filter(user=alice).exists()
    for _ in range(30):
        assignment = task_next(project=project, annotator=alice, checks=False)
        assert assignment.task.kind == TaskKind.RANK
        ranking_submit(assignment=assignment, groups=[[one] for one in assignment.display_order])
