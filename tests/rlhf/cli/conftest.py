"""A folder with a tiny model and data, and the door that a user comes through."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from rlhf.cli import main
from tests.rlhf.tiny import tiny_policy

LINES = [
    {"id": "1", "dialogue": "anna meets bob at noon", "summary": "anna meets bob"},
    {"id": "2", "dialogue": "carla lost the key", "summary": "the key is lost"},
    {"id": "3", "dialogue": "dan orders pizza for work", "summary": "dan orders pizza"},
]
RANKING = {"completions": ["anna meets bob", "bob late"], "groups": [[0], [1]], "annotator": "x", "strengths": None}
Run = Callable[..., int]


def write_lines(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once; ``folder`` links to it."""
    made = tmp_path_factory.mktemp("tiny") / "model"
    tiny_policy(made.with_name("made"), "t5-untied", scale=3).save(made)
    return made


@pytest.fixture
def folder(tmp_path: Path, tiny_folder: Path) -> Path:
    (tmp_path / "model").symlink_to(tiny_folder)
    write_lines(tmp_path / "prompts.jsonl", LINES)
    sides = {"train": (LINES[0], 6), "validation": (LINES[1], 2), "test": (LINES[2], 2)}
    rows = [
        RANKING | {"prompt": line["dialogue"], "split": side}
        for side, (line, count) in sides.items()
        for _ in range(count)
    ]
    write_lines(tmp_path / "rankings.jsonl", rows)
    return tmp_path


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """``python -m rlhf`` in ``folder``; its exit code. No hub is asked."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return lambda *arguments: main(arguments)
