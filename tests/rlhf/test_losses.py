"""The formulas against exact values and slow loops."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from rlhf.exceptions import ConfigError
from rlhf.losses import (
    AdaptiveBeta,
    DPOForm,
    PairBatch,
    clipped_policy_loss,
    clipped_value_loss,
    dpo_losses,
    gae,
    inverse_softplus,
    k3,
    leave_one_out,
    preference_losses,
    rao_kupper_log_probabilities,
    reward_loss,
    tie_threshold,
    token_rewards,
)
from rlhf.training_config import TieRule


def pair_batch(
    pairs: list[tuple[int, int, bool]], weight: list[float], rankings: int, margin: float = 0.0
) -> PairBatch:
    return PairBatch(
        better=torch.tensor([pair[0] for pair in pairs]),
        worse=torch.tensor([pair[1] for pair in pairs]),
        tie=torch.tensor([pair[2] for pair in pairs]),
        weight=torch.tensor(weight),
        margin=torch.full((len(pairs),), margin),
        rankings=rankings,
    )


def test_bradley_terry_of_an_even_pair_is_log_two() -> None:
    loss = preference_losses(torch.zeros(1), torch.tensor([False]), rule="soft")
    assert loss.item() == pytest.approx(math.log(2))


def test_every_ranking_counts_once_however_many_pairs_it_has() -> None:
    scores = torch.tensor([2.0, 1.0, 0.0, 5.0, 3.5])
    pairs = pair_batch(
        [(0, 1, False), (0, 2, False), (1, 2, False), (4, 3, False)], [1 / 3, 1 / 3, 1 / 3, 1.0], rankings=2
    )
    first = sum(math.log1p(math.exp(-d)) for d in (1.0, 2.0, 1.0)) / 3
    second = math.log1p(math.exp(1.5))
    assert reward_loss(scores, pairs, rule="soft").item() == pytest.approx((first + second) / 2, abs=1e-6)


def test_a_margin_is_taken_off_decided_pairs_only() -> None:
    scores = torch.tensor([1.0, 0.0])
    decided = reward_loss(scores, pair_batch([(0, 1, False)], [1.0], 1, margin=0.5), rule="soft")
    tied = reward_loss(scores, pair_batch([(0, 1, True)], [1.0], 1, margin=0.5), rule="soft")
    assert decided.item() == pytest.approx(math.log1p(math.exp(-0.5)))
    assert tied.item() == pytest.approx(0.5 * (math.log1p(math.exp(-1.0)) + math.log1p(math.exp(1.0))))


def test_centering_adds_the_squared_sum_of_the_two_scores() -> None:
    scores = torch.tensor([1.5, 0.5])
    pairs = pair_batch([(0, 1, False)], [1.0], 1)
    plain = reward_loss(scores, pairs, rule="soft")
    centred = reward_loss(scores, pairs, rule="soft", centering=0.01)
    assert (centred - plain).item() == pytest.approx(0.01 * 4.0, abs=1e-6)


def test_label_smoothing_mixes_the_two_directions() -> None:
    loss = preference_losses(torch.tensor([0.7]), torch.tensor([False]), rule="soft", smoothing=0.2)
    expected = 0.8 * math.log1p(math.exp(-0.7)) + 0.2 * math.log1p(math.exp(0.7))
    assert loss.item() == pytest.approx(expected, abs=1e-6)


@settings(deadline=None, max_examples=60)
@given(delta=st.floats(-8, 8), theta=st.floats(0.01, 5))
def test_rao_kupper_probabilities_add_up_to_one(delta: float, theta: float) -> None:
    logs = rao_kupper_log_probabilities(
        torch.tensor(delta, dtype=torch.float64), torch.tensor(theta, dtype=torch.float64)
    )
    win, lose, tie = (math.exp(log.item()) for log in logs)
    assert win + lose + tie == pytest.approx(1.0, abs=1e-12)
    assert win == pytest.approx(1 / (1 + math.exp(theta - delta)))


def test_rao_kupper_without_ties_is_bradley_terry() -> None:
    win, _lose, tie = rao_kupper_log_probabilities(torch.tensor(0.8), torch.tensor(1e-6))
    assert win.item() == pytest.approx(-math.log1p(math.exp(-0.8)), abs=1e-5)
    assert tie.item() < -10


def test_rao_kupper_stays_finite_far_out() -> None:
    delta = torch.tensor([-200.0, 200.0], requires_grad=True)
    loss = preference_losses(delta, torch.tensor([True, False]), rule="rao-kupper", theta=torch.tensor(60.0))
    loss.sum().backward()
    assert torch.isfinite(loss).all()
    assert delta.grad is not None
    assert torch.isfinite(delta.grad).all()


def test_dropping_ties_inflates_the_scale_and_rao_kupper_does_not() -> None:
    """Rewards that are right up to a factor, ties where the texts are near: 27 % of pairs, as many arenas have.

    In expectation over the three outcomes of each pair, by each rule, the best factor is 1 for Rao–Kupper; who drops
    the ties sees only clear pairs and takes the texts to be further apart than they are.
    """
    gap = torch.linspace(-4, 4, 401, dtype=torch.float64)
    density = torch.exp(-(gap**2) / 2)
    theta = torch.tensor(0.65, dtype=torch.float64)
    win, lose, tie = (log.exp() * density for log in rao_kupper_log_probabilities(gap, theta))
    assert (tie.sum() / density.sum()).item() == pytest.approx(0.27, abs=0.01)
    none, ties = torch.zeros(len(gap), dtype=torch.bool), torch.ones(len(gap), dtype=torch.bool)

    def best(rule: TieRule) -> float:
        def loss(factor: float) -> float:
            scores = factor * gap
            options = {"rule": rule, "theta": theta}
            terms = [(win, scores, none), (lose, -scores, none), (tie, scores, ties)]
            return sum((p * preference_losses(d, t, **options)).sum().item() for p, d, t in terms)  # type: ignore[arg-type]

        return float(minimize_scalar(loss, bounds=(0.1, 5), method="bounded").x)

    assert best("rao-kupper") == pytest.approx(1, abs=1e-3)
    assert 1.2 < best("drop") < 1.35
    assert best("soft") < 1


def test_the_tie_threshold_gives_even_texts_the_wanted_share() -> None:
    theta = torch.tensor(tie_threshold(0.3))
    _win, _lose, tie = rao_kupper_log_probabilities(torch.tensor(0.0), theta)
    assert math.exp(tie.item()) == pytest.approx(0.3, abs=1e-6)


def test_a_learnt_theta_finds_the_share_of_ties() -> None:
    raw = torch.tensor(inverse_softplus(0.1), requires_grad=True)
    optimiser = torch.optim.Adam([raw], lr=0.05)
    tie = torch.tensor([True] * 3 + [False] * 7)
    for _ in range(400):
        optimiser.zero_grad()
        theta = torch.nn.functional.softplus(raw)
        preference_losses(torch.zeros(10), tie, rule="rao-kupper", theta=theta).mean().backward()
        optimiser.step()
    assert torch.nn.functional.softplus(raw).item() == pytest.approx(tie_threshold(0.3), abs=1e-3)


def test_rao_kupper_needs_its_threshold() -> None:
    with pytest.raises(ConfigError, match="theta"):
        preference_losses(torch.zeros(1), torch.tensor([True]), rule="rao-kupper")


def test_dropped_ties_cost_nothing() -> None:
    loss = preference_losses(torch.tensor([3.0]), torch.tensor([True]), rule="drop")
    assert loss.item() == 0.0


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("sigmoid", math.log1p(math.exp(-0.1 * 3.0))),
        ("hinge", 1 - 0.1 * 3.0),
        ("ipo", (2.0 / 4 - (-1.0 / 5) - 1 / 0.2) ** 2),
    ],
)
def test_dpo_forms_have_their_published_values(form: DPOForm, expected: float) -> None:
    loss = dpo_losses(
        torch.tensor([2.0, -1.0]),
        torch.tensor([4, 5]),
        pair_batch([(0, 1, False)], [1.0], 1),
        beta=0.1,
        form=form,
    )
    assert loss.item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("form", ["sigmoid", "hinge", "ipo"])
def test_a_tie_pulls_dpo_to_an_even_pair(form: DPOForm) -> None:
    ratios = torch.tensor([3.0, -1.0], requires_grad=True)
    pairs = pair_batch([(0, 1, True)], [1.0], 1)
    loss = dpo_losses(ratios, torch.tensor([4, 4]), pairs, beta=1.0, form=form)
    (gradient,) = torch.autograd.grad(loss.sum(), ratios)
    assert gradient[0] > 0 > gradient[1]


def test_dpo_ties_by_rao_kupper_use_beta_delta() -> None:
    theta = torch.tensor(0.6)
    pairs = pair_batch([(0, 1, True)], [1.0], 1)
    loss = dpo_losses(torch.tensor([2.0, -1.0]), torch.tensor([4, 5]), pairs, beta=0.1, rule="rao-kupper", theta=theta)
    _win, _lose, tie = rao_kupper_log_probabilities(torch.tensor(0.3), theta)
    assert loss.item() == pytest.approx(-tie.item(), abs=1e-6)


def test_gae_equals_the_sum_over_later_errors() -> None:
    torch.manual_seed(0)
    rewards, values = torch.randn(3, 6, dtype=torch.float64), torch.randn(3, 6, dtype=torch.float64)
    lengths = [6, 3, 1]
    mask = torch.arange(6)[None, :] < torch.tensor(lengths)[:, None]
    advantages, returns = gae(rewards * mask, values, mask, gamma=0.9, lam=0.7)
    for row, length in enumerate(lengths):
        for start in range(6):
            expected = 0.0
            for step in range(start, length):
                after = values[row, step + 1].item() if step + 1 < length else 0.0
                error = rewards[row, step].item() + 0.9 * after - values[row, step].item()
                expected += (0.9 * 0.7) ** (step - start) * error
            assert advantages[row, start].item() == pytest.approx(expected, abs=1e-12)
            if start < length:
                assert returns[row, start].item() == pytest.approx(expected + values[row, start].item())
            else:
                assert returns[row, start].item() == 0.0


def test_with_lambda_one_and_gamma_one_the_return_is_the_reward_to_go() -> None:
    rewards = torch.tensor([[1.0, 2.0, 4.0, 0.0]])
    mask = torch.tensor([[True, True, True, False]])
    _advantages, returns = gae(rewards, torch.randn(1, 4), mask, gamma=1.0, lam=1.0)
    assert torch.allclose(returns, torch.tensor([[7.0, 6.0, 4.0, 0.0]]), atol=1e-5)


def test_token_rewards_hold_the_kl_everywhere_and_the_score_at_the_last_token() -> None:
    log_ratio = torch.tensor([[0.5, -0.2, 0.1], [1.0, 9.0, 9.0]], requires_grad=True)
    mask = torch.tensor([[True, True, True], [True, False, False]])
    rewards = token_rewards(log_ratio, mask, torch.tensor([2.0, -1.0]), beta=0.1)
    assert torch.allclose(rewards, torch.tensor([[-0.05, 0.02, 1.99], [-1.1, 0.0, 0.0]]))
    assert not rewards.requires_grad


def test_k3_is_never_negative_and_its_mean_is_the_kl() -> None:
    torch.manual_seed(0)
    policy, reference = torch.tensor([0.6, 0.3, 0.1]), torch.tensor([0.2, 0.5, 0.3])
    draws = torch.multinomial(policy, 200_000, replacement=True)
    estimates = k3(torch.log(policy[draws] / reference[draws]))
    exact = (policy * torch.log(policy / reference)).sum().item()
    assert estimates.min() >= 0
    assert estimates.mean().item() == pytest.approx(exact, abs=0.01)


def test_the_policy_loss_equals_a_loop() -> None:
    torch.manual_seed(1)
    new, old, advantages = torch.randn(2, 4), torch.randn(2, 4), torch.randn(2, 4)
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    loss, clipped = clipped_policy_loss(new, old, advantages, mask, clip=0.2)
    terms, counts = [], []
    for row in range(2):
        for step in range(4):
            if mask[row, step]:
                ratio = math.exp(new[row, step] - old[row, step])
                held = min(max(ratio, 0.8), 1.2)
                gain = advantages[row, step].item()
                terms.append(-min(ratio * gain, held * gain))
                counts.append(held * gain < ratio * gain)
    assert loss.item() == pytest.approx(sum(terms) / len(terms), abs=1e-5)
    assert clipped.item() == pytest.approx(sum(counts) / len(counts))


def test_a_token_beyond_the_clip_gets_no_gradient() -> None:
    new = torch.tensor([[0.5, 0.05]], requires_grad=True)
    loss, _ = clipped_policy_loss(new, torch.zeros(1, 2), torch.ones(1, 2), torch.ones(1, 2).bool(), clip=0.2)
    loss.backward()
    assert new.grad is not None
    assert new.grad[0, 0] == 0
    assert new.grad[0, 1] < 0


def test_the_value_loss_takes_the_larger_of_the_two_errors() -> None:
    values, old, returns = torch.tensor([[1.0]]), torch.tensor([[0.0]]), torch.tensor([[1.0]])
    loss = clipped_value_loss(values, old, returns, torch.ones(1, 1).bool(), clip=0.2)
    assert loss.item() == pytest.approx(0.5 * 0.8**2)


def test_adaptive_beta_rises_above_the_target_and_falls_below() -> None:
    beta = AdaptiveBeta(value=0.1, target=4.0, horizon=1000)
    assert beta.update(40.0, 100) == pytest.approx(0.1 * (1 + 0.2 * 0.1))
    assert beta.update(0.0, 100) == pytest.approx(0.1 * 1.02 * 0.98)


def test_beta_without_a_target_stays() -> None:
    assert AdaptiveBeta(value=0.3, target=None, horizon=1).update(100.0, 10) == 0.3


def test_leave_one_out_against_a_plain_loop() -> None:
    """Prompts of three samples, two, and one, which has nothing to be compared with."""
    owner = torch.tensor([0, 1, 0, 2, 1, 0])
    rewards = torch.tensor([1.0, -2.0, 4.0, 7.0, 0.5, -1.0])
    expected = []
    for row, prompt in enumerate(owner.tolist()):
        others = [float(rewards[i]) for i in range(6) if i != row and int(owner[i]) == prompt]
        expected.append(float(rewards[row]) - sum(others) / len(others) if others else 0.0)
    assert leave_one_out(rewards, owner).tolist() == pytest.approx(expected)
