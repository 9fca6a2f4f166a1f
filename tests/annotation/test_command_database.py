"""What commands say of a database that is not there or has no tables: what to do, and no traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(database, *arguments):
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "webapp.settings", "DATABASE_URL": database}
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


COMMANDS = {
    "import_rankings": ["--project", "talks", "--layout", "votes", "manage.py"],
    "import_prompts": ["--project", "talks", "--file", "manage.py"],
    "quality": ["--project", "talks", "--json"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_new_database_needs_migrations_first(tmp_path, command):
    code, said = run(f"sqlite:///{tmp_path / 'new.sqlite3'}", command, *COMMANDS[command])
    assert code == 1
    assert "run `python manage.py migrate` first" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("database", ["sqlite:////nowhere/at.sqlite3", "postgresql://127.0.0.1:9/talks"])
def test_a_database_that_is_not_there_is_named(database):
    code, said = run(database, "quality", "--project", "talks")
    assert code == 1
    assert "DATABASE_URL names it" in said
    assert "Traceback" not in said
