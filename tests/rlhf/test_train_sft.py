"""Supervised fine-tuning on tiny models, for both kinds."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from rlhf.artifacts import read_artifact
from rlhf.config import SamplingConfig, SFTConfig, SFTLoraSpec
from rlhf.exceptions import Cancelled, ConfigError, DataError
from rlhf.generate import generate
from rlhf.hashing import artifact_hash
from rlhf.models import Policy
from rlhf.train_sft import train_sft
from rlhf.types import Artifact, Example, Prompt, Silent
from tests.rlhf.test_training import Notes
from tests.rlhf.tiny import KINDS, tiny_policy

EXAMPLES = [
    Example("anna meets bob at noon", "anna meets bob"),
    Example("carla lost the key at home", "carla lost the key"),
    Example("dan orders pizza for work , please", "dan orders pizza"),
    Example("he calls the doctor late on friday", "he calls the doctor"),
]
CONFIG = SFTConfig(epochs=40, batch_size=4, learning_rate=0.02, warmup=0.1)


def _train(folder: Path, kind: str = "t5", config: SFTConfig = CONFIG, notes: Silent | None = None) -> Artifact:
    policy = tiny_policy(folder / "base", kind)
    return train_sft(config, policy, EXAMPLES, EXAMPLES[:2], folder / "out", seed=0, reporter=notes or Silent())


@pytest.mark.parametrize("kind", KINDS)
def test_the_policy_learns_its_examples(tmp_path: Path, kind: str) -> None:
    _train(tmp_path, kind)
    policy = Policy.load(tmp_path / "out", device="cpu", max_completion_tokens=24)
    prompts = [Prompt(str(row), example.prompt) for row, example in enumerate(EXAMPLES)]
    written = generate(policy, prompts, 1, SamplingConfig(12, strategy="greedy"), seed=0).completions
    assert [row[0].text for row in written] == [example.target for example in EXAMPLES]


def test_the_same_seed_gives_the_same_hash(tmp_path: Path) -> None:
    config = replace(CONFIG, epochs=3)
    assert _train(tmp_path / "a", config=config).sha256 == _train(tmp_path / "b", config=config).sha256


@pytest.mark.parametrize(
    "method", [{}, {"method": "lora", "lora": SFTLoraSpec(rank=2, alpha=2, dropout=0.3)}], ids=["full", "lora"]
)
def test_a_broken_run_goes_on_and_ends_in_the_same_model(tmp_path: Path, method: dict[str, Any]) -> None:
    config = replace(CONFIG, epochs=6, checkpoint_every=2, **method)
    unbroken = _train(tmp_path / "a", config=config)
    with pytest.raises(Cancelled):
        _train(tmp_path / "b", config=config, notes=Notes(stop_after=3))
    assert _train(tmp_path / "b", config=config).sha256 == unbroken.sha256
    assert not (tmp_path / "b" / "out.checkpoints").exists()


def test_a_checkpoint_of_other_examples_is_refused(tmp_path: Path) -> None:
    config = replace(CONFIG, epochs=6, checkpoint_every=2)
    with pytest.raises(Cancelled):
        _train(tmp_path, config=config, notes=Notes(stop_after=3))
    policy = tiny_policy(tmp_path / "base")
    others = [*EXAMPLES[:3], Example("bob", "bob")]
    with pytest.raises(ConfigError, match="belong to another training"):
        train_sft(config, policy, others, [], tmp_path / "out", seed=0, reporter=Silent())


def test_the_loss_is_the_mean_over_target_tokens(tmp_path: Path) -> None:
    policy = tiny_policy(tmp_path / "base")
    ids = policy.tokenizer(EXAMPLES[0].prompt, return_tensors="pt").input_ids
    labels = policy.tokenizer(EXAMPLES[0].target, return_tensors="pt").input_ids
    own = policy.model(input_ids=ids, labels=labels).loss.item()
    notes = Notes()
    train_sft(replace(CONFIG, epochs=1), policy, EXAMPLES[:1], [], tmp_path / "out", seed=0, reporter=notes)
    assert notes.seen[0][1]["loss"] == pytest.approx(own, abs=1e-4)


def test_examples_over_the_limits_are_left_out_and_counted(tmp_path: Path) -> None:
    policy, notes = tiny_policy(tmp_path / "base"), Notes()
    examples = [*EXAMPLES, Example("anna " * 100, "anna"), Example("anna", "bob " * 100)]
    artifact = train_sft(replace(CONFIG, epochs=1), policy, examples, [], tmp_path / "out", seed=0, reporter=notes)
    assert artifact.facts["too_long"] == 2
    assert "2 of 6 training examples are over the limits" in notes.events[0]


def test_nothing_to_train_on_is_refused(tmp_path: Path) -> None:
    policy = tiny_policy(tmp_path / "base")
    with pytest.raises(DataError, match="None of the 1 training examples"):
        train_sft(CONFIG, policy, [Example("anna " * 100, "a")], [], tmp_path / "out", seed=0, reporter=Silent())


def test_the_artifact_is_described(tmp_path: Path) -> None:
    artifact = _train(tmp_path, config=replace(CONFIG, epochs=1))
    assert artifact.sha256 == artifact_hash(tmp_path / "out") == read_artifact(tmp_path / "out").sha256
    assert artifact.facts["steps"] == 1


def test_the_policy_is_left_in_eval_mode_with_trained_weights(tmp_path: Path) -> None:
    policy = tiny_policy(tmp_path / "base")
    before = policy.model.shared.weight.detach().clone()
    train_sft(replace(CONFIG, epochs=2), policy, EXAMPLES, [], tmp_path / "out", seed=0, reporter=Silent())
    assert not policy.model.training
    assert not torch.equal(policy.model.shared.weight, before)
