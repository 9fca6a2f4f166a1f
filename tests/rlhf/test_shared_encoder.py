"""One reading of a prompt for policy, reference and value, where the adapter leaves the encoder as it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rlhf.config import LoraSpec
from rlhf.models import Policy
from rlhf.policy_gradient import Experience, collect, minibatch_loss
from rlhf.ppo import Critic
from rlhf.reward_model import shares_encoder
from rlhf.train_ppo import PPOConfig
from rlhf.types import Silent
from tests.rlhf import learning
from tests.rlhf.tiny import tiny_policy

DECODER = LoraSpec(rank=4, targets="all-linear", decoder_only=True)
CONFIG = PPOConfig(samples_per_prompt=3, minibatch=4, max_new_tokens=8, max_prompt_tokens=32, lora=DECODER)


@contextmanager
def _readings(policy: Policy) -> Iterator[list[int]]:
    """The prompts in each pass through the encoder."""
    seen: list[int] = []
    hook = policy.base.get_encoder().register_forward_hook(lambda module, inputs, output: seen.append(len(output[0])))
    try:
        yield seen
    finally:
        hook.remove()


def _policy(folder: Path, spec: LoraSpec) -> Policy:
    policy = tiny_policy(folder, "t5", seed=4)
    policy.add_lora(spec, seed=1)
    with torch.no_grad():
        for parameter in policy.parameters_trainable():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    return policy


def _roll(policy: Policy, critic: Critic) -> Experience:
    return collect(
        CONFIG, policy, critic, learning.WordReward(), learning.prompts(4), beta=0.1, seed=0, reporter=Silent()
    )


def test_policy_reference_and_value_read_a_rollouts_prompts_once(tmp_path: Path) -> None:
    policy = _policy(tmp_path, DECODER)
    critic = Critic(CONFIG, policy.hidden_size, policy.device)
    with _readings(policy) as seen:
        experience = _roll(policy, critic)
        assert seen == [4]
        rows = torch.arange(len(experience.samples.owner))
        for minibatch in rows.split(CONFIG.minibatch):
            minibatch_loss(CONFIG, policy, critic, experience, minibatch)[0].backward()
    assert seen == [4], "the sampler's reading serves all the rest"


def test_an_adapter_on_the_encoder_is_read_anew_by_each(tmp_path: Path) -> None:
    policy = _policy(tmp_path, LoraSpec(rank=4, targets="all-linear"))
    critic = Critic(CONFIG, policy.hidden_size, policy.device)
    with _readings(policy) as seen:
        experience = _roll(policy, critic)
        assert seen == [4, 4]  # the sampler, whose reading is the policy's, and the reference
        minibatch_loss(CONFIG, policy, critic, experience, torch.arange(3))
    assert seen[2:] == [1]


def test_the_shared_reading_gives_the_same_gradients(tmp_path: Path) -> None:
    def gradients(*, shared: bool) -> list[torch.Tensor]:
        policy = _policy(tmp_path, DECODER)
        critic = Critic(CONFIG, policy.hidden_size, policy.device)
        experience = _roll(policy, critic)
        if not shared:
            experience = replace(experience, samples=replace(experience.samples, state=None))
        minibatch_loss(CONFIG, policy, critic, experience, torch.arange(12))[0].backward()
        return [parameter.grad for parameter in policy.parameters_trainable() if parameter.grad is not None]

    once, anew = gradients(shared=True), gradients(shared=False)
    assert len(once) == len(anew) > 0
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(once, anew, strict=True))


@pytest.mark.parametrize(
    ("spec", "shared"),
    [
        (DECODER, True),
        (LoraSpec(targets=("q", "v"), decoder_only=True), True),
        (LoraSpec(decoder_only=True, modules_to_save=("decoder.final_layer_norm",)), True),
        (LoraSpec(targets=("q", "v")), False),
        (LoraSpec(decoder_only=True, modules_to_save=("encoder.final_layer_norm",)), False),
        # The word embedding is the encoder's too.
        (LoraSpec(decoder_only=True, modules_to_save=("embed_tokens",)), False),
    ],
)
def test_an_encoder_is_shared_when_nothing_of_it_is_trained(tmp_path: Path, spec: LoraSpec, shared: bool) -> None:  # noqa: FBT001
    policy = tiny_policy(tmp_path, "t5")
    policy.add_lora(spec, seed=0)
    assert shares_encoder(policy) is shared


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_a_causal_model_has_no_encoder_to_share(tmp_path: Path, kind: str) -> None:
    assert not shares_encoder(tiny_policy(tmp_path, kind))
