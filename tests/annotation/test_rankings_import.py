"""Rankings made elsewhere: what is stored of them, what is counted, and what is not taken."""

import io
import json
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command

from annotation import readers
from annotation.exceptions import ImportRefused
from annotation.models import Completion, PreferencePair, Project, Prompt, Ranking, Task
from annotation.services import rankings_import

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def candidate(name, *ratings, text=None):
    return {"candidate": name, "summary": f"Summary {name}." if text is None else text, "ratings": list(ratings)}


def scores(coherence, fluency=3):
    return {"coherence": coherence, "fluency": fluency}


ROW = {
    "id": "d1",
    "dialogue": "Ann: Hi.\nTom: Hello.",
    "reference": "They greet.",
    "candidates": [
        candidate("A", scores(4), scores(1)),
        candidate("B", scores(2), scores(5)),
        candidate("C", scores(3, 4), scores(5)),
    ],
}


@pytest.fixture
def load(project):
    def run(*rows, layout="ratings", **options):
        return rankings_import(project=project, layout=layout, items=rows, name="file.jsonl", **options)

    return run


def order_of(ranking):
    """The ranking in the systems' names: ``A=C>B``."""
    names = dict(Completion.objects.values_list("id", "source"))
    return ">".join("=".join(sorted(names[key] for key in group)) for group in ranking.groups)


def test_each_raters_ranking_is_by_the_sum_of_the_criteria(load, project):
    report = load(ROW)
    assert (report.created, report.prompts, report.completions, report.tasks, report.raters) == (2, 1, 3, 1, 2)
    assert (report.strict_pairs, report.tied_pairs) == (4, 2)
    first, second = Ranking.objects.order_by("id")
    assert [order_of(first), order_of(second)] == ["A=C>B", "B=C>A"]
    assert (first.kind, first.origin, first.batch, first.is_current) == ("imported", "imported", "file.jsonl", True)
    a, b, c = Completion.objects.order_by("id").values_list("id", flat=True)
    assert first.ratings == {
        "coherence": {str(a): 4, str(b): 2, str(c): 3},
        "fluency": {str(a): 3, str(b): 3, str(c): 4},
    }
    project.refresh_from_db()
    assert project.criteria == ["helpfulness", "faithfulness", "coherence", "fluency"]


def test_one_closed_task_with_a_submitted_assignment_for_each_rater(load):
    load(ROW)
    task = Task.objects.get()
    assert (task.kind, task.state, task.wanted_raters, task.taken) == ("imported", "closed", 2, 2)
    shown = list(Completion.objects.order_by("id").values_list("id", flat=True))
    for assignment in task.assignments.all():
        assert (assignment.state, assignment.display_order) == ("submitted", shown)
        assert assignment.events.get().new == "submitted"


def test_raters_cannot_log_in_and_are_no_members(load, project):
    load(ROW)
    for user in get_user_model().objects.filter(username__startswith="dialogues."):
        assert (user.is_active, user.has_usable_password(), user.memberships.count()) == (False, False, 0)
    assert Ranking.objects.filter(annotator__username="dialogues.rater1").exists()


def test_the_same_file_again_adds_nothing(load):
    load(ROW)
    report = load(ROW)
    assert (report.created, report.duplicates, report.rejected_count) == (0, 2, 0)
    assert (Prompt.objects.count(), Task.objects.count(), Ranking.objects.count()) == (1, 1, 2)


def test_another_ranking_by_the_same_rater_is_reported_and_not_taken(load):
    load(ROW)
    report = load({**ROW, "candidates": [candidate("A", scores(1), scores(1)), *ROW["candidates"][1:]]})
    assert (report.created, report.duplicates, report.changed, report.rejected_count) == (0, 1, 1, 1)
    assert "otherwise" in report.rejected[0].error
    assert order_of(Ranking.objects.get(annotator__username="dialogues.rater1")) == "A=C>B"


def test_repeated_and_empty_texts_are_kept_and_counted(load):
    texts = ["Same.", "Same.", "", "Other."]
    row = {**ROW, "candidates": [candidate("A", scores(n), text=text) for n, text in enumerate(texts)]}
    report = load(row)
    assert (report.completions, report.repeated_texts, report.empty_texts) == (4, 1, 1)
    assert load(row).completions == 0
    assert [*Completion.objects.order_by("ordinal").values_list("ordinal", "text")] == [*enumerate(texts)]


def test_experts_and_the_crowd_stay_apart_without_a_source_text(load):
    row = {
        "id": "a1",
        "candidates": [
            {"candidate": name, "summary": name, "expert_ratings": [scores(n)], "crowd_ratings": [scores(-n)] * 2}
            for n, name in enumerate("AB")
        ],
    }
    load(row, {**row, "id": "a2"})
    assert sorted(Ranking.objects.values_list("annotator__username", "rater_group").distinct()) == [
        ("dialogues.crowd1", "crowd"),
        ("dialogues.crowd2", "crowd"),
        ("dialogues.expert1", "expert"),
    ]
    assert [*Prompt.objects.values_list("identity", "text")] == [("a1", ""), ("a2", "")]


def test_votes_are_rankings_of_two(load):
    row = {"id": 7, "instruction": "Say hi.", "input": "", "response1": "Hi.", "response2": "", "votes": [1, 2, 0]}
    report = load({**row, "model1": "a", "model2": "b"}, layout="votes")
    assert (report.created, report.strict_pairs, report.tied_pairs, report.empty_texts) == (3, 2, 1, 1)
    assert [order_of(one) for one in Ranking.objects.order_by("id")] == ["a>b", "b>a", "a=b"]


def test_a_dry_run_reports_the_same_and_writes_nothing(load):
    dry = load(ROW, dry_run=True)
    assert not Prompt.objects.exists()
    assert not get_user_model().objects.filter(username__startswith="dialogues.").exists()
    assert load(ROW) == dry


def test_nobodys_account_is_ranked_in(load, django_user_model):
    django_user_model.objects.create_user("dialogues.rater2", password="something long")
    with pytest.raises(ImportRefused, match=r"dialogues\.rater2"):
        load(ROW)
    assert not Ranking.objects.exists()


REAL = {
    "dialogue_summary_ratings": ("ratings", {"prompts": 70, "created": 210, "strict_pairs": 15449, "tied_pairs": 3661}),
    "summeval_ratings": ("ratings", {"prompts": 70, "created": 560, "raters": 8, "completions": 840}),
    "pairwise_votes": ("votes", {"tasks": 749, "created": 749 * 3, "raters": 3, "tied_pairs": 241, "empty_texts": 41}),
}


@pytest.mark.parametrize("file", REAL)
@pytest.mark.skipif(not SHARED.is_dir(), reason="the real rating files are not beside this checkout")
def test_real_files_go_in_as_they_are(file, db, capsys):
    layout, expected = REAL[file]
    path = SHARED / f"{file}.jsonl.gz"
    call_command("import_rankings", str(path), "--project", "real", "--layout", layout, "--json")
    report = json.loads(capsys.readouterr().out)
    assert {name: report[name] for name in expected} == expected
    assert report["rejected"] == []
    assert PreferencePair.objects.count() == report["strict_pairs"] + report["tied_pairs"]
    assert Project.objects.get().rankings.labels().count() == report["created"]


def test_a_file_of_nothing_readable_ends_in_an_error(db, tmp_path):
    path = tmp_path / "none.jsonl"
    path.write_text('{"id": "x"}\nnot json\n')
    with pytest.raises(CommandError, match="could be read"):
        call_command("import_rankings", str(path), "--project", "none", "--layout", "ratings", stdout=io.StringIO())


def test_the_limits_of_the_network_do_not_bind_the_command(db, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(readers, "MAX_ROWS", 1)
    monkeypatch.setattr(readers, "MAX_FILE", 1)
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps({**ROW, "id": name, "dialogue": name}) for name in "ab"))
    call_command("import_rankings", str(path), "--project", "made", "--layout", "ratings", "--dry-run")
    assert capsys.readouterr().out.startswith("4 rankings created")
    assert not Project.objects.filter(slug="made").exists()


def test_raters_names_become_usernames_that_stay_apart(load):
    names = ["ann", "<b>ann</b>", "_b_ann__b_", "Ann Lee", "x" * 200, "é" * 140 + "1", "é" * 140 + "2"]
    rows = [{"groups": [[0], [1]], "annotator": name} for name in names]
    report = load({"prompt": "p", "completions": ["a", "b"], "rankings": rows}, layout="rankings")
    assert (report.created, report.raters) == (7, 7)
    users = get_user_model().objects.filter(username__startswith="dialogues.")
    for user in users:
        user._meta.get_field("username").clean(user.username, user)
    assert users.filter(username="dialogues.ann").exists()
    assert load({"prompt": "p", "completions": ["a", "b"], "rankings": rows}, layout="rankings").duplicates == 7


def test_who_rated_some_ranks_those_in_a_task_of_their_own(load):
    partial = [
        candidate("A", scores(4), None),
        candidate("B", scores(2), scores(5)),
        candidate("C", scores(3), scores(4)),
    ]
    report = load({**ROW, "candidates": partial})
    assert (report.created, report.tasks, report.strict_pairs) == (2, 2, 4)
    assert "rated 2 of 3" in report.notes[0].error
    assert [order_of(one) for one in Ranking.objects.order_by("id")] == ["A>C>B", "B>C"]


def test_sums_that_do_not_compare_are_refused_and_the_others_taken(load):
    mixed = [candidate("A", scores(4), {"coherence": 1}), candidate("B", scores(2), scores(5))]
    report = load({**ROW, "candidates": mixed})
    assert (report.created, report.rejected_count) == (1, 1)
    assert "rater2 did not rate every completion on fluency" in report.rejected[0].error


def test_a_second_file_adds_raters_to_the_same_task(load):
    row = {"prompt": "p", "completions": ["a", "b"], "ranks": [1, 2]}
    load({**row, "annotator": "ann"}, layout="rankings")
    load({**row, "annotator": "bo"}, layout="rankings")
    task = Task.objects.get()
    assert (task.wanted_raters, task.taken, task.assignments.count()) == (2, 2, 2)


def test_a_file_without_a_ranking_makes_no_project(db):
    report = rankings_import(project="new", layout="votes", items=[ROW])
    assert (report.created, report.rejected_count) == (0, 1)
    assert not Project.objects.exists()


def test_votes_that_a_spreadsheet_made_floats_are_votes(load):
    row = {"instruction": "Why?", "response1": "A.", "response2": "B.", "votes": [1.0, 2.0, 0.0, 1.5]}
    assert load({**row, "votes": row["votes"][:3]}, layout="votes").created == 3
    assert "'1.5' is no vote" in load(row, layout="votes").rejected[0].error
