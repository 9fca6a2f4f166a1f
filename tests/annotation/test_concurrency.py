"""Eight people at once on SQLite in WAL mode: no task over its raters, none lost, no prompt met twice."""

import pytest

from tests.annotation.crowd import Crowd, everything_done, holds_always

pytestmark = pytest.mark.slow


def test_eight_people_who_rank_everything(tmp_path):
    crowd = Crowd(f"sqlite:///{tmp_path}/crowd.sqlite3", tmp_path, people=8, tasks=60)
    done = crowd.work(share=1.0)
    found = crowd.look()
    holds_always(found, done)
    everything_done(found)


def test_eight_people_who_skip_release_and_forget(tmp_path):
    crowd = Crowd(f"sqlite:///{tmp_path}/crowd.sqlite3", tmp_path, people=8, tasks=60)
    done = crowd.work(share=0.6)
    holds_always(crowd.look(), done)
    assert done["skipped"]
    assert done["expired"]
