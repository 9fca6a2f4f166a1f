"""The choice of a token against plain cumulative sums and a full sort."""

import pytest
import torch
from torch import Tensor

from rlhf.choice import choose
from rlhf.config import SamplingConfig

SIZES = (5, 128, 1000, 3001)


def _logits(size: int, rows: int = 64, scale: float = 3) -> Tensor:
    return scale * torch.randn((rows, size), generator=torch.Generator().manual_seed(size))


def _uniforms(rows: int = 64) -> Tensor:
    drawn = torch.rand(rows, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return torch.cat([drawn[:-2], torch.tensor([0.0, 1 - 2**-53], dtype=torch.float64)])


def _allowed(probabilities: Tensor, sampling: SamplingConfig) -> list[int]:
    """The tokens that top-k and the nucleus leave, likeliest first, from the definitions."""
    order = probabilities.argsort(descending=True, stable=True).tolist()
    order = order[: sampling.top_k or None]
    total, held = sum(float(probabilities[token]) for token in order), 0.0
    nucleus = []
    for token in order:
        if held >= sampling.top_p * total:
            break
        nucleus.append(token)
        held += float(probabilities[token])
    return nucleus


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_a_token_is_the_inverse_of_the_cumulative_distribution(size: int, temperature: float) -> None:
    logits, uniforms = _logits(size), _uniforms()
    token, logs = choose(logits, uniforms, SamplingConfig(temperature=temperature))
    exact = (logits.double() / temperature).softmax(-1)
    cumulative = exact.cumsum(-1)
    for row in range(len(logits)):
        after = float(cumulative[row, token[row]])
        before = after - float(exact[row, token[row]])
        # The uniform falls into the token's own share, up to the rounding of fp32.
        assert before - 1e-6 <= float(uniforms[row]) <= after + 1e-6
    assert torch.allclose(logs, exact.log().gather(1, token[:, None])[:, 0].float(), atol=1e-4)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "sampling",
    [
        SamplingConfig(top_k=3),
        SamplingConfig(top_p=0.3),
        SamplingConfig(top_p=0.95),
        SamplingConfig(top_k=50, top_p=0.8),
    ],
)
def test_only_tokens_inside_top_k_and_nucleus_are_chosen(size: int, sampling: SamplingConfig) -> None:
    logits = _logits(size, rows=1).expand(5000, -1)
    uniforms = torch.rand(5000, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    token, _ = choose(logits, uniforms, sampling)
    probabilities = logits[0].softmax(-1)
    allowed = _allowed(probabilities, sampling)
    shares = probabilities[allowed] / probabilities[allowed].sum()
    seen = torch.bincount(token, minlength=size)[allowed] / 5000
    assert set(token.tolist()) <= set(allowed)
    # Four standard errors, of the likeliest tokens.
    assert bool(((seen - shares).abs() < 4 * (shares * (1 - shares) / 5000).sqrt() + 1e-3).all())


@pytest.mark.parametrize("scale", [0.1, 12.0])
def test_a_nucleus_of_thousands_is_found_beside_one_of_two(scale: float) -> None:
    flat, sharp = _logits(3001, rows=2, scale=0.1), _logits(3001, rows=2, scale=scale)
    logits = torch.cat([flat, sharp])
    sampling = SamplingConfig(top_p=0.9)
    for uniform in (0.0, 0.5, 0.999999):
        token, _ = choose(logits, torch.full((4,), uniform, dtype=torch.float64), sampling)
        for row in range(4):
            assert int(token[row]) in _allowed(logits[row].softmax(-1), sampling)


@pytest.mark.parametrize("uniform", [0.0, 0.3, 1 - 2**-53])
def test_a_token_of_probability_zero_is_never_chosen(uniform: float) -> None:
    logits = torch.full((1, 400), float("-inf"))
    logits[0, [7, 300]] = torch.tensor([0.0, 1.0])
    token, _ = choose(logits, torch.tensor([uniform], dtype=torch.float64), SamplingConfig())
    assert int(token) in (7, 300)


def test_greedy_is_the_likeliest_token_with_its_log_probability() -> None:
    logits = _logits(1000)
    token, logs = choose(logits, _uniforms(), SamplingConfig(strategy="greedy"))
    assert torch.equal(token, logits.argmax(-1))
    assert torch.allclose(logs, logits.log_softmax(-1).max(-1).values, atol=1e-5)
