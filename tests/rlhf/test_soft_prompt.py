"""Soft prompts, against peft's own forward."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel, PromptTuningConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, BartConfig, BartForConditionalGeneration

from rlhf.config import LoraSpec, SamplingConfig, SoftPromptSpec
from rlhf.evaluate import EvaluateConfig, evaluate
from rlhf.exceptions import ModelError
from rlhf.generate import generate
from rlhf.models import Policy
from rlhf.reward_model import shares_encoder
from rlhf.types import Prompt, Silent
from tests.rlhf.tiny import KINDS, WORDS, save_tiny, tiny_policy, tiny_tokenizer

PROMPTS = ["anna meets bob at the station .", "carla lost the key", "he is late"]
COMPLETIONS = ["anna meets bob", "bob is late again .", "the key is lost", "rude"]
OWNER = torch.tensor([0, 0, 1, 2])
SPEC = SoftPromptSpec(virtual_tokens=5)


def _shake(policy: Policy, amount: float = 0.5) -> None:
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in policy.parameters_trainable():
            parameter.add_(amount * parameter.std() * torch.randn(parameter.shape, generator=generator))


def _prompted(folder: Path, kind: str, spec: SoftPromptSpec = SPEC) -> Policy:
    policy = tiny_policy(folder, kind)
    policy.add_soft_prompt(spec, seed=0)
    _shake(policy)
    return policy


def _logits(policy: Policy) -> torch.Tensor:
    completions = policy.encode_completions(COMPLETIONS)
    state = policy.read_prompts(policy.encode_prompts(PROMPTS))
    return policy.read_completions(state, OWNER, completions).logits


def _peft(base: Path, adapter: Path, kind: str) -> Any:
    loader: Any = AutoModelForSeq2SeqLM if kind.startswith("t5") else AutoModelForCausalLM
    return PeftModel.from_pretrained(loader.from_pretrained(base), str(adapter)).eval()


def _peft_logits(model: Any, policy: Policy, row: int) -> torch.Tensor:
    """peft's forward of one unpadded row."""
    prompt, completion = policy.prompt_ids(PROMPTS[OWNER[row]]), policy.completion_ids(COMPLETIONS[row])
    if policy.kind == "seq2seq":
        mask = torch.ones(1, len(prompt), dtype=torch.long)  # peft lengthens a mask that it is given, and no other
        return model(input_ids=torch.tensor([prompt]), attention_mask=mask, labels=torch.tensor([completion])).logits[0]
    ids = torch.tensor([prompt + completion])
    logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0]
    first = len(logits) - len(completion) - 1
    return logits[first : first + len(completion)]


@pytest.mark.parametrize("kind", KINDS)
def test_log_probabilities_equal_pefts_own_whatever_stands_beside_a_row(tmp_path: Path, kind: str) -> None:
    policy = _prompted(tmp_path / "base", kind)
    policy.save_adapter(tmp_path / "adapter")
    model, logits = _peft(tmp_path / "base", tmp_path / "adapter", kind), _logits(policy)
    for row in range(len(COMPLETIONS)):
        expected = _peft_logits(model, policy, row)
        assert torch.allclose(logits[row, : len(expected)], expected, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_greedy_generation_equals_pefts_own(tmp_path: Path, kind: str) -> None:
    policy = _prompted(tmp_path / "base", kind)
    policy.save_adapter(tmp_path / "adapter")
    model = _peft(tmp_path / "base", tmp_path / "adapter", kind)
    prompts = [Prompt(str(row), text) for row, text in enumerate(PROMPTS)]
    written = generate(policy, prompts, 1, SamplingConfig(8, strategy="greedy"), seed=0).completions
    for text, row in zip(PROMPTS, written, strict=True):
        assert row[0].token_ids == tuple(_greedy(model, policy, text, 8))


def _greedy(model: Any, policy: Policy, text: str, steps: int) -> list[int]:
    """peft's forward over and over, without a cache."""
    prompt, tokens = policy.prompt_ids(text), list[int]()
    while len(tokens) < steps and tokens[-1:] != [policy.eos_id]:
        if policy.kind == "seq2seq":
            ids = torch.tensor([prompt])
            decoder = torch.tensor([[policy.start_id, *tokens]])
            logits = model(input_ids=ids, attention_mask=torch.ones_like(ids), decoder_input_ids=decoder).logits
        else:
            ids = torch.tensor([prompt + tokens])
            logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
        tokens.append(int(logits[0, -1].argmax()))
    return tokens


@pytest.mark.parametrize("kind", ["t5", "gpt2"])
def test_samples_do_not_depend_on_the_batch(tmp_path: Path, kind: str) -> None:
    policy = _prompted(tmp_path, kind)
    prompts = [Prompt(str(row), text) for row, text in enumerate(PROMPTS)]
    sampling = SamplingConfig(8)
    together = generate(policy, prompts, 3, sampling, seed=1).completions
    alone = generate(policy, prompts, 3, sampling, seed=1, batch_size=1).completions
    assert together == alone


@pytest.mark.parametrize("kind", KINDS)
def test_the_reference_reads_no_soft_prompt(tmp_path: Path, kind: str) -> None:
    policy = tiny_policy(tmp_path, kind)
    before = _logits(policy)
    policy.add_soft_prompt(SPEC, seed=0)
    _shake(policy)
    assert not torch.allclose(_logits(policy), before, atol=1e-2)
    with policy.reference():
        assert torch.allclose(_logits(policy), before, atol=1e-5)
    assert not torch.allclose(_logits(policy), before, atol=1e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_vectors_are_trained(tmp_path: Path, kind: str) -> None:
    policy = tiny_policy(tmp_path, kind)
    total = policy.count_parameters()[1]
    policy.add_soft_prompt(SPEC, seed=0)
    assert policy.count_parameters() == (5 * 32, total + 5 * 32)
    _logits(policy).sum().backward()
    (vectors,) = policy.parameters_trainable()
    assert vectors.grad is not None
    assert bool((vectors.grad.abs().sum(dim=1) > 0).all())
    assert all(parameter.grad is None for parameter in policy.model.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_equals_pefts_own(tmp_path: Path, kind: str) -> None:
    policy = _prompted(tmp_path / "base", kind)
    policy.save_adapter(tmp_path / "adapter")
    model = _peft(tmp_path / "base", tmp_path / "adapter", kind)
    model.active_peft_config.inference_mode = False
    vectors = model.prompt_encoder["default"].embedding.weight.requires_grad_()
    torch.stack([_peft_logits(model, policy, row).square().mean() for row in range(4)]).sum().backward()
    completions = policy.encode_completions(COMPLETIONS)
    squares = _logits(policy).square().mean(dim=2) * completions.mask
    (squares.sum(dim=1) / completions.lengths).sum().backward()
    (own,) = policy.parameters_trainable()
    assert own.grad is not None
    assert torch.allclose(own.grad, vectors.grad, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_adapter_loads_on_its_base_and_is_frozen(tmp_path: Path, kind: str) -> None:
    policy = _prompted(tmp_path / "base", kind)
    policy.save_adapter(tmp_path / "adapter")
    again = Policy.load(tmp_path / "base", adapter=tmp_path / "adapter", device="cpu", max_completion_tokens=24)
    assert torch.allclose(_logits(again), _logits(policy), atol=1e-5)
    assert again.parameters_trainable() == []


@pytest.mark.parametrize("kind", ["t5", "gpt2"])
def test_one_that_peft_made_is_read(tmp_path: Path, kind: str) -> None:
    save_tiny(tmp_path / "base", kind)
    loader: Any = AutoModelForSeq2SeqLM if kind == "t5" else AutoModelForCausalLM
    settings = PromptTuningConfig(task_type="SEQ_2_SEQ_LM" if kind == "t5" else "CAUSAL_LM", num_virtual_tokens=4)
    model: Any = get_peft_model(loader.from_pretrained(tmp_path / "base"), settings).eval()
    model.save_pretrained(str(tmp_path / "adapter"))
    policy = Policy.load(tmp_path / "base", adapter=tmp_path / "adapter", device="cpu", max_completion_tokens=24)
    assert policy.soft_prompt is not None
    assert len(policy.soft_prompt) == 4
    expected = _peft_logits(model, policy, 1)
    assert torch.allclose(_logits(policy)[1, : len(expected)], expected, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_merged_soft_prompt_is_a_part_of_the_saved_model(tmp_path: Path, kind: str) -> None:
    policy = _prompted(tmp_path / "base", kind)
    before = _logits(policy)
    policy.merge()
    policy.save(tmp_path / "out")
    again = Policy.load(tmp_path / "out", device="cpu", max_completion_tokens=24)
    assert torch.allclose(_logits(again), before, atol=1e-5)
    with again.reference():
        assert torch.allclose(_logits(again), before, atol=1e-5)
    assert again.max_prompt_tokens <= 512


@pytest.mark.parametrize("kind", ["t5", "gpt2"])
def test_an_adapter_lies_on_an_anchor_with_a_soft_prompt(tmp_path: Path, kind: str) -> None:
    policy = _prompted(tmp_path / "base", kind)
    policy.merge()
    policy.save(tmp_path / "anchor")
    anchor = _logits(policy)
    policy.add_lora(LoraSpec(rank=2, alpha=2, targets="all-linear"), seed=0)
    assert torch.allclose(_logits(policy), anchor, atol=1e-5)
    with torch.no_grad():
        for parameter in policy.parameters_trainable():
            parameter.add_(0.1)
    after = _logits(policy)
    assert not torch.allclose(after, anchor, atol=1e-2)
    with policy.reference():
        assert torch.allclose(_logits(policy), anchor, atol=1e-5)
    policy.save_adapter(tmp_path / "adapter")
    again = Policy.load(tmp_path / "anchor", adapter=tmp_path / "adapter", device="cpu", max_completion_tokens=24)
    assert torch.allclose(_logits(again), after, atol=1e-5)
    policy.merge()
    policy.save(tmp_path / "merged")
    merged = Policy.load(tmp_path / "merged", device="cpu", max_completion_tokens=24)
    assert torch.allclose(_logits(merged), after, atol=1e-4)


def test_an_encoder_is_shared_unless_the_soft_prompt_is_an_adapter(tmp_path: Path) -> None:
    policy = _prompted(tmp_path, "t5")
    assert not shares_encoder(policy)
    policy.merge()
    assert shares_encoder(policy)


def test_a_model_saved_over_one_with_a_soft_prompt_has_none(tmp_path: Path) -> None:
    policy = _prompted(tmp_path / "base", "t5")
    policy.merge()
    policy.save(tmp_path / "out")
    Policy.load(tmp_path / "base", device="cpu").save(tmp_path / "out")
    assert Policy.load(tmp_path / "out", device="cpu").soft_prompt is None


@pytest.mark.parametrize("kind", ["t5", "gpt2"])
def test_it_starts_as_the_words_given(tmp_path: Path, kind: str) -> None:
    policy = tiny_policy(tmp_path, kind)
    policy.add_soft_prompt(SoftPromptSpec(virtual_tokens=5, text="summarize : please"), seed=0)
    words = [3 + WORDS.index(word) for word in ("summarize", ":", "please", "summarize", ":")]
    assert policy.soft_prompt is not None
    assert torch.equal(policy.soft_prompt.vectors, policy.model.get_input_embeddings().weight[words])


def test_it_starts_as_random_words_of_the_seed(tmp_path: Path) -> None:
    def vectors(seed: int) -> torch.Tensor:
        policy = tiny_policy(tmp_path, "gpt2")
        policy.add_soft_prompt(SoftPromptSpec(virtual_tokens=30), seed=seed)
        assert policy.soft_prompt is not None
        return policy.soft_prompt.vectors

    words = tiny_policy(tmp_path, "gpt2").model.get_input_embeddings().weight
    places = [(words == vector).all(dim=1).nonzero().item() for vector in vectors(1)]
    assert 0 not in places  # the padding token
    assert 1 not in places  # the end
    assert torch.equal(vectors(1), vectors(1))
    assert not torch.equal(vectors(1), vectors(2))


def test_a_text_without_tokens_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has no tokens"):
        tiny_policy(tmp_path).add_soft_prompt(SoftPromptSpec(text="   "), seed=0)


def test_it_takes_its_room_from_the_prompts_of_a_model_with_positions(tmp_path: Path) -> None:
    policy = tiny_policy(tmp_path, "gpt2")  # 96 positions, 24 of them for the completion
    policy.add_soft_prompt(SoftPromptSpec(virtual_tokens=40), seed=0)
    assert policy.max_prompt_tokens == 96 - 24 - 40
    full = "anna " * 32
    completions = policy.encode_completions(["bob " * 23])
    logits = policy.read_completions(policy.read_prompts(policy.encode_prompts([full])), torch.tensor([0]), completions)
    assert bool(torch.isfinite(logits.logits).all())


def test_one_that_leaves_no_room_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="72 for the soft prompt leave none"):
        tiny_policy(tmp_path, "gpt2").add_soft_prompt(SoftPromptSpec(virtual_tokens=72), seed=0)


def test_a_second_one_is_refused(tmp_path: Path) -> None:
    policy = _prompted(tmp_path / "base", "t5")
    policy.save_adapter(tmp_path / "adapter")
    policy.merge()
    with pytest.raises(ModelError, match="has a soft prompt already"):
        policy.load_adapter(tmp_path / "adapter")


def test_one_of_another_width_is_refused(tmp_path: Path) -> None:
    policy = _prompted(tmp_path / "base", "t5")
    policy.save_adapter(tmp_path / "adapter")
    save_file({"prompt_embeddings": torch.zeros(5, 16)}, tmp_path / "adapter" / "adapter_model.safetensors")
    with pytest.raises(ModelError, match="word vectors are 32 wide"):
        Policy.load(tmp_path / "base", adapter=tmp_path / "adapter", device="cpu")


@pytest.mark.parametrize("shape", [(4, 32), (32,), (0, 32)])
def test_one_with_other_vectors_than_it_says_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    policy = _prompted(tmp_path / "base", "t5")
    policy.save_adapter(tmp_path / "adapter")
    save_file({"prompt_embeddings": torch.zeros(shape)}, tmp_path / "adapter" / "adapter_model.safetensors")
    with pytest.raises(ModelError, match="for 5 virtual tokens"):
        Policy.load(tmp_path / "base", adapter=tmp_path / "adapter", device="cpu")


@pytest.mark.parametrize("text", ["[]", "{", "{}", '{"peft_type": "NONE_OF_PEFTS"}', '"PROMPT_TUNING"'])
def test_a_config_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    policy = _prompted(tmp_path / "base", "t5")
    policy.save_adapter(tmp_path / "adapter")
    (tmp_path / "adapter" / "adapter_config.json").write_text(text)
    with pytest.raises(ModelError, match=r"adapter_config\.json cannot be used|only LoRA and prompt tuning"):
        Policy.load(tmp_path / "base", adapter=tmp_path / "adapter", device="cpu")


@pytest.mark.parametrize("adapter", ["lora", "prompt"])
def test_damaged_weights_are_refused(tmp_path: Path, adapter: str) -> None:
    policy = tiny_policy(tmp_path / "base")
    policy.add_lora(LoraSpec(rank=2), seed=0) if adapter == "lora" else policy.add_soft_prompt(SPEC, seed=0)
    policy.save_adapter(tmp_path / "adapter")
    (tmp_path / "adapter" / "adapter_model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(ModelError):
        Policy.load(tmp_path / "base", adapter=tmp_path / "adapter", device="cpu")


def test_an_adapter_on_the_word_embedding_is_refused_beside_it(tmp_path: Path) -> None:
    policy = _prompted(tmp_path, "gpt2")
    policy.merge()
    with pytest.raises(ModelError, match="word embedding can have no adapter"):
        policy.add_lora(LoraSpec(rank=2, modules_to_save=("wte",)), seed=0)


def test_the_files_are_pefts(tmp_path: Path) -> None:
    _prompted(tmp_path / "base", "t5").save_adapter(tmp_path / "adapter")
    assert sorted(path.name for path in (tmp_path / "adapter").iterdir()) == [
        "adapter_config.json", "adapter_model.safetensors"
    ]  # fmt: skip
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert (config["peft_type"], config["num_virtual_tokens"]) == ("PROMPT_TUNING", 5)
    assert load_file(tmp_path / "adapter" / "adapter_model.safetensors")["prompt_embeddings"].shape == (5, 32)


def test_an_encoder_with_learnt_positions_reads_it(tmp_path: Path) -> None:
    made: Any = BartConfig
    config = made(
        vocab_size=len(WORDS) + 3, d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=48, decoder_ffn_dim=48, max_position_embeddings=64, pad_token_id=0,
        bos_token_id=1, eos_token_id=1, decoder_start_token_id=1, forced_eos_token_id=None, scale_embedding=True,
        init_std=0.2,
    )  # fmt: skip
    torch.manual_seed(0)
    BartForConditionalGeneration(config).save_pretrained(tmp_path / "base")
    tiny_tokenizer().save_pretrained(tmp_path / "base")
    policy = Policy.load(tmp_path / "base", device="cpu", max_prompt_tokens=64, max_completion_tokens=24)
    before = _logits(policy)
    policy.add_soft_prompt(SPEC, seed=0)
    _shake(policy)
    assert policy.max_prompt_tokens == 59
    with policy.reference():
        assert torch.allclose(_logits(policy), before, atol=1e-5)
    policy.save_adapter(tmp_path / "adapter")
    model: Any = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "base")
    model = PeftModel.from_pretrained(model, str(tmp_path / "adapter")).eval()
    expected = _peft_logits(model, policy, 1)
    assert torch.allclose(_logits(policy)[1, : len(expected)], expected, atol=1e-5)


@pytest.mark.parametrize("kind", ["t5", "gpt2"])
def test_it_is_evaluated_against_its_base_as_any_adapter(tmp_path: Path, kind: str) -> None:
    policy = _prompted(tmp_path / "base", kind)
    policy.save_adapter(tmp_path / "adapter")
    policy.merge()
    policy.save(tmp_path / "anchor")
    config = EvaluateConfig(
        max_new_tokens=8, samples_per_prompt=2, resamples=100, shown=1, max_prompt_tokens=64, max_completion_tokens=24,
        toxicity="none",
    )  # fmt: skip
    prompts = [Prompt(str(row), text, (COMPLETIONS[row],)) for row, text in enumerate(PROMPTS)]
    adapted = evaluate(config, tmp_path / "base", tmp_path / "adapter", None, prompts, seed=0, reporter=Silent())
    assert adapted.metrics["kl"].value > 0.01
    anchor = evaluate(config, tmp_path / "anchor", None, None, prompts, seed=0, reporter=Silent())
    assert anchor.metrics["kl"].value == 0
    assert anchor.metrics["rougeL"] == adapted.metrics["rougeL"]  # the same policy, read in two ways
