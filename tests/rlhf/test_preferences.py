"""Rankings as batches: pairs, weights, margins, limits."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rlhf.config import LoraSpec
from rlhf.losses import reward_loss
from rlhf.preferences import default_tie_rule, fitting, pair_batch, preference_batch, shared_batch, tie_share
from rlhf.reward_model import RewardHead, RewardModel
from rlhf.types import Ranking
from tests.rlhf.learning import Recorder
from tests.rlhf.tiny import tiny_policy

FOUR = Ranking("p", "anna", ("bob", "pizza", "key", "train"), ((2,), (0, 3), (1,)), "alice", "train", strengths=(3, 1))
TWO = Ranking("q", "carla", ("late", "early"), ((1,), (0,)), "alice", "train")


def test_four_completions_make_six_pairs() -> None:
    pairs = pair_batch([FOUR])
    assert list(zip(pairs.better.tolist(), pairs.worse.tolist(), pairs.tie.tolist(), strict=True)) == [
        (2, 0, False), (2, 3, False), (2, 1, False), (0, 3, True), (0, 1, False), (3, 1, False),
    ]  # fmt: skip


def test_indices_run_on_over_the_rankings() -> None:
    pairs = pair_batch([TWO, FOUR])
    assert (pairs.better[0].item(), pairs.worse[0].item()) == (1, 0)
    assert pairs.better[1].item() == 2 + 2


def test_the_weights_of_a_ranking_add_up_to_one() -> None:
    pairs = pair_batch([FOUR, TWO])
    assert pairs.weight[:6].sum().item() == pytest.approx(1)
    assert pairs.weight[6:].tolist() == [1]


def test_a_rankings_own_weight_is_shared_by_its_pairs() -> None:
    pairs = pair_batch([FOUR, TWO], weights=[3.0, 0.5])
    assert pairs.weight[:6].tolist() == pytest.approx([0.5] * 6)
    assert pairs.weight[6:].tolist() == [0.5]


def test_a_margin_is_that_of_the_strongest_boundary_crossed() -> None:
    margins = pair_batch([FOUR], margins=True).margin.tolist()
    assert margins == pytest.approx([1, 1, 1, 0, 1 / 3, 1 / 3])


def test_without_strengths_there_is_no_margin() -> None:
    assert pair_batch([TWO], margins=True).margin.tolist() == [0]


def test_margins_are_off_unless_asked_for() -> None:
    assert pair_batch([FOUR]).margin.sum() == 0


def test_a_prompt_is_encoded_once_for_all_its_completions(tmp_path: Path) -> None:
    batch = preference_batch(tiny_policy(tmp_path), [FOUR, TWO])
    assert len(batch.prompts) == 2
    assert batch.owner.tolist() == [0, 0, 0, 0, 1, 1]


def test_texts_that_several_people_ranked_are_read_once_at_the_same_loss_and_gradient(tmp_path: Path) -> None:
    policy = tiny_policy(tmp_path)
    data = [FOUR, TWO, replace(FOUR, annotator="bob", groups=((1,), (3, 0), (2,)), strengths=(2, 1)), TWO]
    weights = [2.0, 1.0, 0.5, 1.5]
    head = RewardHead(policy.hidden_size, theta=0.3, generator=torch.Generator().manual_seed(0))
    policy.add_lora(LoraSpec(rank=2, alpha=2), seed=0)
    shared = shared_batch(policy, data, margins=True, weights=weights)
    plain = preference_batch(policy, data, margins=True)
    plain = replace(plain, pairs=pair_batch(data, margins=True, weights=weights))
    assert (len(shared.prompts), len(shared.completions)) == (2, 6)
    assert len(plain.completions) == 12
    found = []
    for batch in (shared, plain):
        policy.model.zero_grad()
        state = policy.read_prompts(batch.prompts)
        scores = RewardModel(policy, head).score_tokens(state, batch.owner, batch.completions)
        loss = reward_loss(scores, batch.pairs, rule="rao-kupper", theta=head.theta, centering=0.01)
        loss.backward()
        gradients = [p.grad.flatten() for p in policy.parameters_trainable() if p.grad is not None]
        found.append((loss.item(), torch.cat(gradients)))
    assert found[0][0] == pytest.approx(found[1][0], abs=1e-6)
    assert torch.allclose(found[0][1], found[1][1], atol=1e-6)
    assert found[0][1].abs().max() > 1e-4


def test_a_text_that_does_not_fit_takes_its_ranking_out(tmp_path: Path) -> None:
    recorder = Recorder()
    long = Ranking("long", "anna", ("bob", "late " * 40), ((0,), (1,)), "alice", "train")
    kept, too_long = fitting(tiny_policy(tmp_path), [FOUR, long, TWO], recorder)
    assert (kept, too_long) == ([FOUR, TWO], 1)
    assert "long is left out" in recorder.events[0][1]


def test_the_share_of_ties_decides_their_rule() -> None:
    assert tie_share([FOUR, TWO]) == pytest.approx(1 / 7)
    assert default_tie_rule(0.05) == "rao-kupper"
    assert default_tie_rule(0.049) == "soft"
