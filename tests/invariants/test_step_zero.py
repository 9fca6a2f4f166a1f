"""Before the first update the policy is the reference: every trap of a wrong forward shows here."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rlhf.config import LoraSpec
from rlhf.models import Policy
from rlhf.policy_gradient import Experience, collect, minibatch_loss
from rlhf.policy_gradient_config import RLOOConfig
from rlhf.ppo import Critic, ValueHead
from rlhf.reading import compare, read_tokens
from rlhf.rloo import LeaveOneOut
from rlhf.rollout import select
from rlhf.training_config import PPOConfig
from rlhf.types import Prompt, Silent
from tests.rlhf.tiny import KINDS, tiny_policy

PROMPTS = [Prompt(str(i), text) for i, text in enumerate(["anna meets bob .", "carla lost the key at home .", "hi ?"])]
CONFIG = PPOConfig(
    samples_per_prompt=4, minibatch=5, max_new_tokens=20, temperature=0.7, lora=LoraSpec(rank=4, targets="all-linear")
)


class LengthReward:
    """Something to learn from: the longer the better."""

    def score(self, prompts: list[str], completions: list[list[str]]) -> list[list[float]]:
        return [[float(len(text.split())) for text in texts] for texts in completions]

    def judge(self, prompts: list[str], completions: list[list[str]]) -> None:
        return None


def roll(policy: Policy, config: PPOConfig = CONFIG) -> Experience:
    critic = Critic(config, policy.hidden_size, policy.device)
    return collect(config, policy, critic, LengthReward(), PROMPTS, beta=0.1, seed=3, reporter=Silent())


@pytest.fixture(params=KINDS)
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Policy:
    policy = tiny_policy(tmp_path, request.param, seed=4)  # of each kind some samples end and some do not
    policy.add_lora(CONFIG.lora, seed=1)
    return policy


def test_the_first_ratio_is_one(fresh: Policy) -> None:
    experience = roll(fresh)
    for rows in torch.arange(12).split(5):
        part = select(experience.samples, rows)
        state = fresh.read_prompts(part.prompts)
        reading = read_tokens(fresh, state, part.owner, part.completions, temperature=CONFIG.temperature)
        width = part.completions.ids.shape[1]
        ratio = torch.exp(reading.log_probabilities() - experience.readings.log_probabilities[rows, :width])[
            part.completions.mask
        ]
        assert (ratio - 1).abs().max() < 1e-4


def test_the_first_minibatch_clips_nothing(fresh: Policy) -> None:
    critic = Critic(CONFIG, fresh.hidden_size, fresh.device)
    _loss, sums = minibatch_loss(CONFIG, fresh, critic, roll(fresh), torch.arange(5))
    assert sums["clip_fraction"][0] == 0


def test_kl_to_the_reference_is_zero(fresh: Policy) -> None:
    experience = roll(fresh)
    assert experience.kl.abs().max() < 1e-5
    assert abs(experience.metrics()["k3"]) < 1e-5


def test_a_changed_adapter_has_a_kl(fresh: Policy) -> None:
    with torch.no_grad():
        for parameter in fresh.parameters_trainable():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    experience = roll(fresh)
    assert (experience.kl > 0.01).all()


def test_old_log_probabilities_are_those_of_the_sampler(fresh: Policy) -> None:
    """At temperature 0.7 the sampler's own distribution and the training forward must agree token by token."""
    experience = roll(fresh)
    part = experience.samples
    decoded = fresh.read_completions(fresh.read_prompts(part.prompts), part.owner, part.completions)
    logs = torch.log_softmax(decoded.logits / 0.7, dim=-1)
    expected = logs.gather(-1, part.completions.ids[..., None])[..., 0]
    mask = part.completions.mask
    assert torch.allclose(experience.readings.log_probabilities[mask], expected[mask], atol=1e-5)


def test_advantages_are_white(fresh: Policy) -> None:
    experience = roll(fresh)
    real = experience.advantages[experience.samples.completions.mask]
    assert real.mean().abs() < 1e-4
    assert real.std(correction=0).item() == pytest.approx(1.0, abs=1e-3)


def test_nothing_is_learnt_from_padding(fresh: Policy) -> None:
    experience = roll(fresh)
    outside = ~experience.samples.completions.mask
    assert outside.any()
    assert (experience.advantages[outside] == 0).all()
    assert (experience.returns[outside] == 0).all()


def test_without_eos_the_reward_is_minus_one(fresh: Policy) -> None:
    experience = roll(fresh)
    finished = experience.samples.finished
    assert (experience.rewards[~finished] == -1).all()
    lengths = [float(len(text.split())) for group in experience.samples.texts for text in group]
    assert experience.rewards[finished].tolist() == [
        length for length, ended in zip(lengths, finished.tolist(), strict=True) if ended
    ]


def test_the_gradient_of_four_small_batches_is_that_of_one_large(fresh: Policy) -> None:
    """12 × 1 equals 1 × 12: sums over tokens, not means of means."""
    experience, critic = roll(fresh), Critic(CONFIG, fresh.hidden_size, fresh.device)
    tokens = experience.samples.lengths.sum()

    def gradient(parts: list[torch.Tensor]) -> list[torch.Tensor]:
        fresh.model.zero_grad()
        for rows in parts:
            loss, _sums = minibatch_loss(CONFIG, fresh, critic, experience, rows)
            (loss / tokens).backward()
        return [p.grad.clone() for p in fresh.parameters_trainable() if p.grad is not None]

    whole, split = gradient([torch.arange(12)]), gradient(list(torch.arange(12).split(3)))
    assert max((a - b).abs().max() for a, b in zip(whole, split, strict=True)) < 1e-5


def test_value_gradients_do_not_reach_the_policy(fresh: Policy) -> None:
    experience, head = roll(fresh), ValueHead(fresh.hidden_size)
    torch.nn.init.normal_(head.linear.weight)
    part = select(experience.samples, torch.arange(12))
    reading = read_tokens(fresh, fresh.read_prompts(part.prompts), part.owner, part.completions, temperature=1.0)
    fresh.model.zero_grad()
    head(reading.hidden[:, :-1], experience.readings.prefix).sum().backward()
    assert head.linear.weight.grad is not None
    assert all(parameter.grad is None for parameter in fresh.parameters_trainable())


def test_the_value_sees_how_likely_the_text_before_a_token_was(fresh: Policy) -> None:
    experience, head = roll(fresh), ValueHead(fresh.hidden_size)
    with torch.no_grad():
        head.linear.weight[0, -1] = 1.0
    tokens = experience.readings.log_probabilities  # the adapter is fresh: the reference's own
    values = head(torch.zeros(*tokens.shape, fresh.hidden_size), experience.readings.prefix)
    assert torch.equal(values[:, 0], torch.zeros(len(tokens)))
    assert torch.allclose(values[:, 1:], tokens.cumsum(dim=1)[:, :-1], atol=1e-4)


def test_one_reading_of_the_prompts_serves_policy_and_reference(tmp_path: Path) -> None:
    policy = tiny_policy(tmp_path, "t5", seed=4)
    policy.add_lora(replace(CONFIG.lora, decoder_only=True), seed=1)
    with torch.no_grad():
        for parameter in policy.parameters_trainable():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    shared = roll(policy)
    part = shared.samples
    assert part.state is not None
    ours = read_tokens(policy, policy.read_prompts(part.prompts), part.owner, part.completions, temperature=0.7)
    with policy.reference():
        anchor = read_tokens(policy, policy.read_prompts(part.prompts), part.owner, part.completions, temperature=0.7)
    mask = part.completions.mask
    assert torch.allclose(shared.readings.log_probabilities[mask], ours.log_probabilities()[mask], atol=1e-5)
    assert torch.allclose(shared.kl, compare(ours, anchor).kl.sum(dim=1), atol=1e-4)


def test_an_adapter_on_the_encoder_is_not_shared(tmp_path: Path) -> None:
    policy = tiny_policy(tmp_path, "t5", seed=4)
    policy.add_lora(CONFIG.lora, seed=1)
    assert roll(policy).samples.state is None


def test_rloo_compares_a_sample_with_the_others_of_its_prompt(fresh: Policy) -> None:
    config = RLOOConfig(samples_per_prompt=4, max_new_tokens=20, lora=CONFIG.lora)
    experience = collect(config, fresh, LeaveOneOut(), LengthReward(), PROMPTS, beta=0.1, seed=3, reporter=Silent())
    first = experience.advantages[:, 0].reshape(3, 4)
    assert first.sum(dim=1).abs().max() < 1e-4
    rewards = experience.rewards.reshape(3, 4)
    better = (rewards[:, :, None] - rewards[:, None]) * (first[:, :, None] - first[:, None])
    assert (better > -1e-3).all()
    assert (better > 1e-3).any()
    mask = experience.samples.completions.mask
    assert torch.equal(experience.advantages, experience.advantages[:, :1] * mask)
    loss, sums = minibatch_loss(config, fresh, LeaveOneOut(), experience, torch.arange(12))
    assert sums["clip_fraction"][0] == sums["value_loss"][0] == 0
    loss.backward()
    assert any(parameter.grad is not None and parameter.grad.any() for parameter in fresh.parameters_trainable())
