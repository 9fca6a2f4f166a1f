"""Scores the published outputs of three Flan-T5 models by ``python -m rlhf evaluate``; prints docs/results.md's table.

    .venv/bin/python -m bench.published_outputs [--data ../shared/data]

400 dialogues of DialogSum's test side with three references each; the published values are of all 500.
"""

import argparse
import contextlib
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rlhf.cli import main as rlhf

SYSTEMS = {"original": "zero-shot", "peft": "LoRA", "full_finetune": "full"}
PAIRS = (("peft", "original"), ("full_finetune", "original"), ("full_finetune", "peft"))
ROUGE = {"rouge1": "ROUGE-1", "rouge2": "ROUGE-2", "rougeL": "ROUGE-L", "rougeLsum": "ROUGE-Lsum"}
WAYS = {"mean_over_references": "mean of three references", "best_reference": "best of three references"}


def scores(file: Path, field: str, baseline: str | None = None) -> dict[str, Any]:
    """What the command writes for one system, with differences where a baseline is named."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "scores.json"
        command = ["evaluate", "--predictions", str(file), "--prediction-field", field, "--json", str(out)]
        command += ["--references-field", "references", "--metrics", "rouge,toxicity"]
        with contextlib.redirect_stdout(sys.stderr):  # its own table is not ours
            code = rlhf([*command, *(["--baseline-field", baseline] if baseline else [])])
        if code != 0:
            raise SystemExit(code)
        found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        return found


def cell(figure: Mapping[str, float], digits: int = 3) -> str:
    return f"{figure['value']:.{digits}f} [{figure['low']:.{digits}f}, {figure['high']:.{digits}f}]"


def line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def rouge_table(found: Mapping[str, dict[str, Any]], published: Mapping[str, Mapping[str, float]]) -> list[str]:
    lines = [line("model", "F1 against", "n", *ROUGE.values()), "|" + " --- |" * 7]
    for system, title in SYSTEMS.items():
        for way, words in WAYS.items():
            figures = [found[system][name][way] for name in ROUGE]
            lines.append(line(title, words, str(figures[0]["n"]), *map(cell, figures)))
        values = [f"{published[system][name]:.3f}" for name in ROUGE]
        lines.append(line(title, "published: each reference a pair", "1,500 pairs", *values))
    return lines


def difference_table(found: Mapping[tuple[str, str], dict[str, Any]]) -> list[str]:
    lines = [line("difference, line by line", *ROUGE.values(), "toxicity"), "|" + " --- |" * 6]
    for (ours, theirs), pair in found.items():
        figures = [pair["difference"][name]["mean_over_references"] for name in ROUGE]
        toxicity = pair["difference"]["toxicity"]["mean"]
        lines.append(line(f"{SYSTEMS[ours]} − {SYSTEMS[theirs]}", *map(cell, figures), cell(toxicity)))
    return lines


def toxicity_table(found: Mapping[str, dict[str, Any]]) -> list[str]:
    lines = [line("model", "n", "mean", "sd", "share above ½", "backend"), "|" + " --- |" * 6]
    for system, title in SYSTEMS.items():
        own = found[system]["toxicity"]
        figures = [cell(own[key]) for key in ("mean", "sd", "share_above_half")]
        lines.append(line(title, str(own["mean"]["n"]), *figures, f"`{own['backend']}` ({own['version']})"))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    data = parser.parse_args().data
    file = data / "flan_t5_outputs.jsonl.gz"
    published = json.loads((data / "published" / "rouge_published.json").read_text(encoding="utf-8"))["reported"]
    pairs = {pair: scores(file, *pair) for pair in PAIRS}
    found = {
        "original": scores(file, "original"),
        **{ours: pairs[ours, "original"] for ours in ("peft", "full_finetune")},
    }
    tables = (rouge_table(found, published), difference_table(pairs), toxicity_table(found))
    print("\n\n".join("\n".join(table) for table in tables))


if __name__ == "__main__":
    main()
