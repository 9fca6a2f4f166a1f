"""``evaluate``: any file of predictions, and others' real outputs against `rouge_score` itself."""

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from rouge_score.rouge_scorer import RougeScorer

from tests.rlhf.cli.conftest import Run, write_lines
from tests.rlhf.cli.test_errors import Captured, fails

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="the shared data folder is not beside this checkout")
OWN = ["rouge1", "rouge2", "rougeL", "rougeLsum"]
SYSTEMS = ("original", "full_finetune", "peft")

ROWS = [
    {"prediction": "a b", "other": "a", "references": ["a b", "c d"], "dialogue": "a b c"},
    {"prediction": "", "other": "x", "references": "x", "dialogue": "x"},
]
ROUGE = ("evaluate", "--predictions", "rows.jsonl", "--metrics", "rouge")


@pytest.fixture(autouse=True)
def rows(folder: Path) -> Path:
    return write_lines(folder / "rows.jsonl", ROWS)  # type: ignore[arg-type]  # a list of dicts of str or list


def test_the_json_has_what_is_promised(run: Run, folder: Path, capsys: Captured) -> None:
    options = ("--metrics", "rouge,toxicity", "--toxicity", "profanity-proxy", "--json", "scores.json")
    assert run("evaluate", "--predictions", "rows.jsonl", *options) == 0
    scores = json.loads((folder / "scores.json").read_text())
    assert set(scores["rouge1"]) == {"mean_over_references", "best_reference"}
    assert scores["rouge1"]["best_reference"].keys() == {"value", "low", "high", "n"}
    assert scores["toxicity"].keys() == {"backend", "version", "mean", "sd", "share_above_half"}
    assert scores["toxicity"]["backend"] == "profanity-proxy"
    assert all(scores["toxicity"][key].keys() == {"value", "low", "high", "n"} for key in ("mean", "sd"))
    table = capsys.readouterr().out
    assert "rouge1 mean_over_references                 0.2500  [0.0000, 0.5000]  n = 2" in table
    assert "toxicity share_above_half" in table


def test_what_generate_writes_can_be_scored(run: Run, folder: Path) -> None:
    chosen = ("--n", "1", "--set", "max_new_tokens=5", "--set", "strategy=greedy")
    assert run("generate", "--model", "model", "--prompts", "prompts.jsonl", "--out", "texts.jsonl", *chosen) == 0
    wanted = ("--prediction-field", "completions", "--source-field", "prompt", "--metrics", "rouge,source,length")
    assert run("evaluate", "--predictions", "texts.jsonl", *wanted, "--json", "scores.json") == 0
    scores = json.loads((folder / "scores.json").read_text())
    assert scores["predictions"] == scores["words"]["n"] == 3


def test_toxicity_of_a_policy_is_chosen_by_the_same_option(run: Run, folder: Path) -> None:
    policy = ("--anchor", "model", "--prompts", "prompts.jsonl", "--set", "max_new_tokens=5", "--json", "figures.json")
    assert run("evaluate", *policy, "--toxicity", "profanity-proxy") == 0
    assert json.loads((folder / "figures.json").read_text())["config"]["toxicity"] == "profanity-proxy"


def test_options_beat_the_file_and_set(run: Run, folder: Path) -> None:
    (folder / "score.toml").write_text('metrics = ["length"]\nprediction_field = "nothing"\nresamples = 200\n')
    chosen = ("--config", "score.toml", "--set", "prediction_field=other", "--json", "scores.json")
    assert run("evaluate", "--predictions", "rows.jsonl", *chosen) == 0
    scores = json.loads((folder / "scores.json").read_text())
    assert scores["field"] == "other"
    assert scores["made_with"]["resamples"] == 200
    assert "words" in scores
    assert "rouge1" not in scores


def test_differences_of_two_fields_and_of_two_files(run: Run, folder: Path, capsys: Captured) -> None:
    assert run(*ROUGE, "--baseline-field", "other", "--json", "fields.json") == 0
    fields = json.loads((folder / "fields.json").read_text())
    others = [{"prediction": row["other"], "references": row["references"]} for row in ROWS]
    write_lines(folder / "others.jsonl", others)  # type: ignore[arg-type]
    assert run(*ROUGE, "--baseline", "others.jsonl", "--json", "files.json") == 0
    files = json.loads((folder / "files.json").read_text())
    assert fields["difference"] == files["difference"]
    assert fields["difference"]["rouge1"]["mean_over_references"]["value"] == pytest.approx((0.5 - 1 / 3 + 0 - 1) / 2)
    assert "difference rouge1 mean_over_references" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--metrics", "rouge,bleu"), "metrics must be one of rouge, toxicity, length, distinct, source, not 'bleu'"),
        (("--metrics", ""), "metrics must be one of rouge, toxicity, length, distinct, source, not ''"),
        (("--prediction-field", "peft"), "rows.jsonl, line 1: no field 'peft'; it has 'dialogue', 'other'"),
        (("--references-field", "refs"), "rows.jsonl, line 1: no field 'refs'; it has"),
        (("--baseline-field", "no"), "rows.jsonl, line 1: no field 'no'; it has"),
        (("--baseline", "prompts.jsonl"), "prompts.jsonl, line 1: no field 'prediction'; it has 'dialogue'"),
        (("--metrics", "source", "--source-field", "text"), "rows.jsonl, line 1: no field 'text'"),
        (("--predictions", "no.jsonl"), "no.jsonl cannot be read: No such file"),
        (("--set", "resample=5"), "PredictionsConfig has no key 'resample'; did you mean 'resamples'?"),
        (("--json", "/proc/x.json"), "--json /proc/x.json cannot be written"),
        (("--json", "model"), "--json model is a folder, and must be a file"),
        (("--json", "rows.jsonl"), "--json rows.jsonl would replace --predictions rows.jsonl"),
        (("--json", "prompts.jsonl"), "--json prompts.jsonl exists and is not a result of ours"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(run: Run, capsys: Captured, options: tuple[str, ...], message: str) -> None:
    assert message in fails(run, capsys, *ROUGE, *options)


def test_a_classifier_that_is_not_there(run: Run, capsys: Captured) -> None:
    assert run("evaluate", "--predictions", "rows.jsonl", "--metrics", "toxicity", "--toxicity", "/no/folder") == 1
    assert capsys.readouterr().err.splitlines()[-1] == "ModelError: there is no folder /no/folder"


def test_a_place_that_cannot_be_written_is_told_before_the_work(run: Run, folder: Path, capsys: Captured) -> None:
    (folder / "rows.jsonl").write_text("{broken")
    assert "cannot be written" in fails(run, capsys, *ROUGE, "--json", "rows.jsonl/x")


def test_an_earlier_result_is_replaced(run: Run, folder: Path) -> None:
    assert run(*ROUGE, "--json", "scores.json") == 0
    assert run(*ROUGE, "--json", "scores.json", "--prediction-field", "other") == 0
    assert json.loads((folder / "scores.json").read_text())["field"] == "other"


@cache
def outputs() -> list[dict[str, Any]]:
    with gzip.open(SHARED / "flan_t5_outputs.jsonl.gz", "rt") as lines:
        return [json.loads(line) for line in lines]


@needs_shared
@pytest.mark.parametrize("system", SYSTEMS)
def test_real_outputs_have_the_values_of_rouge_score(run: Run, folder: Path, system: str) -> None:
    """Called directly: three references, stemmer on; their mean and the best of them, to 1e-6."""
    fields = ("--prediction-field", system, "--references-field", "references")
    file = str(SHARED / "flan_t5_outputs.jsonl.gz")
    assert run("evaluate", "--predictions", file, "--metrics", "rouge", *fields, "--json", "scores.json") == 0
    scores = json.loads((folder / "scores.json").read_text())
    package = RougeScorer(OWN, use_stemmer=True)
    expected = [[package.score(reference, row[system]) for reference in row["references"]] for row in outputs()]
    published = json.loads((SHARED / "published" / "rouge_computed_shared.json").read_text())
    for name in OWN:
        values = [[one[name].fmeasure for one in row] for row in expected]
        mean, best = scores[name]["mean_over_references"], scores[name]["best_reference"]
        assert mean["value"] == pytest.approx(sum(sum(row) / 3 for row in values) / 400, abs=1e-6)
        assert best["value"] == pytest.approx(sum(max(row) for row in values) / 400, abs=1e-6)
        assert mean["value"] == pytest.approx(published["pairwise_mean"][system][name]["f1"], abs=1e-6)
        assert best["value"] == pytest.approx(published["best_reference_mean_f1"][system][name], abs=1e-6)
        assert mean["n"] == best["n"] == 400
        assert mean["low"] < mean["value"] < mean["high"]
