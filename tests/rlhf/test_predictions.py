"""Scores of a file of predictions, and what is said of a bad one."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rlhf.exceptions import ConfigError, DataError
from rlhf.predictions import score_predictions, toxicity_figures

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="the shared data folder is not beside this checkout")


class Length:
    """A backend whose score is plain to see."""

    name, version = "length", "1"

    def score(self, texts: Sequence[str]) -> list[float]:
        return [min(1.0, len(text) / 10) for text in texts]

    def close(self) -> None: ...


def write(path: Path, *rows: Any) -> Path:
    text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
def test_rouge_has_mean_and_best_reference_with_intervals(tmp_path: Path, name: str) -> None:
    rows = [{"prediction": "a b", "references": ["a b", "c d"]}, {"prediction": "", "references": ["x"]}]
    scores = score_predictions(write(tmp_path / name, *rows), metrics=["rouge"])
    assert scores["rouge1"]["mean_over_references"]["value"] == 0.25
    assert scores["rouge1"]["best_reference"]["value"] == 0.5
    assert set(scores["rougeLsum_split"]["best_reference"]) == {"value", "low", "high", "n"}
    assert scores["rougeL"]["best_reference"]["n"] == 2
    assert "toxicity" not in scores
    json.dumps(scores, allow_nan=False)


def test_toxicity_names_its_backend_and_needs_no_references(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", {"prediction": "aaaaaaaaaa"}, {"prediction": "aa"})
    scores = score_predictions(path, metrics=["toxicity"], toxicity=Length())
    assert scores["toxicity"]["backend"] == "length"
    assert scores["toxicity"]["mean"]["value"] == pytest.approx(0.6)
    assert scores["toxicity"]["sd"]["value"] == pytest.approx(0.4)
    assert scores["toxicity"]["share_above_half"]["value"] == 0.5


def test_other_fields_and_a_single_reference(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", {"peft": "a b", "summary": "a b"})
    scores = score_predictions(path, metrics=["rouge"], prediction_field="peft", references_field="summary")
    assert scores["rouge2"]["mean_over_references"]["value"] == 1


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{broken", "line 2 is not JSON"),
        ([1], "line 2 is a list"),
        ({"text": "a", "references": ["a"]}, "line 2 has no field 'prediction'; it has 'references', 'text'"),
        ({"prediction": None, "references": ["a"]}, "line 2: 'prediction' is a NoneType"),
        ({"prediction": "a"}, "line 2: 'references' must be a text or a list of texts, and is missing"),
        ({"prediction": "a", "references": []}, "line 2: 'references' must be"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, row: Any, message: str) -> None:
    path = write(tmp_path / "rows.jsonl", {"prediction": "a", "references": ["a"]}, row)
    with pytest.raises(DataError, match=message):
        score_predictions(path, metrics=["rouge"])


def test_an_empty_missing_or_cut_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no predictions"):
        score_predictions(write(tmp_path / "empty.jsonl"))
    with pytest.raises(DataError, match="cannot be read"):
        score_predictions(tmp_path / "missing.jsonl")
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(b'{"prediction": "a"}\n' * 100)[:30])
    with pytest.raises(DataError, match="cannot be read"):
        score_predictions(tmp_path / "cut.jsonl.gz")


def test_an_unknown_metric_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown metric 'bleu'; there are rouge, toxicity"):
        score_predictions(tmp_path / "any", metrics=["bleu"])


def test_toxicity_figures_by_hand() -> None:
    figures = toxicity_figures([0.0, 1.0, 1.0, 0.5], seed=0)
    assert figures["mean"].value == 0.625
    assert figures["share_above_half"].value == 0.5
    assert figures["share_above_half"].n == 4


@needs_shared
def test_the_shared_outputs_give_the_published_values() -> None:
    published = json.loads((SHARED / "published" / "rouge_computed_shared.json").read_text())
    scores = score_predictions(SHARED / "flan_t5_outputs.jsonl.gz", metrics=["rouge"], prediction_field="peft")
    for name in ("rouge1", "rouge2", "rougeL", "rougeLsum"):
        mean, best = scores[name]["mean_over_references"], scores[name]["best_reference"]
        assert mean["value"] == pytest.approx(published["pairwise_mean"]["peft"][name]["f1"], abs=1e-6)
        assert best["value"] == pytest.approx(published["best_reference_mean_f1"]["peft"][name], abs=1e-6)
        assert mean["n"] == 400
        assert mean["low"] < mean["value"] < mean["high"]
