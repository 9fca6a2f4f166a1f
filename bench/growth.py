"""How our PPO and reward steps grow with the completions of a prompt and with its length: times and peak memory.

    .venv/bin/python -m bench.growth                     # 2 to 9 completions, 50 to 450 prompt tokens
    .venv/bin/python -m bench.growth --shape tiny --steps 2

Four prompts a step, completions of 60 (PPO) and 40 (reward) tokens; each size in a process of its own.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

from bench.races.driver import Side, Steps, alternate, make_material
from bench.races.flops import step_flops
from bench.races.work import SHAPES, Work

COMPLETIONS = (2, 3, 4, 6, 9)
PROMPT_TOKENS = (50, 100, 200, 300, 450)
HEAD = "| step | completions | prompt tokens | CPU s | wall s | CPU s a completion | GFLOP | peak MiB |"


def works(common: Work) -> Iterator[Work]:
    """Each size of each step; 4 completions and 200 tokens where the other grows."""
    for race in ("ppo-shared", "reward"):
        for count in COMPLETIONS:
            yield replace(common, race=race, samples=count, completions=count)
        for tokens in PROMPT_TOKENS:
            if tokens != common.prompt_tokens:
                yield replace(common, race=race, prompt_tokens=tokens)


def measured(work: Work, folder: Path) -> Steps:
    """Our side's steps."""
    make_material(folder, work)
    with Side(Path(sys.executable), "ours", folder, work) as side:
        return alternate([side], work.steps)[0]


def row(work: Work, steps: Steps) -> str:
    """One line of the table."""
    count = work.samples if work.race == "ppo-shared" else work.completions
    cpu, rows = median(steps.values("cpu")), count * (work.prompts if work.race == "ppo-shared" else work.rankings)
    cells = [
        "PPO" if work.race == "ppo-shared" else "reward", count, work.prompt_tokens, f"{cpu:.2f}",
        f"{median(steps.values('wall')):.2f}",
        f"{cpu / rows:.3f}", f"{step_flops(work) / 1e9:,.0f}", f"{steps.peak:,.0f}",
    ]  # fmt: skip
    return "| " + " | ".join(map(str, cells)) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="flan-t5-small")
    parser.add_argument("--steps", type=int, default=3, help="measured steps of each size; the median counts")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    options = parser.parse_args()
    common = Work(
        race="ppo-shared", shape=options.shape, prompts=4, samples=4, steps=options.steps, threads=options.threads,
        device=options.device, dtype="bf16" if options.device == "cuda" else "fp32",
    )  # fmt: skip
    print(HEAD + "\n|" + " --- |" * 8, flush=True)
    for work in works(common):
        with tempfile.TemporaryDirectory() as folder:
            print(row(work, measured(work, Path(folder))), flush=True)


if __name__ == "__main__":
    main()
