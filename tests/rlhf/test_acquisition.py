"""What to label next: BALD against its definition, diversity on vectors whose answer is known, a real ensemble."""

import math

import numpy as np
import pytest
import torch

from rlhf.acquisition import acquisition_order, bald, diverse_order, informativeness
from rlhf.reward_model import MemberSettings, RewardEnsemble, RewardHead, RewardSettings
from tests.rlhf.tiny import tiny_policy

PROMPTS = ["anna meets bob at the station", "carla takes the train", "dan orders pizza"]
TEXTS = [
    ["anna meets bob", "bob calls anna", "they meet at noon"],
    ["carla takes the train", "carla takes the train", "carla takes the train"],
    ["dan orders a pizza", "pizza for dan"],
]


def ensemble_of(folder, members: int) -> RewardEnsemble:
    policy = tiny_policy(folder)
    settings = tuple(MemberSettings(f"m{index}", "scorer") for index in range(members))
    heads = {}
    for index, member in enumerate(settings):
        generator = torch.Generator().manual_seed(index)
        heads[member.name] = RewardHead(policy.hidden_size, theta=0.0, generator=generator)
        heads[member.name].weight.data *= 10
    found = RewardSettings("full", settings, 1.0, "soft", "", "", 64, 24)
    return RewardEnsemble(found, dict.fromkeys(heads, policy), heads, batch=4)


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory: pytest.TempPathFactory) -> RewardEnsemble:
    return ensemble_of(tmp_path_factory.mktemp("ensemble"), 3)


def test_bald_is_zero_where_all_agree_and_ln_2_where_two_are_sure_of_the_opposite() -> None:
    found = bald(np.array([[0.0, 3.0, 40.0, 1.0], [0.0, 3.0, -40.0, -1.0]]))
    assert found[:3] == pytest.approx([0, 0, math.log(2)], abs=1e-9)
    p = 1 / (1 + math.exp(-1))
    assert found[3] == pytest.approx(math.log(2) + p * math.log(p) + (1 - p) * math.log(1 - p))


def test_a_prompt_whose_texts_are_alike_teaches_nothing(ensemble: RewardEnsemble) -> None:
    first, alike, last = informativeness(ensemble, PROMPTS, TEXTS)
    assert alike == 0
    gaps = ensemble.raw(ensemble.scorers, PROMPTS[2:], TEXTS[2:]).double().numpy() @ np.array([[1.0], [-1.0]])
    assert last == pytest.approx(float(bald(gaps)[0]))
    assert 0 < first < math.log(2)


def test_the_same_question_is_not_asked_twice() -> None:
    worth = np.array([1.0, 0.9, 0.5, 0.1])
    east, north = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    assert diverse_order(worth, [east, -east, north, np.zeros((0, 2))], 4) == [0, 2, 3, 1]
    assert diverse_order(worth, [east, -east, north, north], 2) == [0, 2]
    assert diverse_order(np.zeros(0), [], 3) == []


def test_the_order_is_of_all_prompts_and_begins_with_the_most_informative(ensemble: RewardEnsemble) -> None:
    order = acquisition_order(ensemble, PROMPTS, TEXTS, 9)
    assert sorted(order) == [0, 1, 2]
    assert order[0] == int(np.argmax(informativeness(ensemble, PROMPTS, TEXTS)))
    assert order[-1] == 1


def test_states_are_what_the_head_reads(ensemble: RewardEnsemble) -> None:
    head = ensemble._heads["m0"]
    rows = [head(torch.tensor(own, dtype=torch.float32)) for own in ensemble.states(PROMPTS, TEXTS)]
    assert torch.allclose(torch.cat(rows), ensemble.raw(["m0"], PROMPTS, TEXTS)[0], atol=1e-5)


def test_one_member_cannot_disagree(tmp_path) -> None:
    with pytest.raises(ValueError, match="1 scoring member: it takes two"):
        informativeness(ensemble_of(tmp_path, 1), PROMPTS, TEXTS)
