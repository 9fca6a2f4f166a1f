"""NF4 weights against their dequantised selves."""

from pathlib import Path

import bitsandbytes
import pytest
import torch
from transformers import GenerationConfig

from rlhf.config import LoraSpec, SoftPromptSpec
from rlhf.exceptions import ModelError
from rlhf.models import Policy
from rlhf.quantised import dequantised, keep_exact
from tests.rlhf.tiny import KINDS, save_tiny, tiny_policy

PROMPTS = ["anna meets bob at the station .", "carla lost the key"]
COMPLETIONS = ["anna meets bob", "bob is late again .", "the key is lost"]
OWNER = torch.tensor([0, 0, 1])


def _nf4(folder: Path, kind: str) -> Policy:
    save_tiny(folder, kind)
    return Policy.load(folder, device="cpu", nf4=True, max_prompt_tokens=64, max_completion_tokens=24)


@torch.no_grad()
def _logits(policy: Policy) -> torch.Tensor:
    completions = policy.encode_completions(COMPLETIONS)
    return policy.read_completions(policy.read_prompts(policy.encode_prompts(PROMPTS)), OWNER, completions).logits


def _adapted(folder: Path, kind: str) -> Policy:
    policy = _nf4(folder, kind)
    policy.add_lora(LoraSpec(rank=4, alpha=8, targets="all-linear"), seed=0)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in policy.parameters_trainable():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return policy


@pytest.mark.parametrize("kind", KINDS)
def test_the_linear_layers_are_nf4_with_double_quantisation(tmp_path: Path, kind: str) -> None:
    policy = _nf4(tmp_path, kind)
    layers = [module for module in policy.model.modules() if isinstance(module, bitsandbytes.nn.Linear4bit)]
    assert policy.is_quantised
    assert len(layers) >= 8
    assert all(layer.weight.quant_state.quant_type == "nf4" and layer.weight.quant_state.nested for layer in layers)
    assert all(layer.compute_dtype == torch.float32 for layer in layers)  # on a CPU


@pytest.mark.parametrize("kind", KINDS)
def test_4_bits_are_counted_as_the_numbers_they_stand_for(tmp_path: Path, kind: str) -> None:
    plain = tiny_policy(tmp_path, kind).count_parameters()[1]
    assert _nf4(tmp_path, kind).count_parameters()[1] == plain


@pytest.mark.parametrize("kind", KINDS)
def test_dequantised_weights_are_near_those_they_came_from(tmp_path: Path, kind: str) -> None:
    policy = _nf4(tmp_path, kind)
    names = {name for name, module in policy.model.named_modules() if isinstance(module, bitsandbytes.nn.Linear4bit)}
    policy.add_lora(LoraSpec(rank=2, alpha=2), seed=0)  # B = 0
    policy.merge()
    merged = policy.model.state_dict()
    for name, weight in tiny_policy(tmp_path, kind).model.state_dict().items():
        error = float((merged[name] - weight).norm() / weight.norm())
        if name.removesuffix(".weight") in names and name.endswith(".weight"):
            assert 0.05 < error < 0.13, name  # NF4's grid of normal data: about 0.09
        else:
            assert not error > 0, name  # zeros give NaN


def test_a_layer_of_any_width_equals_its_dequantised_self(tmp_path: Path) -> None:
    policy = _nf4(tmp_path, "llama")  # 32 and 48 wide: neither is a multiple of a block
    names = policy.base.model.layers[0].mlp
    for layer in (names.up_proj, names.down_proj):
        x = torch.randn(3, layer.in_features)
        assert torch.allclose(layer(x), x @ dequantised(layer.weight).T, atol=1e-5)


def test_a_layer_of_whole_blocks_takes_the_librarys_own_way() -> None:
    layer = bitsandbytes.nn.Linear4bit(128, 16, bias=False, quant_type="nf4").to("cpu")
    own = bitsandbytes.functional.dequantize_4bit(layer.weight.data, layer.weight.quant_state)
    assert torch.equal(dequantised(layer.weight), own)
    keep_exact(torch.nn.Sequential(layer))
    assert "forward" not in vars(layer)


@pytest.mark.parametrize("kind", KINDS)
def test_reading_does_not_change_them(tmp_path: Path, kind: str) -> None:
    policy = _nf4(tmp_path, kind)  # bitsandbytes would round them anew in a first forward in eval mode
    layer = next(module for module in policy.model.modules() if isinstance(module, bitsandbytes.nn.Linear4bit))
    before = dequantised(layer.weight).clone()
    first = _logits(policy)
    assert torch.equal(_logits(policy), first)
    assert torch.equal(dequantised(layer.weight), before)


@pytest.mark.parametrize("kind", KINDS)
def test_merged_it_is_the_policy_that_was_trained_in_the_hubs_format(tmp_path: Path, kind: str) -> None:
    policy = _adapted(tmp_path / "base", kind)
    before = _logits(policy)
    policy.merge()
    policy.save(tmp_path / "merged")
    assert not policy.is_quantised
    assert "quantization_config" not in (tmp_path / "merged" / "config.json").read_text()
    again = Policy.load(tmp_path / "merged", device="cpu", max_completion_tokens=24)
    assert torch.allclose(_logits(again), before, atol=1e-4)
    # The base's own weights would be another policy.
    original = tiny_policy(tmp_path / "base", kind)
    assert not torch.allclose(_logits(original), before, atol=0.1)


def test_the_models_own_way_to_generate_is_kept(tmp_path: Path) -> None:
    save_tiny(tmp_path / "base")
    GenerationConfig(num_beams=3, decoder_start_token_id=0, eos_token_id=1).save_pretrained(tmp_path / "base")
    policy = Policy.load(tmp_path / "base", device="cpu", nf4=True)
    policy.add_lora(LoraSpec(rank=2), seed=0)
    policy.merge()
    policy.save(tmp_path / "merged")
    assert GenerationConfig.from_pretrained(tmp_path / "merged").num_beams == 3


def test_a_whole_layer_beside_the_adapter_is_merged_too(tmp_path: Path) -> None:
    policy = _nf4(tmp_path, "gpt2")
    policy.add_lora(LoraSpec(rank=2, alpha=2, modules_to_save=("ln_f",)), seed=0)
    with torch.no_grad():
        for parameter in policy.parameters_trainable():
            parameter.add_(0.5)
    before = _logits(policy)
    policy.merge()
    assert torch.allclose(_logits(policy), before, atol=1e-4)


def test_a_tied_head_stays_tied_and_an_untied_one_untied(tmp_path: Path) -> None:
    for kind, tied in (("t5", True), ("t5-untied", False)):
        policy = _nf4(tmp_path / kind, kind)
        policy.add_lora(LoraSpec(rank=2, alpha=2), seed=0)
        policy.merge()
        assert (policy.model.lm_head.weight is policy.model.shared.weight) is tied


@pytest.mark.parametrize("kind", ["t5", "gpt2"])
def test_the_reference_is_the_quantised_base(tmp_path: Path, kind: str) -> None:
    before = _logits(_nf4(tmp_path, kind))
    policy = _adapted(tmp_path, kind)
    with policy.reference():
        assert torch.allclose(_logits(policy), before, atol=1e-5)


@pytest.mark.parametrize("kind", ["t5", "gpt2"])
def test_a_soft_prompt_of_the_anchor_survives_the_merge(tmp_path: Path, kind: str) -> None:
    anchor = tiny_policy(tmp_path / "base", kind)
    anchor.add_soft_prompt(SoftPromptSpec(virtual_tokens=3), seed=0)
    anchor.merge()
    anchor.save(tmp_path / "anchor")
    policy = Policy.load(tmp_path / "anchor", device="cpu", nf4=True, max_completion_tokens=24)
    policy.add_lora(LoraSpec(rank=2, alpha=2), seed=0)
    before = _logits(policy)
    policy.merge()
    assert torch.allclose(_logits(policy), before, atol=1e-4)


def test_pickled_weights_are_not_quantised_either(tmp_path: Path) -> None:
    save_tiny(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match="safetensors"):
        Policy.load(tmp_path, nf4=True)
