"""Mistakes, one by one: exit code 1 and one line on stderr: what was wrong, what was seen, what is allowed."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from transformers import (
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2ForSequenceClassification,
    T5Config,
    T5EncoderModel,
    T5ForSequenceClassification,
)

from tests.rlhf.cli.conftest import Run, write_lines
from tests.rlhf.cli.test_commands import DPO, GENERATE, PPO, REWARD, SFT
from tests.rlhf.tiny import save_tiny, tiny_tokenizer

Captured = pytest.CaptureFixture[str]


def fails(run: Run, capsys: Captured, *arguments: str) -> str:
    """The one line of a command that ends with 1."""
    assert run(*arguments) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    return str(line)


@pytest.mark.parametrize(
    ("command", "setting", "message"),
    [
        (SFT, "epoch=1", "SFTConfig has no key 'epoch'; did you mean 'epochs'?"),
        (SFT, "lora.ranks=1", "SFTConfig.lora has no key 'ranks'; did you mean 'rank'?"),
        (SFT, "epochs=many", "SFTConfig.epochs must be a finite number, not 'many'"),
        (SFT, "epochs=nan", "SFTConfig.epochs must be a finite number, not nan"),
        (SFT, "batch_size=2.5", "SFTConfig.batch_size must be a whole number, not 2.5"),
        (SFT, "batch_size=true", "SFTConfig.batch_size must be a whole number, not True"),
        (SFT, "schedule=cosine", "SFTConfig.schedule must be one of linear, constant, not 'cosine'"),
        (SFT, "lora=8", "SFTConfig.lora must be an object with keys, not 8"),
        (SFT, "lora.rank=0", "SFTConfig.lora: rank must be from 1 to 4096, not 0"),
        (SFT, "lora.rank=none", "SFTConfig.lora.rank must be a whole number, not 'none'"),
        (SFT, "epochs=0", "epochs must be above 0, not 0.0"),
        (SFT, "warmup=2", "warmup must be in [0, 1], not 2.0"),
        (SFT, "epochs.x=1", "SFTConfig.epochs must be a finite number, not {'x': 1}"),
        (SFT, "epochs", "--set takes KEY=VALUE, such as lora.rank=8, not 'epochs'"),
        (SFT, "preset=huge", "There is no preset 'huge'; there are flan, tiny"),
        (REWARD, "members=0", "members must be at least 1, not 0"),
        (REWARD, "normalisation_samples=1", "normalisation_samples must be at least 2, not 1"),
        (REWARD, "max_new_tokens=500", "max_completion_tokens must be above max_new_tokens, 500, and is 24"),
        (REWARD, "lora.dropout=0.1", "lora.dropout must be 0 in reward training, not 0.1"),
        (PPO, "kl_target=-1", "kl_target must be above 0 nats a sequence, not -1.0"),
        (PPO, "beta=0", "beta must start above 0, not 0.0, when a kl_target (4.0) adapts it"),
        (PPO, "clip=1", "clip must be in (0, 1), not 1.0"),
        (DPO, "form=dpo", "DPOConfig.form must be one of sigmoid, hinge, ipo, not 'dpo'"),
        (DPO, "beta=0", "beta must be above 0, not 0.0"),
        ((*GENERATE, "--out", "texts"), "top_p=0", "top_p must be in (0, 1], not 0.0"),
        ((*GENERATE, "--out", "texts"), "topk=1", "SamplingConfig has no key 'topk'; did you mean 'top_k'?"),
    ],
)
def test_a_wrong_setting(run: Run, capsys: Captured, command: tuple[str, ...], setting: str, message: str) -> None:
    assert fails(run, capsys, *command, "--set", setting).startswith(f"ConfigError: {message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"epochs = 1\nlora = [rank\n", "--config run.toml is not TOML: Invalid value (at line 2, column 9)"),
        (b'{"epochs": 1}', "--config run.toml is not TOML: Invalid statement (at line 1, column 1)"),
        (b"epochs = 1\nepochs = 2\n", "--config run.toml is not TOML: Cannot overwrite a value (at line 2, column 11)"),
        (b"epochs = 1\n# \xff\n", "--config run.toml is not UTF-8 (at line 2)"),
        (b"[lora]\nrank = '8'\n", "SFTConfig.lora.rank must be a whole number, not '8'"),
        (b"lora = 8", "SFTConfig.lora must be an object with keys, not 8"),
        (b"lora = 'none'\n", "--set lora.rank=1: lora is 'none', which has no keys"),
    ],
)
def test_a_wrong_config_file(run: Run, folder: Path, capsys: Captured, text: bytes, message: str) -> None:
    (folder / "run.toml").write_bytes(text)
    extra = ("--set", "lora.rank=1") if b"none" in text else ()
    assert message in fails(run, capsys, *SFT, "--config", "run.toml", *extra)


def test_a_config_file_that_is_not_there(run: Run, capsys: Captured) -> None:
    assert "--config no.toml cannot be read: No such file" in fails(run, capsys, *SFT, "--config", "no.toml")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{broken", "data.jsonl, line 2: not JSON"),
        (
            '{"dialogue": ""}',
            "data.jsonl, line 2: dialogue must be a text that is not empty or a list of turns, not ''",
        ),
        ('{"text": "a"}', "data.jsonl, line 2: no prompt: a line needs one of dialogue, prompt, messages; it has text"),
        ('{"dialogue": "a"}', "data.jsonl, line 2: no reference: give summaries, references, summary"),
        ('{"dialogue": "a", "summary": 3}', "data.jsonl, line 2: summary must be a text or a list of texts"),
    ],
)
def test_a_bad_line_is_named_with_its_file(run: Run, folder: Path, capsys: Captured, line: str, message: str) -> None:
    (folder / "data.jsonl").write_text('{"dialogue": "a", "summary": "b"}\n' + line + "\n")
    command = ("sft", "--model", "model", "--data", "data.jsonl", "--out", "out")
    assert message in fails(run, capsys, *command)


@pytest.mark.parametrize(
    ("command", "old", "what"),
    [
        (SFT, "prompts.jsonl", "holds no examples"),
        (DPO, "rankings.jsonl", "holds no rankings"),
        (REWARD, "rankings.jsonl", "holds no rankings"),
        (PPO, "prompts.jsonl", "holds no prompts"),
        ((*GENERATE, "--out", "texts"), "prompts.jsonl", "holds no prompts"),
        (("evaluate", "--anchor", "model", "--prompts", "prompts.jsonl"), "prompts.jsonl", "holds no prompts"),
    ],
)
def test_an_empty_file(run: Run, folder: Path, capsys: Captured, command: tuple[str, ...], old: str, what: str) -> None:
    (folder / "empty.jsonl").write_text("\n")
    line = fails(run, capsys, *("empty.jsonl" if word == old else word for word in command))
    assert line.startswith("DataError: empty.jsonl is empty: it ")
    assert what in line


def test_files_that_are_missing_damaged_or_of_no_kind(run: Run, folder: Path, capsys: Captured) -> None:
    whole = gzip.compress(b'{"dialogue": "a", "summary": "b"}\n' * 100)
    (folder / "cut.jsonl.gz").write_bytes(whole[:30])
    (folder / "data.xlsx").write_bytes(b"x")
    for name, message in (
        ("no.jsonl", "there is no such file"),
        ("cut.jsonl.gz", "the gzip data is damaged"),
        ("data.xlsx", "unknown kind of file: give .jsonl, .csv"),
    ):
        assert message in fails(run, capsys, "sft", "--model", "model", "--data", name, "--out", "out")


def test_a_template_without_its_place(run: Run, capsys: Captured) -> None:
    assert "{prompt}" in fails(run, capsys, *SFT, "--template", "Summarise:")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--template", "{text}"), "unknown placeholder {text}"),
        (("--window", "2"), "line 1: a window of 2 turns needs"),
        (("--shots", "2"), "--shots takes from the file of --examples"),
        (("--examples", "prompts.jsonl", "--shots", "99"), "--shots must be from 0 to"),
        (("--examples", "prompts.jsonl"), "template has no {examples}: the model would never see the"),
    ],
)
def test_a_template_s_fault_is_named(run: Run, capsys: Captured, options: tuple[str, ...], message: str) -> None:
    assert message in fails(run, capsys, *SFT, *options)


def save_wrong(folder: Path, kind: str) -> None:
    t5: Any = T5Config
    bert = BertConfig(vocab_size=60, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
    shape = {"vocab_size": 60, "d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_heads": 2}
    gpt2 = GPT2Config(vocab_size=60, n_embd=16, n_layer=1, n_head=2, n_positions=32)
    model: Any = {
        "masked": lambda: BertForMaskedLM(bert),
        "t5-classifier": lambda: T5ForSequenceClassification(t5(**shape)),
        "t5-encoder": lambda: T5EncoderModel(t5(**shape)),
        "gpt2-classifier": lambda: GPT2ForSequenceClassification(gpt2),
    }[kind]()
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)


@pytest.mark.parametrize(
    ("kind", "seen"),
    [
        ("masked", "BertForMaskedLM"),
        ("t5-classifier", "T5ForSequenceClassification"),
        ("t5-encoder", "T5EncoderModel"),
        ("gpt2-classifier", "GPT2ForSequenceClassification"),
    ],
)
def test_a_model_that_writes_no_text(run: Run, folder: Path, capsys: Captured, kind: str, seen: str) -> None:
    save_wrong(folder / "wrong", kind)
    for command in (SFT, DPO):
        line = fails(run, capsys, *("wrong" if word == "model" else word for word in command))
        assert line.startswith("ModelError: ")
        assert f"wrong is a {seen}, which does not write text; choose a seq2seq or causal model" in line


def test_a_causal_model_is_as_good(run: Run, folder: Path) -> None:
    save_tiny(folder / "gpt2", "gpt2")
    limits = ("--max-prompt-tokens", "32", "--max-completion-tokens", "32")
    assert run("sft", "--model", "gpt2", "--data", "prompts.jsonl", "--out", "out", *limits) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "nothing"}, "There is no model 'nothing': "),
        ({"model": "rankings.jsonl"}, "There is no model 'rankings.jsonl': "),
        ({"reward": "model"}, "model holds no reward model: reward.json is missing"),
    ],
)
def test_a_model_of_another_kind(run: Run, capsys: Captured, change: dict[str, str], message: str) -> None:
    assert message in fails(run, capsys, *(change.get(word, word) for word in PPO))


def test_an_adapter_where_a_model_is_wanted_and_the_other_way_round(run: Run, capsys: Captured) -> None:
    assert run(*DPO) == 0
    capsys.readouterr()
    line = fails(run, capsys, *("policy" if word == "model" else word for word in GENERATE), "--out", "texts")
    assert "it is an adapter, not a whole model" in line or "holds no config.json" in line
    line = fails(run, capsys, *GENERATE, "--adapter", "model", "--out", "texts")
    assert "model is no adapter: it needs adapter_config.json" in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "the following arguments are required: COMMAND"),
        (("train",), "invalid choice: 'train'"),
        (("sft", "--model", "model"), "the following arguments are required: --data, --out"),
        ((*SFT, "--epochs", "3"), "unrecognized arguments: --epochs 3"),
        ((*SFT, "--see", "3"), "unrecognized arguments: --see 3"),
        ((*SFT, "--seed", "x"), "argument --seed: invalid whole number value: 'x'"),
        ((*SFT, "--seed", "-1"), "argument --seed: must be at least 0, not -1"),
        ((*GENERATE, "--out", "texts", "--n", "0"), "argument --n: must be at least 1, not 0"),
        (("evaluate",), "needs --predictions FILE, or --anchor and --prompts; --anchor is missing"),
        (("evaluate", "--anchor", "model"), "--prompts is missing"),
        (("evaluate", "--metrics", "rouge"), "--metrics needs --predictions FILE"),
        (("evaluate", "--predictions", "x", "--reward", "y"), "--reward belongs to the evaluation of a policy"),
        (
            ("evaluate", "--predictions", "x", "--template", "{prompt}:"),
            "--template belongs to the evaluation of a policy",
        ),
    ],
)
def test_wrong_usage_is_exit_code_2(run: Run, capsys: Captured, arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(SystemExit) as ended:
        run(*arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def heard() -> None:
    """A test run in the background ignores Ctrl+C, and so would its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_is_exit_code_130_and_leaves_no_traceback(folder: Path) -> None:
    write_lines(folder / "many.jsonl", [{"dialogue": f"anna {i}", "summary": "bob"} for i in range(50)])
    command = [sys.executable, "-m", "rlhf", "sft", "--model", "model", "--data", "many.jsonl", "--out", "out"]
    environment = os.environ | {"PYTHONPATH": str(Path.cwd()), "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen(
        [*command, "--set", "epochs=100000"],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        preexec_fn=heard,
    )
    metrics = folder / "out.logs" / "metrics.jsonl"
    deadline = time.monotonic() + 120
    while not (metrics.is_file() and metrics.stat().st_size) and time.monotonic() < deadline and child.poll() is None:
        time.sleep(0.1)
    child.send_signal(signal.SIGINT)
    _out, errors = child.communicate(timeout=60)
    assert child.returncode == 130
    assert errors.rstrip().endswith("Stopped.")
    assert "Traceback" not in errors
    assert json.loads(metrics.read_text().splitlines()[0])["step"] == 1


def test_a_full_disk_is_told_in_one_line(run: Run, capsys: Captured) -> None:
    assert run(*GENERATE, "--out", "/dev/full") == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("OSError: [Errno 28] No space left")
