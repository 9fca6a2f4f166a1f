"""Scores of a file of predictions, differences between two systems, and what is said of a bad file."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlhf import predictions
from rlhf.config import from_mapping
from rlhf.evaluation_config import PredictionsConfig
from rlhf.exceptions import Cancelled, ConfigError, DataError
from rlhf.prediction_scores import toxicity_figures
from rlhf.predictions import score_predictions
from tests.rlhf.reporters import Told


class Length:
    """A backend whose score is plain to see."""

    name, version = "length", "1"

    def __init__(self) -> None:
        self.most = 0  # texts it was given at once

    def score(self, texts: Sequence[str]) -> list[float]:
        self.most = max(self.most, len(texts))
        return [min(1.0, len(text) / 10) for text in texts]

    def close(self) -> None:
        raise AssertionError("a backend that was given is the giver's to close")


def write(path: Path, *rows: Any) -> Path:
    text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def config(*metrics: str, **values: object) -> PredictionsConfig:
    return from_mapping(PredictionsConfig, {"metrics": metrics, "resamples": 100} | values)


ROUGE = config("rouge")


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
def test_rouge_has_mean_and_best_reference_with_intervals(tmp_path: Path, name: str) -> None:
    rows = [{"prediction": "a b", "references": ["a b", "c d"]}, {"prediction": "", "references": ["x"]}]
    scores = score_predictions(write(tmp_path / name, *rows), ROUGE)
    assert scores["rouge1"]["mean_over_references"]["value"] == 0.25
    assert scores["rouge1"]["best_reference"]["value"] == 0.5
    assert set(scores["rougeLsum_split"]["best_reference"]) == {"value", "low", "high", "n"}
    assert scores["rougeL"]["best_reference"]["n"] == scores["predictions"] == 2
    assert scores["empty"] == 1
    assert scores["made_with"] == {"rouge_score": "0.1.2", "stemmer": True, "seed": 0, "resamples": 100}
    assert "toxicity" not in scores
    assert "baseline" not in scores
    json.dumps(scores, allow_nan=False)


def test_gzip_is_known_by_its_bytes_not_its_name(tmp_path: Path) -> None:
    row = json.dumps({"prediction": "a b", "references": "a b"}).encode()
    (tmp_path / "rows.jsonl").write_bytes(gzip.compress(row))
    (tmp_path / "rows.jsonl.gz").write_bytes(row)
    for name in ("rows.jsonl", "rows.jsonl.gz"):
        assert score_predictions(tmp_path / name, ROUGE)["predictions"] == 1


def test_toxicity_names_its_backend_and_needs_no_references(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", {"prediction": "aaaaaaaaaa"}, {"prediction": "aa"})
    scores = score_predictions(path, config("toxicity"), toxicity=Length())
    assert scores["toxicity"]["backend"] == "length"
    assert scores["toxicity"]["mean"]["value"] == pytest.approx(0.6)
    assert scores["toxicity"]["sd"]["value"] == pytest.approx(0.4)
    assert scores["toxicity"]["share_above_half"]["value"] == 0.5


def test_other_fields_and_a_single_reference(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", {"peft": "a b", "summary": "a b"})
    wanted = config("rouge", prediction_field="peft", references_field="summary")
    assert score_predictions(path, wanted)["rouge2"]["mean_over_references"]["value"] == 1


def test_variety_length_and_what_stands_in_the_source(tmp_path: Path) -> None:
    rows = [
        {"prediction": "Anna meets Bob at 7.", "dialogue": "Anna: meet me at 7. Anna meets Bob today."},
        {"prediction": "Carla pays 9 or 10.", "dialogue": "Carla: I pay 9."},
        {"prediction": "", "dialogue": "x"},
    ]
    scores = score_predictions(write(tmp_path / "rows.jsonl", *rows), config("length", "distinct", "source"))
    assert scores["words"]["value"] == pytest.approx(10 / 3)
    assert scores["distinct1"]["value"] == 1
    assert scores["distinct1"]["n"] == 2, "an empty text has no n-grams"
    assert scores["copy_rate"]["value"] == pytest.approx((1 / 3 + 0) / 2)
    assert scores["numbers_found"]["value"] == pytest.approx(2 / 3), "over all lines together"
    assert scores["names_found"]["value"] == 1


def test_the_same_seed_gives_the_same_intervals(tmp_path: Path) -> None:
    rows = [{"prediction": "a b c d"[: 2 * i], "references": "a b c d"} for i in range(1, 5)]
    path = write(tmp_path / "rows.jsonl", *rows)
    first, again, other = (score_predictions(path, ROUGE, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first["rouge1"]["best_reference"]["value"] == other["rouge1"]["best_reference"]["value"]
    assert first["rouge1"] != other["rouge1"]


# -- differences


def pair_rows() -> list[dict[str, Any]]:
    ours = ["a b c", "a b", "x", "Bob 7 x y", ""]
    theirs = ["a b", "a b", "a b c", "Bob 8", "a"]
    return [
        {"id": i, "ours": a, "theirs": b, "references": ["a b c", "x y"], "dialogue": "Bob paid 7"}
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True))
    ]


EVERYTHING = ("rouge", "toxicity", "length", "distinct", "source")


def test_differences_between_two_fields_are_those_of_the_two_scores(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", *pair_rows())
    both = config(*EVERYTHING, prediction_field="ours", baseline_field="theirs")
    scores = score_predictions(path, both, toxicity=Length())
    alone = score_predictions(path, config(*EVERYTHING, prediction_field="theirs"), toxicity=Length())
    assert scores["baseline"]["rouge1"] == alone["rouge1"]
    assert scores["baseline"]["toxicity"] == alone["toxicity"]
    found = scores["difference"]
    for key in ("mean_over_references", "best_reference"):
        gap = scores["rougeL"][key]["value"] - alone["rougeL"][key]["value"]
        assert found["rougeL"][key]["value"] == pytest.approx(gap)
    for key in ("mean", "sd", "share_above_half"):
        gap = scores["toxicity"][key]["value"] - alone["toxicity"][key]["value"]
        assert found["toxicity"][key]["value"] == pytest.approx(gap)
    assert found["toxicity"]["backend"] == "length"
    assert found["words"]["value"] == pytest.approx(scores["words"]["value"] - alone["words"]["value"])
    assert found["numbers_found"]["value"] == pytest.approx(1 - 0)
    figures = [one for one in found.values() if "value" in one]
    assert all(figure["low"] <= figure["value"] <= figure["high"] for figure in figures)


def test_a_difference_is_paired(tmp_path: Path) -> None:
    """Lines differ widely, the two systems by the same little everywhere: apart, their intervals would overlap."""
    words = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]
    rows = [{"ours": " ".join(words[: n + 1]), "theirs": " ".join(words[:n]), "references": " ".join(words)}
            for n in range(1, 10)]  # fmt: skip
    both = config("rouge", "length", prediction_field="ours", baseline_field="theirs")
    scores = score_predictions(write(tmp_path / "rows.jsonl", *rows), both)
    assert scores["difference"]["words"] == {"value": 1, "low": 1, "high": 1, "n": 9}
    assert scores["difference"]["rouge1"]["best_reference"]["low"] > 0
    assert scores["rouge1"]["best_reference"]["low"] < scores["baseline"]["rouge1"]["best_reference"]["high"]


def test_two_files_are_the_same_as_two_fields(tmp_path: Path) -> None:
    rows = pair_rows()
    one = write(tmp_path / "both.jsonl", *rows)
    ours = write(tmp_path / "ours.jsonl", *({"prediction": row["ours"], **row} for row in rows))
    theirs = write(tmp_path / "theirs.jsonl.gz", *({"prediction": row["theirs"], "id": row["id"]} for row in rows))
    fields = score_predictions(one, config("rouge", prediction_field="ours", baseline_field="theirs"))
    files = score_predictions(ours, ROUGE, baseline=theirs)
    assert files["difference"] == fields["difference"]
    assert files["baseline"]["file"] == "theirs.jsonl.gz"
    assert fields["baseline"]["field"] == "theirs"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (None, r"theirs\.jsonl ends before .*ours\.jsonl, line 2"),
        ({"id": 5, "prediction": "b"}, r"theirs\.jsonl, line 2: the id is 5, but 1 in .*ours\.jsonl, line 2"),
        ({"id": 1, "prediction": "b", "references": ["q"]}, r"theirs\.jsonl, line 2: 'references' is not that of"),
        ({"id": 1}, r"theirs\.jsonl, line 2: no field 'prediction'; it has 'id'"),
    ],
)
def test_files_of_other_prompts_are_not_compared(tmp_path: Path, row: dict[str, Any] | None, message: str) -> None:
    rows = [{"id": i, "prediction": "a", "references": ["a"]} for i in range(2)]
    ours = write(tmp_path / "ours.jsonl", *rows)
    theirs = write(tmp_path / "theirs.jsonl", rows[0], *([row] if row else []))
    with pytest.raises(DataError, match=message):
        score_predictions(ours, ROUGE, baseline=theirs)


# -- bad files


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{broken", r"rows\.jsonl, line 3: not JSON \(Expecting property name .* at column 2\)"),
        ("[" * 100_000, r"rows\.jsonl, line 3: nested too deeply"),
        ([1], r"rows\.jsonl, line 3: must be an object with fields, not \[1\]"),
        (
            {"text": "a", "references": ["a"]},
            r"rows\.jsonl, line 3: no field 'prediction'; it has 'references', 'text'",
        ),
        ("{}", "line 3: no field 'references'; it has none"),
        (
            {"prediction": None, "references": ["a"]},
            "line 3: 'prediction' must be a text, or a list of one text, not null",
        ),
        (
            {"prediction": ["a", "b"], "references": ["a"]},
            r"line 3: 'prediction' must be a text, or a list of one text, not \[\"a\", \"b\"\]",
        ),
        ({"prediction": "a"}, "line 3: no field 'references'; it has 'prediction'"),
        ({"prediction": "a", "references": []}, r"line 3: 'references' must be a text or a list of texts, not \[\]"),
        ({"prediction": "a", "references": ["a", None]}, r"line 3: 'references' must be .*, not \[\"a\", null\]"),
        ({"prediction": "a", "references": "a" * 99 and {"x": "y" * 99}}, "line 3: 'references' must be .*…"),
    ],
)
def test_a_bad_line_is_named_with_file_and_field(tmp_path: Path, row: Any, message: str) -> None:
    path = write(tmp_path / "rows.jsonl", {"prediction": "a", "references": ["a"]}, "", row)
    with pytest.raises(DataError, match=message):
        score_predictions(path, ROUGE)


def test_a_line_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(b'{"prediction": "a"}\n{"prediction": "\xff"}\n')
    with pytest.raises(DataError, match=r"rows\.jsonl, line 2: not UTF-8 \(byte 17\): save the file as UTF-8"):
        score_predictions(tmp_path / "rows.jsonl", config("length"))


def test_an_empty_missing_or_damaged_file_is_an_error(tmp_path: Path) -> None:
    for text in ("", "\n \n"):
        with pytest.raises(DataError, match=r"empty\.jsonl is empty: it holds no predictions"):
            score_predictions(write(tmp_path / "empty.jsonl", text), ROUGE)
    with pytest.raises(DataError, match=r"missing\.jsonl cannot be read: No such file"):
        score_predictions(tmp_path / "missing.jsonl", ROUGE)
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        score_predictions(tmp_path, ROUGE)


def test_damaged_gzip_is_named_with_the_last_good_line(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = [json.dumps({"prediction": f"{random.integers(1 << 60)}"}) + "\n" for _ in range(5000)]
    whole = gzip.compress("".join(rows).encode())
    for name, data in (
        ("cut", whole[: len(whole) // 2]),
        ("flipped", whole[: len(whole) // 2] + b"\xff\xff\xff" + whole[len(whole) // 2 + 3 :]),
        ("head", whole[:5]),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError, match=rf"{name}: the gzip data is damaged after line \d+"):
            score_predictions(tmp_path / name, config("length"))


def test_bytes_that_no_json_writer_likes(tmp_path: Path) -> None:
    rows = (
        '\ufeff{"prediction": "a\u2028b é 見 \\ud800", "references": "a b"}\r\n\r\n{"prediction": "", "references": ""}'
    )
    (tmp_path / "rows.jsonl").write_bytes(rows.encode())
    scores = score_predictions(tmp_path / "rows.jsonl", config("rouge", "toxicity", "length"), toxicity=Length())
    assert scores["predictions"] == 2
    assert scores["rouge1"]["best_reference"]["value"] == 0.5


def test_text_that_rouge_cannot_read_is_told(tmp_path: Path) -> None:
    told = Told()
    path = write(
        tmp_path / "rows.jsonl", {"prediction": "見る", "references": "見る"}, {"prediction": "", "references": "a"}
    )
    assert score_predictions(path, ROUGE, reporter=told)["rouge1"]["best_reference"]["value"] == 0
    (warning,) = told.events
    assert warning[0] == "warning"
    assert warning[1].startswith("1 of 2 predictions have no Latin letter and no digit")


# -- large files


def test_a_large_file_is_read_in_chunks_with_progress(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", *({"prediction": f"text {i}"} for i in range(1000)))
    told, backend = Told(), Length()
    scores = score_predictions(path, config("toxicity"), toxicity=backend, reporter=told)
    assert scores["predictions"] == 1000
    assert backend.most == predictions.CHUNK < 1000
    assert told.steps[-1] == (path.stat().st_size, path.stat().st_size, "scoring, bytes")
    assert [done for done, _total, _phase in told.steps] == sorted(done for done, _total, _phase in told.steps)


def test_it_stops_when_asked(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", *({"prediction": f"text {i}"} for i in range(1000)))
    with pytest.raises(Cancelled):
        score_predictions(path, config("length"), reporter=Told(cancel_after=3))


# -- settings


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"metrics": ["bleu"]}, "PredictionsConfig.metrics must be one of rouge, toxicity, length, distinct, source"),
        ({"metrics": []}, "metrics must name at least one metric"),
        ({"metrics": ["rouge", "rouge"]}, "metrics must name each once"),
        ({"prediction_field": ""}, "prediction_field must not be empty"),
        ({"resamples": 3}, "resamples must be at least 100, not 3"),
    ],
)
def test_a_bad_setting_is_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        from_mapping(PredictionsConfig, values)


def test_toxicity_figures_by_hand() -> None:
    figures = toxicity_figures([0.0, 1.0, 1.0, 0.5], seed=0, resamples=100)
    assert figures["mean"].value == 0.625
    assert figures["share_above_half"].value == 0.5
    assert figures["share_above_half"].n == 4
