"""Runs ``manage.py loop`` for several seeds and prints the Markdown tables of docs/results.md.

    .venv/bin/python -m bench.loop_results --out var/results                  # PPO and DPO, honest labels
    .venv/bin/python -m bench.loop_results --out var/results --shuffle-labels --seeds 0 1 2 3 4

A run whose JSON lies in ``--out`` already is not run again. ``--jobs 2`` runs two at a time, each on
one thread; the times it prints then say nothing about the ten minutes of a single run.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

COLUMNS = (
    ("accuracy", "reward_accuracy"),
    ("best possible", "best_possible_accuracy"),
    ("true utility", "true_utility"),
    ("true win rate", "true_win_rate"),
    ("KL", "kl"),
    ("length", "length"),
    ("ROUGE-L", "rougeL"),
    ("toxicity", "toxicity"),
)


def run_loop(options: argparse.Namespace, algorithm: str, seed: int) -> Path:
    """One run of the loop command; the path of its JSON."""
    kind = "shuffled" if options.shuffle_labels else "honest"
    target = options.out / f"{algorithm}-{kind}-{seed}.json"
    if target.exists():
        return target
    command = [sys.executable, "manage.py", "loop", "--algorithm", algorithm, "--seed", str(seed)]
    command += ["--rounds", str(options.rounds), "--rankings", str(options.rankings), "--json", str(target) + ".part"]
    if options.shuffle_labels:
        command.append("--shuffle-labels")
    environment = dict(os.environ)
    if options.jobs > 1:
        environment["OMP_NUM_THREADS"] = "1"
    started = time.monotonic()
    with (options.out / f"{algorithm}-{kind}-{seed}.log").open("w") as log:
        subprocess.run(command, check=True, stdout=log, stderr=subprocess.STDOUT, env=environment)
    report = json.loads(Path(str(target) + ".part").read_text())
    report["seconds"] = round(time.monotonic() - started, 1)
    target.write_text(json.dumps(report, indent=1))
    Path(str(target) + ".part").unlink()
    return target


def cell(figure: dict[str, float] | None) -> str:
    if figure is None:
        return "-"
    digits = 1 if abs(figure["value"]) >= 10 else 3
    return f"{figure['value']:.{digits}f} [{figure['low']:.{digits}f}, {figure['high']:.{digits}f}]"


def table(reports: list[tuple[str, int, dict[str, Any]]]) -> str:
    head = ["algorithm", "seed", "round", "rankings", "pairs", *(title for title, _ in COLUMNS), "seconds"]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for algorithm, seed, report in reports:
        for row in report["rounds"]:
            cells = [algorithm, seed, row["round"], row["rankings"], row["pairs"]]
            cells += [cell(row[name]) for _, name in COLUMNS] + [report["seconds"]]
            lines.append("| " + " | ".join(str(value) for value in cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--algorithms", nargs="+", default=["ppo", "dpo"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--rankings", type=int, default=300)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--shuffle-labels", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    work = [(algorithm, seed) for algorithm in options.algorithms for seed in options.seeds]
    with ThreadPoolExecutor(options.jobs) as pool:
        paths = list(pool.map(lambda item: run_loop(options, *item), work))
    reports = [(*item, json.loads(path.read_text())) for item, path in zip(work, paths, strict=True)]
    print(table(reports))


if __name__ == "__main__":
    main()
