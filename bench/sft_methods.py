"""Four ways to fine-tune the tiny policy, and PPO after one of them, on DialogSum and on SAMSum: one table.

    python -m bench.sft_methods --data FOLDER --out FOLDER [--jobs 1]

FOLDER is the shared data. The base of a corpus is the tiny policy trained from nothing on the *other* corpus. Full
fine-tuning, LoRA, prompt tuning and QLoRA each adapt it to the corpus: the same examples, steps, batches and greedy
decoding. PPO goes on from QLoRA's policy, with ROUGE-L of training dialogues as its reward. Controls: the untouched
base, the same training from nothing, and each method's texts given to other dialogues. Learning rates are chosen by the
validation loss on DialogSum's dev side after a short training; nothing looks at a test side before the table.

Every training is a process of its own on one thread. What lies in --out is not done again.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench.sft_methods_table import METHODS, best_rates, document

OTHER = {"dialogsum": "samsum", "samsum": "dialogsum"}
PPO_SETTINGS: Mapping[str, Any] = {
    "rollouts": 16, "rollout_prompts": 64, "kl_target": 4.0, "temperature": 0.7, "held_out_samples": 100,
    "learning_rate": 5e-4, "saved_learning_rate": 0.01,
}  # fmt: skip


class Plan:
    """The jobs of one run of the command, each done once for a folder."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.out = options, options.out
        self.common = {"data": str(options.data), "seed": options.seed, "tests": options.tests}

    def done(self, name: str, **job: Any) -> dict[str, Any]:
        """The result of job ``name``, from its file or from a process of its own. Raises CalledProcessError."""
        file = self.out / f"{name}.json"
        if not file.exists():
            job = {**self.common, "out": str(self.out / name), "file": str(file), **job}
            command = [sys.executable, "-m", "bench.sft_methods_jobs", json.dumps(job)]
            with (self.out / f"{name}.log").open("w") as log:
                environment = {**os.environ, "OMP_NUM_THREADS": "1"}
                subprocess.run(command, check=True, stdout=log, stderr=subprocess.STDOUT, env=environment)
            print(f"{name}: done", file=sys.stderr, flush=True)
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return found

    def base_of(self, corpus: str) -> str:
        """The folder of the policy that a corpus's methods adapt."""
        other = OTHER[corpus]
        self.done(f"base-{other}", kind="base", corpus=other, examples=self.options.base_examples)
        return str(self.out / f"base-{other}")

    def rates(self) -> dict[str, Any]:
        """The validation losses that the learning rates are chosen by."""
        base = self.base_of("dialogsum")
        return self.done("rates", kind="rates", corpus="dialogsum", base=base, examples=self.options.rate_examples)

    def method(self, corpus: str, method: str) -> None:
        """One row: trained from the base, or from nothing."""
        name, count = f"{corpus}-{method}", self.options.examples
        if method == "scratch":
            self.done(name, kind="base", corpus=corpus, examples=count)
            return
        rate = best_rates(self.rates())["lora" if method == "qlora" else method]
        job = {"kind": "method", "method": method, "rate": rate, "base": self.base_of(corpus), "examples": count}
        self.done(name, corpus=corpus, **job)

    def ppo(self, corpus: str) -> None:
        """PPO from QLoRA's policy, and its figures on the test side."""
        base, folder = str(self.out / f"{corpus}-qlora"), str(self.out / f"{corpus}-ppo")
        examples = self.options.examples
        self.done(f"{corpus}-ppo", kind="ppo", corpus=corpus, base=base, examples=examples, settings=PPO_SETTINGS)
        more = {"adapter": folder, "temperature": PPO_SETTINGS["temperature"]}
        reward = str(self.out / f"{corpus}-rouge.json")
        self.done(f"{corpus}-ppo-measured", kind="measure_ppo", corpus=corpus, base=base, out=reward, **more)

    def texts(self, corpus: str) -> None:
        """The greedy summaries of every row that there is."""
        folders = {method: (str(self.out / f"{corpus}-{method}"), None) for method in METHODS}
        folders["base"] = (self.base_of(corpus), None)
        folders["ppo"] = (folders["qlora"][0], folders["ppo"][0])
        models = {
            str(self.out / f"texts-{corpus}-{method}.jsonl"): pair
            for method, pair in folders.items()
            if (Path(pair[1] or pair[0]) / "kedge.json").exists()
        }
        missing = [Path(file).stem for file in models if not Path(file).exists()]
        if missing:
            self.done(f"{corpus}-{len(models)}-texts", kind="texts", corpus=corpus, models=models)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time (1); times are only fair with 1")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--base-examples", type=int, default=3200, help="dialogues of the base's one pass (3200)")
    parser.add_argument("--examples", type=int, default=2000, help="dialogues of each method's one pass (2000)")
    parser.add_argument("--rate-examples", type=int, default=480, help="dialogues of each learning rate's (480)")
    parser.add_argument("--tests", type=int, default=320, help="test dialogues of each corpus (320)")
    parser.add_argument("--only-table", action="store_true", help="of what there is; train nothing")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    plan = Plan(options)
    if not options.only_table:
        plan.rates()
        rows = [(corpus, method) for corpus in OTHER for method in ("full", "lora", "prompt", "qlora")]
        with ThreadPoolExecutor(options.jobs) as pool:
            list(pool.map(plan.base_of, OTHER))
            list(pool.map(lambda row: plan.method(*row), rows))
            list(pool.map(plan.ppo, OTHER))
            list(pool.map(lambda corpus: plan.method(corpus, "scratch"), OTHER))
            list(pool.map(plan.texts, OTHER))
    print(document(options.out, options.data))


if __name__ == "__main__":
    main()
