"""What PPO and DPO gain with and without the last norm's gain, beside the reward model's own best of n.

    python -m bench.sharpness [--seed 7] [--folder FOLDER]

One tiny policy, 300 simulated rankings of its samples, one reward model for all rows. The win rate is the hidden
utility's, against the anchor's samples on 1,000 test dialogues; KL is against the anchor. About twelve minutes.
"""

import argparse
import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from rlhf.config import SamplingConfig
from rlhf.generate import generate
from rlhf.models import Policy
from rlhf.reading import compare, read_tokens
from rlhf.reward_model import load_reward_model
from rlhf.rollout import sample
from rlhf.simulate import Annotator, simulated_ranking, toy_utility, true_win_rate
from rlhf.toy import dialogues, train_tiny_policy
from rlhf.train_dpo import train_dpo
from rlhf.train_ppo import train_ppo
from rlhf.train_reward import train_reward
from rlhf.training_config import PRESETS, DPOConfig, PPOConfig, RewardConfig, with_preset
from rlhf.types import Interval, Prompt, Ranking, Silent

SAMPLING = SamplingConfig(max_new_tokens=64)
SPLITS = ["train"] * 8 + ["validation", "test"]


def split_of(name: str) -> str:
    """80, 10 and 10 % by the id's hash."""
    return SPLITS[int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % 10]


class Lab:
    """Everything that all rows share."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder, seed
        self.anchor = Path(train_tiny_policy(folder / "toy", seed=seed, reporter=Silent()).path)
        self.train, self.test = dialogues(seed, 1000, "train"), dialogues(seed, 1000, "test")
        self.prompts = {side: [one.prompt() for one in self.train if split_of(one.id) == side] for side in set(SPLITS)}
        self.rankings = self._rank(300)
        self.reward = folder / f"reward-{seed}"
        train_reward(
            with_preset(RewardConfig, {"preset": "tiny"}), self.anchor, self.rankings, self.reward,
            seed=seed, reporter=Silent(), sample_prompts=self.prompts["train"][:128],
        )  # fmt: skip
        self.theirs = self.utilities([row[0] for row in self.texts(self.policy(), 1, seed=seed + 4)])

    def policy(self, adapter: Path | None = None) -> Policy:
        return Policy.load(self.anchor, adapter=adapter, max_completion_tokens=SAMPLING.max_new_tokens)

    def texts(self, policy: Policy, n: int, *, seed: int, temperature: float = 1.0) -> list[list[str]]:
        sampling = SamplingConfig(max_new_tokens=SAMPLING.max_new_tokens, temperature=temperature)
        drawn = generate(policy, [one.prompt() for one in self.test], n, sampling, seed=seed).completions
        return [[completion.text for completion in row] for row in drawn]

    def utilities(self, texts: list[str]) -> list[float]:
        return [toy_utility(one, text).utility for one, text in zip(self.test, texts, strict=True)]

    def _rank(self, count: int) -> list[Ranking]:
        rng, asked = np.random.default_rng(self.seed), self.train[:count]
        drawn = generate(
            self.policy(), [one.prompt() for one in asked], 4, SAMPLING, seed=self.seed, distinct=True
        ).completions
        rankings = []
        for index, (one, row) in enumerate(zip(asked, drawn, strict=True)):
            texts = tuple(completion.text for completion in row)
            groups = simulated_ranking(
                [toy_utility(one, text).utility for text in texts],
                annotator=Annotator.numbered(index % 5, seed=self.seed),
                rng=rng,
            )
            rankings.append(Ranking(one.id, one.text, texts, groups, f"a{index % 5}", split_of(one.id)))
        return rankings

    def row(self, name: str, texts: list[str], kl: float) -> None:
        """Print one line of the table."""
        ours = self.utilities(texts)
        win = true_win_rate(ours, self.theirs, seed=self.seed)
        flawless = np.mean([toy_utility(one, text).flawless for one, text in zip(self.test, texts, strict=True)])
        print(f"| {name} | {win.value:.3f} [{win.low:.3f}, {win.high:.3f}] | {kl:.2f} | {flawless:.3f} |", flush=True)

    def best_of(self, n: int) -> None:
        """The reward model's favourite of ``n`` samples; KL ≤ log n − (n − 1)/n (Beirami et al. 2024)."""
        texts = self.texts(self.policy(), n, seed=self.seed + 9)
        scores = load_reward_model(self.reward, self.anchor).score([one.text for one in self.test], texts)
        best = [row[int(np.argmax(own))] for row, own in zip(texts, scores, strict=True)]
        self.row(f"best of {n} by the reward model", best, float(np.log(n) - (n - 1) / n))

    def temperature(self, value: float) -> None:
        """The anchor at a lower temperature."""
        policy = self.policy()
        sampling = SamplingConfig(max_new_tokens=SAMPLING.max_new_tokens, temperature=value)
        drawn = sample(policy, self.prompts["validation"], 4, sampling, seed=self.seed)
        state = policy.read_prompts(drawn.prompts)
        ours, theirs = (read_tokens(policy, state, drawn.owner, drawn.completions, temperature=t) for t in (value, 1.0))
        kl = float(compare(ours, theirs).kl.sum(dim=1).mean())
        texts = [row[0] for row in self.texts(policy, 1, seed=self.seed + 3, temperature=value)]
        self.row(f"anchor at temperature {value:g}", texts, kl)

    def trained(self, name: str, config: PPOConfig | DPOConfig) -> None:
        """One training and its policy."""
        out = Path(tempfile.mkdtemp(dir=self.folder))
        held_out: list[Prompt] = self.prompts["validation"]
        if isinstance(config, PPOConfig):
            artifact = train_ppo(
                config, self.anchor, self.reward, self.prompts["train"], held_out, out,
                seed=self.seed, reporter=Silent(),
            )  # fmt: skip
        else:
            artifact = train_dpo(
                config, self.anchor, self.rankings, out,
                seed=self.seed, reporter=Silent(), reward=self.reward, held_out=held_out,
            )  # fmt: skip
        kl = artifact.facts["kl"]
        assert isinstance(kl, Interval)
        self.row(name, [row[0] for row in self.texts(self.policy(out), 1, seed=self.seed + 3)], kl.value)


def low_rank_alone(cls: type[PPOConfig] | type[DPOConfig]) -> Mapping[str, object]:
    """The tiny preset without the layers trained whole."""
    lora = PRESETS["tiny"][cls]["lora"]
    assert isinstance(lora, dict)
    return {"preset": "tiny", "lora": {**lora, "modules_to_save": ()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        lab = Lab(options.folder or Path(scratch), options.seed)
        print("| policy | true win rate | KL | flawless |\n| --- | --- | --- | --- |", flush=True)
        lab.temperature(0.7)
        lab.best_of(4)
        lab.trained("PPO, low rank alone", with_preset(PPOConfig, low_rank_alone(PPOConfig)))
        lab.trained("PPO, and the last norm's gain", with_preset(PPOConfig, {"preset": "tiny"}))
        lab.trained("DPO, low rank alone", with_preset(DPOConfig, low_rank_alone(DPOConfig)))
        lab.trained("DPO, and the last norm's gain", with_preset(DPOConfig, {"preset": "tiny"}))


if __name__ == "__main__":
    main()
