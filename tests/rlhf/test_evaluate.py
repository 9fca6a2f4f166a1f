"""What is measured, what is absent, and that the figures are those of a slow count."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rlhf.config import LoraSpec, from_mapping, to_mapping
from rlhf.evaluate import EvaluateConfig, EvaluationResult, evaluate, evaluate_policy
from rlhf.exceptions import Cancelled, ConfigError, DataError, ModelError
from rlhf.generate import generate
from rlhf.models import Policy
from rlhf.rouge import rouge
from rlhf.simulate import reference_utility, true_win_rate
from rlhf.statistics import wilson
from rlhf.tensors import pad_rows
from rlhf.text_metrics import words
from rlhf.train_reward import train_reward
from rlhf.training_config import RewardConfig
from rlhf.types import Prompt, Silent
from tests.rlhf.learning import prompts, rankings
from tests.rlhf.reporters import Told
from tests.rlhf.tiny import save_tiny, tiny_policy

CONFIG = EvaluateConfig(max_new_tokens=10, samples_per_prompt=2, resamples=100, shown=3, max_prompt_tokens=64,
                        max_completion_tokens=24, toxicity="none")  # fmt: skip
PROMPTS = [
    Prompt("a", "anna meets bob at the station .", ("anna meets bob", "they meet")),
    Prompt("b", "carla lost the key", ("carla lost the key",)),
    Prompt("c", "he orders pizza and she calls the doctor on monday , please"),
    Prompt("d", "dan brings the ticket", ("dan takes the train",)),
]


class CountsWords:
    """A reward that can be checked by hand: the number of words; its judge says the opposite."""

    def score(self, prompts: Sequence[str], completions: Sequence[Sequence[str]]) -> list[list[float]]:
        return [[float(len(words(text))) for text in row] for row in completions]

    def judge(self, prompts: Sequence[str], completions: Sequence[Sequence[str]]) -> list[list[float]] | None:
        return [[-value for value in row] for row in self.score(prompts, completions)]


class NoJudge(CountsWords):
    def judge(self, prompts: Sequence[str], completions: Sequence[Sequence[str]]) -> None:
        return None


class HasStation:
    name, version = "has-station", "1"

    def score(self, texts: Sequence[str]) -> list[float]:
        return [float("station" in text) for text in texts]

    def close(self) -> None: ...


def moved(policy: Policy, size: float = 0.3) -> Policy:
    """The policy with an adapter that changes it."""
    policy.add_lora(LoraSpec(rank=4, alpha=4), seed=0)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in policy.model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=size)
    return policy


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    return moved(tiny_policy(tmp_path_factory.mktemp("t5"), "t5-untied", scale=3))


@pytest.fixture(scope="module")
def result(policy: Policy) -> EvaluationResult:
    return evaluate_policy(CONFIG, policy, CountsWords(), HasStation(), PROMPTS, seed=5)


def test_every_contracted_metric_is_there(result: EvaluationResult) -> None:
    wanted = (
        "rouge1 rouge2 rougeL rougeLsum rougeLsum_split toxicity toxicity_share reward reward_before reward_gain kl"
    )
    assert {*wanted.split(), "length", "words", "eos_rate", "distinct1", "distinct2", "copy_rate"} <= set(
        result.metrics
    )
    assert all(one.low <= one.value <= one.high for one in result.metrics.values())


def test_every_metric_has_a_name_on_the_pages(policy: Policy) -> None:
    from webapp.dashboard.results import BY_NAME

    config = from_mapping(EvaluateConfig, to_mapping(CONFIG) | {"simulator": "references"})
    everything = evaluate_policy(config, policy, CountsWords(), HasStation(), PROMPTS, seed=5)
    assert set(everything.metrics) <= BY_NAME.keys()


def test_intervals_count_prompts_not_samples(result: EvaluationResult) -> None:
    assert result.metrics["reward"].n == result.metrics["kl"].n == result.metrics["length"].n == 4
    assert result.metrics["rouge1"].n == 3, "the prompt without references is left out"


def test_rouge_is_that_of_the_greedy_texts(policy: Policy, result: EvaluationResult) -> None:
    greedy = generate(policy, PROMPTS, 1, CONFIG.greedy(), seed=0).completions
    scores = [
        rouge(row[0].text, prompt.references)["rougeL"]
        for row, prompt in zip(greedy, PROMPTS, strict=True)
        if prompt.references
    ]
    assert result.metrics["rougeL"].value == pytest.approx(np.mean([score.mean for score in scores]))
    assert result.metrics["rougeL_best"].value == pytest.approx(np.mean([score.best for score in scores]))


def test_rewards_before_and_after_are_those_of_the_two_policies(policy: Policy, result: EvaluationResult) -> None:
    def mean(*, reference: bool) -> float:
        rows = generate(policy, PROMPTS, 2, CONFIG.sampling(), seed=5, reference=reference).completions
        return float(np.mean([[len(words(c.text)) if c.finished else -1.0 for c in row] for row in rows]))

    assert result.metrics["reward"].value == pytest.approx(mean(reference=False))
    assert result.metrics["reward_before"].value == pytest.approx(mean(reference=True))
    gain = result.metrics["reward"].value - result.metrics["reward_before"].value
    assert result.metrics["reward_gain"].value == pytest.approx(gain)
    assert 0 <= result.metrics["reward_win_rate"].value <= 1


@pytest.mark.parametrize("kind", ["t5", "gpt2"])
def test_kl_equals_a_slow_sum_over_the_vocabulary(tmp_path: Path, kind: str) -> None:
    policy = moved(tiny_policy(tmp_path, kind, scale=2))
    config = from_mapping(EvaluateConfig, to_mapping(CONFIG) | {"temperature": 0.7})
    result = evaluate_policy(config, policy, None, None, PROMPTS, seed=5)
    rows = generate(policy, PROMPTS, 2, config.sampling(), seed=5).completions
    expected = np.mean(
        [[_slow_kl(policy, prompt, one.token_ids) for one in row] for prompt, row in zip(PROMPTS, rows, strict=True)]
    )
    assert result.metrics["kl"].value == pytest.approx(expected, rel=1e-4)
    assert result.metrics["kl"].value > 0.01
    assert result.metrics["kl"].low >= 0


@torch.no_grad()
def _slow_kl(policy: Policy, prompt: Prompt, ids: tuple[int, ...]) -> float:
    completion = pad_rows([list(ids)], policy.pad_id)
    owner = torch.zeros(1, dtype=torch.long)
    logs = []
    for adapter in (True, False):

        def read() -> torch.Tensor:
            state = policy.read_prompts(policy.encode_prompts([prompt.text]))
            return torch.log_softmax(policy.read_completions(state, owner, completion).logits[0].double() / 0.7, dim=-1)

        if adapter:
            logs.append(read())
        else:
            with policy.reference():
                logs.append(read())
    return float((logs[0].exp() * (logs[0] - logs[1])).sum())


def test_toxicity_is_of_the_samples_and_names_its_backend(policy: Policy, result: EvaluationResult) -> None:
    rows = generate(policy, PROMPTS, 2, CONFIG.sampling(), seed=5).completions
    assert result.metrics["toxicity"].value == np.mean([["station" in c.text for c in row] for row in rows])
    assert result.decoding["toxicity"] == "has-station (1) on the samples"


def test_decoding_is_said_in_words(result: EvaluationResult) -> None:
    assert result.decoding["rouge"] == "greedy, at most 10 new tokens"
    assert result.decoding["reward"] == "sampled, 2 a prompt at temperature 1.0, at most 10 new tokens"


def test_without_reward_model_references_and_backend_their_metrics_are_absent(policy: Policy) -> None:
    found = evaluate_policy(CONFIG, policy, None, None, [Prompt("a", "anna meets bob")], seed=0)
    absent = ("reward", "judge", "rouge", "toxicity", "reference", "utility")
    assert not [name for name in found.metrics if name.startswith(absent)]
    assert found.reward_table == []
    assert found.samples[0]["reward"] is None
    assert found.samples[0]["reference"] is None
    assert {"kl", "length", "eos_rate"} <= set(found.metrics)


def test_the_judge_is_reported_where_there_is_one(policy: Policy, result: EvaluationResult) -> None:
    assert {"judge_reward", "judge_reward_before", "judge_reward_gain"} <= set(result.metrics)
    # This judge says the opposite of the reward: who wins under the one loses under the other, and ties stay ties.
    assert result.metrics["judge_win_rate"].value == pytest.approx(1 - result.metrics["reward_win_rate"].value)
    assert result.metrics["judge_win_rate"].n == 4
    without = evaluate_policy(CONFIG, policy, NoJudge(), None, PROMPTS, seed=5)
    assert "reward" in without.metrics
    assert not [name for name in without.metrics if name.startswith("judge")]


def test_the_anchor_itself_has_kl_zero_and_gains_nothing(tmp_path: Path) -> None:
    found = evaluate_policy(CONFIG, tiny_policy(tmp_path), CountsWords(), None, PROMPTS, seed=0)
    assert found.metrics["kl"].value == found.metrics["kl"].high == 0
    assert found.metrics["reward_gain"].value == 0
    assert found.metrics["reward"] == found.metrics["reward_before"]
    assert found.metrics["reward_win_rate"].value == 0.5


def test_an_adapter_that_changes_nothing_has_kl_zero_and_equal_samples(tmp_path: Path) -> None:
    policy = tiny_policy(tmp_path)
    policy.add_lora(LoraSpec(rank=4, alpha=4), seed=0)
    found = evaluate_policy(CONFIG, policy, CountsWords(), None, PROMPTS, seed=0)
    assert found.metrics["kl"].value == pytest.approx(0, abs=1e-6)
    assert found.metrics["reward_gain"].value == 0, "the same random numbers give both the same texts"


def test_prompts_over_the_limit_are_counted_and_told_once(policy: Policy) -> None:
    told = Told()
    found = evaluate_policy(
        CONFIG, policy, None, None, [*PROMPTS, Prompt("long", "anna " * 100)], seed=0, reporter=told
    )
    assert found.counts["too_long"] == 1
    assert found.counts["evaluated"] == found.metrics["kl"].n == 4
    assert [message for kind, message in told.events if kind == "warning"] == [
        "1 of 5 prompts exceed 64 tokens and are left out."
    ]


def test_no_usable_prompt_is_an_error(policy: Policy) -> None:
    with pytest.raises(DataError, match="None of 1 prompts"):
        evaluate_policy(CONFIG, policy, None, None, [Prompt("long", "anna " * 100)], seed=0)
    with pytest.raises(DataError, match="None of 0 prompts"):
        evaluate_policy(CONFIG, policy, None, None, [], seed=0)


def test_win_rates_are_paired_by_prompt_with_ties_one_half(policy: Policy, result: EvaluationResult) -> None:
    def means(*, reference: bool) -> list[float]:
        rows = generate(policy, PROMPTS, 2, CONFIG.sampling(), seed=5, reference=reference).completions
        return [float(np.mean([len(words(c.text)) if c.finished else -1.0 for c in row])) for row in rows]

    wins = [
        1.0 if now > then else 0.5 if now == then else 0.0
        for now, then in zip(means(reference=False), means(reference=True), strict=True)
    ]
    assert result.metrics["reward_win_rate"] == wilson(sum(wins), 4)


def test_simulated_annotators_judge_by_the_references(policy: Policy) -> None:
    config = from_mapping(EvaluateConfig, to_mapping(CONFIG) | {"simulator": "references"})
    found = evaluate_policy(config, policy, None, None, PROMPTS, seed=5).metrics

    def utilities(*, reference: bool) -> list[float]:
        rows = generate(policy, PROMPTS, 2, CONFIG.sampling(), seed=5, reference=reference).completions
        return [
            float(np.mean([reference_utility(prompt.references, one.text) for one in row]))
            for prompt, row in zip(PROMPTS, rows, strict=True)
            if prompt.references
        ]

    now, then = utilities(reference=False), utilities(reference=True)
    assert found["utility"].value == pytest.approx(np.mean(now))
    assert found["utility_gain"].value == pytest.approx(np.mean(now) - np.mean(then))
    assert found["utility_win_rate"].value == pytest.approx(true_win_rate(now, then).value)
    assert found["utility_win_rate"].n == 3, "the prompt without references is left out"


def test_references_have_a_perplexity_under_policy_and_anchor(policy: Policy, result: EvaluationResult) -> None:
    def perplexity() -> float:
        logs = [_reference_logs(policy, prompt, text) for prompt in PROMPTS for text in prompt.references]
        return float(np.exp(-np.concatenate(logs).mean()))

    assert result.metrics["reference_perplexity"].value == pytest.approx(perplexity(), rel=1e-4)
    with policy.reference():
        before = perplexity()
    assert result.metrics["reference_perplexity_before"].value == pytest.approx(before, rel=1e-4)
    assert before != pytest.approx(perplexity(), rel=1e-2)
    assert result.metrics["reference_perplexity"].n == 3


@torch.no_grad()
def _reference_logs(policy: Policy, prompt: Prompt, text: str) -> np.ndarray[Any, Any]:
    ids = policy.completion_ids(text)
    state = policy.read_prompts(policy.encode_prompts([prompt.text]))
    batch = pad_rows([ids], policy.pad_id)
    logits = policy.read_completions(state, torch.zeros(1, dtype=torch.long), batch).logits[0].double()
    found: np.ndarray[Any, Any] = torch.log_softmax(logits, dim=-1)[range(len(ids)), ids].numpy()
    return found


def test_references_over_the_limit_are_counted_and_told(policy: Policy) -> None:
    told = Told()
    prompts = [Prompt("a", "anna", ("bob " * 30, "bob")), Prompt("b", "carla", ("bob " * 30,))]
    found = evaluate_policy(CONFIG, policy, None, None, prompts, seed=0, reporter=told)
    assert found.counts["references_too_long"] == 2
    assert found.metrics["reference_perplexity"].n == 1
    assert ("warning", "2 references exceed 24 tokens: no perplexity of them.") in told.events


def test_unfinished_samples_are_counted_and_take_the_fixed_reward(policy: Policy) -> None:
    config = from_mapping(EvaluateConfig, to_mapping(CONFIG) | {"max_new_tokens": 1, "missing_eos": -7.0})
    found = evaluate_policy(config, policy, CountsWords(), None, PROMPTS, seed=0)
    assert found.counts["unfinished"] == round(8 * (1 - found.metrics["eos_rate"].value))
    assert found.counts["unfinished"] > 0
    assert found.metrics["reward"].value == pytest.approx(-7 * found.counts["unfinished"] / 8)


def test_samples_and_the_reward_table_show_the_same_seeded_prompts(result: EvaluationResult) -> None:
    assert len(result.samples) == len(result.reward_table) == 3
    assert [row["prompt_id"] for row in result.samples] == [row["prompt_id"] for row in result.reward_table]
    for sample, row in zip(result.samples, result.reward_table, strict=True):
        assert sample["sampled"] == row["after"]
        assert sample["sampled_reward"] == row["reward_after"]


def test_the_result_is_plain_json(result: EvaluationResult) -> None:
    back = json.loads(json.dumps(result.to_mapping(), allow_nan=False))
    assert back["metrics"]["kl"]["n"] == 4
    assert back["config"]["samples_per_prompt"] == 2


def test_the_same_seed_gives_the_same_result_whatever_the_batch(policy: Policy, result: EvaluationResult) -> None:
    config = from_mapping(EvaluateConfig, to_mapping(CONFIG) | {"batch_size": 3})
    again = evaluate_policy(config, policy, CountsWords(), HasStation(), PROMPTS, seed=5)
    assert again.samples == result.samples
    for name, interval in result.metrics.items():
        assert again.metrics[name].value == pytest.approx(interval.value, rel=1e-5, abs=1e-5), name


def test_another_seed_gives_other_samples(policy: Policy, result: EvaluationResult) -> None:
    again = evaluate_policy(CONFIG, policy, None, None, PROMPTS, seed=6)
    assert again.metrics["length"] != result.metrics["length"]


def test_progress_names_every_phase_and_ends_full(policy: Policy) -> None:
    told = Told()
    evaluate_policy(CONFIG, policy, CountsWords(), HasStation(), PROMPTS, seed=0, reporter=told)
    phases = list(dict.fromkeys(phase for _, _, phase in told.steps))
    assert phases == ["greedy", "samples", "anchor", "rouge", "texts", "perplexity", "toxicity", "reward", "kl"]
    assert told.steps[-1] == (4, 4, "kl")


@pytest.mark.parametrize("after", [0, 5, 9])
def test_it_stops_when_asked(policy: Policy, after: int) -> None:
    with pytest.raises(Cancelled):
        evaluate_policy(CONFIG, policy, CountsWords(), None, PROMPTS, seed=0, reporter=Told(cancel_after=after))


def test_evaluate_loads_anchor_and_adapter_from_folders(tmp_path: Path) -> None:
    save_tiny(tmp_path / "anchor", scale=2)
    policy = moved(Policy.load(tmp_path / "anchor", device="cpu", max_completion_tokens=24))
    policy.save_adapter(tmp_path / "adapter")
    found = evaluate(CONFIG, tmp_path / "anchor", tmp_path / "adapter", None, PROMPTS, seed=5)
    plain = evaluate(CONFIG, tmp_path / "anchor", None, None, PROMPTS, seed=5)
    assert found.metrics["kl"].value > 0.01
    assert plain.metrics["kl"].value == 0


def trained_reward(anchor: Path, out: Path) -> Path:
    config = RewardConfig(
        lora=LoraSpec(rank=4, alpha=8), epochs=1, members=1, normalisation_samples=16, max_new_tokens=12,
        max_prompt_tokens=32, max_completion_tokens=24,
    )  # fmt: skip
    train_reward(config, anchor, rankings(20), out, seed=0, reporter=Silent(), sample_prompts=prompts(8))
    return out


def test_evaluate_with_a_trained_reward_model_scores_both_policies(tmp_path: Path) -> None:
    anchor = save_tiny(tmp_path / "anchor", "t5-untied", scale=3)
    moved(Policy.load(anchor, device="cpu", max_completion_tokens=24)).save_adapter(tmp_path / "adapter")
    reward = trained_reward(anchor, tmp_path / "reward")
    found = evaluate(CONFIG, anchor, tmp_path / "adapter", reward, [*PROMPTS, Prompt("40", "anna " * 40)], seed=5)
    assert found.counts["too_long"] == 1, "40 tokens are below the policy's limit but above the reward model's 32"
    assert found.metrics["reward_gain"].n == 4
    assert {row["reward_before"] == row["reward_after"] for row in found.reward_table} != {True}
    long = from_mapping(EvaluateConfig, to_mapping(CONFIG) | {"max_new_tokens": 24})
    with pytest.raises(ConfigError, match="reads completions below 24 tokens"):
        evaluate(long, anchor, None, reward, PROMPTS, seed=5)


def test_evaluate_with_a_folder_that_is_no_model_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        evaluate(CONFIG, tmp_path / "nothing-here", None, None, PROMPTS, seed=0)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"sample_per_prompt": 3}, "samples_per_prompt"),
        ({"samples_per_prompt": 0}, "at least 1"),
        ({"temperature": 0}, "above 0"),
        ({"max_new_tokens": 500}, "must hold max_new_tokens"),
        ({"resamples": 5}, "at least 100"),
        ({"toxicity": ""}, "must name a backend"),
    ],
)
def test_a_bad_setting_is_named(setting: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        from_mapping(EvaluateConfig, setting)
