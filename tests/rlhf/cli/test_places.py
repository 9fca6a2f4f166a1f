"""Where results and logs may go, and that nothing of anybody is overwritten."""

import json
from pathlib import Path

import pytest

from rlhf.artifacts import read_artifact
from rlhf.cli.places import check_writable, named, result_folder, write_whole
from rlhf.exceptions import ConfigError
from tests.rlhf.cli.conftest import Run
from tests.rlhf.cli.test_commands import GENERATE, SFT
from tests.rlhf.cli.test_errors import Captured, fails


def test_a_folder_of_somebody_else_is_refused_and_stays(run: Run, folder: Path, capsys: Captured) -> None:
    (folder / "out").mkdir()
    for name in ("thesis.tex", "a", "b", "c"):
        (folder / "out" / name).write_text("mine")
    for extra in ((), ("--overwrite",)):
        line = fails(run, capsys, *SFT, *extra)
        assert "--out out is not empty and not a result of ours (it holds a, b, c, …)" in line
        assert "empty it or choose another --out" in line
    assert (folder / "out" / "thesis.tex").read_text() == "mine"
    assert not (folder / "out.logs").exists()


def test_an_empty_folder_is_free(run: Run, folder: Path) -> None:
    (folder / "out").mkdir()
    assert run(*SFT) == 0


def test_a_finished_result_is_only_replaced_on_request(run: Run, folder: Path, capsys: Captured) -> None:
    assert run(*SFT) == 0
    first = read_artifact(folder / "out").sha256
    (folder / "out" / "stale.safetensors").write_bytes(b"")
    capsys.readouterr()
    assert "holds a finished result: choose another --out, or say --overwrite" in fails(run, capsys, *SFT)
    assert run(*SFT, "--overwrite", "--seed", "1", "--set", "learning_rate=0.1") == 0
    assert read_artifact(folder / "out").sha256 != first
    assert not (folder / "out" / "stale.safetensors").exists(), "nothing of the old result is left in the new one"
    assert not (folder / "out.old").exists()


def test_a_failed_replacement_leaves_the_old_result(run: Run, folder: Path, capsys: Captured) -> None:
    assert run(*SFT) == 0
    before = read_artifact(folder / "out").sha256
    capsys.readouterr()
    fails(run, capsys, *SFT, "--overwrite", "--model", "nothing")
    assert read_artifact(folder / "out").sha256 == before


def test_an_old_result_that_a_crash_left_aside_is_not_lost(run: Run, folder: Path, capsys: Captured) -> None:
    assert run(*SFT) == 0
    (folder / "out.old").mkdir()
    capsys.readouterr()
    assert "out.old is in the way of --overwrite" in fails(run, capsys, *SFT, "--overwrite")


def test_what_a_broken_off_training_left_is_gone_on_with(run: Run, folder: Path) -> None:
    (folder / "out" / "scorer-0").mkdir(parents=True)
    (folder / "out.checkpoints").mkdir()
    assert run(*SFT) == 0


def test_logs_that_name_the_folder_make_it_ours(run: Run, folder: Path, capsys: Captured) -> None:
    (folder / "out" / "scorer-0").mkdir(parents=True)
    (folder / "out.logs").mkdir()
    (folder / "out.logs" / "run.json").write_text(json.dumps({"out": str(folder / "other")}))
    assert "not a result of ours" in fails(run, capsys, *SFT)
    (folder / "out.logs" / "run.json").write_text(json.dumps({"out": str(folder / "out")}))
    assert run(*SFT) == 0


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("rankings.jsonl", "--out rankings.jsonl is a file, and must be a folder"),
        ("prompts.jsonl/model", "--out prompts.jsonl/model cannot be written (Not a directory): choose another --out"),
        ("/proc/model", "--out /proc/model cannot be written (No such file or directory)"),
        ("x" * 300, "cannot be written (File name too long)"),
        ("model", "--out model would replace --model model: choose another"),
        (".", "would replace --data prompts.jsonl: choose another"),
    ],
)
def test_a_folder_that_cannot_be_written(run: Run, capsys: Captured, out: str, message: str) -> None:
    data = ("--model", "model", "--data", "prompts.jsonl")
    assert message in fails(run, capsys, "sft", *data, "--out", out)


def test_logs_stand_beside_the_result_or_where_they_are_wanted(run: Run, folder: Path, capsys: Captured) -> None:
    assert run(*SFT[:-1], "runs/a/out", "--logs", "board/a") == 0
    assert (folder / "board" / "a" / "metrics.jsonl").is_file()
    assert not (folder / "runs" / "a" / "out.logs").exists()
    (folder / "board" / "a" / "notes.txt").write_text("mine")
    capsys.readouterr()
    line = fails(run, capsys, *SFT, "--logs", "board/a")
    assert "--logs board/a holds what is no log of ours (notes.txt)" in line
    assert "--logs prompts.jsonl is a file" in fails(run, capsys, *SFT, "--logs", "prompts.jsonl")
    assert "cannot be written" in fails(run, capsys, *SFT, "--logs", "/proc/logs")


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("prompts.jsonl", "--out prompts.jsonl would replace --prompts prompts.jsonl"),
        ("rankings.jsonl", "--out rankings.jsonl exists and is not a result of ours: delete it"),
        ("model", "--out model would replace --model model"),
        ("runs", "--out runs is a folder, and must be a file"),
        ("prompts.jsonl/x", "--out prompts.jsonl/x cannot be written (Not a directory)"),
        ("/proc/x", "--out /proc/x cannot be written"),
    ],
)
def test_a_file_that_cannot_be_written(run: Run, folder: Path, capsys: Captured, out: str, message: str) -> None:
    (folder / "runs").mkdir()
    before = (folder / "prompts.jsonl").read_bytes()
    assert message in fails(run, capsys, *GENERATE, "--out", out)
    assert (folder / "prompts.jsonl").read_bytes() == before


def test_an_empty_file_is_free(run: Run, folder: Path) -> None:
    (folder / "texts").touch()
    assert run(*GENERATE, "--out", "texts") == 0


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_whole(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_half_a_surrogate_pair_is_written_as_its_escape(tmp_path: Path) -> None:
    write_whole(tmp_path / "x", json.dumps({"text": "\ud800 ä"}, ensure_ascii=False))
    assert json.loads((tmp_path / "x").read_text(encoding="utf-8")) == {"text": "\ud800 ä"}


def test_checking_leaves_nothing_behind(tmp_path: Path) -> None:
    check_writable("--out", tmp_path / "new" / "file")
    assert [path.name for path in tmp_path.rglob("*")] == ["new"]


def test_the_present_folder_has_a_name_for_what_stands_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert named(Path()) == tmp_path
    assert named(Path("out")) == Path("out")


def test_stopping_puts_the_old_result_back(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "kedge.json").write_text("{}")

    def stopped() -> None:
        with result_folder(tmp_path / "out", tmp_path / "logs", overwrite=True):
            assert not (tmp_path / "out").exists()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert (tmp_path / "out" / "kedge.json").is_file()
    with pytest.raises(ConfigError, match="finished result"):
        result_folder(tmp_path / "out", tmp_path / "logs", overwrite=False).__enter__()
