"""The policy against the models it wraps."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSeq2SeqLM, T5Config, T5ForConditionalGeneration

from rlhf.config import LoraSpec
from rlhf.exceptions import ModelError, PromptTooLong
from rlhf.models import Policy
from rlhf.tensors import gather_log_probabilities
from tests.rlhf.tiny import KINDS, save_tiny, tiny_policy, tiny_tokenizer

PROMPTS = ["anna meets bob at the station .", "carla lost the key"]
COMPLETIONS = ["anna meets bob", "bob is late again .", "the key is lost"]
OWNER = torch.tensor([0, 0, 1])


def _decode(policy: Policy) -> tuple[torch.Tensor, torch.Tensor]:
    completions = policy.encode_completions(COMPLETIONS)
    decoded = policy.read_completions(policy.read_prompts(policy.encode_prompts(PROMPTS)), OWNER, completions)
    return decoded.logits, decoded.hidden


@pytest.mark.parametrize("kind", ["t5", "t5-untied"])
def test_logits_equal_the_seq2seq_models_own(tmp_path: Path, kind: str) -> None:
    policy = tiny_policy(tmp_path, kind)
    logits, _ = _decode(policy)
    for row, owner in enumerate(OWNER.tolist()):
        ids = policy.tokenizer(PROMPTS[owner], return_tensors="pt").input_ids
        labels = policy.tokenizer(COMPLETIONS[row], return_tensors="pt").input_ids
        own = policy.model(input_ids=ids, labels=labels).logits[0]
        assert torch.allclose(logits[row, : own.shape[0]], own, atol=1e-5)


@pytest.mark.parametrize("kind", ["gpt2", "neox", "llama"])
def test_logits_equal_the_causal_models_own(tmp_path: Path, kind: str) -> None:
    policy = tiny_policy(tmp_path, kind)
    logits, _ = _decode(policy)
    for row, owner in enumerate(OWNER.tolist()):
        prompt, completion = policy.prompt_ids(PROMPTS[owner]), policy.completion_ids(COMPLETIONS[row])
        own = policy.model(input_ids=torch.tensor([prompt + completion])).logits[0]
        expected = own[len(prompt) - 1 : len(prompt) - 1 + len(completion)]
        assert torch.allclose(logits[row, : len(completion)], expected, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_hidden_states_cover_one_position_more_than_the_logits(tmp_path: Path, kind: str) -> None:
    logits, hidden = _decode(tiny_policy(tmp_path, kind))
    assert hidden.shape == (3, logits.shape[1] + 1, 32)


@pytest.mark.parametrize("kind", KINDS)
def test_the_head_on_the_hidden_states_gives_the_logits(tmp_path: Path, kind: str) -> None:
    policy = tiny_policy(tmp_path, kind)
    logits, hidden = _decode(policy)
    scale = 32**-0.5 if kind == "t5" else 1.0
    assert torch.allclose(policy.model.get_output_embeddings()(hidden[:, :-1] * scale), logits, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_hidden_states_alone_equal_those_beside_the_logits(tmp_path: Path, kind: str) -> None:
    policy = tiny_policy(tmp_path, kind)
    _, hidden = _decode(policy)
    state = policy.read_prompts(policy.encode_prompts(PROMPTS))
    alone = policy.read_completions(state, OWNER, policy.encode_completions(COMPLETIONS), logits=False)
    assert torch.equal(alone.hidden, hidden)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_beside_a_prompt_or_completion_changes_nothing(tmp_path: Path, kind: str) -> None:
    policy = tiny_policy(tmp_path, kind)
    completions = policy.encode_completions(COMPLETIONS)
    together = gather_log_probabilities(_decode(policy)[0], completions.ids)
    for row, owner in enumerate(OWNER.tolist()):
        one = policy.encode_completions([COMPLETIONS[row]])
        state = policy.read_prompts(policy.encode_prompts([PROMPTS[owner]]))
        alone = gather_log_probabilities(policy.read_completions(state, torch.tensor([0]), one).logits, one.ids)
        assert torch.allclose(alone[0], together[row, : one.ids.shape[1]], atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("targets", [("q", "v"), "all-linear"])
def test_a_fresh_adapter_leaves_the_policy_unchanged(tmp_path: Path, kind: str, targets: tuple[str, ...]) -> None:
    policy = tiny_policy(tmp_path, kind)
    before, _ = _decode(policy)
    policy.add_lora(LoraSpec(rank=2, alpha=2, targets=targets), seed=1)
    # Not to the bit: attention takes another kernel when nothing but the adapter needs gradients.
    assert torch.allclose(_decode(policy)[0], before, atol=1e-5)


def _shake(policy: Policy) -> None:
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in policy.parameters_trainable():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))


@pytest.mark.parametrize("kind", KINDS)
def test_the_adapter_switched_off_is_the_anchor(tmp_path: Path, kind: str) -> None:
    policy = tiny_policy(tmp_path, kind)
    before, _ = _decode(policy)
    policy.add_lora(LoraSpec(rank=2, alpha=2, targets="all-linear"), seed=1)
    _shake(policy)
    with policy.reference():
        assert torch.allclose(_decode(policy)[0], before, atol=1e-5)
    assert not torch.allclose(_decode(policy)[0], before, atol=1e-2)


@pytest.mark.parametrize("layer", ["wi", "wo", "o", "lm_head"])
def test_an_adapter_on_any_layer_counts(tmp_path: Path, layer: str) -> None:
    policy = tiny_policy(tmp_path, "t5-untied")
    before, _ = _decode(policy)
    policy.add_lora(LoraSpec(rank=2, alpha=2, targets=(layer,)), seed=1)
    _shake(policy)
    assert not torch.allclose(_decode(policy)[0], before, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_merging_keeps_the_adapted_policy(tmp_path: Path, kind: str) -> None:
    policy = tiny_policy(tmp_path / "base", kind)
    policy.add_lora(LoraSpec(rank=2, alpha=2), seed=1)
    _shake(policy)
    adapted, _ = _decode(policy)
    policy.merge()
    policy.save(tmp_path / "merged")
    again = Policy.load(tmp_path / "merged", device="cpu", max_completion_tokens=24)
    assert torch.allclose(_decode(again)[0], adapted, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_adapter_loads_on_its_base(tmp_path: Path, kind: str) -> None:
    policy = tiny_policy(tmp_path / "base", kind)
    policy.add_lora(LoraSpec(rank=2, alpha=2), seed=1)
    _shake(policy)
    policy.save_adapter(tmp_path / "adapter")
    again = Policy.load(tmp_path / "base", adapter=tmp_path / "adapter", device="cpu", max_completion_tokens=24)
    assert torch.equal(_decode(again)[0], _decode(policy)[0])
    assert again.parameters_trainable() == []


def test_a_loaded_adapter_stays_frozen_after_the_anchor_was_used(tmp_path: Path) -> None:
    policy = tiny_policy(tmp_path / "base")
    policy.add_lora(LoraSpec(rank=2, alpha=2), seed=1)
    policy.save_adapter(tmp_path / "adapter")
    again = Policy.load(tmp_path / "base", adapter=tmp_path / "adapter", device="cpu")
    with again.reference():
        pass
    assert again.parameters_trainable() == []


@pytest.mark.parametrize("other", ["gpt2", "llama"])
def test_an_adapter_of_another_model_is_refused(tmp_path: Path, other: str) -> None:
    policy = tiny_policy(tmp_path / "base", other)
    policy.add_lora(LoraSpec(rank=2, alpha=2), seed=1)
    policy.save_adapter(tmp_path / "adapter")
    with pytest.raises(ModelError, match="does not fit"):
        tiny_policy(tmp_path / "t5").load_adapter(tmp_path / "adapter")


def test_a_folder_without_an_adapter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"needs adapter_config\.json"):
        tiny_policy(tmp_path / "t5").load_adapter(tmp_path)


def test_an_adapter_of_the_decoder_alone_leaves_the_encoder_as_it_is(tmp_path: Path) -> None:
    policy = tiny_policy(tmp_path)
    before = policy.read_prompts(policy.encode_prompts(PROMPTS)).states
    policy.add_lora(LoraSpec(rank=2, alpha=2, targets="all-linear", decoder_only=True), seed=1)
    _shake(policy)
    after = policy.read_prompts(policy.encode_prompts(PROMPTS)).states
    assert before is not None
    assert after is not None
    assert torch.allclose(after, before, atol=1e-5)


NORMS = {"t5": "decoder.final_layer_norm", "gpt2": "ln_f", "llama": "model.norm"}


@pytest.mark.parametrize("architecture", NORMS)
def test_a_layer_can_be_trained_whole_beside_the_adapter(tmp_path: Path, architecture: str) -> None:
    policy = tiny_policy(tmp_path / "base", architecture)
    before = _decode(policy)[0]
    policy.add_lora(LoraSpec(rank=2, alpha=2, modules_to_save=(NORMS[architecture],)), seed=1)
    assert torch.allclose(_decode(policy)[0], before, atol=1e-5)
    rates = policy.learning_rates(rate=1e-3, saved_rate=0.5)
    whole = [(parameter, rate) for parameter, rate in rates if rate != 1e-3]
    assert [rate for _parameter, rate in whole] == pytest.approx([0.5 * float(p.abs().mean()) for p, _ in whole])
    with torch.no_grad():
        for parameter, _rate in whole:
            parameter.mul_(2)
    after = _decode(policy)[0]
    assert not torch.allclose(after, before)
    with policy.reference():
        assert torch.allclose(_decode(policy)[0], before, atol=1e-5)
    policy.save_adapter(tmp_path / "adapter")
    again = Policy.load(tmp_path / "base", adapter=tmp_path / "adapter", device="cpu", max_completion_tokens=24)
    assert torch.allclose(_decode(again)[0], after, atol=1e-5)
    policy.merge()
    assert torch.allclose(_decode(policy)[0], after, atol=1e-5)


def test_a_layer_that_is_not_there_cannot_be_trained_whole(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no layers whose names end with"):
        tiny_policy(tmp_path).add_lora(LoraSpec(modules_to_save=("nowhere",)), seed=1)


def test_an_untied_head_stays_untied(tmp_path: Path) -> None:
    policy = tiny_policy(tmp_path / "a", "t5-untied")
    policy.save(tmp_path / "b")
    again = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "b")
    assert torch.equal(again.lm_head.weight, policy.model.lm_head.weight)
    assert not torch.equal(again.lm_head.weight, again.shared.weight)
    assert '"tie_word_embeddings": false' in (tmp_path / "b" / "config.json").read_text()


def test_a_tied_head_stays_tied(tmp_path: Path) -> None:
    tiny_policy(tmp_path / "a", "t5").save(tmp_path / "b")
    again = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "b")
    assert again.lm_head.weight is again.shared.weight
    assert again.config.scale_decoder_outputs


def test_lora_on_the_shape_of_flan_t5_base_has_the_published_size() -> None:
    t5: Any = T5Config  # takes more than its signature shows
    config = t5(
        vocab_size=32128, d_model=768, d_kv=64, d_ff=2048, num_layers=12, num_heads=12,
        feed_forward_proj="gated-gelu", tie_word_embeddings=False, decoder_start_token_id=0,
    )  # fmt: skip
    with torch.device("meta"):
        model = T5ForConditionalGeneration(config)
        model.lm_head.weight = torch.nn.Parameter(torch.empty(32128, 768))
        policy = Policy(model, tiny_tokenizer(), "seq2seq")
        policy.add_lora(LoraSpec(rank=32, alpha=32), seed=0)
    assert policy.count_parameters() == (3_538_944, 251_116_800)


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_is_off_everywhere(tmp_path: Path, kind: str) -> None:
    policy = tiny_policy(tmp_path, kind)
    before, _ = _decode(policy)
    policy.model.train()
    assert torch.equal(_decode(policy)[0], before)


@pytest.mark.parametrize("kind", KINDS)
def test_a_completion_has_exactly_one_eos_at_its_end(tmp_path: Path, kind: str) -> None:
    policy = tiny_policy(tmp_path, kind)
    batch = policy.encode_completions(["anna meets bob", "bob </s> is late", ""])
    for ids, length in zip(batch.ids.tolist(), batch.lengths.tolist(), strict=True):
        assert ids[:length].count(policy.eos_id) == 1
        assert ids[length - 1] == policy.eos_id


def test_a_causal_prompt_does_not_end_in_eos(tmp_path: Path) -> None:
    policy = tiny_policy(tmp_path, "llama")  # its tokenizer appends one
    assert policy.eos_id not in policy.prompt_ids("anna meets bob")


def test_a_prompt_over_the_limit_is_refused_with_its_length(tmp_path: Path) -> None:
    policy = tiny_policy(tmp_path)
    with pytest.raises(PromptTooLong, match=r"Prompt 1 .* has 101 tokens, the limit is 64"):
        policy.encode_prompts(["anna", "anna " * 100])


def test_a_completion_over_the_limit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PromptTooLong, match="Completion 0"):
        tiny_policy(tmp_path).encode_completions(["anna " * 30])


def test_a_causal_model_keeps_room_for_the_completion(tmp_path: Path) -> None:
    save_tiny(tmp_path, "gpt2")
    assert Policy.load(tmp_path, device="cpu", max_prompt_tokens=512, max_completion_tokens=40).max_prompt_tokens == 56


def test_an_unknown_name_says_what_was_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match=r"no model 'nobody/nothing'.*not in the local cache.*hub") as caught:
        Policy.load("nobody/nothing")
    assert "google/flan-t5-base" in str(caught.value)


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"config\.json"):
        Policy.load(tmp_path)


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    save_tiny(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match="safetensors"):
        Policy.load(tmp_path)


def test_missing_weights_are_not_made_up(tmp_path: Path) -> None:
    save_tiny(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["decoder.final_layer_norm.weight"]
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks weights .* decoder\.final_layer_norm\.weight"):
        Policy.load(tmp_path)


def test_a_missing_folder_is_not_looked_for_on_the_hub(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no folder"):
        Policy.load(tmp_path / "nowhere")


def test_a_broken_config_is_named(tmp_path: Path) -> None:
    save_tiny(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "t5", ')
    with pytest.raises(ModelError, match=r"config\.json cannot be used"):
        Policy.load(tmp_path)


def test_a_model_that_writes_no_text_is_refused(tmp_path: Path) -> None:
    save_tiny(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "vit", "architectures": ["ViTModel"]}')
    with pytest.raises(ModelError, match="does not write text"):
        Policy.load(tmp_path)


def test_the_wrong_kind_is_refused(tmp_path: Path) -> None:
    save_tiny(tmp_path, "gpt2")
    with pytest.raises(ModelError, match="can only be used as causal"):
        Policy.load(tmp_path, kind="seq2seq")


def test_an_adapter_on_layers_the_model_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nowhere"):
        tiny_policy(tmp_path).add_lora(LoraSpec(targets=("nowhere",)), seed=0)


@pytest.mark.parametrize("decoder_only", [False, True])
def test_completions_of_one_prompt_share_its_keys_with_the_same_gradients(tmp_path: Path, decoder_only: bool) -> None:  # noqa: FBT001
    """Uneven groups in any order, one prompt without any, against one completion at a time."""
    policy = tiny_policy(tmp_path, "t5-untied", seed=4)
    policy.add_lora(LoraSpec(rank=4, targets="all-linear", decoder_only=decoder_only), seed=1)
    with torch.no_grad():
        for parameter in policy.parameters_trainable():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    prompts = policy.encode_prompts(["anna meets bob at the station .", "hi", "carla lost the key at home", "dan"])
    texts = policy.encode_completions(["she is home .", "no", "he calls", "bob meets anna at noon", "late"])
    owner = torch.tensor([2, 0, 2, 3, 2])

    def read(rows: list[list[int]]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        policy.model.zero_grad()
        state, found = policy.read_prompts(prompts), []
        for part in rows:
            decoded = policy.read_completions(state, owner[part], texts.rows(torch.tensor(part)))
            found += [*decoded.logits.detach(), *decoded.hidden.detach()]
            decoded.logits.square().sum().backward(retain_graph=True)
        return found, [
            parameter.grad.clone() for parameter in policy.parameters_trainable() if parameter.grad is not None
        ]

    together, gradients = read([[0, 1, 2, 3, 4]])
    alone, expected = read([[row] for row in range(5)])
    alone = alone[0::2] + alone[1::2]
    assert all(torch.allclose(ours, theirs, atol=1e-5) for ours, theirs in zip(together, alone, strict=True))
    assert len(gradients) == len(expected) > 0
    assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-3) for a, b in zip(gradients, expected, strict=True))
