"""The rows of the fine-tuning table, from the JSON of its jobs; which examples and prompts a job takes."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from bench import sft_methods_table as table
from bench.sft_methods import OTHER, Plan
from bench.sft_methods_jobs import SHORT, examples_of
from rlhf.types import Example

JOB: dict[str, Any] = {
    "job": {"kind": "method"}, "trained_parameters": 500, "adapted_parameters": 2000, "total_parameters": 1500,
    "adapter_bytes": 10_800, "size_bytes": 3_690_000, "cpu_s": 61.4, "peak_mib": 1060.2,
}  # fmt: skip


def rouge(value: float) -> dict[str, Any]:
    figure = {"value": value, "low": value - 0.01, "high": value + 0.01, "n": 320}
    return {name: {"mean_over_references": figure} for name in table.ROUGE}


def write_lines(file: Path, rows: list[dict[str, Any]]) -> None:
    with gzip.open(file, "wt", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row) + "\n" for row in rows)


def test_a_row_has_the_mean_over_references_and_the_cost() -> None:
    assert table.row("samsum", "lora", rouge(0.2), JOB).split(" | ")[:3] == ["| SAMSum", "LoRA", "0.200 [0.190, 0.210]"]
    cells = ["500 (25.00 %)", "10.8 kB", "3.69 MB", "61", "1,060 |"]
    assert table.row("samsum", "lora", rouge(0.2), JOB).split(" | ")[6:] == cells


def test_of_full_fine_tuning_there_is_no_adapter() -> None:
    full = JOB | {"adapter_bytes": None, "trained_parameters": 2000}
    assert table.cost_cells(full)[:3] == ["2,000 (100.00 %)", "–", "3.69 MB"]


def test_ppo_saves_an_adapter_alone() -> None:
    ppo = {name: value for name, value in JOB.items() if "adapt" not in name} | {"job": {"kind": "ppo"}}
    assert table.cost_cells(ppo)[:3] == ["500 (33.33 %)", "3.69 MB", "–"]


def test_the_untouched_base_trains_nothing() -> None:
    assert table.cost_cells(None) == ["0", "–", "–", "–", "–"]


def test_the_published_rows_have_as_many_cells_as_ours() -> None:
    values = {system: dict.fromkeys(table.ROUGE, 0.4081) for system in table.PUBLISHED}
    ours = table.row("samsum", "lora", rouge(0.2), JOB)
    published = table.published_rows(values)
    assert {one.count("|") for one in published} == {ours.count("|")}
    assert "0.408" in published[1]


def test_the_rate_with_the_lowest_validation_loss_is_taken() -> None:
    rows = [{"own": True, "rate": 1e-3, "loss": 6.2}, {"own": False, "rate": 1e-2, "loss": 5.9}]
    assert table.best_rates({"rates": {"lora": rows}}) == {"lora": 1e-2}
    first, second = table.rate_rows({"rates": {"lora": rows}})
    assert "the product's own" in first
    assert "chosen" not in first
    assert "chosen" in second


def test_a_method_that_was_not_trained_is_left_out(tmp_path: Path) -> None:
    lines = [{"prediction": "a cat sat", "exchanged": "a dog", "references": ["the cat sat", "a cat sat down"]}] * 4
    lines = [{**one, "finished": place > 0} for place, one in enumerate(lines)]
    (tmp_path / "texts-samsum-lora.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "samsum-lora.json").write_text(json.dumps(JOB))
    (tmp_path / "published").mkdir()
    values = {"reported": {system: dict.fromkeys(table.ROUGE, 0.4081) for system in table.PUBLISHED}}
    (tmp_path / "published" / "rouge_published.json").write_text(json.dumps(values))
    made = table.document(tmp_path, tmp_path)
    # By hand: against the references, unigram F1 is 2/3 and 6/7, of the exchanged text 0 and 1/3.
    assert "| SAMSum | LoRA | 0.762 [0.762, 0.762]" in made
    assert "| 0.167 [0.167, 0.167] | 0.595 [0.595, 0.595]" in made
    assert "| 3.0 | 0.75 | – |" in made
    assert "QLoRA |" not in made


def test_ppo_has_a_line_for_what_was_measured() -> None:
    figure = {"value": 0.2, "low": 0.1, "high": 0.3}
    made = table.ppo_rows("samsum", {"reward": figure, "reward_before": figure, "reward_gain": figure, "kl": figure})
    shown = "0.200 [0.100, 0.300]"
    assert made == [
        f"| SAMSum | reward: ROUGE-L of samples | {shown} | {shown} | {shown} |",
        f"| SAMSum | KL to QLoRA's policy, nats | – | {shown} | – |",
    ]


def test_qlora_takes_loras_rate_and_the_base_of_the_other_corpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Options:
        data, out, seed, tests, examples, base_examples, rate_examples = tmp_path, tmp_path, 0, 4, 8, 8, 8

    asked: dict[str, dict[str, Any]] = {}

    def done(_plan: Plan, name: str, **job: Any) -> dict[str, Any]:
        asked[name] = job
        return {"rates": {"lora": [{"rate": 0.03, "loss": 1.0}, {"rate": 0.01, "loss": 2.0}]}}

    monkeypatch.setattr(Plan, "done", done)
    Plan(Options()).method("dialogsum", "qlora")  # type: ignore[arg-type]  # what argparse would give
    assert asked["dialogsum-qlora"]["rate"] == 0.03
    assert asked["dialogsum-qlora"]["base"] == str(tmp_path / f"base-{OTHER['dialogsum']}")


def test_no_test_dialogue_and_no_long_one_is_trained_on(tmp_path: Path) -> None:
    dialogues = [f"A: line {number}" for number in range(8)]
    rows = [{"dialogue": text, "summary": text.upper()} for text in [*dialogues, "x" * (SHORT + 1)]]
    write_lines(tmp_path / "samsum_train.jsonl.gz", [*rows, {"dialogue": dialogues[0], "summary": "again"}])
    write_lines(tmp_path / "samsum_test.jsonl.gz", rows[:2])
    job = {"data": str(tmp_path), "seed": 0, "corpus": "samsum"}
    found = examples_of(job, "samsum", "train", 99)
    assert sorted(found, key=lambda one: one.prompt) == [Example(text, text.upper()) for text in dialogues[2:]]
    assert examples_of(job, "samsum", "train", 3) == found[:3]
