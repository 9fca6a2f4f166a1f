"""Full, LoRA, prompt tuning and QLoRA: what each trains, what it saves, and what can be trained on that."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import T5Config, T5ForConditionalGeneration

from rlhf import sft_methods
from rlhf.artifacts import read_artifact
from rlhf.config import LoraSpec, SFTConfig, SFTLoraSpec, SoftPromptSpec, from_mapping, to_mapping
from rlhf.exceptions import Cancelled, ConfigError, ModelError
from rlhf.hashing import artifact_hash
from rlhf.models import Policy
from rlhf.tensors import gather_log_probabilities
from rlhf.train_dpo import DPOConfig, train_dpo
from rlhf.train_ppo import PPOConfig, train_ppo
from rlhf.train_sft import train_sft
from rlhf.types import Artifact, Example, Silent
from tests.rlhf import learning
from tests.rlhf.test_training import Notes
from tests.rlhf.tiny import save_tiny, tiny_tokenizer

METHODS = ("full", "lora", "prompt", "qlora")
EXAMPLES = [
    Example("anna meets bob at noon", "anna meets bob"),
    Example("carla lost the key at home", "carla lost the key"),
    Example("dan orders pizza for work , please", "dan orders pizza"),
    Example("he calls the doctor late on friday", "he calls the doctor"),
]
CONFIGS = {
    "full": SFTConfig(method="full", learning_rate=0.02),
    "lora": SFTConfig(method="lora", learning_rate=0.02, lora=SFTLoraSpec(rank=4, alpha=8, targets="all-linear")),
    "prompt": SFTConfig(method="prompt", learning_rate=0.3, prompt=SoftPromptSpec(virtual_tokens=8)),
    "qlora": SFTConfig(method="qlora", learning_rate=0.02, lora=SFTLoraSpec(rank=4, alpha=8, targets="all-linear")),
}


def _policy(folder: Path, kind: str, method: str) -> Policy:
    save_tiny(folder, kind)
    return Policy.load(folder, device="cpu", nf4=method == "qlora", max_prompt_tokens=64, max_completion_tokens=24)


def _train(
    folder: Path, kind: str, method: str, *, notes: Silent | None = None, **changes: Any
) -> tuple[Artifact, Policy]:
    config = replace(CONFIGS[method], **{"epochs": 30, "batch_size": 4, **changes})
    policy = _policy(folder / "base", kind, method)
    artifact = train_sft(config, policy, EXAMPLES, EXAMPLES[:2], folder / "out", seed=0, reporter=notes or Silent())
    return artifact, policy


@torch.no_grad()
def _log_probabilities(policy: Policy) -> torch.Tensor:
    completions = policy.encode_completions([example.target for example in EXAMPLES])
    state = policy.read_prompts(policy.encode_prompts([example.prompt for example in EXAMPLES]))
    logits = policy.read_completions(state, torch.arange(len(EXAMPLES)), completions).logits
    return gather_log_probabilities(logits, completions.ids) * completions.mask


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["t5", "gpt2"])
def test_the_loss_falls(tmp_path: Path, kind: str, method: str) -> None:
    notes = Notes()
    _train(tmp_path, kind, method, notes=notes)
    losses = [values["validation_loss"] for _, values in notes.seen if "validation_loss" in values]
    # Eight vectors before a random, frozen model can do less than its weights.
    assert losses[-1] < (0.9 if method == "prompt" else 0.6) * losses[0]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["t5", "t5-untied", "gpt2", "llama"])
def test_what_is_saved_is_the_policy_that_was_trained(tmp_path: Path, kind: str, method: str) -> None:
    artifact, policy = _train(tmp_path, kind, method, epochs=4)
    again = Policy.load(tmp_path / "out", device="cpu", max_completion_tokens=24)
    assert torch.allclose(_log_probabilities(again), _log_probabilities(policy), atol=1e-5)
    assert not again.is_quantised
    assert not again.has_adapter
    assert artifact.sha256 == artifact_hash(tmp_path / "out") == read_artifact(tmp_path / "out").sha256
    assert not list((tmp_path / "out").rglob("*.bin"))


@pytest.mark.parametrize("method", ["lora", "qlora", "prompt"])
@pytest.mark.parametrize("kind", ["t5", "gpt2"])
def test_the_validation_before_saving_is_that_of_the_saved_model(tmp_path: Path, kind: str, method: str) -> None:
    # Merging into weights that were quantised again, or into others than the trained ones, would show here.
    artifact, _policy = _train(tmp_path, kind, method)
    again = Policy.load(tmp_path / "out", device="cpu", max_completion_tokens=24)
    tokens = again.encode_completions([example.target for example in EXAMPLES[:2]]).mask.sum()
    loss = -float(_log_probabilities(again)[:2].sum() / tokens)
    assert loss == pytest.approx(artifact.facts["validation_loss"], abs=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_a_broken_run_goes_on_and_ends_in_the_same_model(tmp_path: Path, method: str) -> None:
    unbroken, _ = _train(tmp_path / "a", "t5", method, epochs=6, checkpoint_every=2)
    with pytest.raises(Cancelled):
        _train(tmp_path / "b", "t5", method, epochs=6, checkpoint_every=2, notes=Notes(stop_after=3))
    again, _ = _train(tmp_path / "b", "t5", method, epochs=6, checkpoint_every=2)
    assert again.sha256 == unbroken.sha256


@pytest.mark.parametrize("other", ["full", "prompt"])
def test_a_checkpoint_of_another_method_is_refused(tmp_path: Path, other: str) -> None:
    with pytest.raises(Cancelled):
        _train(tmp_path, "t5", "lora", epochs=6, checkpoint_every=2, notes=Notes(stop_after=3))
    with pytest.raises(ConfigError, match="belong to another training"):
        _train(tmp_path, "t5", other, epochs=6, checkpoint_every=2, learning_rate=CONFIGS["lora"].learning_rate)


@pytest.mark.parametrize("method", METHODS)
def test_micro_batches_change_nothing(tmp_path: Path, method: str) -> None:
    whole, split = Notes(), Notes()
    lora = {} if method in ("full", "prompt") else {"lora": replace(CONFIGS[method].lora, dropout=0.0)}
    _train(tmp_path / "a", "t5", method, epochs=3, notes=whole, **lora)
    _train(tmp_path / "b", "t5", method, epochs=3, micro_batch=1, notes=split, **lora)
    losses = [[values["loss"] for _, values in notes.seen] for notes in (whole, split)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)


def test_the_facts_say_how_large_the_trained_part_is(tmp_path: Path) -> None:
    full, _ = _train(tmp_path / "full", "t5", "full", epochs=1)
    assert (full.facts["trainable_percent"], full.facts["adapter_bytes"]) == (100, None)
    lora, _ = _train(tmp_path / "lora", "t5", "lora", epochs=1)
    prompt, _ = _train(tmp_path / "prompt", "t5", "prompt", epochs=1)
    folder = tmp_path / "prompt" / "out" / "soft_prompt"
    assert prompt.facts["adapter_bytes"] == sum(path.stat().st_size for path in folder.iterdir())
    assert prompt.facts["trained_parameters"] == 8 * 32
    assert 8 * 32 * 4 < prompt.facts["adapter_bytes"] < lora.facts["adapter_bytes"]  # type: ignore[operator]  # numbers
    percent = 100 * lora.facts["trained_parameters"] / lora.facts["adapted_parameters"]  # type: ignore[operator]
    assert read_artifact(tmp_path / "lora" / "out").facts["trainable_percent"] == pytest.approx(percent)


def test_4_bit_weights_count_in_the_trainable_share(tmp_path: Path) -> None:
    lora, _ = _train(tmp_path / "lora", "t5", "lora", epochs=1)
    qlora, _ = _train(tmp_path / "qlora", "t5", "qlora", epochs=1)
    assert qlora.facts["trainable_percent"] == lora.facts["trainable_percent"]


@pytest.mark.parametrize("method", ["qlora", "prompt"])
@pytest.mark.parametrize("kind", ["t5", "gpt2"])
def test_dpo_trains_on_what_is_saved(tmp_path: Path, kind: str, method: str) -> None:
    _train(tmp_path, kind, method, epochs=2)
    config = DPOConfig(
        lora=LoraSpec(rank=4, alpha=8), epochs=1, learning_rate=0.01, max_new_tokens=6, max_completion_tokens=24,
        held_out_samples=8, max_prompt_tokens=32,
    )  # fmt: skip
    # Without validation rankings or a reward the last checkpoint is kept.
    rankings = [ranking for ranking in learning.rankings(16) if ranking.split == "train"]
    artifact = train_dpo(config, tmp_path / "out", rankings, tmp_path / "dpo", seed=0, reporter=Silent())
    assert artifact.facts["kl"].value > 0  # type: ignore[attr-defined]  # an interval
    tuned = Policy.load(tmp_path / "out", adapter=tmp_path / "dpo", device="cpu", max_completion_tokens=24)
    anchor = Policy.load(tmp_path / "out", device="cpu", max_completion_tokens=24)
    with tuned.reference():
        assert torch.allclose(_log_probabilities(tuned), _log_probabilities(anchor), atol=1e-5)
    assert not torch.allclose(_log_probabilities(tuned), _log_probabilities(anchor), atol=1e-3)


@pytest.mark.parametrize("method", ["qlora", "prompt"])
@pytest.mark.parametrize("kind", ["t5", "gpt2"])
def test_ppo_starts_from_what_is_saved_with_a_kl_of_0(tmp_path: Path, kind: str, method: str) -> None:
    _train(tmp_path, kind, method, epochs=2)
    config = PPOConfig(
        lora=LoraSpec(rank=4, alpha=8), rollouts=2, rollout_prompts=4, minibatch=4, epochs=1, max_new_tokens=6,
        held_out_samples=8, evaluate_every=2, max_prompt_tokens=32,
    )  # fmt: skip
    recorder = learning.Recorder()
    train_ppo(
        config, tmp_path / "out", learning.WordReward(), learning.prompts(8), learning.prompts(4, seed=1),
        tmp_path / "ppo", seed=0, reporter=recorder,
    )  # fmt: skip
    assert recorder.curve("kl")[0] == pytest.approx(0, abs=1e-4)
    assert read_artifact(tmp_path / "ppo").trainable_parameters > 0


@pytest.mark.parametrize("method", ["full", "lora", "prompt"])
def test_only_qlora_trains_4_bit_weights(tmp_path: Path, method: str) -> None:
    policy = _policy(tmp_path, "t5", "qlora")
    with pytest.raises(ModelError, match=f"Method {method} needs plain weights"):
        train_sft(CONFIGS[method], policy, EXAMPLES, [], tmp_path / "out", seed=0, reporter=Silent())


def test_qlora_needs_4_bit_weights(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="Method qlora needs 4-bit weights: load the policy with nf4=True"):
        train_sft(CONFIGS["qlora"], _policy(tmp_path, "t5", "full"), EXAMPLES, [], tmp_path, seed=0, reporter=Silent())


def test_each_method_has_a_learning_rate_of_its_own(tmp_path: Path) -> None:
    rates = {
        method: sft_methods.prepare(
            replace(CONFIGS[method], learning_rate=None), _policy(tmp_path, "t5", method), seed=0
        )
        for method in METHODS
    }
    words = float(_policy(tmp_path, "t5", "full").model.shared.weight.detach().abs().mean())
    assert rates == {"full": 1e-4, "lora": 1e-3, "qlora": 1e-3, "prompt": pytest.approx(0.3 * words)}


def test_a_given_learning_rate_is_used_as_it_is(tmp_path: Path) -> None:
    config = replace(CONFIGS["prompt"], learning_rate=0.3)
    assert sft_methods.prepare(config, _policy(tmp_path, "t5", "prompt"), seed=0) == 0.3
    artifact, _ = _train(tmp_path, "t5", "prompt", epochs=1, learning_rate=0.3)
    assert artifact.facts["learning_rate"] == 0.3


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"method": "prefix"}, "SFTConfig.method must be one of full, lora, prompt, qlora, not 'prefix'"),
        ({"lora": {"rank": 8}}, "lora is set, but the method is full"),
        ({"method": "prompt", "lora": {"rank": 8}}, "lora is set, but the method is prompt"),
        ({"method": "lora", "prompt": {"virtual_tokens": 8}}, "prompt is set, but the method is lora"),
        ({"method": "prompt", "prompt": {"virtual_tokens": 0}}, "virtual_tokens must be at least 1"),
        ({"learning_rate": 0}, "learning_rate must be above 0 or null"),
    ],
)
def test_a_setting_that_nothing_reads_is_refused(mapping: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        from_mapping(SFTConfig, mapping)


@pytest.mark.parametrize("method", METHODS)
def test_a_config_survives_the_way_to_json_and_back(method: str) -> None:
    config = CONFIGS[method]
    assert from_mapping(SFTConfig, json.loads(json.dumps(to_mapping(config)))) == config


def test_a_lora_of_sft_has_dropout_unless_it_is_set() -> None:
    assert from_mapping(SFTConfig, {"method": "lora", "lora": {"rank": 8}}).lora == SFTLoraSpec(rank=8, dropout=0.05)
    assert LoraSpec().dropout == 0


def _flan_t5_base() -> Policy:
    made: Any = T5Config  # takes more than its signature shows
    config = made(
        vocab_size=32128, d_model=768, d_kv=64, d_ff=2048, num_layers=12, num_heads=12,
        feed_forward_proj="gated-gelu", tie_word_embeddings=False, decoder_start_token_id=0,
    )  # fmt: skip
    model = T5ForConditionalGeneration(config)
    model.lm_head.weight = torch.nn.Parameter(torch.empty(32128, 768))  # untied, as in the checkpoint
    return Policy(model, tiny_tokenizer(), "seq2seq")


def test_on_the_shape_of_flan_t5_base_each_method_trains_the_published_share() -> None:
    with torch.device("meta"):
        policy = _flan_t5_base()
        assert policy.count_parameters() == (247_577_856, 247_577_856)
        policy.add_lora(SFTConfig(method="lora").lora, seed=0)
    trained, total = policy.count_parameters()
    assert (trained, total) == (3_538_944, 251_116_800)
    assert round(100 * trained / total, 2) == 1.41
