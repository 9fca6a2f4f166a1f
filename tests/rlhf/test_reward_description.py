"""Descriptions of rewards: what is read, what is refused and how it is said."""

import json
from pathlib import Path
from typing import Any

import pytest

from rlhf.exceptions import ConfigError
from rlhf.reward_description import described, read_reward_spec, reward_spec
from rlhf.reward_spec import AnchorSamples, ClassifierSpec, ModelSpec, PartSpec, RougeSpec, SumSpec

MIX = {
    "kind": "sum",
    "parts": [
        {"kind": "model", "path": "reward"},
        {"kind": "classifier", "source": "someone/hate", "label": "nothate", "weight": 0.5, "standardise": True},
        {"kind": "rouge", "metric": "rouge1", "weight": 2, "name": "overlap"},
        {"kind": "rouge", "references": "mean", "weight": 0},
        {"kind": "rouge"},
    ],
    "samples": {"count": 32},
}


def test_a_sum_is_read_with_its_parts_and_their_names() -> None:
    spec = reward_spec(MIX)
    assert isinstance(spec, SumSpec)
    assert spec.samples == AnchorSamples(count=32)
    assert [part.name for part in spec.parts] == ["model", "classifier", "overlap", "rouge", "rouge-2"]
    assert [part.weight for part in spec.parts] == [1.0, 0.5, 2.0, 0.0, 1.0]
    assert spec.parts[1] == PartSpec(
        ClassifierSpec("someone/hate", "nothate"), weight=0.5, name="classifier", standardise=True
    )
    assert spec.parts[2].reward == RougeSpec("rouge1")


def test_toml_and_json_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "mix.json").write_text(
        json.dumps({"kind": "sum", "parts": [{"kind": "rouge", "weight": 0.5}], "samples": {"count": 9}})
    )
    (tmp_path / "mix.toml").write_text(
        'kind = "sum"\nsamples.count = 9\n[[parts]]\nkind = "rouge"  # best reference\nweight = 0.5\n'
    )
    assert read_reward_spec(tmp_path / "mix.toml") == read_reward_spec(tmp_path / "mix.json")


def test_a_folder_is_a_reward_model(tmp_path: Path) -> None:
    assert read_reward_spec(tmp_path) == ModelSpec(str(tmp_path))


def test_paths_are_relative_to_the_file_and_hub_names_stay(tmp_path: Path) -> None:
    (tmp_path / "deep" / "judge").mkdir(parents=True)
    parts = [
        {"kind": "model", "path": "../reward"},
        {"kind": "classifier", "source": "./judge"},
        {"kind": "classifier", "source": "facebook/roberta"},
        {"kind": "model", "path": "/abs"},
    ]
    (tmp_path / "deep" / "mix.json").write_text(json.dumps({"kind": "sum", "parts": parts}))
    spec = read_reward_spec(tmp_path / "deep" / "mix.json")
    assert isinstance(spec, SumSpec)
    assert [part.reward for part in spec.parts] == [
        ModelSpec(str(tmp_path / "deep" / ".." / "reward")),
        ClassifierSpec(str(tmp_path / "deep" / "judge")),
        ClassifierSpec("facebook/roberta"),
        ModelSpec("/abs"),
    ]


def test_what_is_written_reads_back_from_anywhere(tmp_path: Path) -> None:
    (tmp_path / "judge").mkdir()
    (tmp_path / "out").mkdir()
    nested = {"kind": "sum", "parts": [{"kind": "classifier", "source": str(tmp_path / "judge")}], "name": "inner"}
    fixed = {"kind": "rouge", "standardise": True, "mean": 0.25, "sd": 0.1}
    spec = reward_spec({"kind": "sum", "parts": [nested, fixed]})
    text = json.dumps(described(spec, tmp_path / "out"))
    assert str(tmp_path) not in text
    (tmp_path / "out" / "again.json").write_text(text)
    again = read_reward_spec(tmp_path / "out" / "again.json")
    assert described(again, tmp_path / "out") == described(spec, tmp_path / "out")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, r"reward\.kind must be one of model, classifier, rouge, sum, not None"),
        ({"kind": "modell"}, r"reward\.kind must be one of model, classifier, rouge, sum, not 'modell'"),
        ([1], "reward must be an object with keys"),
        ({"kind": "model"}, "needs path"),
        ({"kind": "model", "path": 3}, "path must be a text"),
        ({"kind": "classifier", "sourc": "x"}, "reward has no key 'sourc'; kind classifier knows source, label"),
        ({"kind": "rouge", "metric": "bleu"}, "rouge1, rouge2, rougeL, rougeLsum, rougeLsum_split, not 'bleu'"),
        ({"kind": "rouge", "weight": 2}, "reward has no key 'weight'"),
        ({"kind": "sum"}, r"reward\.parts must be a list, not None"),
        ({"kind": "sum", "parts": "rouge"}, r"reward\.parts must be a list"),
        ({"kind": "sum", "parts": []}, "at least one reward"),
        ({"kind": "sum", "parts": [3]}, r"reward\.parts\[0\] must be an object"),
        ({"kind": "sum", "parts": [{"kind": "rouge", "wait": 1}]}, r"parts\[0\] has no key 'wait'; kind rouge knows"),
        ({"kind": "sum", "parts": [{"kind": "rouge", "weight": "1"}]}, r"parts\[0\].*weight must be a finite number"),
        ({"kind": "sum", "parts": [{"kind": "rouge", "weight": 0}]}, "every weight is 0"),
        ({"kind": "sum", "parts": [{"kind": "rouge", "name": "a b"}]}, "name may have letters"),
        ({"kind": "sum", "parts": [{"kind": "rouge", "standardise": True, "mean": 1}]}, "mean and sd are given tog"),
        ({"kind": "sum", "parts": [{"kind": "rouge", "standardise": True, "mean": 1, "sd": 0}]}, "sd must be above 0"),
        ({"kind": "sum", "parts": [{"kind": "rouge", "mean": 1, "sd": 1}]}, "belong to standardise"),
        ({"kind": "sum", "parts": [{"kind": "rouge", "name": "a"}] * 2}, "two parts have the name 'a'"),
        ({"kind": "sum", "parts": [{"kind": "rouge"}], "samples": {"count": 1}}, "count must be at least 2"),
        (
            {"kind": "sum", "parts": [{"kind": "rouge"}, {"kind": "sum", "parts": [{"kind": "x"}]}]},
            r"reward\.parts\[1\]\.parts\[0\]\.kind must be one of",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(given: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        reward_spec(given)


@pytest.mark.parametrize(("name", "text"), [("x.toml", "kind = "), ("x.json", "{"), ("x.json", "[]")])
def test_a_file_that_is_no_description_is_named(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=name):
        read_reward_spec(tmp_path / name)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.toml is no readable description"):
        read_reward_spec(tmp_path / "nothing.toml")
