"""Rewards from descriptions: each against the thing it wraps, sums against arithmetic, and what they refuse."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoModelForSequenceClassification, AutoTokenizer

from rlhf.config import LoraSpec, SamplingConfig
from rlhf.exceptions import ConfigError, DataError, ModelError
from rlhf.hashing import artifact_hash
from rlhf.models import Policy
from rlhf.reference_samples import reference_samples
from rlhf.reward import Reward, TextLimits, part_means
from rlhf.reward_description import DESCRIPTION
from rlhf.reward_model import load_reward_model
from rlhf.rewards import load_reward, reward_record, save_description
from rlhf.rouge import rouge
from rlhf.toxicity import ClassifierToxicity
from rlhf.train_reward import train_reward
from rlhf.training_config import RewardConfig
from rlhf.types import Prompt, Silent
from tests.rlhf.learning import Recorder, WordReward, prompts, rankings
from tests.rlhf.roberta import save_roberta
from tests.rlhf.tiny import WORDS, save_tiny

LORA = LoraSpec(rank=4, alpha=8)
ASKED = ["anna meets bob at noon", "carla lost the key"]
TEXTS = [["anna meets bob", "rude bob ."], ["the key is lost", "please ! nice pizza", "late"]]
PROMPTS = [Prompt("a", ASKED[0], ("anna meets bob", "they meet")), Prompt("b", ASKED[1], ("carla lost her key",))]


@pytest.fixture(scope="module")
def anchor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("anchor"), "t5", seed=4)


@pytest.fixture(scope="module")
def judge_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained classifier whose labels are those of the published hate-speech model."""
    return save_roberta(tmp_path_factory.mktemp("roberta"), WORDS, positions=12)


@pytest.fixture(scope="module")
def model_folder(anchor: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("reward")
    config = RewardConfig(
        lora=LORA, epochs=1, members=2, normalisation_samples=128, max_new_tokens=23, max_prompt_tokens=32,
        max_completion_tokens=24, learning_rate=1e-2,
    )  # fmt: skip
    train_reward(config, anchor, rankings(20), out, seed=0, reporter=Silent(), sample_prompts=prompts(16))
    return out


def raw_logits(folder: Path, text: str) -> torch.Tensor:
    """What transformers itself says of one text."""
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForSequenceClassification.from_pretrained(folder)
    with torch.no_grad():
        found: torch.Tensor = model.eval()(**tokenizer(text, return_tensors="pt")).logits[0]
    return found


def classifier(folder: Path, **more: object) -> dict[str, object]:
    return {"kind": "classifier", "source": str(folder), **more}


# -- a classifier's logit


@pytest.mark.parametrize(("label", "index"), [(None, 0), ("nothate", 0), ("HATE", 1)])
def test_a_classifiers_reward_is_the_raw_logit_of_the_label(
    anchor: Path, judge_folder: Path, label: str | None, index: int
) -> None:
    reward = load_reward(classifier(judge_folder, label=label), anchor)
    scores = reward.score(ASKED, TEXTS)
    for texts, row in zip(TEXTS, scores, strict=True):
        for text, score in zip(texts, row, strict=True):
            assert score == pytest.approx(raw_logits(judge_folder, text)[index].item(), abs=1e-5)
    assert reward.judge(ASKED, TEXTS) is None
    assert reward.limits is None


def test_a_prompts_words_do_not_count(anchor: Path, judge_folder: Path) -> None:
    reward = load_reward(classifier(judge_folder), anchor)
    assert reward.score(["anna"], [["bob"]]) == reward.score(["rude rude rude"], [["bob"]])


def test_a_long_text_has_its_worst_windows_logit(anchor: Path, judge_folder: Path) -> None:
    """Ten words fit beside the two marks of 12 positions less RoBERTa's two."""
    reward = load_reward(classifier(judge_folder), anchor)
    words = (WORDS * 2)[:24]
    windows = [" ".join(words[start : start + 8]) for start in range(0, 24, 8)]
    assert reward.score(["p"], [[" ".join(words)]])[0][0] == pytest.approx(
        min(raw_logits(judge_folder, window)[0].item() for window in windows), abs=1e-5
    )


def test_no_text_and_an_empty_text_have_scores(anchor: Path, judge_folder: Path) -> None:
    reward = load_reward(classifier(judge_folder), anchor)
    assert reward.score([], []) == []
    assert reward.score(["a", "b"], [[], [""]])[0] == []
    assert np.isfinite(reward.score(["b"], [[""]])[0][0])


def test_of_sigmoid_labels_it_is_minus_the_toxic_logit(anchor: Path, tmp_path: Path) -> None:
    labels = ("toxic", "obscene", "threat")
    save_roberta(tmp_path, WORDS, labels=labels, problem_type="multi_label_classification")
    reward = load_reward(classifier(tmp_path), anchor)
    assert reward.score(["p"], [["rude bob"]])[0][0] == pytest.approx(-raw_logits(tmp_path, "rude bob")[0].item())
    threat = load_reward(classifier(tmp_path, label="threat"), anchor)
    assert threat.score(["p"], [["rude bob"]])[0][0] == pytest.approx(raw_logits(tmp_path, "rude bob")[2].item())


def test_the_reward_and_the_toxicity_of_one_classifier_belong_together(anchor: Path, judge_folder: Path) -> None:
    """With two labels, p(toxic) = σ(l_toxic − l_other): the one code loads both."""
    other, toxic = (
        load_reward(classifier(judge_folder, label=label), anchor).score(["p"], [["rude bob"]])[0][0]
        for label in ("nothate", "hate")
    )
    expected = 1 / (1 + np.exp(other - toxic))
    assert ClassifierToxicity(judge_folder).score(["rude bob"])[0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("labels", "label", "message"),
    [
        (("LABEL_0", "LABEL_1"), None, "none of .* is named like toxicity"),
        (("hate", "offensive", "neither"), None, r"has 3 labels \(hate, offensive, neither\): name the one"),
        (("nothate", "hate"), "kind", "has no label 'kind'; it has nothate, hate"),
    ],
)
def test_a_label_that_is_not_clear_is_refused(
    anchor: Path, tmp_path: Path, labels: Sequence[str], label: str | None, message: str
) -> None:
    save_roberta(tmp_path, WORDS, labels=labels)
    with pytest.raises(ModelError, match=message):
        load_reward(classifier(tmp_path, label=label), anchor)


def test_a_pickled_classifier_is_refused(anchor: Path, judge_folder: Path, tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((judge_folder / name).read_bytes())
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"no \*\.safetensors.*pickled weights are never"):
        load_reward(classifier(tmp_path), anchor)


def test_a_model_without_a_classifiers_head_is_refused(anchor: Path, judge_folder: Path, tmp_path: Path) -> None:
    """transformers would score with a random head."""
    AutoModelForMaskedLM.from_pretrained(judge_folder).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(judge_folder).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"no whole sequence classifier.*classifier\."):
        load_reward(classifier(tmp_path), anchor)


def test_a_classifier_that_is_not_there_is_named(anchor: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no folder"):
        load_reward(classifier(tmp_path / "nothing"), anchor)


# -- ROUGE


@pytest.mark.parametrize("over", ["best", "mean"])
def test_rouge_is_that_of_the_prompts_references(anchor: Path, over: str) -> None:
    reward = load_reward({"kind": "rouge", "metric": "rouge1", "references": over}, anchor, prompts=PROMPTS)
    expected = [
        [getattr(rouge(text, prompt.references)["rouge1"], over) for text in texts]
        for prompt, texts in zip(PROMPTS, TEXTS, strict=True)
    ]
    assert reward.score(ASKED, TEXTS) == expected
    assert expected[0][0] > expected[0][1]


def test_references_of_prompts_with_one_text_are_put_together(anchor: Path) -> None:
    twins = [Prompt("a", "one text", ("anna meets bob",)), Prompt("b", "one text", ("carla lost the key",))]
    reward = load_reward({"kind": "rouge"}, anchor, prompts=twins)
    assert reward.score(["one text"], [["anna meets bob", "carla lost the key"]]) == [[1.0, 1.0]]


def test_a_prompt_without_references_is_named_before_anything_is_trained(anchor: Path) -> None:
    with pytest.raises(DataError, match=r"prompt 'bare' has none \(1 of 3 have none\)"):
        load_reward({"kind": "rouge"}, anchor, prompts=[*PROMPTS, Prompt("bare", "hi")])


def test_a_prompt_that_was_never_given_is_named(anchor: Path) -> None:
    reward = load_reward({"kind": "rouge"}, anchor, prompts=PROMPTS)
    with pytest.raises(DataError, match="The prompt “dan brings pizza…” came without references"):
        reward.score(["dan brings pizza"], [["dan"]])


# -- a reward model


def test_a_folder_scores_as_the_reward_model_in_it(anchor: Path, model_folder: Path) -> None:
    reward, ensemble = load_reward(model_folder, anchor), load_reward_model(model_folder, anchor)
    assert reward.score(ASKED, TEXTS) == ensemble.score(ASKED, TEXTS)
    assert reward.judge(ASKED, TEXTS) == ensemble.judge(ASKED, TEXTS)
    assert reward.limits == TextLimits(32, 24)
    assert reward.record == {"kind": "model", "artifact": artifact_hash(model_folder)}


def test_a_folder_that_is_no_reward_model_is_named(anchor: Path, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(ModelError, match=r"reward\.json is missing"):
            load_reward(path, anchor)


# -- sums


def mix(model_folder: Path, judge_folder: Path, *, standardise: bool) -> dict[str, object]:
    parts = [
        {"kind": "model", "path": str(model_folder), "weight": 2.0, "standardise": standardise},
        classifier(judge_folder, weight=-0.5, standardise=standardise),
        {"kind": "rouge", "name": "overlap", "weight": 0.25},
    ]
    return {"kind": "sum", "parts": parts, "samples": {"count": 96, "max_new_tokens": 23, "seed": 3}}


def test_a_sum_is_the_weighted_sum_of_its_parts(anchor: Path, model_folder: Path, judge_folder: Path) -> None:
    reward = load_reward(mix(model_folder, judge_folder, standardise=False), anchor, prompts=PROMPTS)
    model = load_reward(model_folder, anchor).score(ASKED, TEXTS)
    logit = load_reward(classifier(judge_folder), anchor).score(ASKED, TEXTS)
    overlap = load_reward({"kind": "rouge"}, anchor, prompts=PROMPTS).score(ASKED, TEXTS)
    for row, scores in enumerate(reward.score(ASKED, TEXTS)):
        for place, score in enumerate(scores):
            expected = 2 * model[row][place] - 0.5 * logit[row][place] + 0.25 * overlap[row][place]
            assert score == pytest.approx(expected, abs=1e-9)
    assert reward.limits == TextLimits(32, 24)


def test_its_judge_is_the_models_judge_and_the_others_themselves(
    anchor: Path, model_folder: Path, judge_folder: Path
) -> None:
    reward = load_reward(mix(model_folder, judge_folder, standardise=False), anchor, prompts=PROMPTS)
    judged, scored = reward.judge(ASKED, TEXTS), reward.score(ASKED, TEXTS)
    ensemble = load_reward_model(model_folder, anchor)
    verdict, own = ensemble.judge(ASKED, TEXTS), ensemble.score(ASKED, TEXTS)
    assert judged is not None
    assert verdict is not None
    for row in range(2):
        for place in range(len(TEXTS[row])):
            moved = 2 * (verdict[row][place] - own[row][place])
            assert judged[row][place] - scored[row][place] == pytest.approx(moved, abs=1e-9)


def test_a_sum_without_a_judge_has_none(anchor: Path, judge_folder: Path) -> None:
    reward = load_reward({"kind": "sum", "parts": [classifier(judge_folder)]}, anchor)
    assert reward.judge(ASKED, TEXTS) is None


def test_standardised_parts_have_mean_0_and_sd_1_on_the_anchors_samples(
    anchor: Path, model_folder: Path, judge_folder: Path
) -> None:
    given = [replace(prompt, references=("bob",)) for prompt in prompts(24)]
    reward = load_reward(mix(model_folder, judge_folder, standardise=True), anchor, prompts=given)
    policy = Policy.load(anchor, device="cpu", max_prompt_tokens=32, max_completion_tokens=23)
    sampling = SamplingConfig(max_new_tokens=23)
    asked, texts = reference_samples(policy, given, 96, sampling, seed=3, batch_size=64, reporter=Silent())
    record = reward.record["parts"]
    assert isinstance(record, list)
    for part in record:
        values = np.concatenate(reward.parts(asked, texts)[part["name"]])
        if part["name"] == "overlap":
            assert part["mean"] is part["sd"] is None, "not asked for"
            continue
        assert part["mean"] == pytest.approx(values.mean(), abs=1e-6)
        assert part["sd"] == pytest.approx(values.std(), abs=1e-6)
        assert abs(part["mean"]) + abs(part["sd"] - 1) > 1e-3, "it was not so by itself"


def test_the_saved_description_gives_the_same_scores_without_sampling_again(
    anchor: Path, model_folder: Path, judge_folder: Path, tmp_path: Path
) -> None:
    given = [replace(prompt, references=("bob",)) for prompt in prompts(24)]
    first = load_reward(mix(model_folder, judge_folder, standardise=True), anchor, prompts=[*given, *PROMPTS])
    save_description(first, tmp_path)
    told = Recorder()
    # Other prompts: what was fixed once does not move with them; references are ROUGE's, and the same.
    again = load_reward(tmp_path / DESCRIPTION, anchor, prompts=[*PROMPTS, *given], reporter=told)
    assert again.score(ASKED, TEXTS) == first.score(ASKED, TEXTS)
    assert again.sha256 == first.sha256
    assert told.events == []


def test_the_record_knows_no_path_and_changes_with_any_part(
    anchor: Path, model_folder: Path, judge_folder: Path, tmp_path: Path
) -> None:
    reward = load_reward(mix(model_folder, judge_folder, standardise=False), anchor, prompts=PROMPTS)
    text = json.dumps(reward_record(reward))
    assert str(judge_folder) not in text
    assert str(model_folder) not in text
    other = save_roberta(tmp_path, WORDS, positions=12, seed=1)
    changed: list[Reward] = [
        load_reward(mix(model_folder, other, standardise=False), anchor, prompts=PROMPTS),
        load_reward(mix(model_folder, judge_folder, standardise=False), anchor, prompts=PROMPTS[:1]),
    ]
    assert len({reward.sha256, *(one.sha256 for one in changed)}) == 3


def test_a_part_that_never_varies_cannot_be_standardised(anchor: Path) -> None:
    given = [replace(prompt, references=("unseen",)) for prompt in prompts(8)]
    parts = [{"kind": "rouge", "metric": "rouge2", "standardise": True}]
    spec = {"kind": "sum", "parts": parts, "samples": {"count": 96, "max_new_tokens": 23}}
    with pytest.raises(DataError, match=r"Part 'rouge' scores each of the anchor's \d+ samples 0: .*Switch standardis"):
        load_reward(spec, anchor, prompts=given)


def test_standardising_needs_prompts_and_texts_that_its_parts_can_read(
    anchor: Path, model_folder: Path, judge_folder: Path
) -> None:
    spec = mix(model_folder, judge_folder, standardise=True)
    with pytest.raises(DataError, match="no prompts to sample on"):
        load_reward(spec, anchor)
    with pytest.raises(ConfigError, match=r"samples\.max_new_tokens is 24, but a part reads completions below 24"):
        load_reward(spec | {"samples": {"max_new_tokens": 24}}, anchor, prompts=PROMPTS)


def test_a_sum_may_hold_a_sum(anchor: Path, judge_folder: Path) -> None:
    inner = {"kind": "sum", "parts": [classifier(judge_folder, weight=2.0), {"kind": "rouge", "weight": 3.0}]}
    outer = load_reward({"kind": "sum", "parts": [inner | {"weight": 0.5}]}, anchor, prompts=PROMPTS)
    plain = load_reward(inner, anchor, prompts=PROMPTS)
    assert np.concatenate(outer.score(ASKED, TEXTS)) == pytest.approx(0.5 * np.concatenate(plain.score(ASKED, TEXTS)))


def test_the_parts_of_the_same_texts_are_scored_once(anchor: Path, judge_folder: Path) -> None:
    reward = load_reward({"kind": "sum", "parts": [classifier(judge_folder)]}, anchor)
    calls: list[int] = []
    only: Any = reward
    scored = only._parts[0].reward.score
    only._parts[0].reward.score = lambda *texts: calls.append(1) or scored(*texts)
    total = reward.score(ASKED, TEXTS)
    means = part_means(reward, ASKED, TEXTS)
    assert means == {"reward_part_classifier": pytest.approx(np.concatenate(total).mean())}
    assert len(calls) == 1
    reward.score(ASKED, TEXTS[::-1])
    assert len(calls) == 2


def test_a_reward_made_in_code_has_no_parts_and_no_record() -> None:
    assert part_means(WordReward(), ASKED, TEXTS) == {}
    assert reward_record(WordReward()) == reward_record(None) == {}
