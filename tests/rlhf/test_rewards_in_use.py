"""Trainings and evaluations that are given the description of a reward."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from rlhf.artifacts import read_artifact
from rlhf.cli import main
from rlhf.config import LoraSpec
from rlhf.evaluate import EvaluateConfig, evaluate
from rlhf.exceptions import DataError
from rlhf.hashing import artifact_hash
from rlhf.reward_description import DESCRIPTION
from rlhf.rewards import load_reward
from rlhf.train_dpo import train_dpo
from rlhf.train_ppo import train_ppo
from rlhf.training_config import DPOConfig, PPOConfig
from rlhf.types import Silent
from tests.rlhf.learning import Recorder, prompts, rankings
from tests.rlhf.roberta import save_roberta
from tests.rlhf.tiny import WORDS, save_tiny

LORA = LoraSpec(rank=4, alpha=8)
MEASURE = EvaluateConfig(
    max_new_tokens=23, resamples=100, toxicity="none", max_completion_tokens=24, samples_per_prompt=8
)


@pytest.fixture(scope="module")
def anchor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("anchor"), "t5", seed=4)


@pytest.fixture(scope="module")
def judge_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_roberta(tmp_path_factory.mktemp("roberta"), WORDS, positions=12)


@pytest.fixture
def description(judge_folder: Path, tmp_path: Path) -> Path:
    parts = [
        {"kind": "classifier", "source": str(judge_folder), "standardise": True},
        {"kind": "rouge", "metric": "rouge1", "weight": 0.5},
    ]
    spec = {"kind": "sum", "parts": parts, "samples": {"count": 128, "max_new_tokens": 23}}
    (tmp_path / "mix.json").write_text(json.dumps(spec))
    return tmp_path / "mix.json"


PPO = PPOConfig(
    rollouts=2, rollout_prompts=32, minibatch=32, lora=LORA, max_new_tokens=23, max_prompt_tokens=32, kl_target=None,
    kl_limit=1e3, held_out_samples=32, evaluate_every=1,
)  # fmt: skip


def test_ppo_trains_by_a_description_and_remembers_it(anchor: Path, description: Path, tmp_path: Path) -> None:
    given = [replace(prompt, references=("bob pizza",)) for prompt in prompts(16)]
    recorder = Recorder()
    out = tmp_path / "out"
    artifact = train_ppo(PPO, anchor, description, given[:12], given[12:], out, seed=0, reporter=recorder)
    means = recorder.curve("reward_part_classifier"), recorder.curve("reward_part_rouge")
    assert [len(curve) for curve in means] == [len(recorder.curves)] * 2
    record = artifact.facts["reward_source"]
    assert isinstance(record, dict)
    assert read_artifact(out).facts["reward_source"] == record
    frozen = load_reward(out / DESCRIPTION, anchor, prompts=given)
    assert frozen.sha256 == record["sha256"]
    # The mean curve is in the parts' own units: rewards are their weighted, standardised sum where all texts ended.
    assert all(0 <= value <= 1 for value in means[1])

    found = evaluate(MEASURE, anchor, out, out / DESCRIPTION, given, seed=0)
    assert found.reward_source["sha256"] == record["sha256"]
    assert {"reward_part_classifier", "reward_part_classifier_before", "reward_part_rouge"} <= set(found.metrics)


def test_the_description_beside_a_policy_is_no_part_of_its_hash(
    anchor: Path, description: Path, tmp_path: Path
) -> None:
    given = [replace(prompt, references=("bob pizza",)) for prompt in prompts(16)]
    config = replace(PPO, rollouts=1)
    artifact = train_ppo(config, anchor, description, given[:12], given[12:], tmp_path / "a", seed=0, reporter=Silent())
    (tmp_path / "a" / DESCRIPTION).write_text('{"kind": "rouge"}')
    assert artifact_hash(tmp_path / "a") == artifact.sha256


def test_ppo_by_rouge_refuses_a_prompt_without_references(anchor: Path, tmp_path: Path) -> None:
    (tmp_path / "rouge.toml").write_text('kind = "rouge"')
    with pytest.raises(DataError, match="prompt 'p0-0' has none"):
        train_ppo(
            PPO, anchor, tmp_path / "rouge.toml", prompts(8), prompts(4, seed=1), tmp_path / "out", seed=0,
            reporter=Silent(),
        )  # fmt: skip


def test_dpo_is_measured_by_a_description(anchor: Path, judge_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "judge.json").write_text(json.dumps({"kind": "classifier", "source": str(judge_folder)}))
    config = DPOConfig(epochs=1, lora=LORA, max_new_tokens=23, max_completion_tokens=24, held_out_samples=8)
    artifact = train_dpo(
        config, anchor, rankings(12), tmp_path / "out", seed=0, reporter=Silent(), reward=tmp_path / "judge.json"
    )
    record = artifact.facts["reward_source"]
    assert isinstance(record, dict)
    assert record["kind"] == "classifier"
    assert artifact.facts["reward_before"] is not None


def test_evaluation_of_a_description_says_the_unit_is_its_own(anchor: Path, description: Path) -> None:
    given = [replace(prompt, references=("bob pizza",)) for prompt in prompts(16)]
    told = Recorder()
    found = evaluate(MEASURE, anchor, None, description, given, seed=0, reporter=told)
    assert 0 < found.metrics["reward_part_rouge"].n <= len(given), "those on which both policies ended a text"
    assert any("standardised on the anchor's samples of 16 prompts" in message for _kind, message in told.events)


def test_the_command_takes_a_toml_file(anchor: Path, judge_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "judge.toml").write_text(f'kind = "classifier"\nsource = "{judge_folder}"\n')
    lines = [json.dumps({"id": prompt.id, "prompt": prompt.text}) for prompt in prompts(8)]
    (tmp_path / "prompts.jsonl").write_text("\n".join(lines))
    told = ["--prompts", str(tmp_path / "prompts.jsonl"), "--held-out", str(tmp_path / "prompts.jsonl")]
    sizes = ["rollouts=1", "rollout_prompts=8", "max_new_tokens=8", "lora.rank=2", "held_out_samples=8"]
    told += [f"--set={size}" for size in sizes]
    reward = ["--reward", str(tmp_path / "judge.toml")]
    assert main(["ppo", "--anchor", str(anchor), *reward, *told, "--out", str(tmp_path / "out")]) == 0
    record = read_artifact(tmp_path / "out").facts["reward_source"]
    assert isinstance(record, dict)
    assert record["label"] == "nothate"
