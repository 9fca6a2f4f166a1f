"""The starting weights: deterministic, an ordinary T5, and close to passing words on."""

import pytest
import torch
from torch import Tensor

from rlhf.models import Policy
from rlhf.toy import Shape, new_policy
from rlhf.toy_dialogues import dialogues


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return [text for one in dialogues(0, 300, "train") for text in (one.text, *one.references)]


@pytest.fixture(scope="module")
def policy(texts: list[str]) -> Policy:
    return new_policy(texts, seed=0)


def weights(policy: Policy) -> dict[str, Tensor]:
    return dict(policy.model.state_dict())


def test_the_same_seed_gives_the_same_weights(texts: list[str], policy: Policy) -> None:
    again = weights(new_policy(texts, seed=0))
    assert all(torch.equal(again[name], weight) for name, weight in weights(policy).items())


def test_another_seed_gives_other_weights(texts: list[str], policy: Policy) -> None:
    other = weights(new_policy(texts, seed=1))
    assert not torch.equal(other["shared.weight"], weights(policy)["shared.weight"])


def test_the_global_random_source_is_left_alone(texts: list[str]) -> None:
    before = torch.random.get_rng_state()
    new_policy(texts, seed=0)
    assert torch.equal(before, torch.random.get_rng_state())


def test_what_the_decoder_attends_to_arrives_as_it_is(policy: Policy) -> None:
    for block in policy.model.decoder.block:
        attention = block.layer[1].EncDecAttention
        passed = attention.o.weight @ attention.v.weight
        torch.testing.assert_close(passed, 0.3 * torch.eye(len(passed)), atol=1e-5, rtol=0)


def test_heads_start_by_looking_at_their_neighbour(policy: Policy) -> None:
    attention = policy.model.encoder.block[0].layer[0].SelfAttention
    bias = attention.compute_bias(9, 9)[0]  # [heads, query, key]
    for head, offset in enumerate((-1, 1, -2, 2, -3, 3)):
        assert int(bias[head, 4].argmax()) == 4 + offset


def test_logits_start_at_a_useful_scale(policy: Policy, texts: list[str]) -> None:
    state = policy.read_prompts(policy.encode_prompts(texts[:1]))
    logits = policy.read_completions(state, torch.tensor([0]), policy.encode_completions([texts[1]])).logits
    assert 0.3 < float(logits.detach().std()) < 5


def test_its_size_is_that_of_a_tiny_model(policy: Policy) -> None:
    assert policy.count_parameters()[1] < 4_000_000


def test_a_shape_with_more_heads_than_width_works(texts: list[str]) -> None:
    policy = new_policy(texts, seed=0, shape=Shape(d_model=32, d_kv=16, heads=4, d_ff=32, layers=1))
    assert policy.model.config.d_kv * policy.model.config.num_heads > policy.model.config.d_model
