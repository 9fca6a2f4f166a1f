"""Beam search against transformers' own, against all texts there are, and against a loop that is easy to read."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from rlhf.beam_search import beam_shape
from rlhf.config import LoraSpec, SamplingConfig
from rlhf.exceptions import ConfigError
from rlhf.generate import generate
from rlhf.models import Policy
from rlhf.near_duplicates import repeats
from rlhf.tensors import TokenBatch, gather_log_probabilities
from rlhf.types import Prompt
from tests.rlhf.tiny import KINDS, tiny_policy

PROMPTS = [
    Prompt("a", "anna meets bob at the station ."),
    Prompt("b", "carla lost the key"),
    Prompt("c", "he orders pizza and she calls the doctor on monday , please"),
]
Tokens = tuple[int, ...]


def _policy(folder: Path, kind: str = "t5", scale: float = 2) -> Policy:
    """A policy with an adapter that does something."""
    policy = tiny_policy(folder, kind, scale=scale)
    policy.add_lora(LoraSpec(rank=2, alpha=8), seed=0)
    noise = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in policy.parameters_trainable():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=noise))
    return policy


def _written(policy: Policy, n: int, sampling: SamplingConfig, **options: Any) -> list[list[Tokens]]:
    result = generate(policy, PROMPTS, n, sampling, seed=0, **options)
    return [[one.token_ids for one in row] for row in result.completions]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length_penalty", [0.0, 1.0, 2.0])
def test_beams_equal_those_of_transformers(tmp_path: Path, kind: str, length_penalty: float) -> None:
    policy = _policy(tmp_path, kind)
    ours = _written(policy, 4, SamplingConfig(10, strategy="beam", beams=4, length_penalty=length_penalty))
    for prompt, row in zip(PROMPTS, ours, strict=True):
        ids = policy.encode_prompts([prompt.text])
        theirs = policy.model.generate(
            input_ids=ids.ids, attention_mask=ids.mask.long(), max_new_tokens=10, num_beams=4, num_return_sequences=4,
            do_sample=False, length_penalty=length_penalty, early_stopping=False, pad_token_id=policy.pad_id,
            eos_token_id=policy.eos_id,
        )  # fmt: skip
        start = 1 if policy.kind == "seq2seq" else ids.ids.shape[1]
        assert row == [_ended(one[start:].tolist(), policy) for one in theirs]


def _ended(ids: list[int], policy: Policy) -> Tokens:
    """Up to the first EOS."""
    return tuple(ids[: ids.index(policy.eos_id) + 1] if policy.eos_id in ids else ids)


@pytest.mark.parametrize("kind", ["t5", "gpt2"])
def test_with_a_beam_for_every_token_the_best_texts_of_all_are_found(tmp_path: Path, kind: str) -> None:
    policy = _policy(tmp_path, kind, scale=1)
    size = policy.vocab_size
    ours = generate(
        policy, PROMPTS[:1], 6, SamplingConfig(2, strategy="beam", beams=size, length_penalty=0), seed=0
    ).completions[0]  # fmt: skip
    pairs = torch.cartesian_prod(torch.arange(size), torch.arange(size))
    pairs = pairs[pairs[:, 0] != policy.eos_id]
    state = policy.read_prompts(policy.encode_prompts([PROMPTS[0].text]))
    owner = torch.zeros(len(pairs), dtype=torch.long)
    with torch.no_grad():
        logits = policy.read_completions(state, owner, TokenBatch(pairs, torch.ones_like(pairs, dtype=bool))).logits
    logs = gather_log_probabilities(logits, pairs)
    scores = {tuple(pair): float(score) for pair, score in zip(pairs.tolist(), logs.sum(1), strict=True)}
    scores[policy.eos_id,] = float(logits[0, 0].log_softmax(-1)[policy.eos_id])
    assert [one.token_ids for one in ours] == sorted(scores, key=lambda text: -scores[text])[:6]


@pytest.mark.parametrize("kind", ["t5", "gpt2"])
@pytest.mark.parametrize(("groups", "width", "penalty"), [(2, 2, 0.7), (4, 1, 1.5), (3, 2, 0.2)])
def test_diverse_beams_equal_those_of_a_plain_loop(
    tmp_path: Path, kind: str, groups: int, width: int, penalty: float
) -> None:
    policy = _policy(tmp_path, kind)
    sampling = SamplingConfig(
        6, strategy="diverse", groups=groups, beams=groups * width, diversity_penalty=penalty, length_penalty=0.5
    )
    ours = _written(policy, groups * width, sampling)
    for prompt, row in zip(PROMPTS, ours, strict=True):
        assert row == _slow(policy, prompt, groups, width, sampling)


def _slow(policy: Policy, prompt: Prompt, groups: int, width: int, sampling: SamplingConfig) -> list[Tokens]:
    """Vijayakumar et al. 2018, algorithm 1: one group, one beam, one token after the other, without a cache."""
    live: list[list[tuple[float, Tokens]]] = [[(0.0, ())] for _ in range(groups)]
    finished: list[list[tuple[float, Tokens]]] = [[] for _ in range(groups)]
    done = [False] * groups
    for length in range(1, sampling.max_new_tokens + 1):
        taken: Counter[int] = Counter()
        for group in range(groups):
            options = []
            for score, text in live[group]:
                for token, log in enumerate(_next(policy, prompt, text)):
                    worth = score + log - sampling.diversity_penalty * taken[token]
                    options.append((worth, score + log, (*text, token)))
            options = sorted(options, reverse=True)[: 2 * width]
            if not done[group]:
                taken.update(text[-1] for _, _, text in options[:width])
            ending = [
                option for option in options if option[2][-1] == policy.eos_id or length == sampling.max_new_tokens
            ]
            if not done[group]:
                finished[group] += [
                    (score / length**sampling.length_penalty, text)
                    for _, score, text in ending
                    if any(text == option[2] for option in options[:width])
                ]
                finished[group] = sorted(finished[group], reverse=True)[:width]
            live[group] = [option[1:] for option in options if option not in ending][:width]
            best = max((score for score, _ in live[group]), default=float("-inf")) / length**sampling.length_penalty
            done[group] |= len(finished[group]) == width and best <= finished[group][-1][0]
    order = sorted(range(groups), key=lambda group: -finished[group][0][0])
    ranked = [finished[group][place][1] for place in range(width) for group in order if place < len(finished[group])]
    return list(dict.fromkeys(ranked))


def _next(policy: Policy, prompt: Prompt, text: Tokens) -> list[float]:
    """log p of every next token."""
    ids = torch.tensor([[*text, policy.pad_id]])
    state = policy.read_prompts(policy.encode_prompts([prompt.text]))
    with torch.no_grad():
        read = policy.read_completions(state, torch.tensor([0]), TokenBatch(ids, torch.ones_like(ids, dtype=bool)))
    logs: list[float] = read.logits[0, len(text)].log_softmax(-1).tolist()
    return logs


def test_one_group_is_plain_beam_search(tmp_path: Path) -> None:
    policy = _policy(tmp_path)
    one_group = _written(policy, 3, SamplingConfig(10, strategy="diverse", beams=6, groups=1))
    assert one_group == _written(policy, 3, SamplingConfig(10, strategy="beam", beams=6))


def test_a_high_penalty_starts_every_completion_with_another_token(tmp_path: Path) -> None:
    policy = _policy(tmp_path)
    plain = _written(policy, 4, SamplingConfig(10, strategy="beam", beams=4))
    assert any(len({text[0] for text in row}) < 4 for row in plain)
    diverse = _written(policy, 4, SamplingConfig(10, strategy="diverse", beams=4, diversity_penalty=1e4))
    assert all(len({text[0] for text in row}) == 4 for row in diverse)


@pytest.mark.parametrize("kind", ["t5", "gpt2"])
@pytest.mark.parametrize("strategy", ["beam", "diverse"])
def test_texts_do_not_depend_on_the_batch_or_the_seed(tmp_path: Path, kind: str, strategy: Any) -> None:
    policy = _policy(tmp_path, kind)
    sampling = SamplingConfig(10, strategy=strategy)
    together = _written(policy, 3, sampling)
    assert together == _written(policy, 3, sampling, batch_size=1)
    alone = generate(policy, PROMPTS[1:2], 3, sampling, seed=9).completions[0]
    assert [one.token_ids for one in alone] == together[1]


@pytest.mark.parametrize("strategy", ["sample", "greedy", "beam", "diverse"])
def test_a_prompt_is_encoded_once_for_all_its_completions(tmp_path: Path, strategy: Any) -> None:
    policy = _policy(tmp_path)
    read = []
    policy.base.get_encoder().register_forward_hook(lambda module, inputs, output: read.append(len(output[0])))
    _written(policy, 5, SamplingConfig(6, strategy=strategy))
    assert read == [3]


def test_texts_that_are_nearly_the_same_are_passed_over(tmp_path: Path) -> None:
    policy = _policy(tmp_path)
    # Twenty words and more, of which beams change one: 0.95 is one character in twenty.
    sampling = SamplingConfig(24, strategy="beam", beams=24)
    usual = generate(policy, PROMPTS, 6, sampling, seed=0).completions
    distinct = generate(policy, PROMPTS, 6, sampling, seed=0, distinct=True)
    assert sum(len(repeats([one.text for one in row])) for row in usual) > 0
    assert distinct.repeats == sum(len(repeats([one.text for one in row])) for row in distinct.completions)
    assert distinct.repeats == 0
    assert [row[0] for row in distinct.completions] == [row[0] for row in usual]


@pytest.mark.parametrize(
    ("sampling", "n", "shape"),
    [
        (SamplingConfig(strategy="beam"), 3, (1, 6)),
        (SamplingConfig(strategy="beam", beams=3), 3, (1, 3)),
        (SamplingConfig(strategy="diverse"), 4, (4, 2)),
        (SamplingConfig(strategy="diverse", groups=5), 4, (5, 2)),
        (SamplingConfig(strategy="diverse", groups=2, beams=8), 4, (2, 4)),
    ],
)
def test_how_many_beams_are_followed(sampling: SamplingConfig, n: int, shape: tuple[int, int]) -> None:
    assert beam_shape(sampling, n) == shape


def test_beams_that_cannot_give_so_many_completions_are_refused() -> None:
    with pytest.raises(ConfigError, match="beams is 3, which cannot give 4 completions"):
        beam_shape(SamplingConfig(strategy="beam", beams=3), 4)
    with pytest.raises(ConfigError, match="beams is 7, which 2 groups cannot share evenly"):
        beam_shape(SamplingConfig(strategy="diverse", beams=7, groups=2), 4)
