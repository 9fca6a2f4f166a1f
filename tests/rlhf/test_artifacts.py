"""Hashes that say what a model is."""

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from rlhf.artifacts import describe, read_artifact
from rlhf.config import LoraSpec
from rlhf.exceptions import ModelError
from rlhf.hashing import artifact_hash
from rlhf.types import Interval
from tests.rlhf.tiny import save_tiny, tiny_policy


def _adapter(folder: Path, *, seed: int = 0) -> Path:
    policy = tiny_policy(folder / "base")
    policy.add_lora(LoraSpec(rank=2, alpha=2), seed=seed)
    policy.save_adapter(folder / "adapter")
    return folder / "adapter"


def test_the_same_model_has_the_same_hash_in_any_folder(tmp_path: Path) -> None:
    assert artifact_hash(save_tiny(tmp_path / "a")) == artifact_hash(save_tiny(tmp_path / "deep" / "b"))


def test_an_adapters_hash_does_not_know_where_its_base_lies(tmp_path: Path) -> None:
    first, second = _adapter(tmp_path / "a"), _adapter(tmp_path / "b")
    assert artifact_hash(first) == artifact_hash(second)
    config = json.loads((first / "adapter_config.json").read_text())
    config |= {"target_modules": list(reversed(config["target_modules"])), "peft_version": "9.9"}
    (first / "adapter_config.json").write_text(json.dumps(config))
    assert artifact_hash(first) == artifact_hash(second)


def test_another_seed_has_another_hash(tmp_path: Path) -> None:
    assert artifact_hash(_adapter(tmp_path / "a")) != artifact_hash(_adapter(tmp_path / "b", seed=1))


@pytest.mark.parametrize("change", ["weight", "name", "setting"])
def test_any_change_of_the_model_changes_the_hash(tmp_path: Path, change: str) -> None:
    folder = save_tiny(tmp_path)
    before = artifact_hash(folder)
    tensors = load_file(folder / "model.safetensors")
    if change == "weight":
        next(iter(tensors.values())).view(-1)[0] += 1e-6
    elif change == "name":
        tensors["other"] = tensors.pop(next(iter(tensors)))
    else:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"d_ff": 99}))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    assert artifact_hash(folder) != before


def test_an_artifact_is_described_and_read_back(tmp_path: Path) -> None:
    policy = tiny_policy(tmp_path)
    facts = {"accuracy": Interval(0.6, 0.5, 0.7, 90), "loss": float("nan"), "steps": 3}
    artifact = describe(tmp_path, policy, facts)
    assert artifact.sha256 == artifact_hash(tmp_path)  # the card itself does not count
    assert artifact.size_bytes > 4 * artifact.total_parameters
    again = read_artifact(tmp_path)
    assert again.sha256 == artifact.sha256
    assert again.facts == {"accuracy": {"value": 0.6, "low": 0.5, "high": 0.7, "n": 90}, "loss": None, "steps": 3}


def test_a_folder_without_a_card_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"kedge\.json cannot be read"):
        read_artifact(tmp_path)
