"""The commands, on tiny models, through the same door as a user."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rlhf.artifacts import read_artifact
from tests.rlhf.cli.conftest import Run

SFT = ("sft", "--model", "model", "--data", "prompts.jsonl", "--out", "out")
GENERATE = ("generate", "--model", "model", "--prompts", "prompts.jsonl", "--set", "max_new_tokens=5")
DPO = (
    "dpo", "--anchor", "model", "--rankings", "rankings.jsonl", "--out", "policy", "--set", "epochs=1",
    "--set", "max_new_tokens=4", "--set", "lora.rank=2", "--set", "max_completion_tokens=24",
)  # fmt: skip
REWARD = (
    "reward", "--anchor", "model", "--rankings", "rankings.jsonl", "--out", "reward", "--set", "epochs=1",
    "--set", "members=1", "--set", "judge_share=0", "--set", "lora.rank=2", "--set", "normalisation_samples=64",
    "--set", "max_new_tokens=20", "--set", "max_completion_tokens=24",
)  # fmt: skip
PPO = (
    "ppo", "--anchor", "model", "--reward", "reward", "--prompts", "prompts.jsonl", "--held-out", "prompts.jsonl",
    "--out", "policy", "--set", "rollouts=2", "--set", "rollout_prompts=2", "--set", "epochs=1",
    "--set", "max_new_tokens=8", "--set", "lora.rank=2", "--set", "held_out_samples=4",
)  # fmt: skip


def test_sft_writes_a_model_and_says_what_it_is(run: Run, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*SFT, "--validation", "prompts.jsonl", "--set", "epochs=2") == 0
    artifact = read_artifact(folder / "out")
    assert artifact.facts["steps"] == 2
    (line,) = capsys.readouterr().out.splitlines()
    assert f"of {artifact.total_parameters:,} parameters trained (100.00%)" in line
    assert "kB on disk" in line
    assert artifact.sha256 in line


@pytest.mark.parametrize("method", ["lora", "prompt", "qlora"])
def test_sft_tells_the_trainable_share_and_the_adapters_size(
    run: Run, folder: Path, capsys: pytest.CaptureFixture[str], method: str
) -> None:
    assert run(*SFT, "--set", f"method={method}") == 0
    facts = read_artifact(folder / "out").facts
    trained, total = facts["trained_parameters"], facts["adapted_parameters"]
    told = capsys.readouterr().out
    assert f"{trained:,} of {total:,} parameters trained ({facts['trainable_percent']:.2f}%)" in told
    assert "the adapter alone " in told


def test_a_reward_model_then_ppo_and_rloo_against_it(
    run: Run, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*REWARD) == 0
    assert (folder / "reward.logs" / "metrics.jsonl").is_file()
    assert run(*PPO) == 0
    artifact = read_artifact(folder / "policy")
    assert 0 < artifact.trainable_parameters < artifact.total_parameters
    assert artifact.facts["config"]["rollouts"] == 2  # type: ignore[index]
    share = artifact.trainable_parameters / artifact.total_parameters
    assert f"parameters trained ({share:.2%})" in capsys.readouterr().out
    assert run("rloo", *PPO[1:], "--overwrite", "--set", "samples_per_prompt=2") == 0
    assert "value_learning_rate" not in read_artifact(folder / "policy").facts["config"]  # type: ignore[operator]


def test_dpo_trains_on_a_snapshot_and_is_then_measured(
    run: Run, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*DPO) == 0
    options = ("--anchor", "model", "--adapter", "policy", "--prompts", "prompts.jsonl", "--json", "figures.json")
    settings = ("--set", "toxicity=none", "--set", "max_new_tokens=6", "--set", "simulator=references")
    assert run("evaluate", *options, *settings) == 0
    metrics = json.loads((folder / "figures.json").read_text())["metrics"]
    assert metrics["kl"]["low"] >= 0
    assert {"rouge1", "reference_perplexity", "reference_perplexity_before", "utility_win_rate"} <= metrics.keys()
    assert "reference_perplexity_before" in capsys.readouterr().out


def test_examples_stand_before_each_prompt(run: Run, folder: Path) -> None:
    (folder / "examples.jsonl").write_text(json.dumps({"dialogue": "bob is late", "summary": "late"}) + "\n")
    (folder / "prompts.jsonl").write_text(json.dumps({"dialogue": "anna meets bob at noon"}) + "\n")
    shown = ("--template", r"{examples}talk :\n{prompt}\n", "--examples", "examples.jsonl", "--shots", "1")
    assert run(*GENERATE, "--out", "texts.jsonl", "--n", "1", *shown) == 0
    row = json.loads((folder / "texts.jsonl").read_text().splitlines()[0])
    assert row["prompt"] == "talk :\nbob is late\nlate\n\n\ntalk :\nanna meets bob at noon\n"


def test_a_conversation_is_cut_to_a_window_of_its_turns(run: Run, folder: Path) -> None:
    turns = [{"speaker": "anna", "text": "pizza ?"}, {"speaker": "bob", "text": "please"}]
    (folder / "prompts.jsonl").write_text(json.dumps({"dialogue": turns}) + "\n")
    assert run(*GENERATE, "--out", "texts.jsonl", "--window", "1", "--turn", "<{speaker}> {text}") == 0
    assert json.loads((folder / "texts.jsonl").read_text())["prompt"] == "<bob> please"


def test_generate_writes_a_line_for_each_prompt(run: Run, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*GENERATE, "--out", "texts.jsonl", "--n", "2") == 0
    rows = [json.loads(line) for line in (folder / "texts.jsonl").read_text().splitlines()]
    assert [(row["id"], len(row["completions"])) for row in rows] == [("1", 2), ("2", 2), ("3", 2)]
    assert "6 completions of 3 prompts are in texts.jsonl" in capsys.readouterr().err


@pytest.mark.parametrize("backend", ["transformers", "ctranslate2"])
def test_generate_records_what_decoded(
    run: Run, folder: Path, capsys: pytest.CaptureFixture[str], backend: str
) -> None:
    assert run(*GENERATE, "--out", "texts.jsonl", "--backend", backend, "--set", "strategy=greedy", "--n", "1") == 0
    rows = [json.loads(line) for line in (folder / "texts.jsonl").read_text().splitlines()]
    assert {row["backend"] for row in rows} == {backend}
    assert run(*GENERATE, "--out", "others.jsonl", "--set", "strategy=greedy", "--n", "1") == 0
    others = [json.loads(line) for line in (folder / "others.jsonl").read_text().splitlines()]
    assert [row["completions"] for row in rows] == [row["completions"] for row in others]


def test_generate_searches(run: Run, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*GENERATE, "--out", "texts.jsonl", "--n", "3", "--set", "strategy=diverse") == 0
    rows = [json.loads(line) for line in (folder / "texts.jsonl").read_text().splitlines()]
    assert [len(set(row["completions"])) for row in rows] == [3, 3, 3]
    assert run(*GENERATE, "--out", "more.jsonl", "--n", "3", "--set", "strategy=beam", "--set", "beams=2") == 1
    assert "beams is 2, which cannot give 3 completions" in capsys.readouterr().err


def test_generate_repeats_itself_with_the_same_seed(run: Run, folder: Path) -> None:
    texts = []
    for seed in ("1", "1", "2"):
        assert run(*GENERATE, "--out", "texts.jsonl", "--seed", seed) == 0
        texts.append((folder / "texts.jsonl").read_bytes())
    assert texts[0] == texts[1] != texts[2]


def test_results_go_through_a_pipe_alone(folder: Path) -> None:
    def piped(*arguments: str) -> str:
        environment = {"PYTHONPATH": ":".join(sys.path), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "rlhf", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=True, cwd=folder, env=environment
        ).stdout  # fmt: skip

    lines = piped(*GENERATE, "--out", "/dev/stdout", "--n", "1").splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["1", "2", "3"]
    scored = ("--prediction-field", "dialogue", "--references-field", "summary", "--metrics", "rouge")
    assert json.loads(piped("evaluate", "--predictions", "prompts.jsonl", *scored, "--json", "/dev/stdout"))["rouge1"]


def test_the_module_runs_as_a_command_without_torch_for_help() -> None:
    code = "import sys; from rlhf.cli import main\ntry: main(['--help'])\nfinally: print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(name in done.stdout for name in ("sft", "reward", "ppo", "rloo", "dpo", "generate", "evaluate"))
    assert done.stdout.splitlines()[-1] == "False"
    module = subprocess.run([sys.executable, "-m", "rlhf", "ppo", "--help"], capture_output=True, text=True, check=True)
    assert "kl_target = 4.0" in module.stdout
    assert "events.out.tfevents" in module.stdout


def test_predictions_are_scored_without_torch(folder: Path) -> None:
    (folder / "p.jsonl").write_text('{"prediction": "a b", "references": "a b"}\n')
    code = (
        "import sys; from rlhf.cli import main; code = main(['evaluate', '--predictions', 'p.jsonl', '--metrics', "
        "'rouge']); sys.exit(code or 'torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=folder, env={"PYTHONPATH": ":".join(sys.path)})
