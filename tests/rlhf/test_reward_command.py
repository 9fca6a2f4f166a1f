"""`python -m rlhf reward`: from a snapshot's rankings to a reward model and its report."""

import json
from pathlib import Path

import pytest

from rlhf.artifacts import read_artifact
from rlhf.cli import main
from rlhf.data import read_completions
from rlhf.exceptions import DataError
from tests.rlhf.learning import rankings
from tests.rlhf.tiny import save_tiny


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_tiny(tmp_path / "model", "t5", seed=4)
    lines = [
        {
            "prompt": ranking.prompt, "completions": ranking.completions, "groups": ranking.groups,
            "annotator": "alice", "strengths": None, "split": ranking.split,
        }
        for ranking in rankings(20)
    ]  # fmt: skip
    (tmp_path / "rankings.jsonl").write_text("\n".join(map(json.dumps, lines)))
    # As `generate` writes it: the prompt as the model reads it, template applied.
    written = [{"prompt": f"summarize : {line['prompt']}", "completions": line["completions"][:2]} for line in lines]
    (tmp_path / "newest.jsonl").write_text("\n".join(map(json.dumps, written)))
    return tmp_path


def reward(folder: Path, *options: str) -> int:
    sizes = ["epochs=1", "members=1", "judge_share=0", "lora.rank=2", "normalisation_samples=128", "max_new_tokens=23"]
    sizes += ["max_completion_tokens=24", "null_control=true"]
    given = ["--anchor", str(folder / "model"), "--rankings", str(folder / "rankings.jsonl"), *options]
    given += ["--template", "summarize : {prompt}", "--out", str(folder / "out")]
    return main(["reward", *given, *(f"--set={size}" for size in sizes)])


def test_it_reports_the_control_and_the_accuracy_on_the_newest_policys_texts(folder: Path) -> None:
    assert reward(folder, "--newest", str(folder / "newest.jsonl")) == 0
    facts = read_artifact(folder / "out").facts
    null, newest = facts["null_accuracy"], facts["newest_accuracy"]
    assert isinstance(null, dict)
    assert isinstance(newest, dict)
    assert null["n"] == newest["n"] == 2


def test_newest_completions_of_other_prompts_are_an_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "other.jsonl").write_text(json.dumps({"prompt": "another one", "completions": ["x"]}))
    assert reward(folder, "--newest", str(folder / "other.jsonl")) == 1
    assert "none of its 1 prompts is among those that were ranked" in capsys.readouterr().err


def test_completions_are_read_by_prompt(tmp_path: Path) -> None:
    lines = [{"prompt": "p", "completions": ["a"]}, {"prompt": "q", "completions": []}]
    lines.append({"prompt": "p", "completions": ["b", "c"]})
    (tmp_path / "texts.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert read_completions(tmp_path / "texts.jsonl") == {"p": ["a", "b", "c"], "q": []}
    (tmp_path / "bad.jsonl").write_text('{"prompt": "p", "completions": "a"}')
    with pytest.raises(DataError, match=r"bad\.jsonl, line 1: completions must be a list of texts"):
        read_completions(tmp_path / "bad.jsonl")
