"""The same crowd on PostgreSQL, where rows are locked one by one."""

import pytest

from tests.annotation.crowd import Crowd, everything_done, holds_always

pytestmark = [pytest.mark.service, pytest.mark.slow]


def test_eight_people_who_rank_everything(database, tmp_path):
    crowd = Crowd(database, tmp_path, people=8, tasks=60)
    done = crowd.work(share=1.0)
    found = crowd.look()
    holds_always(found, done)
    everything_done(found)


def test_eight_people_who_skip_release_and_forget(database, tmp_path):
    crowd = Crowd(database, tmp_path, people=8, tasks=60)
    done = crowd.work(share=0.6)
    holds_always(crowd.look(), done)
    assert done["skipped"]
    assert done["expired"]
