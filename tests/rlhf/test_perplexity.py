"""The perplexity of references against one forward for each token, and that batches change nothing."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from rlhf import perplexity
from rlhf.models import Policy
from rlhf.perplexity import Surprise, surprise
from rlhf.tensors import pad_rows
from rlhf.types import Prompt
from tests.rlhf.tiny import tiny_policy

PROMPTS = [
    Prompt("a", "anna meets bob at the station .", ("anna meets bob", "they meet")),
    Prompt("b", "carla lost the key"),
    Prompt("c", "dan", ("dan takes the train at noon",)),
    Prompt("d", "he orders pizza and she calls the doctor", ("", "pizza")),
]


@pytest.fixture(params=["t5", "t5-untied", "gpt2", "llama"])
def policy(request: pytest.FixtureRequest, tmp_path: Path) -> Policy:
    return tiny_policy(tmp_path, request.param, scale=3)


@torch.no_grad()
def token_by_token(policy: Policy, prompt: str, text: str) -> float:
    """-log p of one text, each token from a forward of its own that sees nothing after it."""
    ids = policy.completion_ids(text)
    total = 0.0
    for place, token in enumerate(ids):
        seen = pad_rows([[*ids[:place], policy.eos_id]], policy.pad_id)
        state = policy.read_prompts(policy.encode_prompts([prompt]))
        logits = policy.read_completions(state, torch.zeros(1, dtype=torch.long), seen).logits[0, place].double()
        total -= float(torch.log_softmax(logits, dim=-1)[token])
    return total


def test_it_is_the_sum_of_each_tokens_surprise(policy: Policy) -> None:
    found = surprise(policy, PROMPTS, batch_size=64, tell=lambda done: None)
    for index, prompt in enumerate(PROMPTS):
        expected = sum(token_by_token(policy, prompt.text, text) for text in prompt.references)
        assert found.nats[index] == pytest.approx(expected, rel=1e-4, abs=1e-6)
        assert found.tokens[index] == sum(len(policy.completion_ids(text)) for text in prompt.references)
    figure = found.perplexity(0, 100)
    assert figure is not None
    assert figure.value == pytest.approx(math.exp(found.nats.sum() / found.tokens.sum()))
    assert figure.n == 3


def test_batches_change_nothing(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = surprise(policy, PROMPTS, batch_size=64, tell=lambda done: None)
    heard: list[int] = []
    small = surprise(policy, PROMPTS, batch_size=1, tell=heard.append)
    assert small.nats == pytest.approx(whole.nats, rel=1e-5)
    assert heard == [0, 1, 2]
    monkeypatch.setattr(perplexity, "_LOGITS", 1)
    assert surprise(policy, PROMPTS, batch_size=64, tell=lambda done: None).nats == pytest.approx(whole.nats, rel=1e-5)


def test_what_does_not_fit_is_counted_not_cut(tmp_path: Path) -> None:
    policy = tiny_policy(tmp_path)
    long = Prompt("long", "anna", ("bob " * 30, "bob"))
    found = surprise(policy, [long], batch_size=8, tell=lambda done: None)
    assert found.too_long == 1
    assert found.tokens[0] == 2


def test_without_references_there_is_none() -> None:
    assert Surprise(np.zeros(3), np.zeros(3), 0).perplexity(0, 100) is None


def test_a_uniform_policy_has_the_size_of_its_vocabulary(tmp_path: Path) -> None:
    policy = tiny_policy(tmp_path, "t5-untied")
    with torch.no_grad():
        policy.model.lm_head.weight.zero_()
    figure = surprise(policy, PROMPTS, batch_size=8, tell=lambda done: None).perplexity(0, 100)
    assert figure is not None
    assert (figure.value, figure.low, figure.high) == pytest.approx((policy.vocab_size,) * 3, rel=1e-5)
