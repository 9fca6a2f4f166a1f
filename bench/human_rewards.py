"""A reward model on real people's rankings: what it is worth beside their agreement, length and labels by lot.

    python -m bench.human_rewards --data FOLDER --out FOLDER [--seed 0]

FOLDER is the shared data: DialogSum and SAMSum train the tiny policy from nothing (one pass over --sft dialogues of
each); `dialogue_summary_ratings` holds 70 SAMSum test dialogues with 14 systems' summaries, each rated by three people
on four scales. A rater's ranking of a dialogue is by the sum of the four, ties included. Cross-validation by dialogue:
each fifth is held out once, the reward model trained on the others (six dialogues of them for the early stop), and the
held-out pairs of all fifths are put together. The control is the same with labels shuffled within each dialogue.
Prints the section of docs/results.md. What lies in --out already (the policy) is not made again.
"""

import argparse
import gzip
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from rlhf.agreement import agreement_band, pair_signs, pairwise_agreement
from rlhf.data import pairs_of, read_examples
from rlhf.judged_pairs import Judged, judged
from rlhf.models import Policy
from rlhf.preferences import tie_share
from rlhf.reward_model import load_reward_model
from rlhf.reward_report import accuracy, figures
from rlhf.rewards import load_reward
from rlhf.shuffled import shuffled_labels
from rlhf.statistics import bootstrap_ratio
from rlhf.tensors import gather_log_probabilities
from rlhf.toy import train_tiny_policy_on
from rlhf.train_reward import train_reward
from rlhf.training_config import RewardConfig, with_preset
from rlhf.types import Interval, Prompt, Ranking, Silent

RATINGS = "dialogue_summary_ratings.jsonl.gz"
FOLDS, VALIDATION = 5, 6
SETTINGS: Mapping[str, Any] = {
    "preset": "tiny", "epochs": 2, "batch_rankings": 6, "max_prompt_tokens": 1024, "max_completion_tokens": 320,
    "max_new_tokens": 100, "normalisation_samples": 64, "batch_size": 56,
}  # fmt: skip


class Log(Silent):
    """One line for each fiftieth step and each warning, on stderr's behalf."""

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        if step % 50 == 0 or "validation_loss" in values:
            print(f"step {step}: " + ", ".join(f"{name} {value:.3f}" for name, value in values.items()), flush=True)

    def event(self, kind: str, message: str, **data: object) -> None:
        print(f"{kind}: {message}", flush=True)


def by_hash(name: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{name}".encode()).hexdigest()


def rated(path: Path) -> tuple[list[Prompt], list[Ranking]]:
    """The dialogues with their reference, and a ranking for each rater of each: by the sum of the four scales."""
    prompts, rankings = [], []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    for row in rows:
        texts = tuple(one["summary"].strip() for one in row["candidates"])
        prompts.append(Prompt(row["id"], row["dialogue"], (row["reference"],)))
        for rater in range(len(row["candidates"][0]["ratings"])):
            totals = [sum(one["ratings"][rater].values()) for one in row["candidates"]]
            levels = sorted(set(totals), reverse=True)
            groups = tuple(tuple(i for i, total in enumerate(totals) if total == level) for level in levels)
            rankings.append(Ranking(row["id"], row["dialogue"], texts, groups, f"rater {rater + 1}", "train"))
    return prompts, rankings


def anchor_of(data: Path, out: Path, rankings: Sequence[Ranking], *, count: int, seed: int) -> Path:
    """The tiny policy after one pass over ``count`` dialogues of each corpus, none of which was rated."""
    target = out / f"anchor-{count}-{seed}"
    if (target / "kedge.json").is_file():
        return target
    seen = {ranking.prompt for ranking in rankings}
    examples = []
    for name in ("dialogsum_train.jsonl.gz", "samsum_train.jsonl.gz"):
        rows = [one for one in read_examples(data / name) if one.prompt not in seen]
        examples += sorted(rows, key=lambda one: by_hash(one.prompt, seed))[: count + 100]
    validation = examples[count : count + 100] + examples[-100:]
    training = examples[:count] + examples[count + 100 : -100]
    train_tiny_policy_on(training, validation, target, seed=seed, reporter=Log())
    return target


def folds(rankings: Sequence[Ranking], seed: int) -> Iterator[list[Ranking]]:
    """The rankings with their side, once for each fifth of the dialogues as the test side."""
    order = sorted({ranking.prompt_id for ranking in rankings}, key=lambda name: by_hash(name, seed))
    for fold in range(FOLDS):
        rest = [name for place, name in enumerate(order) if place % FOLDS != fold]
        side = dict.fromkeys(rest, "train") | dict.fromkeys(rest[:VALIDATION], "validation")
        yield [replace(ranking, split=side.get(ranking.prompt_id, "test")) for ranking in rankings]


def cross_validated(
    anchor: Path, rankings: Sequence[Ranking], prompts: Sequence[Prompt], out: Path, *, seed: int, **settings: object
) -> Judged:
    """The opinion of five reward models, each of the dialogues that it was not trained on."""
    found = Judged((), ())
    config = with_preset(RewardConfig, {**SETTINGS, **settings})
    for fold, data in enumerate(folds(rankings, seed)):
        folder = out / f"fold-{fold}"
        learnt = {ranking.prompt_id for ranking in data if ranking.split == "train"}
        asked = [prompt for prompt in prompts if prompt.id in learnt]
        artifact = train_reward(config, anchor, data, folder, seed=seed, reporter=Log(), sample_prompts=asked)
        print(f"fold {fold}: {artifact.facts['accuracy']}, {artifact.facts['too_long']} too long", flush=True)
        ensemble = load_reward_model(folder, anchor, batch=config.batch_size)
        found += judged(ensemble, [ranking for ranking in data if ranking.split == "test"])
    return found


def rule_accuracy(rankings: Sequence[Ranking], score: Callable[[Ranking], Sequence[float]], seed: int) -> Interval:
    """Share of the decided pairs that ``score`` orders as the rater did, equal scores ½; dialogues are resampled."""
    right: dict[str, float] = {}
    total: dict[str, int] = {}
    for ranking in rankings:
        values = score(ranking)
        signs = [(values[i] > values[j]) - (values[i] < values[j]) for i, j, tie in pairs_of(ranking) if not tie]
        right[ranking.prompt_id] = right.get(ranking.prompt_id, 0.0) + sum((sign + 1) / 2 for sign in signs)
        total[ranking.prompt_id] = total.get(ranking.prompt_id, 0) + len(signs)
    return bootstrap_ratio(list(right.values()), list(total.values()), seed)


@torch.no_grad()
def likelihoods(policy: Policy, rankings: Sequence[Ranking]) -> dict[str, list[float]]:
    """By dialogue, the mean log-probability of a token of each summary under the policy: no label has touched it."""
    found = {}
    for ranking in {ranking.prompt_id: ranking for ranking in rankings}.values():
        completions = policy.encode_completions(ranking.completions)
        state = policy.read_prompts(policy.encode_prompts([ranking.prompt]))
        owner = torch.zeros(len(completions), dtype=torch.long)
        logits = policy.read_completions(state, owner, completions).logits
        tokens = gather_log_probabilities(logits, completions.ids) * completions.mask
        found[ranking.prompt_id] = (tokens.sum(dim=1) / completions.lengths).tolist()
    return found


def unanimous(found: Judged, rankings: Sequence[Ranking], seed: int) -> Interval:
    """Accuracy on pairs that all three raters decided alike, each pair once."""
    reward = {(one.prompt_id, one.text): one.reward for one in found.texts}
    right, total = [], []
    for prompt, pairs in pair_signs(rankings).items():
        sure = [(pair, set(said.values()).pop()) for pair, said in pairs.items() if len(set(said.values())) == 1]
        sure = [(pair, sign) for pair, sign in sure if sign]
        right.append(sum(sign * (reward[prompt, one] - reward[prompt, two]) > 0 for (one, two), sign in sure))
        total.append(len(sure))
    return bootstrap_ratio(right, total, seed)


def shown(figure: object) -> str:
    assert isinstance(figure, Interval)
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sft", type=int, default=3000, help="dialogues of each corpus for the policy (3000)")
    options = parser.parse_args()
    seed, begun = options.seed, time.process_time()
    prompts, rankings = rated(options.data / RATINGS)
    anchor = anchor_of(options.data, options.out, rankings, count=options.sft, seed=seed)
    print(f"policy: {time.process_time() - begun:.0f} CPU s", flush=True)

    # 1. The reward models, and the control: one member is enough for a null.
    found = cross_validated(anchor, rankings, prompts, options.out / "honest", seed=seed)
    by_lot = shuffled_labels(rankings, seed)
    null = cross_validated(anchor, by_lot, prompts, options.out / "null", seed=seed, members=1, judge_share=0.0)
    facts = figures(found, seed=seed)

    # 2. Rules that learnt nothing from the raters, on the same pairs.
    policy = Policy.load(anchor, max_prompt_tokens=1024, max_completion_tokens=320)
    own = likelihoods(policy, rankings)
    rules = {
        "the policy's own mean log-probability of a token": rule_accuracy(rankings, lambda r: own[r.prompt_id], seed)
    }
    for metric in ("rouge1", "rougeL"):
        reward = load_reward({"kind": "rouge", "metric": metric}, anchor, prompts=prompts)
        name = f"{metric} against the one reference"
        rules[name] = rule_accuracy(
            rankings, lambda r, reward=reward: reward.score([r.prompt], [r.completions])[0], seed
        )

    # 3. The section.
    agreement = pairwise_agreement(rankings, seed)
    assert agreement is not None
    band = agreement_band(agreement)
    rows = {
        "**reward model**": facts["accuracy"],
        "its judging member": facts["judge_accuracy"],
        "on pairs that all three raters decided alike": unanimous(found, rankings, seed),
        "on pairs of like length": facts["length_matched_accuracy"],
        "“the longer one is better”": facts["longer_wins"],
        **rules,
        "control: labels shuffled within each dialogue": accuracy(null.pairs, seed),
        "two raters, of each other": agreement,
    }
    print("\n| held-out accuracy, ties left out | value |\n| --- | --- |")
    for name, figure in rows.items():
        print(f"| {name} | {shown(figure)} |")
    print(
        f"\n{facts['test_pairs']} decided pairs of {facts['test_prompts']} dialogues; tied {tie_share(rankings):.3f}."
    )
    print(f"Band of the best possible accuracy: {band.low:.3f} to {band.high:.3f}.")
    print(f"Log-loss {shown(facts['log_loss'])} (a coin: 0.693); ECE {facts['ece']:.3f}; ", end="")
    print(f"Spearman of reward and length {shown(facts['length_correlation'])}.")
    print("\n| confidence | share right | pairs |\n| --- | --- | --- |")
    reliability = facts["reliability"]
    assert isinstance(reliability, list)
    for row in reliability:
        print(f"| {row['confidence']:.3f} | {row['accuracy']:.3f} | {row['n']:.0f} |")
    print(f"\n{time.process_time() - begun:.0f} s of processor time.")


if __name__ == "__main__":
    main()
