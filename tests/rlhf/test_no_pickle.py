"""Whatever lies in a folder, nothing is unpickled: a bomb in every place where a pickle could stand."""

import json
import os
import pickle
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from rlhf.config import LoraSpec, SoftPromptSpec
from rlhf.exceptions import ModelError
from rlhf.models import Policy
from rlhf.reward_model import load_reward_model
from rlhf.train_reward import RewardConfig, train_reward
from rlhf.types import Prompt, Silent
from tests.rlhf import learning
from tests.rlhf.tiny import save_tiny, tiny_policy

WEIGHTS = ("pytorch_model.bin", "model.bin", "model.pt", "model.pth", "model.ckpt", "model.pkl", "adapter_model.bin")
TOKENIZERS = ("tokenizer.pkl", "tokenizer.model.pkl", "vocab.pkl", "vocab.bin", "tokenizer.bin")


class _Bomb:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, (str(self.mark),)


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "exploded"


def _plant(mark: Path, *files: Path) -> None:
    """Half of them in torch's own format, so that neither reader is left out."""
    for row, file in enumerate(files):
        if row % 2:
            file.write_bytes(pickle.dumps(_Bomb(mark)))
        else:
            torch.save(_Bomb(mark), file)


def test_the_bomb_explodes_where_it_is_unpickled(tmp_path: Path, mark: Path) -> None:
    _plant(mark, tmp_path / "a", tmp_path / "b")
    pickle.loads((tmp_path / "b").read_bytes())
    assert mark.is_dir()
    mark.rmdir()
    torch.load(tmp_path / "a", weights_only=False)
    assert mark.is_dir()


@pytest.mark.parametrize("kind", ["t5", "gpt2"])
@pytest.mark.parametrize("nf4", [False, True])
def test_pickles_beside_a_model_are_never_read(tmp_path: Path, mark: Path, kind: str, nf4: bool) -> None:  # noqa: FBT001
    save_tiny(tmp_path / "model", kind)
    _plant(mark, *(tmp_path / "model" / name for name in WEIGHTS + TOKENIZERS))
    Policy.load(tmp_path / "model", device="cpu", nf4=nf4, max_completion_tokens=24)
    assert not mark.exists()


@pytest.mark.parametrize("name", WEIGHTS)
def test_a_model_of_pickles_alone_is_refused(tmp_path: Path, mark: Path, name: str) -> None:
    save_tiny(tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").unlink()
    _plant(mark, tmp_path / "model" / name)
    with pytest.raises(ModelError, match="safetensors"):
        Policy.load(tmp_path / "model", device="cpu")
    assert not mark.exists()


@pytest.mark.parametrize("name", ["shard.bin", "../shard.safetensors", "/shard.safetensors", 3])
def test_an_index_that_names_anything_but_safetensors_of_its_folder_is_refused(
    tmp_path: Path, mark: Path, name: object
) -> None:
    folder = save_tiny(tmp_path / "model")
    (folder / "model.safetensors").unlink()
    _plant(mark, folder / "shard.bin", tmp_path / "shard.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"shared.weight": name}}))
    with pytest.raises(ModelError, match="only safetensors of the same folder are read"):
        Policy.load(folder, device="cpu")
    assert not mark.exists()


@pytest.mark.parametrize("text", ["[]", "{", '{"weight_map": 3}', "{}"])
def test_an_index_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    folder = save_tiny(tmp_path / "model")
    (folder / "model.safetensors.index.json").write_text(text)
    with pytest.raises(ModelError, match="cannot be used"):
        Policy.load(folder, device="cpu")


def test_a_model_in_several_shards_is_read(tmp_path: Path) -> None:
    policy = tiny_policy(tmp_path / "model")
    policy.model.save_pretrained(tmp_path / "shards", max_shard_size="40KB")
    policy.tokenizer.save_pretrained(tmp_path / "shards")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 1
    again = Policy.load(tmp_path / "shards", device="cpu")
    assert torch.equal(again.model.shared.weight, policy.model.shared.weight)


def test_an_adapter_in_a_models_own_folder_is_refused(tmp_path: Path, mark: Path) -> None:
    # transformers would load it with the model, and takes adapter_model.bin where there is nothing else.
    folder = save_tiny(tmp_path / "model")
    policy = tiny_policy(tmp_path / "other")
    policy.add_lora(LoraSpec(rank=2, alpha=2), seed=0)
    policy.save_adapter(tmp_path / "adapter")
    shutil.copy(tmp_path / "adapter" / "adapter_config.json", folder)
    _plant(mark, folder / "adapter_model.bin")
    with pytest.raises(ModelError, match="a model and an adapter"):
        Policy.load(folder, device="cpu")
    assert not mark.exists()


@pytest.mark.parametrize("method", ["lora", "prompt"])
def test_a_pickled_adapter_is_refused(tmp_path: Path, mark: Path, method: str) -> None:
    policy, adapter = tiny_policy(tmp_path / "base"), tmp_path / "adapter"
    if method == "lora":
        policy.add_lora(LoraSpec(rank=2, alpha=2), seed=0)
    else:
        policy.add_soft_prompt(SoftPromptSpec(), seed=0)
    policy.save_adapter(adapter)
    _plant(mark, adapter / "adapter_model.bin")
    Policy.load(tmp_path / "base", adapter=adapter, device="cpu")  # beside safetensors it is not read
    assert not mark.exists()
    (adapter / "adapter_model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"adapter_model\.bin, are never read"):
        Policy.load(tmp_path / "base", adapter=adapter, device="cpu")
    assert not mark.exists()


def test_a_pickled_soft_prompt_of_a_model_is_refused(tmp_path: Path, mark: Path) -> None:
    policy = tiny_policy(tmp_path / "base")
    policy.add_soft_prompt(SoftPromptSpec(), seed=0)
    policy.merge()
    policy.save(tmp_path / "out")
    (tmp_path / "out" / "soft_prompt" / "adapter_model.safetensors").unlink()
    _plant(mark, tmp_path / "out" / "soft_prompt" / "adapter_model.bin")
    with pytest.raises(ModelError, match="never read"):
        Policy.load(tmp_path / "out", device="cpu")
    assert not mark.exists()


def test_an_adapter_of_a_type_that_names_other_files_is_refused(tmp_path: Path, mark: Path) -> None:
    policy, adapter = tiny_policy(tmp_path / "base"), tmp_path / "adapter"
    policy.add_soft_prompt(SoftPromptSpec(), seed=0)
    policy.save_adapter(adapter)
    config = json.loads((adapter / "adapter_config.json").read_text())
    _plant(mark, tmp_path / "state.bin")
    config |= {
        "peft_type": "MULTITASK_PROMPT_TUNING", "inference_mode": False, "prompt_tuning_init": "AVERAGE_SOURCE_TASKS",
        "prompt_tuning_init_state_dict_path": str(tmp_path / "state.bin"),
    }  # fmt: skip
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="only LoRA and prompt tuning are read"):
        Policy.load(tmp_path / "base", adapter=adapter, device="cpu")
    assert not mark.exists()


def test_a_pickled_member_of_a_reward_model_is_refused(tmp_path: Path, mark: Path) -> None:
    save_tiny(tmp_path / "anchor")
    config = RewardConfig(
        lora=LoraSpec(rank=2), epochs=1, members=1, judge_share=0, normalisation_samples=64, max_new_tokens=16,
        max_prompt_tokens=32, max_completion_tokens=24,
    )  # fmt: skip
    train_reward(
        config, tmp_path / "anchor", learning.rankings(8), tmp_path / "reward", seed=0, reporter=Silent(),
        sample_prompts=[Prompt("1", "anna meets bob"), Prompt("2", "carla lost the key")],
    )  # fmt: skip
    member = tmp_path / "reward" / "scorer-0"
    load_reward_model(tmp_path / "reward", tmp_path / "anchor")
    (member / "adapter_model.safetensors").unlink()
    _plant(mark, member / "adapter_model.bin")
    with pytest.raises(ModelError, match="never read"):
        load_reward_model(tmp_path / "reward", tmp_path / "anchor")
    assert not mark.exists()


def test_code_that_a_folder_brings_is_not_run(tmp_path: Path, mark: Path) -> None:
    folder = save_tiny(tmp_path / "model")
    (folder / "own.py").write_text(f"import os\nos.mkdir({str(mark)!r})\nclass Own:\n    pass\n")
    for file, key in (("config.json", "AutoModelForSeq2SeqLM"), ("tokenizer_config.json", "AutoTokenizer")):
        settings = json.loads((folder / file).read_text())
        settings["auto_map"] = {key: "own.Own" if key != "AutoTokenizer" else ["own.Own", "own.Own"]}
        (folder / file).write_text(json.dumps(settings))
    with suppress(ModelError):
        Policy.load(folder, device="cpu")  # the library's own class, or none: either is safe
    assert not mark.exists()
