"""The small sums, against plain loops and exact values."""

import math

import torch

from rlhf.tensors import (
    entropy,
    full_kl,
    gather_log_probabilities,
    masked_mean,
    masked_whiten,
    pad_rows,
    truncate_after_eos,
)


def test_rows_are_padded_on_either_side() -> None:
    right, left = pad_rows([[5], [6, 7]], 0), pad_rows([[5], [6, 7]], 0, left=True)
    assert right.ids.tolist() == [[5, 0], [6, 7]]
    assert left.ids.tolist() == [[0, 5], [6, 7]]
    assert left.mask.tolist() == [[False, True], [True, True]]
    assert right.lengths.tolist() == [1, 2]


def test_the_masked_mean_sees_only_the_mask() -> None:
    values, mask = torch.tensor([[1.0, 9.0], [3.0, 5.0]]), torch.tensor([[True, False], [True, True]])
    assert masked_mean(values, mask).item() == 3.0
    assert masked_mean(values, mask, dim=1).tolist() == [1.0, 4.0]
    assert masked_mean(values, torch.zeros_like(mask)).item() == 0.0


def test_whitening_uses_the_population_variance() -> None:
    values = torch.tensor([[1.0, 100.0], [3.0, 5.0]])
    white = masked_whiten(values, torch.tensor([[True, False], [True, True]]))
    sd = math.sqrt(8 / 3)
    assert torch.allclose(white, torch.tensor([[-2 / sd, 0.0], [0.0, 2 / sd]]), atol=1e-6)


def test_log_probabilities_are_those_of_the_ids() -> None:
    logits = torch.randn(2, 3, 7, generator=torch.Generator().manual_seed(0))
    ids = torch.tensor([[0, 6, 2], [1, 1, 3]])
    logs = gather_log_probabilities(logits, ids)
    for b in range(2):
        for t in range(3):
            expected = math.log(math.exp(logits[b, t, ids[b, t]]) / sum(math.exp(x) for x in logits[b, t]))
            assert math.isclose(logs[b, t].item(), expected, abs_tol=1e-5)


def test_the_entropy_of_a_uniform_distribution_is_log_n() -> None:
    assert math.isclose(entropy(torch.full((1, 1, 8), 1 / 8).log()).item(), math.log(8), abs_tol=1e-6)


def test_the_kl_is_the_sum_over_the_vocabulary() -> None:
    p, q = torch.tensor([0.5, 0.25, 0.25]), torch.tensor([0.25, 0.25, 0.5])
    expected = 0.5 * math.log(2) + 0.25 * math.log(0.5)
    assert math.isclose(full_kl(p.log()[None, None], q.log()[None, None]).item(), expected, abs_tol=1e-6)


def test_the_kl_to_itself_is_zero() -> None:
    logits = torch.randn(2, 3, 50)
    assert full_kl(logits, logits).tolist() == [[0.0] * 3] * 2


def test_everything_after_the_first_eos_is_masked() -> None:
    mask = truncate_after_eos(torch.tensor([[4, 1, 5, 1], [4, 4, 4, 4], [1, 1, 1, 1]]), 1)
    assert mask.int().tolist() == [[1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]]
