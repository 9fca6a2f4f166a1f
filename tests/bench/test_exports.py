"""The generated database of the export bench, and more rankings than SQLite takes ORs."""

import pytest

from annotation.exporters import as_lines, rankings_export
from annotation.models import Project, Ranking
from annotation.services import snapshot_freeze
from bench.exports import _batch, text
from tests.factories import UserFactory


@pytest.mark.slow
@pytest.mark.django_db
def test_more_than_a_thousand_rankings_go_out_and_are_frozen():
    project = Project.objects.create(slug="bench", name="Bench", split_salt="bench")
    _batch(project, [UserFactory()], range(1001))
    assert Ranking.objects.training().count() == 1001
    assert b"".join(as_lines(rankings_export(project=project), "jsonl")).count(b"\n") == 1001
    snapshot = snapshot_freeze(project=project, actor=None)
    assert (snapshot.rankings, snapshot.pairs, snapshot.manifest["counts"]["prompts"]) == (1001, 6006, 1001)


def test_no_two_texts_are_the_same():
    assert len({text(number, 5) for number in range(100)}) == 100
