"""Measures the tiny policy of the generated corpus: how often it is flawless, how often four samples differ in quality.

    python -m bench.toy_policy [--folder FOLDER] [--seed 0] [--prompts 1000]

Trains it first (about two minutes on two cores) unless FOLDER holds it. Test dialogues only, temperature 1.
"""

import argparse
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

from rlhf.config import SamplingConfig
from rlhf.generate import generate
from rlhf.models import Policy
from rlhf.statistics import bootstrap_mean, wilson
from rlhf.toy import dialogues, toy_utility, train_tiny_policy
from rlhf.types import Interval, Silent

SET_SIZE = 4
TEST_SEED = 99
FLAWS = ("missing", "wrong", "invented", "swapped", "rude", "too_long", "broken")


class Bar(Silent):
    """Prints one line for every hundred steps."""

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        if step % 100 == 0 or "validation_loss" in values:
            print(f"step {step}: " + ", ".join(f"{name} {value:.3f}" for name, value in values.items()), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--prompts", type=int, default=1000)
    parser.add_argument("--samples", type=int, default=0, help="print this many samples")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="toy-policy-"))

    wall, cpu = time.monotonic(), time.process_time()
    artifact = train_tiny_policy(folder, seed=options.seed, reporter=Bar())
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    print(f"{artifact.path}\n{artifact.total_parameters:,} parameters, {wall:.0f} s, {cpu:.0f} s of processor time")

    chosen = dialogues(TEST_SEED, options.prompts, "test")
    policy = Policy.load(artifact.path)
    result = generate(policy, [one.prompt() for one in chosen], SET_SIZE, SamplingConfig(), seed=options.seed)
    texts = [[completion.text for completion in row] for row in result.completions]
    judged = [[toy_utility(one, text) for text in row] for one, row in zip(chosen, texts, strict=True)]

    shares = [sum(judgement.flawless for judgement in row) / len(row) for row in judged]
    differ = sum(len({judgement.utility for judgement in row}) > 1 for row in judged)
    show("flawless samples (30-60 %)", bootstrap_mean(shares))
    show("sets of four with two levels of quality (at least 90 %)", wilson(differ, len(judged)))
    show("mean utility", bootstrap_mean([sum(one.utility for one in row) / len(row) for row in judged]))
    show("distinct texts in a set of four", bootstrap_mean([len(set(row)) for row in texts]))

    found = Counter(flaw for row in judged for one in row for flaw in FLAWS if getattr(one, flaw))
    total = len(judged) * SET_SIZE
    print("flaws: " + ", ".join(f"{flaw} {found[flaw] / total:.1%}" for flaw in FLAWS))
    by_scenario = defaultdict(list)
    for one, share in zip(chosen, shares, strict=True):
        by_scenario[one.facts.scenario].append(share)
    print("flawless by scenario: " + ", ".join(f"{k} {sum(v) / len(v):.0%}" for k, v in sorted(by_scenario.items())))
    for row, marks in list(zip(texts, judged, strict=True))[: options.samples]:
        for text, mark in zip(row, marks, strict=True):
            print(f"  {mark.utility:5.1f}  {text}")


def show(name: str, figure: Interval) -> None:
    print(f"{name}: {figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}] n={figure.n}")


if __name__ == "__main__":
    main()
