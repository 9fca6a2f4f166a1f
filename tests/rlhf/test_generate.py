"""Sampling: the same texts whatever the batch, and the distribution the policy says."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch

from rlhf.config import LoraSpec, SamplingConfig
from rlhf.exceptions import Cancelled, ConfigError
from rlhf.generate import generate
from rlhf.models import Policy
from rlhf.near_duplicates import repeats
from rlhf.sampling import sample_rows, uniforms_for
from rlhf.tensors import gather_log_probabilities
from rlhf.types import Prompt, Silent
from tests.rlhf.tiny import KINDS, tiny_policy

PROMPTS = [
    Prompt("a", "anna meets bob at the station ."),
    Prompt("b", "carla lost the key"),
    Prompt("c", "he orders pizza and she calls the doctor on monday , please"),
]
SAMPLING = SamplingConfig(max_new_tokens=12)


@dataclass
class Notes(Silent):
    events: list[tuple[str, str]] = field(default_factory=list)
    stop: bool = False

    def event(self, kind: str, message: str, **data: object) -> None:
        self.events.append((kind, message))

    def cancelled(self) -> bool:
        return self.stop


def _texts(policy: Policy, **options: object) -> list[list[tuple[int, ...]]]:
    result = generate(policy, PROMPTS, 5, SAMPLING, seed=3, **options)  # type: ignore[arg-type]  # free options
    return [[completion.token_ids for completion in row] for row in result.completions]


@pytest.mark.parametrize("kind", KINDS)
def test_texts_do_not_depend_on_the_batch_size(tmp_path: Path, kind: str) -> None:
    policy = tiny_policy(tmp_path, kind, scale=3)
    assert _texts(policy, batch_size=1) == _texts(policy, batch_size=4) == _texts(policy, batch_size=64)


def test_a_prompts_texts_do_not_depend_on_the_others(tmp_path: Path) -> None:
    policy = tiny_policy(tmp_path)
    alone = generate(policy, PROMPTS[1:2], 2, SAMPLING, seed=3).completions[0]
    assert alone == generate(policy, PROMPTS, 5, SAMPLING, seed=3).completions[1][:2]


def test_another_seed_gives_other_texts(tmp_path: Path) -> None:
    policy = tiny_policy(tmp_path)
    first = generate(policy, PROMPTS, 2, SAMPLING, seed=1).completions
    assert [c.text for c in first[0]] != [c.text for c in generate(policy, PROMPTS, 2, SAMPLING, seed=2).completions[0]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_log_probabilities_equal_those_of_reading(tmp_path: Path, kind: str, temperature: float) -> None:
    policy = tiny_policy(tmp_path, kind, scale=2)
    state = policy.read_prompts(policy.encode_prompts([prompt.text for prompt in PROMPTS]))
    owner = torch.tensor([0, 0, 1, 2, 2, 2])
    uniforms = torch.rand((6, 12), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.no_grad():
        rows = sample_rows(policy, state, owner, uniforms, SamplingConfig(max_new_tokens=12, temperature=temperature))
        logits = policy.read_completions(state, owner, rows.tokens).logits / temperature
    read = gather_log_probabilities(logits, rows.tokens.ids) * rows.tokens.mask
    assert torch.allclose(read, rows.log_probabilities, atol=1e-4)
    assert rows.tokens.mask.any(dim=1).all()


@pytest.mark.parametrize("kind", KINDS)
def test_greedy_equals_the_models_own_generate(tmp_path: Path, kind: str) -> None:
    policy = tiny_policy(tmp_path, kind, scale=2)
    ours = generate(policy, PROMPTS, 1, SamplingConfig(max_new_tokens=12, strategy="greedy"), seed=0).completions
    for prompt, row in zip(PROMPTS, ours, strict=True):
        ids = policy.encode_prompts([prompt.text])
        theirs = policy.model.generate(
            input_ids=ids.ids, attention_mask=ids.mask.long(), max_new_tokens=12, do_sample=False,
            pad_token_id=policy.pad_id, eos_token_id=policy.eos_id,
        )[0].tolist()  # fmt: skip
        new = theirs[1:] if policy.kind == "seq2seq" else theirs[ids.ids.shape[1] :]
        assert list(row[0].token_ids) == new[: len(row[0].token_ids)]
        assert row[0].finished == (policy.eos_id in new)


def test_samples_follow_the_policys_distribution(tmp_path: Path) -> None:
    policy = tiny_policy(tmp_path)
    state = policy.read_prompts(policy.encode_prompts([PROMPTS[0].text]))
    uniforms = torch.from_numpy(np.random.default_rng(0).random((20_000, 1)))
    with torch.no_grad():
        rows = sample_rows(policy, state, torch.zeros(20_000, dtype=torch.long), uniforms, SAMPLING)
        one = policy.encode_completions(["anna"])
        expected = policy.read_completions(state, torch.tensor([0]), one).logits[0, 0].softmax(-1)
    seen = torch.bincount(rows.tokens.ids[:, 0], minlength=policy.vocab_size) / 20_000
    # Three standard errors of the likeliest token's share.
    assert float((seen - expected).abs().max()) < 3 * float((expected * (1 - expected) / 20_000).sqrt().max())


@pytest.mark.parametrize("sampling", [SamplingConfig(12, top_k=1), SamplingConfig(12, top_p=1e-6)])
def test_the_narrowest_sampling_is_greedy(tmp_path: Path, sampling: SamplingConfig) -> None:
    policy = tiny_policy(tmp_path, scale=2)
    narrow = generate(policy, PROMPTS, 1, sampling, seed=0).completions
    greedy = generate(policy, PROMPTS, 1, SamplingConfig(12, strategy="greedy"), seed=0).completions
    assert [row[0].token_ids for row in narrow] == [row[0].token_ids for row in greedy]


def test_nothing_follows_the_first_eos(tmp_path: Path) -> None:
    policy = tiny_policy(tmp_path, "gpt2")
    for row in generate(policy, PROMPTS, 40, SAMPLING, seed=0).completions:
        for completion in row:
            assert policy.eos_id not in completion.token_ids[:-1]
            assert completion.finished == (completion.token_ids[-1] == policy.eos_id)


def test_a_prompt_over_the_limit_is_skipped_and_reported(tmp_path: Path) -> None:
    notes = Notes()
    prompts = [PROMPTS[0], Prompt("long", "anna " * 100), PROMPTS[1]]
    result = generate(tiny_policy(tmp_path), prompts, 2, SAMPLING, seed=0, reporter=notes)
    assert result.too_long == ["long"]
    assert [len(row) for row in result.completions] == [2, 0, 2]
    assert notes.events == [("warning", "1 of 3 prompts are over the limit of 64 tokens and were left out.")]


def test_distinct_draws_repeats_again(tmp_path: Path) -> None:
    policy = tiny_policy(tmp_path, scale=1)
    short = SamplingConfig(max_new_tokens=1)
    with_repeats = generate(policy, PROMPTS[:1], 8, short, seed=0).completions[0]
    distinct = generate(policy, PROMPTS[:1], 8, short, seed=0, distinct=True).completions[0]
    assert len({c.text for c in with_repeats}) < 8
    assert len({c.text for c in distinct}) == 8


def test_distinct_draws_near_duplicates_again(tmp_path: Path) -> None:
    # Two of six texts of 24 words differ in a letter or two.
    policy = tiny_policy(tmp_path, "gpt2", scale=4)
    long = SamplingConfig(max_new_tokens=24, temperature=0.3)
    usual = generate(policy, PROMPTS, 6, long, seed=0).completions
    near = [[one.text for one in row] for row in usual]
    assert any(repeats(row) and len(set(row)) == 6 for row in near)
    result = generate(policy, PROMPTS, 6, long, seed=0, distinct=True)
    left = [repeats([one.text for one in row]) for row in result.completions]
    assert sum(map(len, left)) == result.repeats < sum(len(repeats(row)) for row in near)
    for row, before in zip(result.completions, usual, strict=True):
        kept = [place for place in range(6) if place not in repeats([one.text for one in before])]
        assert [row[place] for place in kept] == [before[place] for place in kept]


def test_redrawn_texts_do_not_depend_on_the_batch_size(tmp_path: Path) -> None:
    policy = tiny_policy(tmp_path, "gpt2", scale=4)
    sharp = SamplingConfig(max_new_tokens=24, temperature=0.1)
    alone, together = (
        generate(policy, PROMPTS, 6, sharp, seed=0, batch_size=size, distinct=True).completions for size in (1, 64)
    )
    assert alone == together != generate(policy, PROMPTS, 6, sharp, seed=0).completions


def test_every_completion_records_its_backend(tmp_path: Path) -> None:
    (row,) = generate(tiny_policy(tmp_path), PROMPTS[:1], 2, SAMPLING, seed=0).completions
    assert [one.backend for one in row] == ["transformers", "transformers"]


def test_repeats_that_stay_are_counted(tmp_path: Path) -> None:
    notes = Notes()
    greedy = SamplingConfig(max_new_tokens=4, strategy="greedy")
    result = generate(tiny_policy(tmp_path), PROMPTS[:1], 3, greedy, seed=0, distinct=True, reporter=notes)
    assert result.repeats == 2
    assert notes.events == [("warning", "2 completions repeat another of their prompt, or nearly so.")]


def test_the_anchor_is_sampled_with_the_adapter_off(tmp_path: Path) -> None:
    policy = tiny_policy(tmp_path)
    before = generate(policy, PROMPTS, 2, SAMPLING, seed=0).completions
    policy.add_lora(LoraSpec(rank=2, alpha=2, targets="all-linear"), seed=0)
    with torch.no_grad():
        for parameter in policy.parameters_trainable():
            parameter.add_(0.3)
    assert generate(policy, PROMPTS, 2, SAMPLING, seed=0, reference=True).completions == before
    assert generate(policy, PROMPTS, 2, SAMPLING, seed=0).completions != before


def test_generation_can_be_cancelled(tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        generate(tiny_policy(tmp_path), PROMPTS, 2, SAMPLING, seed=0, reporter=Notes(stop=True))


def test_more_tokens_than_the_policy_reads_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="above the policy's limit 24"):
        generate(tiny_policy(tmp_path), PROMPTS, 1, SamplingConfig(max_new_tokens=25), seed=0)


def test_the_random_numbers_are_fixed_for_ever() -> None:
    assert uniforms_for(1, "a", 0, 0, 2).tolist() == [0.35698760561072507, 0.9841312365093974]
    assert uniforms_for(1, "a", 0, 0, 4)[:2].tolist() == uniforms_for(1, "a", 0, 0, 2).tolist()
    assert uniforms_for(1, "a", 1, 0, 2).tolist() != uniforms_for(1, "a", 0, 0, 2).tolist()
