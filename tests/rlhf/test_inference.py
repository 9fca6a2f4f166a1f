"""What stands in for a policy's layers while it writes: the same model, and nothing left behind."""

from pathlib import Path
from typing import Any

import pytest
import torch
from peft.tuners.lora import Linear as LoraLinear
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel, T5Config, T5ForConditionalGeneration

from rlhf.config import LoraSpec, SamplingConfig
from rlhf.generate import generate
from rlhf.inference import PackedLinear, folded, inference
from rlhf.models import Policy
from rlhf.types import Prompt
from tests.rlhf.tiny import KINDS, WORDS, tiny_policy, tiny_tokenizer

TEXTS = ["anna meets bob at the station .", "carla lost the key"]


def _adapted(folder: Path, kind: str = "t5", **spec: Any) -> Policy:
    return _moved(tiny_policy(folder, kind, scale=2), **spec)


def _moved(policy: Policy, **spec: Any) -> Policy:
    """With an adapter that does something."""
    policy.add_lora(LoraSpec(**{"rank": 2, "alpha": 8, "targets": "all-linear", **spec}), seed=0)
    noise = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in policy.parameters_trainable():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=noise))
    return policy


def _logits(policy: Policy) -> Tensor:
    state = policy.read_prompts(policy.encode_prompts(TEXTS))
    completions = policy.encode_completions(["bob takes the train", "she orders pizza"])
    with torch.no_grad():
        return policy.read_completions(state, torch.tensor([0, 1]), completions).logits


@pytest.mark.parametrize("kind", KINDS)
def test_the_logits_stay_those_of_the_policy_and_of_its_anchor(tmp_path: Path, kind: str) -> None:
    policy = _adapted(tmp_path, kind)
    own = _logits(policy)
    with policy.reference():
        anchors = _logits(policy)
    assert (own - anchors).abs().max() > 0.1
    with inference(policy):
        assert torch.allclose(_logits(policy), own, atol=1e-4)
        assert not any(isinstance(module, LoraLinear) for module in policy.base.modules())
    with inference(policy, reference=True):
        assert torch.allclose(_logits(policy), anchors, atol=1e-4)
    with policy.reference(), inference(policy):
        assert torch.allclose(_logits(policy), anchors, atol=1e-4)
    assert torch.equal(_logits(policy), own)


@pytest.mark.parametrize("kind", KINDS)
def test_layers_and_weights_are_the_same_bits_afterwards(tmp_path: Path, kind: str) -> None:
    policy = _adapted(tmp_path, kind)
    modules = dict(policy.model.named_modules())
    weights = {name: value.clone() for name, value in policy.model.state_dict().items()}
    trainable = [id(parameter) for parameter in policy.parameters_trainable()]
    for reference in (False, True):
        with pytest.raises(KeyError), inference(policy, reference=reference):
            raise KeyError
    after = dict(policy.model.named_modules())
    assert list(after) == list(modules)
    assert all(after[name] is module for name, module in modules.items())
    assert all(torch.equal(value, weights[name]) for name, value in policy.model.state_dict().items())
    assert [id(parameter) for parameter in policy.parameters_trainable()] == trainable


@pytest.mark.parametrize("kind", ["t5", "gpt2"])
def test_large_layers_are_packed_and_say_the_same(kind: str) -> None:
    policy = _wide(kind)
    own = _logits(policy)
    with inference(policy):
        packed = [module for module in policy.base.modules() if isinstance(module, PackedLinear)]
        # GPT-2: what is 768 or 1,024 wide, adapted or not, and the head. T5 has a decoder of its own.
        assert len(packed) == (0 if kind == "t5" else 7)
        assert torch.allclose(_logits(policy), own, atol=1e-4)
    prompts = [Prompt(text, text) for text in TEXTS]
    rows = [
        generate(policy, prompts, 3, SamplingConfig(12), seed=0, batch_size=size).completions for size in (1, 64)
    ]  # fmt: skip
    assert rows[0] == rows[1]
    assert torch.equal(_logits(policy), own)


def _wide(kind: str) -> Policy:
    """Layers of 256 × 512 weights and more, below an adapter."""
    torch.manual_seed(0)
    model: Any
    if kind == "t5":
        t5: Any = T5Config
        config = t5(
            vocab_size=len(WORDS) + 3, d_model=256, d_kv=32, d_ff=512, num_layers=2, num_heads=4,
            feed_forward_proj="gated-gelu", decoder_start_token_id=0, tie_word_embeddings=False,
        )  # fmt: skip
        model = T5ForConditionalGeneration(config)
    else:
        model = GPT2LMHeadModel(
            GPT2Config(vocab_size=600, n_embd=256, n_layer=2, n_head=4, n_positions=96, bos_token_id=1, eos_token_id=1)
        )
    kinds: Any = "seq2seq" if kind == "t5" else "causal"
    policy = Policy(model.eval(), tiny_tokenizer(), kinds, max_prompt_tokens=64, max_completion_tokens=24)
    return _moved(policy, targets=("wi_0", "wo") if kind == "t5" else ("c_attn",))


def test_layers_trained_whole_are_taken_with_the_adapter_and_left_with_it(tmp_path: Path) -> None:
    policy = _adapted(tmp_path, targets=("q", "v"), modules_to_save=("decoder.final_layer_norm",))
    own = _logits(policy)
    with policy.reference():
        anchors = _logits(policy)
    with folded(policy):
        assert torch.allclose(_logits(policy), own, atol=1e-4)
        assert type(policy.base.decoder.final_layer_norm).__name__ == "T5LayerNorm"
    with folded(policy, reference=True):
        assert torch.allclose(_logits(policy), anchors, atol=1e-4)


def test_a_tied_head_with_an_adapter_does_not_move_the_embedding(tmp_path: Path) -> None:
    policy = tiny_policy(tmp_path, scale=2)
    policy.add_lora(LoraSpec(rank=2, alpha=8, targets=("lm_head",)), seed=0)
    with torch.no_grad():
        for parameter in policy.parameters_trainable():
            parameter.add_(0.1)
    own = _logits(policy)
    with inference(policy):
        assert torch.allclose(_logits(policy), own, atol=1e-4)


def test_in_half_precision_the_adapter_is_not_folded_in(tmp_path: Path) -> None:
    policy = _adapted(tmp_path)
    policy.model.to(torch.bfloat16)
    with folded(policy):
        assert any(isinstance(module, LoraLinear) for module in policy.base.modules())


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", [1, 64, 300])
def test_a_packed_layer_equals_the_plain_one(*, bias: bool, rows: int) -> None:
    torch.manual_seed(0)
    linear = nn.Linear(384, 512, bias=bias)
    hidden = torch.randn(rows, 1, 384)
    with torch.inference_mode():
        assert torch.allclose(PackedLinear(linear.weight, linear.bias)(hidden), linear(hidden), atol=1e-5)
