"""The commands, on tiny models, through the same door as a user."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rlhf.artifacts import read_artifact
from rlhf.cli import main
from tests.rlhf.tiny import save_tiny

LINES = [
    {"id": "1", "dialogue": "anna meets bob at noon", "summary": "anna meets bob"},
    {"id": "2", "dialogue": "carla lost the key", "summary": "the key is lost"},
    {"id": "3", "dialogue": "dan orders pizza for work", "summary": "dan orders pizza"},
]
RANKING = {"completions": ["anna meets bob", "bob late"], "groups": [[0], [1]], "annotator": "x", "strengths": None}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_tiny(tmp_path / "model")
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in LINES))
    rankings = [RANKING | {"prompt": LINES[row % 3]["dialogue"], "split": "train"} for row in range(6)]
    (tmp_path / "rankings.jsonl").write_text("".join(json.dumps(line) + "\n" for line in rankings))
    return tmp_path


def _run(folder: Path, command: str, *options: str) -> int:
    return main([command, "--out", str(folder / "out"), *(option.replace("@", f"{folder}/") for option in options)])


def test_sft_writes_a_model_and_the_metrics_of_each_step(folder: Path) -> None:
    done = _run(
        folder, "sft", "--model", "@model", "--data", "@prompts.jsonl", "--validation", "@prompts.jsonl",
        "--set", "epochs=2", "--set", "lora.rank=2", "--log", "@log.jsonl",
    )  # fmt: skip
    assert done == 0
    assert read_artifact(folder / "out").facts["steps"] == 2
    steps = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [step["step"] for step in steps] == [1, 2]
    assert set(steps[0]) == {"step", "loss", "validation_loss"}


def test_generate_writes_a_line_for_each_prompt(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--model", "@model", "--prompts", "@prompts.jsonl", "--n", "2", "--set", "max_new_tokens=5")
    assert _run(folder, "generate", *options) == 0
    rows = [json.loads(line) for line in (folder / "out").read_text().splitlines()]
    assert [(row["id"], len(row["completions"])) for row in rows] == [("1", 2), ("2", 2), ("3", 2)]
    assert "6 completions of 3 prompts" in capsys.readouterr().out


def test_generate_repeats_itself_with_the_same_seed(folder: Path) -> None:
    options = ("--model", "@model", "--prompts", "@prompts.jsonl", "--set", "max_new_tokens=5")
    assert _run(folder, "generate", *options) == 0
    first = (folder / "out").read_bytes()
    assert _run(folder, "generate", *options) == 0
    assert (folder / "out").read_bytes() == first


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "@nothing", "--data", "@prompts.jsonl"], "ModelError: There is no model"),
        (["--model", "@model", "--data", "@nothing.jsonl"], "DataError: "),
        (["--model", "@model", "--data", "@prompts.jsonl", "--set", "epoch=1"], "ConfigError: SFTConfig has no key"),
        (["--model", "@model", "--data", "@prompts.jsonl", "--set", "epochs"], "ConfigError: --set takes NAME=VALUE"),
        (["--model", "@model", "--data", "@prompts.jsonl", "--config", "@x.json"], "is no readable JSON"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, options: list[str], message: str
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert _run(folder, "sft", *options) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_dpo_trains_on_a_snapshot(folder: Path) -> None:
    done = _run(
        folder, "dpo", "--anchor", "@model", "--rankings", "@rankings.jsonl", "--set", "epochs=1",
        "--set", "max_new_tokens=4", "--set", "lora.rank=2", "--set", "max_completion_tokens=24",
    )  # fmt: skip
    assert done == 0
    assert read_artifact(folder / "out").trainable_parameters > 0


def test_the_module_runs_as_a_command(folder: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "rlhf", "--help"], capture_output=True, text=True, check=True)
    assert all(name in done.stdout for name in ("sft", "reward", "ppo", "dpo", "generate", "evaluate"))
