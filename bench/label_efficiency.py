"""How many rankings a reward model needs when they are chosen by what they would teach it, and when by lot.

    python -m bench.label_efficiency --out FOLDER [--seeds 10] [--budgets 20 40 80 160 320]

Every arm of a seed sees the same pool of prompts, the same four texts of each, the same annotators' noise and the same
first rankings; only which ones are asked for next differs. The active arm draws a quarter at random, as the product
does. Accuracy is on rankings of test dialogues that no arm chose. A finished seed is a JSON file in FOLDER.
"""

import argparse
import json
import shutil
import time
from pathlib import Path

import numpy as np

from rlhf.acquisition import acquisition_order
from rlhf.config import SamplingConfig
from rlhf.generate import generate
from rlhf.models import Policy
from rlhf.reward_model import RewardEnsemble, load_reward_model
from rlhf.simulate import Annotator, bayes_accuracy, pair_accuracy, simulated_ranking, toy_utility
from rlhf.statistics import bootstrap_mean, paired_bootstrap
from rlhf.toy import Dialogue, dialogues, train_tiny_policy
from rlhf.train_reward import train_reward
from rlhf.training_config import RewardConfig, with_preset
from rlhf.types import Interval, Ranking, Silent

SAMPLING = SamplingConfig(max_new_tokens=64)
POOL, TEST, RANDOM_SHARE = 640, 400, 0.25
ANCHOR_SEED = 7
# The product's tiny preset without a judging member, and one length of training for all sizes: no early stop.
CONFIG = with_preset(
    RewardConfig, {"preset": "tiny", "judge_share": 0.0, "epochs": 3, "normalisation_samples": 32}
)  # fmt: skip


class Lab:
    """One tiny policy, the pool's and the test's texts with their hidden utilities: what all seeds share."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.anchor = Path(train_tiny_policy(out / "toy", seed=ANCHOR_SEED, reporter=Silent()).path)
        self.pool, self.test = (dialogues(ANCHOR_SEED, POOL, "train"), dialogues(ANCHOR_SEED, TEST, "test"))
        self.pool_texts, self.test_texts = (
            self._write(asked, side) for side, asked in enumerate([self.pool, self.test])
        )

    def rankings(self, asked: list[Dialogue], texts: list[list[str]], seed: int) -> tuple[list[Ranking], Interval]:
        """One annotator's ranking of each, and the best accuracy that anybody could have on them."""
        rng = np.random.default_rng([seed, len(asked)])
        people = [Annotator.numbered(index % 5, seed=seed) for index in range(len(asked))]
        utilities = [[toy_utility(one, text).utility for text in row] for one, row in zip(asked, texts, strict=True)]
        groups = [simulated_ranking(own, annotator=one, rng=rng) for own, one in zip(utilities, people, strict=True)]
        found = [
            Ranking(one.id, one.text, tuple(row), places, f"a{index % 5}", "train")
            for index, (one, row, places) in enumerate(zip(asked, texts, groups, strict=True))
        ]
        return found, bayes_accuracy(utilities, groups, people, seed=seed)

    def trained(self, rankings: list[Ranking], seed: int) -> RewardEnsemble:
        folder = self.out / "reward"
        shutil.rmtree(folder, ignore_errors=True)
        prompts = [one.prompt() for one in self.pool[:64]]
        train_reward(
            CONFIG, self.anchor, rankings, folder, seed=seed, reporter=Silent(), sample_prompts=prompts
        )  # fmt: skip
        return load_reward_model(folder, self.anchor)

    def _write(self, asked: list[Dialogue], seed: int) -> list[list[str]]:
        policy = Policy.load(self.anchor, max_completion_tokens=SAMPLING.max_new_tokens)
        drawn = generate(policy, [one.prompt() for one in asked], 4, SAMPLING, seed=seed, distinct=True)
        return [[completion.text for completion in row] for row in drawn.completions]


def chosen_next(lab: Lab, arm: str, ensemble: RewardEnsemble, had: list[int], count: int, lot: list[int]) -> list[int]:
    """Places in the pool to rank next; ``lot`` is the seed's random order."""
    left = [place for place in lot if place not in set(had)]
    if arm == "random":
        return left[:count]
    by_lot = left[: round(RANDOM_SHARE * count)]
    rest = [place for place in left if place not in set(by_lot)]
    prompts, texts = [lab.pool[place].text for place in rest], [lab.pool_texts[place] for place in rest]
    return by_lot + [rest[place] for place in acquisition_order(ensemble, prompts, texts, count - len(by_lot))]


def curves(lab: Lab, seed: int, budgets: list[int]) -> dict[str, list[float]]:
    """Accuracy of each arm at each budget, for one seed."""
    rankings, _best = lab.rankings(lab.pool, lab.pool_texts, seed)
    held_out, best = lab.rankings(lab.test, lab.test_texts, seed)
    lot = np.random.default_rng(seed).permutation(len(rankings)).tolist()
    found: dict[str, list[float]] = {"best possible": [best.value] * len(budgets)}
    for arm in ("random", "active"):
        had, found[arm] = lot[: budgets[0]], []
        for index in range(len(budgets)):
            ensemble = lab.trained([rankings[place] for place in had], seed)
            scores = ensemble.score([one.prompt for one in held_out], [one.completions for one in held_out])
            found[arm].append(pair_accuracy(scores, [one.groups for one in held_out]).value)
            if index + 1 < len(budgets):
                had = had + chosen_next(lab, arm, ensemble, had, budgets[index + 1] - budgets[index], lot)
    return found


def cell(figure: Interval) -> str:
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--budgets", type=int, nargs="+", default=[20, 40, 80, 160, 320])
    args = parser.parse_args()
    if max(args.budgets) > POOL or args.budgets != sorted(set(args.budgets)):
        parser.error(f"--budgets must rise and end at {POOL} at most, not {args.budgets}")
    lab, found = Lab(args.out), []
    for seed in range(args.seeds):
        path = args.out / f"seed-{seed}-{'-'.join(map(str, args.budgets))}.json"
        if not path.exists():
            begun = time.process_time()
            path.write_text(json.dumps(curves(lab, seed, args.budgets)), encoding="utf-8")
            print(f"seed {seed}: {time.process_time() - begun:.0f} CPU s", flush=True)
        found.append(json.loads(path.read_text(encoding="utf-8")))
    print("| rankings | random | active | active − random, paired | best possible |\n| --- | --- | --- | --- | --- |")
    for place, budget in enumerate(args.budgets):
        arms = {arm: [one[arm][place] for one in found] for arm in found[0]}
        gain = paired_bootstrap(arms["active"], arms["random"])
        others = [cell(bootstrap_mean(arms[arm])) for arm in ("random", "active")]
        print(f"| {budget} | {' | '.join(others)} | {cell(gain)} | {np.mean(arms['best possible']):.3f} |")
    print(f"\n{len(found)} paired seeds; the intervals resample seeds.")


if __name__ == "__main__":
    main()
