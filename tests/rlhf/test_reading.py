"""Log-probabilities by blocks: the values and gradients of the plain formula, whatever the head is."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from rlhf import head
from rlhf.config import LoraSpec
from rlhf.models import Policy
from rlhf.reading import compare, read_tokens
from rlhf.tensors import gather_log_probabilities
from tests.rlhf.tiny import KINDS, tiny_policy

PROMPTS = ["anna meets bob at the station .", "carla lost the key"]
COMPLETIONS = ["bob takes the train", "she orders pizza and calls home", "no"]
OWNER = torch.tensor([0, 0, 1])


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three tokens at a time, so that all of them take several blocks."""
    monkeypatch.setitem(head._NUMBERS, "cpu", 3 * 70)


def _plain(policy: Policy, temperature: float) -> Tensor:
    """[B, T] by the model's own logits."""
    completions = policy.encode_completions(COMPLETIONS)
    state = policy.read_prompts(policy.encode_prompts(PROMPTS))
    logits = policy.read_completions(state, OWNER, completions).logits / temperature
    return gather_log_probabilities(logits, completions.ids) * completions.mask


def _read(policy: Policy, temperature: float) -> Tensor:
    state = policy.read_prompts(policy.encode_prompts(PROMPTS))
    reading = read_tokens(policy, state, OWNER, policy.encode_completions(COMPLETIONS), temperature=temperature)
    return reading.log_probabilities()


def _gradients(policy: Policy, values: Tensor) -> list[Tensor]:
    weights = torch.linspace(-1, 1, values.numel()).view_as(values)
    found = torch.autograd.grad((values * weights).sum(), policy.parameters_trainable(), allow_unused=True)
    return [one for one in found if one is not None]


@pytest.mark.parametrize("targets", ["all-linear", "attention", "head", "all weights"])
@pytest.mark.parametrize("kind", KINDS)
def test_values_and_gradients_are_those_of_the_logits(tmp_path: Path, kind: str, targets: str) -> None:
    policy = tiny_policy(tmp_path, kind, scale=2)
    names = {"t5": "q", "gpt2": "c_attn", "neox": "query_key_value", "llama": "q_proj"}
    if targets == "all weights":
        policy.model.requires_grad_(requires_grad=True)
    else:
        chosen: str | tuple[str, ...] = "all-linear"
        if targets != "all-linear":
            chosen = ("lm_head" if targets == "head" else names[kind.split("-")[0]],)
        policy.add_lora(LoraSpec(rank=2, targets=chosen), seed=0)
        with torch.no_grad():
            for parameter in policy.parameters_trainable():
                parameter.add_(0.2 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    policy.model.double()  # how a processor rounds in the layers is not what is compared
    plain, read = _plain(policy, 0.7), _read(policy, 0.7)
    assert torch.allclose(plain, read, atol=1e-5)
    ours, theirs = _gradients(policy, read), _gradients(policy, plain)
    # Sums over all tokens in fp32: what cancels out is as inexact as the largest of them.
    largest = max(float(one.abs().max()) for one in theirs)
    assert max(float((a - b).abs().max()) for a, b in zip(ours, theirs, strict=True)) < 2e-5 * largest


@pytest.mark.parametrize("kind", KINDS)
def test_a_comparison_is_the_sum_over_the_vocabulary(tmp_path: Path, kind: str) -> None:
    policy = tiny_policy(tmp_path, kind, scale=2)
    policy.add_lora(LoraSpec(rank=2, targets="all-linear"), seed=0)
    with torch.no_grad():
        for parameter in policy.parameters_trainable():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    completions = policy.encode_completions(COMPLETIONS)
    prompts = policy.encode_prompts(PROMPTS)
    ours = read_tokens(policy, policy.read_prompts(prompts), OWNER, completions, temperature=0.7)
    own = policy.read_completions(policy.read_prompts(prompts), OWNER, completions).logits.double() / 0.7
    with policy.reference():
        theirs = read_tokens(policy, policy.read_prompts(prompts), OWNER, completions, temperature=0.7)
        other = policy.read_completions(policy.read_prompts(prompts), OWNER, completions).logits.double() / 0.7
        found = compare(ours, theirs)
    p, q = own.softmax(-1), other.softmax(-1)
    mask = completions.mask
    assert torch.allclose(found.kl.double(), (p * (p / q).log()).sum(-1) * mask, atol=1e-4)
    assert torch.allclose(found.entropy.double(), -(p * p.log()).sum(-1) * mask, atol=1e-4)
    assert torch.allclose(
        found.reference.double(), q.log().gather(-1, completions.ids[..., None])[..., 0] * mask, atol=1e-4
    )
    assert torch.equal(found.log_probabilities, ours.log_probabilities())
    assert not found.kl[~mask].any()


def test_backward_needs_no_logits(tmp_path: Path) -> None:
    """One row of the hidden size for each token is kept, not one of the vocabulary."""
    policy = tiny_policy(tmp_path, "t5-untied")
    policy.add_lora(LoraSpec(rank=2), seed=0)
    kept: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda one: kept.append(one.shape[-1]) or one, lambda one: one):
        _read(policy, 1.0)
    assert policy.vocab_size not in kept
