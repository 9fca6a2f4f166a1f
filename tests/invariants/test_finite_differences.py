"""The gradient of every hand-written loss against central differences, away from its kinks."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from rlhf.config import LoraSpec
from rlhf.losses import (
    DPOForm,
    PairBatch,
    clipped_policy_loss,
    clipped_value_loss,
    dpo_losses,
    k3,
    preference_losses,
    rao_kupper_log_probabilities,
    reward_loss,
)
from rlhf.models import Policy
from rlhf.policy_gradient import Estimator, collect, minibatch_loss
from rlhf.policy_gradient_config import PolicyGradientConfig, PPOConfig, RLOOConfig
from rlhf.ppo import Critic
from rlhf.preferences import preference_batch, shared_batch
from rlhf.reward_model import RewardHead, RewardModel
from rlhf.rloo import LeaveOneOut
from rlhf.tensors import entropy, full_kl, gather_log_probabilities, masked_whiten
from rlhf.train_dpo import Ties, batch_loss
from rlhf.training_config import DPOConfig, TieRule
from rlhf.types import Ranking, Silent
from tests.rlhf import learning
from tests.rlhf.tiny import tiny_policy

RULES: tuple[TieRule, ...] = ("rao-kupper", "soft", "drop")
SCORES = (1.3, -0.4, 0.2, 2.1, -1.7)
LENGTHS = (4, 7, 2, 5, 3)
# A ranking of three with two tied, and one of two: weights, ties and margins all count.
PAIRS = PairBatch(
    better=torch.tensor([0, 0, 1, 3]),
    worse=torch.tensor([1, 2, 2, 4]),
    tie=torch.tensor([False, False, True, False]),
    weight=torch.tensor([1 / 3, 1 / 3, 1 / 3, 1.0], dtype=torch.float64),
    margin=torch.tensor([1.0, 1 / 3, 0.0, 2 / 3], dtype=torch.float64),
    rankings=2,
)
MASK = torch.tensor([[True, True, True], [True, False, False]])


def wide(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def table(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("rule", RULES)
def test_preference_losses_in_the_rewards_and_in_theta(rule: TieRule, smoothing: float) -> None:
    tie = torch.tensor([False, True, False, True])

    def losses(delta: Tensor, raw: Tensor) -> Tensor:
        theta = torch.nn.functional.softplus(raw)
        return preference_losses(delta, tie, rule=rule, theta=theta, smoothing=smoothing)

    assert gradcheck(losses, (wide(-2.1, 0.3, 1.9, -4.0), wide(0.4).reshape(()).detach().requires_grad_()))


def test_rao_kuppers_three_outcomes_in_the_rewards_and_in_theta() -> None:
    for theta in (0.01, 0.7, 6.0):
        assert gradcheck(rao_kupper_log_probabilities, (wide(-3.0, 0.0, 0.4, 5.0), wide(theta)))


@pytest.mark.parametrize("centering", [0.0, 0.01])
@pytest.mark.parametrize("rule", RULES)
def test_the_reward_loss_with_strengths_as_margins(rule: TieRule, centering: float) -> None:
    def loss(scores: Tensor, theta: Tensor) -> Tensor:
        return reward_loss(scores, PAIRS, rule=rule, theta=theta, smoothing=0.1, centering=centering)

    assert gradcheck(loss, (wide(*SCORES), wide(0.6)))


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize(
    ("form", "rule"), [("sigmoid", rule) for rule in RULES] + [("hinge", "soft"), ("ipo", "soft"), ("ipo", "drop")]
)
def test_dpo_in_every_form_and_with_ties(form: DPOForm, rule: TieRule, smoothing: float) -> None:
    def losses(ratios: Tensor, theta: Tensor) -> Tensor:
        return dpo_losses(
            ratios, torch.tensor(LENGTHS), PAIRS, beta=0.3, form=form, rule=rule, theta=theta, smoothing=smoothing
        )

    assert gradcheck(losses, (wide(*SCORES), wide(0.6)))


def test_the_clipped_policy_loss_on_both_sides_of_the_clip() -> None:
    # Ratios 0.55, 0.95, 1.11 and 1.65, each with a gain and a loss; the kinks stand at 0.8 and 1.2.
    new = wide(-0.6, -0.05, 0.1, 0.5, -0.6, -0.05, 0.1, 0.5).reshape(2, 4).detach().requires_grad_()
    advantages = torch.tensor([[1.5] * 4, [-0.7] * 4], dtype=torch.float64)
    mask = torch.ones(2, 4, dtype=torch.bool)

    def loss(values: Tensor) -> Tensor:
        return clipped_policy_loss(values, torch.zeros_like(values), advantages, mask, clip=0.2)[0]

    assert gradcheck(loss, (new,))
    (gradient,) = torch.autograd.grad(loss(new), new)
    assert (gradient == 0).tolist() == [[False, False, False, True], [True, False, False, False]]


def test_the_clipped_value_loss_on_both_sides_of_the_clip() -> None:
    old, returns = torch.zeros(2, 3, dtype=torch.float64), table(1, 2, 3)
    values = torch.tensor([[0.1, -0.7, 0.9], [0.15, 0.3, -0.3]], dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda v: clipped_value_loss(v, old, returns, MASK, clip=0.2), (values,))


def test_k3_and_whitening() -> None:
    assert gradcheck(k3, (wide(-1.2, 0.0, 0.4, 2.0),))
    assert gradcheck(lambda values: masked_whiten(values, MASK), (table(2, 2, 3).requires_grad_(),))


@pytest.mark.parametrize("what", ["log_probabilities", "entropy", "full_kl"])
def test_the_sums_over_the_vocabulary(what: str) -> None:
    """They count in float32, whatever they are given: hence the long step and the wide tolerance."""
    ids, reference = torch.tensor([[0, 3, 6], [2, 2, 5]]), 2 * table(4, 2, 3, 7)
    functions: dict[str, Callable[[Tensor], Tensor]] = {
        "log_probabilities": lambda logits: gather_log_probabilities(logits, ids),
        "entropy": lambda logits: entropy(logits.log_softmax(dim=-1)),
        "full_kl": lambda logits: full_kl(logits.log_softmax(dim=-1), reference.log_softmax(dim=-1)),
    }
    logits = (2 * table(3, 2, 3, 7)).requires_grad_()
    given = functions[what](logits)
    direction = table(5, *given.shape)
    (gradient,) = torch.autograd.grad((given.double() * direction).sum(), logits)
    numeric = torch.zeros_like(gradient)
    for place in range(logits.numel()):
        step = torch.zeros(logits.numel(), dtype=torch.float64)
        step[place] = 1e-2
        moved = [functions[what](logits.detach() + sign * step.view_as(logits)).double() for sign in (1, -1)]
        numeric.view(-1)[place] = ((moved[0] - moved[1]) * direction).sum() / 2e-2
    assert torch.allclose(gradient, numeric, atol=1e-3)


# -- whole losses, through a model and its adapter


def moved(folder: Path, kind: str) -> Policy:
    """A policy that is not its anchor."""
    policy = tiny_policy(folder, kind, seed=4)
    policy.add_lora(LoraSpec(rank=2, alpha=8, targets="all-linear"), seed=1)
    noise = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in policy.parameters_trainable():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=noise))
    return policy


def check_slope(loss: Callable[[], Tensor], parameters: list[Tensor], *, step: float = 3e-4) -> None:
    """Every parameter has a gradient, and along it the loss rises by its norm; fp32 leaves three digits of that."""
    gradients = torch.autograd.grad(loss(), parameters)
    norm = float(torch.stack([gradient.square().sum() for gradient in gradients]).sum().sqrt())
    assert norm > 1

    @torch.no_grad()
    def at(length: float) -> float:
        before = [parameter.clone() for parameter in parameters]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.add_(gradient, alpha=length / norm)
        value = float(loss())
        for parameter, own in zip(parameters, before, strict=True):
            parameter.copy_(own)
        return value

    assert (at(step) - at(-step)) / (2 * step) == pytest.approx(norm, rel=3e-3)


PPO = PPOConfig(
    samples_per_prompt=3, max_new_tokens=8, temperature=0.7, entropy_coefficient=0.05, value_coefficient=0.5
)
RLOO = RLOOConfig(samples_per_prompt=3, max_new_tokens=8, temperature=0.7)


@pytest.mark.parametrize("config", [PPO, RLOO], ids=["ppo", "rloo"])
@pytest.mark.parametrize("kind", ["t5", "gpt2"])
def test_a_minibatch_of_a_rollout(tmp_path: Path, kind: str, config: PolicyGradientConfig) -> None:
    policy = moved(tmp_path, kind)
    # The value head is at 0, so that the states it reads detached give the loss no slope of their own.
    critic = Critic(config, policy.hidden_size, policy.device) if isinstance(config, PPOConfig) else None
    estimator: Estimator = critic or LeaveOneOut()
    experience = collect(
        config, policy, estimator, learning.WordReward(), learning.prompts(3), beta=0.1, seed=3, reporter=Silent()
    )
    # The old log-probabilities are moved off the policy's, some tokens beyond the clip and none near it.
    readings = experience.readings
    gaps = torch.tensor([-0.3, -0.1, 0.1, 0.3])
    old = readings.log_probabilities + gaps[torch.arange(readings.values.numel()) % 4].view_as(readings.values)
    experience = replace(experience, readings=replace(readings, log_probabilities=old))
    tokens = experience.samples.lengths.sum()
    heads = list(critic.head.parameters()) if critic else []
    check_slope(
        lambda: minibatch_loss(config, policy, estimator, experience, torch.arange(9))[0] / tokens,
        [*policy.parameters_trainable(), *heads],
    )


def rankings() -> list[Ranking]:
    found = learning.rankings(3)
    return [replace(found[0], strengths=(2,)), *found[1:]]


@pytest.mark.parametrize("form", ["sigmoid", "ipo"])
@pytest.mark.parametrize("kind", ["t5", "gpt2"])
def test_a_batch_of_dpo(tmp_path: Path, kind: str, form: DPOForm) -> None:
    policy = moved(tmp_path, kind)
    config = DPOConfig(form=form, label_smoothing=0.1, sft_coefficient=0.2, beta=0.3)
    ties, batch = Ties(config, 0.5, policy.device), preference_batch(policy, rankings())
    reference = -10 * torch.rand(len(batch.owner), generator=torch.Generator().manual_seed(2))
    check_slope(
        lambda: batch_loss(config, policy, ties, batch, reference)[0],
        [*policy.parameters_trainable(), *ties.parameters],
    )


@pytest.mark.parametrize("kind", ["t5", "gpt2"])
def test_a_batch_of_rankings_for_the_reward_model(tmp_path: Path, kind: str) -> None:
    policy = moved(tmp_path, kind)
    head = RewardHead(policy.hidden_size, theta=0.3, likelihood=True, generator=torch.Generator().manual_seed(1))
    model, batch = RewardModel(policy, head), shared_batch(policy, rankings(), margins=True)

    def loss() -> Tensor:
        scores = model.score_tokens(policy.read_prompts(batch.prompts), batch.owner, batch.completions)
        return reward_loss(scores, batch.pairs, rule="rao-kupper", theta=head.theta, smoothing=0.1, centering=0.01)

    check_slope(loss, [*policy.parameters_trainable(), *head.parameters()])
