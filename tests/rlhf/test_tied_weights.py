"""An adapter on one of several layers that share a weight changes that layer alone, merged and saved as well."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from rlhf.config import LoraSpec
from rlhf.exceptions import ModelError
from rlhf.models import Policy
from tests.rlhf.tiny import tiny_policy

SPECS: dict[str, dict[str, Any]] = {
    "t5-head": {"targets": ("lm_head",)},
    "t5-words": {"targets": ("embed_tokens",)},
    "t5-head-whole": {"targets": ("q",), "modules_to_save": ("lm_head",)},
    "gpt2-head": {"targets": ("lm_head",)},
    "gpt2-words": {"targets": ("wte",)},
}


def logits(policy: Policy) -> Tensor:
    state = policy.read_prompts(policy.encode_prompts(["anna meets bob at home", "carla lost the key"]))
    texts = policy.encode_completions(["bob takes the train", "she orders pizza"])
    with torch.no_grad():
        return policy.read_completions(state, torch.tensor([0, 1]), texts).logits


def load(folder: Path, adapter: Path | None = None) -> Policy:
    return Policy.load(folder, adapter=adapter, device="cpu", max_prompt_tokens=64, max_completion_tokens=24)


@pytest.mark.parametrize("name", SPECS)
def test_a_tied_layer_s_adapter_survives_merging_and_files(tmp_path: Path, name: str) -> None:
    policy = tiny_policy(tmp_path / "base", name.split("-")[0], scale=2)
    anchor = logits(policy)
    policy.add_lora(LoraSpec(rank=2, alpha=8, **SPECS[name]), seed=0)
    assert torch.allclose(logits(policy), anchor, atol=1e-5)
    with torch.no_grad():
        for parameter in policy.parameters_trainable():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    own = logits(policy)
    assert (own - anchor).abs().max() > 0.1
    with policy.reference():
        assert torch.allclose(logits(policy), anchor, atol=1e-5)

    policy.save_adapter(tmp_path / "adapter")
    loaded = load(tmp_path / "base", tmp_path / "adapter")
    assert torch.allclose(logits(loaded), own, atol=1e-4)
    for one in (policy, loaded):
        one.merge()
        assert torch.allclose(logits(one), own, atol=1e-4)
    policy.save(tmp_path / "merged")
    assert torch.allclose(logits(load(tmp_path / "merged")), own, atol=1e-4)


@pytest.mark.parametrize("spec", [{"targets": ("q", "shared")}, {"modules_to_save": ("shared",)}])
def test_a_layer_that_is_never_read_is_refused(tmp_path: Path, spec: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match=r"never reads shared.*embed_tokens"):
        tiny_policy(tmp_path).add_lora(LoraSpec(**spec), seed=0)
