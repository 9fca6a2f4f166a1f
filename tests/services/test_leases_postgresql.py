"""The same crowd on PostgreSQL, where rows are locked one by one."""

import os
import uuid

import psycopg
import pytest

from tests.annotation.crowd import Crowd, everything_done, holds_always

SERVER = "postgresql://root@127.0.0.1:5432"
pytestmark = [pytest.mark.service, pytest.mark.slow]


@pytest.fixture
def database():
    """A database of its own; a PostgreSQL that is not there skips the test, except under CI."""
    name = f"kedge_leases_{uuid.uuid4().hex[:12]}"
    try:
        server = psycopg.connect(f"{SERVER}/postgres", autocommit=True, connect_timeout=3)
    except psycopg.OperationalError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no PostgreSQL: {error}")
    with server:
        server.execute(f'CREATE DATABASE "{name}"')
        yield f"{SERVER}/{name}"
        server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


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
