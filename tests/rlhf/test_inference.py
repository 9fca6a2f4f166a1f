"""What stands in for a policy's layers while it writes: the same model, and nothing left behind."""

from pathlib import Path
from typing import Any

import pytest
import torch
from peft.tuners.lora import Linear as LoraLinear
from torch import Tensor, nn

from rlhf.config import LoraSpec
from rlhf.inference import PackedLinear, folded, inference
from rlhf.models import Policy
from tests.rlhf.tiny import KINDS, tiny_policy

TEXTS = ["anna meets bob at the station .", "carla lost the key"]


def _adapted(folder: Path, kind: str = "t5", **spec: Any) -> Policy:
    policy = tiny_policy(folder, kind, scale=2)
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
        assert torch.allclose(PackedLinear(linear)(hidden), linear(hidden), atol=1e-5)
