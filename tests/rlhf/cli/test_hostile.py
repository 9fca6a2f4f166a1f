"""Files and settings that somebody made wrong on purpose: one line that names the place, never a traceback."""

import json
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from rlhf.data import read_prompts, read_rankings
from rlhf.exceptions import DataError
from tests.rlhf.cli.conftest import RANKING, Run, write_lines
from tests.rlhf.cli.test_commands import DPO, GENERATE, PPO, REWARD, SFT
from tests.rlhf.cli.test_errors import Captured, fails


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("half.jsonl", b'{"dialogue": "a", "summary": "b \\ud800"}', r"line 1: \ud800 is half of a character"),
        ("digits.jsonl", b'{"dialogue": ' + b"1" * 5000 + b"}", "line 1: no Python object can hold this JSON (Exceeds"),
        ("deep.jsonl", b"[" * 100_000, "line 1: no Python object can hold this JSON (maximum recursion depth"),
        ("utf16.jsonl", '{"dialogue": "a"}'.encode("utf-16"), "line 1: not UTF-8"),
        ("twice.csv", b"dialogue,summary,summary\na,b,c\n", "line 1: the column 'summary' stands there twice"),
        ("open.csv", b'dialogue,summary\n"a,b\n', "line 1: not CSV (unexpected end of data)"),
        ("cut.parquet", b"PAR1PAR1", "not a Parquet file"),
    ],
)
def test_a_file_made_to_break(run: Run, folder: Path, capsys: Captured, name: str, data: bytes, message: str) -> None:
    (folder / name).write_bytes(data)
    line = fails(run, capsys, "sft", "--model", "model", "--data", name, "--out", "out")
    assert line.startswith(f"DataError: {name}")
    assert message in line


def test_a_folder_is_no_file(run: Run, capsys: Captured) -> None:
    line = fails(run, capsys, "sft", "--model", "model", "--data", "model", "--out", "out")
    assert line == "DataError: model: is a folder or a device, and must be a file."


def test_both_halves_of_a_character_are_one(folder: Path) -> None:
    (folder / "whole.jsonl").write_text('{"dialogue": "\\ud83d\\ude00", "summary": "b"}\n')
    assert read_prompts(folder / "whole.jsonl")[0].text == "😀"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"groups": [["0"], ["1"]]}, "groups must hold each of the 2 completions once, not [['0'], ['1']]"),
        ({"groups": [[0], [True]]}, "groups must hold each of the 2 completions once"),
        ({"groups": [[0], [1.0]]}, "groups must hold each of the 2 completions once"),
        ({"completions": [], "groups": []}, "a ranking needs at least two completions, not 0"),
        ({"completions": ["a"], "groups": [[0]]}, "a ranking needs at least two completions, not 1"),
        ({"strengths": [True]}, "strengths must be null or 1 numbers of 1, 2 or 3, not [True]"),
        ({"strengths": [2.5]}, "strengths must be null or 1 numbers of 1, 2 or 3, not [2.5]"),
        ({"strengths": [1, 1]}, "strengths must be null or 1 numbers of 1, 2 or 3, not [1, 1]"),
    ],
)
def test_a_ranking_made_to_break(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    rows = [RANKING | {"prompt": "a", "split": "train"} | change]
    with pytest.raises(DataError, match="line 1: ") as caught:
        read_rankings(write_lines(tmp_path / "rankings.jsonl", rows))
    assert message in str(caught.value)


def test_dpo_refuses_a_prompt_on_two_sides_and_says_when_nothing_is_to_be_trained_on(
    run: Run, folder: Path, capsys: Captured
) -> None:
    row = RANKING | {"prompt": "anna meets bob"}
    write_lines(folder / "rankings.jsonl", [row | {"split": "train"}, row | {"split": "test"}])
    assert "has rankings on the sides train and test" in fails(run, capsys, *DPO)
    write_lines(folder / "rankings.jsonl", [row | {"split": "test"}])
    line = fails(run, capsys, *DPO)
    assert "None of the 1 rankings can be trained on: 0 are on the side train, and 0 of" in line


@pytest.mark.parametrize("layer", ["layer_norm", "act"])
def test_a_layer_that_takes_no_adapter(run: Run, capsys: Captured, layer: str) -> None:
    line = fails(run, capsys, *DPO, "--set", f'lora.targets=["{layer}"]')
    assert line.startswith(f"ModelError: No low-rank adapter can be put on one of ['{layer}']: ")


def test_a_date_is_a_seed_and_what_no_generator_takes_is_none(run: Run, capsys: Captured) -> None:
    assert run(*SFT, "--seed", "20261121") == 0
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        run(*SFT, "--seed", str(2**64))
    assert caught.value.code == 2
    assert f"argument --seed: must be at most {2**43 - 1}, not {2**64}" in capsys.readouterr().err


def damage(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def done(model: Path) -> None:
        (model / name).write_bytes(change((model / name).read_bytes()))

    return done


def typed(data: bytes) -> bytes:
    return json.dumps(json.loads(data) | {"num_layers": "two"}).encode()


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (damage("model.safetensors", lambda data: data[: len(data) // 2]), "The weights of bad cannot be loaded: "),
        (damage("model.safetensors", lambda data: b""), "The weights of bad cannot be loaded: "),
        (damage("model.safetensors", lambda data: bytes(100)), "The weights of bad cannot be loaded: "),
        (damage("config.json", typed), "bad/config.json cannot be used: Validation error for field 'num_layers'"),
        (damage("config.json", lambda data: b"[" * 100_000), "bad/config.json cannot be used: "),
        (damage("tokenizer.json", lambda data: b"{}"), "bad has no usable tokenizer: "),
        (lambda model: (model / "tokenizer_config.json").unlink(), "bad has no usable tokenizer: "),
    ],
    ids=["cut", "empty", "zeros", "wrong type", "deep", "no tokens", "no tokenizer config"],
)
def test_a_damaged_model(
    run: Run, folder: Path, capsys: Captured, break_it: Callable[[Path], None], message: str
) -> None:
    shutil.copytree(folder / "model", folder / "bad")
    break_it(folder / "bad")
    line = fails(run, capsys, *("bad" if word == "model" else word for word in GENERATE), "--out", "texts")
    assert line.startswith(f"ModelError: {message}")


def test_a_description_of_a_reward_without_an_end(run: Run, folder: Path, capsys: Captured) -> None:
    (folder / "reward.json").write_text("[" * 100_000)
    line = fails(run, capsys, *DPO, "--reward", "reward.json")
    assert line.startswith("ConfigError: reward.json is no readable description of a reward: maximum recursion depth")


def test_a_damaged_reward_model_and_a_damaged_anchor(run: Run, folder: Path, capsys: Captured) -> None:
    assert run(*REWARD) == 0
    capsys.readouterr()
    heads = folder / "reward" / "heads.safetensors"
    whole = heads.read_bytes()
    heads.write_bytes(b"x")
    assert fails(run, capsys, *PPO).startswith("ModelError: reward/heads.safetensors is damaged: ")
    save_file({"other": torch.zeros(1)}, heads)
    assert fails(run, capsys, *PPO).startswith("ModelError: reward/heads.safetensors has no head for member scorer")
    heads.write_bytes(whole)
    shutil.copytree(folder / "model", folder / "bad")
    (folder / "bad" / "notes.json").write_text("{")
    line = fails(run, capsys, *("bad" if word == "model" else word for word in PPO))
    assert line.startswith("ModelError: bad/notes.json is damaged: ")


@contextmanager
def little_room(size: int) -> Iterator[None]:
    """No file may grow over ``size`` bytes: what a full disk says, without filling one."""
    usual, before = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
        signal.signal(signal.SIGXFSZ, before)


def test_a_disk_that_fills_up_under_a_model(run: Run, folder: Path, capsys: Captured) -> None:
    with little_room(20_000):
        assert run(*SFT) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("ModelError: The model cannot be written to out (")
    assert line.endswith("File too large (os error 27)): make room, or give the right to write there.")
    assert run(*SFT) == 0  # the same command, with room


def test_a_disk_that_fills_up_under_a_file(run: Run, folder: Path, capsys: Captured) -> None:
    (folder / "texts").write_text("")
    with little_room(200):
        assert run(*GENERATE, "--out", "texts") == 1
    assert capsys.readouterr().err.splitlines()[-1] == "OSError: [Errno 27] File too large: 'texts'"
    assert (folder / "texts").read_text() == ""  # what was there stays, and nothing beside it
    assert not (folder / "texts.new").exists()
