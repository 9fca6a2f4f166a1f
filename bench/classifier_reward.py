"""PPO against a classifier's logit on the generated corpus: how rude the tiny policy is before and after.

    python -m bench.classifier_reward --out FOLDER [--seed 7]

A RoBERTa of two layers learns to tell rude summaries from polite ones of the training dialogues, and is saved in the
hub's format; PPO takes the logit of its label "nothate" as the reward, by the tiny preset. Rude is who uses a rude word
by the corpus's own judge, which neither of the two has seen. Intervals resample the test dialogues; the fall is paired.
About four minutes of processor time, the tiny policy included.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from rlhf.config import SamplingConfig
from rlhf.generate import generate
from rlhf.models import Policy
from rlhf.rewards import load_reward
from rlhf.simulate import true_win_rate
from rlhf.statistics import auc, bootstrap_mean, paired_bootstrap
from rlhf.toy import Dialogue, dialogues, toy_utility, train_tiny_policy
from rlhf.toy_judge import Judgement
from rlhf.train_ppo import train_ppo
from rlhf.training_config import PPOConfig, with_preset
from rlhf.types import Interval, Silent
from tests.rlhf.rudeness import save_rudeness_classifier, summary

SAMPLES = 2
TEST_SEED = 99


def shown(figure: Interval) -> str:
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def judgements(policy: Policy, chosen: list[Dialogue], *, seed: int) -> list[list[Judgement]]:
    """The corpus's judge on ``SAMPLES`` samples of each dialogue."""
    drawn = generate(policy, [one.prompt() for one in chosen], SAMPLES, SamplingConfig(), seed=seed).completions
    return [[toy_utility(one, completion.text) for completion in row] for one, row in zip(chosen, drawn, strict=True)]


def rude(rows: list[list[Judgement]]) -> list[float]:
    return [float(np.mean([bool(one.rude) for one in row])) for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--prompts", type=int, default=1000)
    parser.add_argument("--set", default="{}", help="settings of PPO above the tiny preset, as JSON")
    options = parser.parse_args()
    seed, folder = options.seed, options.out / f"classifier-{options.seed}"
    folder.mkdir(parents=True, exist_ok=True)

    anchor = Path(train_tiny_policy(options.out / "toy", seed=seed, reporter=Silent()).path)
    save_rudeness_classifier(folder / "roberta", count=1000)
    (folder / "polite.json").write_text(json.dumps({"kind": "classifier", "source": "roberta"}))
    held = dialogues(TEST_SEED, 500, "test")
    polite_and_rude = [summary(one, rude_share=share) for share in (0.0, 1.0) for one in held]
    scores = load_reward(folder / "polite.json", anchor).score([""], [polite_and_rude])[0]
    print(f"classifier's AUC on held-out summaries: {shown(auc(scores, [1] * len(held) + [0] * len(held)))}")

    config = with_preset(PPOConfig, {"preset": "tiny", **json.loads(options.set)})
    prompts = [one.prompt() for one in dialogues(seed, 1000, "train")]
    begun = time.process_time()
    artifact = train_ppo(
        config, anchor, folder / "polite.json", prompts[:800], prompts[800:], folder / "ppo",
        seed=seed, reporter=Silent(),
    )  # fmt: skip
    seconds = time.process_time() - begun

    chosen = dialogues(TEST_SEED, options.prompts, "test")
    before, after = (
        judgements(Policy.load(anchor, adapter=adapter), chosen, seed=seed) for adapter in (None, folder / "ppo")
    )
    utilities = [[float(np.mean([one.utility for one in row])) for row in rows] for rows in (after, before)]
    kl, stopped = artifact.facts["kl"], artifact.facts["stopped_by"]
    assert isinstance(kl, Interval)
    print("| figure | anchor | after PPO |\n| --- | --- | --- |")
    print(f"| rude samples | {shown(bootstrap_mean(rude(before)))} | {shown(bootstrap_mean(rude(after)))} |")
    print(f"| KL to the anchor, nats (target {config.kl_target}) | 0 | {shown(kl)} |")
    print(f"| true win rate | | {shown(true_win_rate(*utilities, seed=seed))} |")
    print(f"fall of the rude share, paired: {shown(paired_bootstrap(rude(before), rude(after), seed))}")
    print(
        f"checkpoint of rollout {artifact.facts['best_step']}, stopped by {stopped or 'nothing'}, {seconds:.0f} CPU s"
    )


if __name__ == "__main__":
    main()
