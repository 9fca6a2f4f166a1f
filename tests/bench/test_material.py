"""What both sides of a race are given."""

import torch

from bench.races.material import EOS, PAD, made_data, made_model, made_tokenizer
from bench.races.ours import _text
from bench.races.work import SHAPES, Work
from rlhf.config import SamplingConfig
from rlhf.generate import generate
from rlhf.models import Policy
from rlhf.types import Prompt

TINY = SHAPES["tiny"]


def test_no_completion_ends_early_however_hot_the_sampling() -> None:
    policy = Policy(made_model(TINY, seed=0), made_tokenizer(TINY), "seq2seq")
    prompts = [Prompt(str(index), f"w{index + 5} w9 w11") for index in range(8)]
    drawn = generate(policy, prompts, 8, SamplingConfig(max_new_tokens=32, temperature=3.0), seed=0)
    tokens = {token for row in drawn.completions for one in row for token in one.token_ids}
    assert not tokens & {EOS, PAD}
    assert all(len(one.token_ids) == 32 for row in drawn.completions for one in row)


def test_the_texts_are_the_ids() -> None:
    policy = Policy(made_model(TINY, seed=0), made_tokenizer(TINY), "seq2seq")
    data = made_data(Work("dpo", shape="tiny", prompt_tokens=9, completion_tokens=5))
    one = data["rankings"][0]
    assert policy.prompt_ids(_text(one["prompt"])) == one["prompt"]
    assert policy.completion_ids(_text(one["completions"][0])) == one["completions"][0]
    assert (len(one["prompt"]), len(one["completions"][0])) == (9, 5)


def test_every_step_has_prompts_of_its_own() -> None:
    work = Work("ppo", shape="tiny", prompts=3, steps=4)
    prompts = made_data(work)["prompts"]
    assert len({tuple(ids) for ids in prompts}) == 3 * (4 + 2)


def test_the_order_names_every_ranking_once() -> None:
    work = Work("dpo", shape="tiny", rankings=2, steps=3)
    data = made_data(work)
    assert sorted(data["order"]) == list(range(len(data["rankings"]))) == list(range(10))


def test_the_head_is_not_tied_to_the_words() -> None:
    model = made_model(TINY, seed=0)
    assert not torch.equal(model.lm_head.weight, model.shared.weight)
