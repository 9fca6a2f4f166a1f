"""What the sampling's encoder read serves the readings that follow it, and nothing stale does."""

from pathlib import Path

import pytest
import torch

from rlhf.backends import TransformersBackend
from rlhf.config import SamplingConfig, SoftPromptSpec
from rlhf.generate import generate
from rlhf.models import Policy
from rlhf.prompt_memory import PromptMemory
from rlhf.rollout import sample, select
from rlhf.types import Prompt
from tests.rlhf.tiny import tiny_policy

TEXTS = ["anna meets bob at the station .", "carla lost the key", "no"]
PROMPTS = [Prompt(text, text) for text in TEXTS]


def _reads(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many prompts each later pass of the encoder reads."""
    seen: list[int] = []
    read = policy.read_prompts
    monkeypatch.setattr(policy, "read_prompts", lambda prompts: seen.append(len(prompts)) or read(prompts))
    return seen


def test_samples_hold_what_the_encoder_read(tmp_path: Path) -> None:
    policy = tiny_policy(tmp_path)
    drawn = sample(
        policy, PROMPTS, 2, SamplingConfig(8), seed=0, batch_size=2
    )  # three batches, each padded its own way
    state = policy.read_prompts(policy.encode_prompts(TEXTS))
    assert drawn.state is not None
    assert drawn.state.states is not None
    assert state.states is not None
    mask = state.prompts.mask
    assert torch.equal(drawn.state.prompts.mask, mask)
    assert torch.allclose(drawn.state.states[mask], state.states[mask], atol=1e-5)
    assert not drawn.state.states.is_inference(), "it may become a part of a training"
    part = select(drawn, torch.tensor([5, 0]))
    assert part.state is not None
    assert part.state.states is not None
    assert torch.equal(part.state.states, drawn.state.states[[0, 2]])


def test_a_prompt_is_read_once_however_often_its_state_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tiny_policy(tmp_path)
    memory, reads = PromptMemory(), _reads(policy, monkeypatch)
    generate(policy, PROMPTS[:2], 2, SamplingConfig(4), seed=0, backend=TransformersBackend(policy, memory))
    assert reads == [2]
    width = policy.encode_prompts(TEXTS).ids.shape[1]
    found = memory.states(policy, [*TEXTS, TEXTS[2]], width)
    assert reads == [2, 1], "one was not remembered, and is read once"
    assert torch.equal(found[2], found[3])


def test_a_causal_policy_has_no_states(tmp_path: Path) -> None:
    drawn = sample(tiny_policy(tmp_path, "gpt2"), PROMPTS, 2, SamplingConfig(8), seed=0)
    assert drawn.state is not None
    assert drawn.state.states is None


def test_a_soft_prompt_stands_in_the_state(tmp_path: Path) -> None:
    policy = tiny_policy(tmp_path)
    policy.add_soft_prompt(SoftPromptSpec(virtual_tokens=3), seed=0)
    drawn = sample(policy, PROMPTS, 1, SamplingConfig(4), seed=0)
    state = policy.read_prompts(policy.encode_prompts(TEXTS))
    assert drawn.state is not None
    assert torch.equal(drawn.state.prompts.ids, state.prompts.ids)
    assert torch.allclose(drawn.state.states[state.prompts.mask], state.states[state.prompts.mask], atol=1e-5)
