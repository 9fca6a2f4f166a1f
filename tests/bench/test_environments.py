"""The peers' environments are made once."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from bench.races.environments import OLD, TORCH, python_of


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What would be run; nothing is installed."""
    seen: list[list[str]] = []

    def record(command: list[str], **_more: Any) -> None:
        seen.append(command)
        if "venv" in command:
            Path(command[-1]).mkdir(parents=True, exist_ok=True)

    monkeypatch.setattr(subprocess, "run", record)
    return seen


def test_torch_comes_first_and_alone(tmp_path: Path, commands: list[list[str]]) -> None:
    python_of(OLD, tmp_path)
    installs = [command[command.index("install") :] for command in commands if "install" in command]
    assert TORCH in installs[0] and not any("trl" in word for word in installs[0])  # noqa: PT018 - one thought
    assert "trl==0.11.4" in installs[1]


def test_a_whole_environment_is_used_again(tmp_path: Path, commands: list[list[str]]) -> None:
    first = python_of(OLD, tmp_path)
    count = len(commands)
    assert python_of(OLD, tmp_path) == first
    assert len(commands) == count


def test_one_that_holds_other_packages_is_made_anew(tmp_path: Path, commands: list[list[str]]) -> None:
    python_of(OLD, tmp_path)
    (tmp_path / OLD.name / "installed").write_text("trl==0.10", encoding="utf-8")
    count = len(commands)
    python_of(OLD, tmp_path)
    assert len(commands) == 2 * count
