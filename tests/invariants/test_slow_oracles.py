"""The formulas against slow loops in plain Python that share no code with them, on numbers that hypothesis makes up."""

import math
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rlhf.losses import (
    AdaptiveBeta,
    PairBatch,
    clipped_value_loss,
    dpo_losses,
    gae,
    k3,
    leave_one_out,
    rao_kupper_log_probabilities,
    reward_loss,
    token_rewards,
)
from rlhf.policy_gradient import Readings
from rlhf.ppo import Critic
from rlhf.rloo import LeaveOneOut
from rlhf.tensors import entropy, full_kl, masked_mean, masked_whiten
from rlhf.training_config import PPOConfig, TieRule

slowly = settings(deadline=None, max_examples=40)
number = st.floats(-5, 5, allow_nan=False, width=32)
share = st.floats(0, 1)


@dataclass
class Ragged:
    """Rows of different lengths, and the padded tensors made of them: what lies outside the mask is 99."""

    rows: list[list[float]]
    others: list[list[float]]

    @property
    def mask(self) -> Tensor:
        width = max(map(len, self.rows))
        return torch.tensor([[place < len(row) for place in range(width)] for row in self.rows])

    @property
    def first(self) -> Tensor:
        return padded(self.rows)

    @property
    def second(self) -> Tensor:
        return padded(self.others)


def padded(rows: list[list[float]]) -> Tensor:
    width = max(map(len, rows))
    return torch.tensor([row + [99.0] * (width - len(row)) for row in rows], dtype=torch.float64)


@st.composite
def ragged(draw: Any) -> Ragged:
    lengths = draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
    rows = [[draw(st.tuples(number, number)) for _ in range(length)] for length in lengths]
    return Ragged([[pair[0] for pair in row] for row in rows], [[pair[1] for pair in row] for row in rows])


def slow_gae(rewards: list[float], values: list[float], gamma: float, lam: float) -> list[float]:
    """Equation 16 as it is written: a sum over the errors to come."""
    after = [*values[1:], 0.0]
    errors = [r + gamma * v_next - v for r, v, v_next in zip(rewards, values, after, strict=True)]
    return [
        sum((gamma * lam) ** (later - now) * errors[later] for later in range(now, len(errors)))
        for now in range(len(errors))
    ]


def assert_rows(found: Tensor, expected: list[list[float]], tolerance: float = 1e-9) -> None:
    """Row by row, and 0 behind each."""
    for row, wanted in zip(found.tolist(), expected, strict=True):
        assert row[: len(wanted)] == pytest.approx(wanted, abs=tolerance)
        assert row[len(wanted) :] == [0.0] * (len(row) - len(wanted))


@slowly
@given(ragged(), share, share)
def test_gae(given_: Ragged, gamma: float, lam: float) -> None:
    rewards = given_.first * given_.mask  # as `token_rewards` leaves them
    advantages, returns = gae(rewards, given_.second, given_.mask, gamma=gamma, lam=lam)
    expected = [slow_gae(r, v, gamma, lam) for r, v in zip(given_.rows, given_.others, strict=True)]
    assert_rows(advantages, expected)
    sums = [[a + v for a, v in zip(*both, strict=True)] for both in zip(expected, given_.others, strict=True)]
    assert_rows(returns, sums)


def slow_white(rows: list[list[float]], shift: bool = True) -> list[list[float]]:  # noqa: FBT001
    flat = [value for row in rows for value in row]
    mean = sum(flat) / len(flat)
    variance = sum((value - mean) ** 2 for value in flat) / len(flat)  # of the population: not n − 1
    back = 0.0 if shift else mean
    return [[(value - mean) / math.sqrt(variance + 1e-8) + back for value in row] for row in rows]


@slowly
@given(ragged(), st.booleans())
def test_whitening(given_: Ragged, shift: bool) -> None:  # noqa: FBT001
    assert_rows(masked_whiten(given_.first, given_.mask, shift_mean=shift), slow_white(given_.rows, shift), 1e-6)
    flat = [value for row in given_.rows for value in row]
    assert masked_mean(given_.first, given_.mask).item() == pytest.approx(sum(flat) / len(flat))


@slowly
@given(ragged(), st.floats(0, 2))
def test_ppos_advantages_from_scores_to_white(given_: Ragged, beta: float) -> None:
    """KL in each token's reward, the score at the last, GAE, white over the whole rollout; in the trainer's float32."""
    scores = [float(index) - 1.5 for index in range(len(given_.rows))]
    rewards = [[-beta * ratio for ratio in row] for row in given_.rows]
    for row, score in zip(rewards, scores, strict=True):
        row[-1] += score
    kept = token_rewards(given_.first, given_.mask, torch.tensor(scores, dtype=torch.float64), beta)
    assert_rows(kept, rewards)

    mask = given_.mask
    zeros = torch.zeros_like(given_.first)
    readings = Readings(given_.first * mask, zeros, given_.second * mask, zeros, zeros)
    config = PPOConfig(gamma=0.99, lam=0.9)
    samples: Any = _Samples(mask)
    found, _returns = Critic(config, 2, torch.device("cpu")).advantages(
        samples, readings, torch.tensor(scores, dtype=torch.float64), beta
    )
    expected = [slow_gae(r, v, 0.99, 0.9) for r, v in zip(rewards, given_.others, strict=True)]
    assert_rows(found, slow_white(expected), 1e-6)


class _Samples:
    """What an estimator reads of a rollout."""

    def __init__(self, mask: Tensor, owner: Tensor | None = None) -> None:
        self.completions = self
        self.mask, self.owner = mask, owner


@slowly
@given(ragged(), st.data())
def test_rloos_advantages(given_: Ragged, data: Any) -> None:
    count = len(given_.rows)
    owner = sorted(data.draw(st.lists(st.integers(0, 1), min_size=count, max_size=count)))
    owner = [one - owner[0] for one in owner]  # prompts are numbered from 0
    scores = data.draw(st.lists(number, min_size=count, max_size=count))
    totals = [score - 0.3 * sum(row) for score, row in zip(scores, given_.rows, strict=True)]
    plain = []
    for row in range(count):
        others = [totals[i] for i in range(count) if i != row and owner[i] == owner[row]]
        plain.append(totals[row] - sum(others) / len(others) if others else 0.0)
    exact = torch.tensor(totals, dtype=torch.float64)
    assert leave_one_out(exact, torch.tensor(owner)).tolist() == pytest.approx(plain, abs=1e-9)

    mask, zeros = given_.mask, torch.zeros_like(given_.first)
    readings = Readings(given_.first * mask, zeros, zeros, zeros, zeros)
    samples: Any = _Samples(mask, torch.tensor(owner))
    found, _ = LeaveOneOut().advantages(samples, readings, torch.tensor(scores, dtype=torch.float64), 0.3)
    spread = max(math.sqrt(sum(value**2 for value in plain) / count), 1e-8)
    if spread > 1e-6:  # else what is left is rounding
        assert_rows(found, [[value / spread] * len(row) for value, row in zip(plain, given_.rows, strict=True)], 1e-6)


distributions = st.integers(2, 6).flatmap(
    lambda size: st.tuples(*[st.lists(st.floats(-4, 4), min_size=size, max_size=size)] * 2)
)


def softmax(logits: list[float]) -> list[float]:
    total = sum(math.exp(value) for value in logits)
    return [math.exp(value) / total for value in logits]


@slowly
@given(distributions)
def test_every_estimator_of_the_kl_has_its_mean(both: tuple[list[float], list[float]]) -> None:
    """By enumeration: Σ p·k1 = Σ p·k3 = KL, k3 ≥ 0 everywhere, and the full sum is the KL itself."""
    p, q = softmax(both[0]), softmax(both[1])
    exact = sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    logits, reference = (torch.tensor(side)[None, None] for side in both)
    assert full_kl(logits.log_softmax(dim=-1), reference.log_softmax(dim=-1)).item() == pytest.approx(exact, abs=1e-5)
    assert entropy(logits.log_softmax(dim=-1)).item() == pytest.approx(-sum(a * math.log(a) for a in p), abs=1e-5)
    k1 = torch.tensor([math.log(a / b) for a, b in zip(p, q, strict=True)], dtype=torch.float64)
    mass = torch.tensor(p, dtype=torch.float64)
    assert (mass * k1).sum().item() == pytest.approx(exact, abs=1e-9)
    assert (mass * k3(k1)).sum().item() == pytest.approx(exact, abs=1e-9)
    assert (k3(k1) >= 0).all()


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def rao_kupper(delta: float, theta: float) -> tuple[float, float, float]:
    """By strengths and a factor η = e^θ, as in the paper: π_i / (π_i + η·π_j)."""
    one, two, eta = math.exp(delta / 2), math.exp(-delta / 2), math.exp(theta)
    win, lose = one / (one + eta * two), two / (eta * one + two)
    return win, lose, one * two * (eta**2 - 1) / ((one + eta * two) * (eta * one + two))


@slowly
@given(delta=st.floats(-8, 8), theta=st.floats(0.01, 4))
def test_rao_kupper(delta: float, theta: float) -> None:
    logs = rao_kupper_log_probabilities(*(torch.tensor(value, dtype=torch.float64) for value in (delta, theta)))
    found = [math.exp(log.item()) for log in logs]
    assert found == pytest.approx(rao_kupper(delta, theta), abs=1e-12)
    assert sum(found) == pytest.approx(1, abs=1e-12)


@slowly
@given(
    scores=st.lists(number, min_size=4, max_size=4),
    ties=st.lists(st.booleans(), min_size=3, max_size=3),
    rule=st.sampled_from(["rao-kupper", "soft", "drop"]),
    smoothing=st.floats(0, 0.4),
)
def test_the_reward_and_dpo_losses_of_a_batch(
    scores: list[float], ties: list[bool], rule: TieRule, smoothing: float
) -> None:
    """Two rankings, of two pairs and of one, with margins on those that are decided."""
    pairs, weights, margins, theta = [(0, 1), (2, 1), (3, 2)], [0.5, 0.5, 1.0], [1.0, 1 / 3, 2 / 3], 0.7
    double = {"dtype": torch.float64}
    batch = PairBatch(
        torch.tensor([a for a, _ in pairs]), torch.tensor([b for _, b in pairs]), torch.tensor(ties),
        torch.tensor(weights, **double), torch.tensor(margins, **double), 2,
    )  # fmt: skip

    def loss(delta: float, tied: bool) -> float:  # noqa: FBT001
        win, lose, tie = rao_kupper(delta, theta) if rule == "rao-kupper" else (sigmoid(delta), sigmoid(-delta), 1.0)
        if tied:
            return {"rao-kupper": -math.log(tie), "soft": -0.5 * math.log(win * lose), "drop": 0.0}[rule]
        return -(1 - smoothing) * math.log(win) - smoothing * math.log(lose)

    expected = sum(
        weight * (loss(scores[a] - scores[b] - (0 if tied else margin), tied) + 0.01 * (scores[a] + scores[b]) ** 2) / 2
        for (a, b), weight, margin, tied in zip(pairs, weights, margins, ties, strict=True)
    )
    flat, learnt = torch.tensor(scores, **double), torch.tensor(theta, **double)
    found = reward_loss(flat, batch, rule=rule, theta=learnt, smoothing=smoothing, centering=0.01)
    assert found.item() == pytest.approx(expected, abs=1e-9)
    losses = dpo_losses(flat, torch.ones(4), batch, beta=0.3, rule=rule, theta=learnt, smoothing=smoothing)
    wanted = [loss(0.3 * (scores[a] - scores[b]), tied) for (a, b), tied in zip(pairs, ties, strict=True)]
    assert losses.tolist() == pytest.approx(wanted, abs=1e-9)


@slowly
@given(ragged(), number)
def test_the_clipped_value_loss(given_: Ragged, returns: float) -> None:
    terms = []
    for row, olds in zip(given_.rows, given_.others, strict=True):
        for value, old in zip(row, olds, strict=True):
            held = min(max(value, old - 0.2), old + 0.2)
            terms.append(max((value - returns) ** 2, (held - returns) ** 2))
    target = torch.full_like(given_.first, returns)
    found = clipped_value_loss(given_.first, given_.second, target, given_.mask, clip=0.2)
    assert found.item() == pytest.approx(0.5 * sum(terms) / len(terms), rel=1e-9)


@slowly
@given(st.lists(st.tuples(st.floats(0, 40), st.integers(1, 500)), min_size=1, max_size=20), st.floats(0.1, 10))
def test_zieglers_controller(measured: list[tuple[float, int]], target: float) -> None:
    """log β moves at most 0.2·n/horizon a step, and in proportion to the error inside ±20 % of the target."""
    controller, beta = AdaptiveBeta(value=0.1, target=target, horizon=2000), 0.1
    for kl, episodes in measured:
        error = (kl - target) / target
        error = 0.2 if error > 0.2 else -0.2 if error < -0.2 else error
        beta = beta + beta * error * episodes / 2000
        assert controller.update(kl, episodes) == pytest.approx(beta, rel=1e-12)
        assert controller.value == pytest.approx(beta, rel=1e-12)
