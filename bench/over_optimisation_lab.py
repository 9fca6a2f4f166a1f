"""What bench.over_optimisation stands on: a weak reward model, PPO whose policies are all kept, the truth."""

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.sharpness import split_of
from rlhf.artifacts import plain, read_artifact
from rlhf.checkpoints import Checkpoints, checkpoints_of
from rlhf.config import SamplingConfig, to_mapping
from rlhf.generate import generate
from rlhf.hashing import CARD
from rlhf.models import Policy
from rlhf.reward_model import RewardEnsemble, load_reward_model
from rlhf.rollout import judge, sample, score, sequence_kl
from rlhf.simulate import Annotator, bayes_accuracy, pair_accuracy, simulated_ranking, toy_utility, true_win_rate
from rlhf.statistics import bootstrap_mean, normal_interval, wilson
from rlhf.stop_rules import StopLimits
from rlhf.toy import Dialogue, dialogues, train_tiny_policy
from rlhf.train_ppo import train_ppo
from rlhf.train_reward import train_reward
from rlhf.training_config import PPOConfig, RewardConfig, with_preset
from rlhf.types import Interval, Prompt, Ranking, Silent

SAMPLING = SamplingConfig(max_new_tokens=64)
TRAINING_DIALOGUES, TEST_DIALOGUES, RANKED_TEST_DIALOGUES = 1280, 500, 500
WEAK = {"preset": "tiny", "likelihood": False, "members": 1}


@dataclass(frozen=True)
class Unlimited(PPOConfig):
    """PPO without stop rules: every limit is out of reach (that of a rollout's own KL by ``kl_limit``)."""

    @property
    def limits(self) -> StopLimits:
        return StopLimits(
            kl_target=self.kl_target, kl_over=inf, kl_limit=self.kl_limit, length_low=0, length_high=inf, eos_rate=0,
            unique_loss=1, disagreement=10**9,
        )  # fmt: skip


def without_rules(config: PPOConfig) -> PPOConfig:
    """``config`` with the stop rules off, and nothing else changed."""
    return Unlimited(**vars(config) | {"kl_limit": 1e9})


class Keeping(Silent):
    """Copies a training's checkpoints before the product removes them.

    The product saves the best checkpoint and forgets the others; what over-optimisation did is in the last one.
    """

    def __init__(self, out: Path) -> None:
        self._source, self._target = checkpoints_of(out), out.with_name(out.name + ".steps")

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self._copy()

    def event(self, kind: str, message: str, **data: object) -> None:
        self._copy()

    def state(self, step: int) -> dict[str, Any]:
        """The checkpoint of ``step``. Raises KeyError when the training left none."""
        state = Checkpoints(self._target / str(step), 1, Silent()).newest()
        if state is None:
            raise KeyError(f"no checkpoint of step {step} below {self._target}")
        return state

    def steps(self) -> list[int]:
        """Ascending; the last is where the training ended."""
        return sorted(int(path.name) for path in self._target.iterdir())

    def _copy(self) -> None:
        for path in sorted(self._source.glob("step-*")):
            step = path.name.removeprefix("step-")
            place = self._target / str(int(step)) if step.isdigit() else None
            if place is not None and not place.exists():
                shutil.copytree(path, place / path.name)


def policy_at(anchor: Path, config: PPOConfig, state: Mapping[str, Any] | None = None) -> Policy:
    """The policy that a training checkpoint holds; without one, the anchor under a fresh adapter, which is the same."""
    policy = Policy.load(anchor, max_completion_tokens=SAMPLING.max_new_tokens)
    policy.add_lora(config.lora, seed=0)
    if state is not None:
        parameters = [parameter for parameter, _rate in policy.learning_rates(rate=1.0, saved_rate=1.0)]
        with torch.no_grad():
            # In the trainer's order; the value head's parameters come after the policy's.
            for parameter, saved in zip(parameters, state["updates"]["parameters"], strict=False):
                parameter.copy_(saved)
    return policy


class Lab:
    """One tiny policy, a weak reward model of few rankings, and the test dialogues of every row."""

    def __init__(self, out: Path, seed: int, rankings: int) -> None:
        self.seed, self.folder = seed, out / f"seed-{seed}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.anchor = Path(train_tiny_policy(out / "toy", seed=seed, reporter=Silent()).path)
        self._train = dialogues(seed, TRAINING_DIALOGUES, "train")
        test = dialogues(seed, TEST_DIALOGUES + RANKED_TEST_DIALOGUES, "test")
        self.test, self._ranked_test = test[:TEST_DIALOGUES], test[TEST_DIALOGUES:]
        self.reward = self.folder / f"reward-{rankings}"
        if not (self.reward / CARD).is_file():
            self._train_reward(rankings)
        self.scorer: RewardEnsemble = load_reward_model(self.reward, self.anchor)
        self._theirs = self._utilities(self.test, self._write(self.test, 1, seed=seed + 4))

    def reward_facts(self) -> dict[str, object]:
        """Accuracy of scorer and judge on rankings of test dialogues, beside the best possible one."""
        texts = self._write(self._ranked_test, 4, seed=self.seed + 1)
        rankings, people, utilities = self._rank(self._ranked_test, texts, stream=1)
        prompts, groups = [one.text for one in self._ranked_test], [ranking.groups for ranking in rankings]
        verdicts = self.scorer.judge(prompts, texts)
        facts = {
            "accuracy": pair_accuracy(self.scorer.score(prompts, texts), groups, seed=self.seed),
            "judge_accuracy": None if verdicts is None else pair_accuracy(verdicts, groups, seed=self.seed),
            "best_possible": bayes_accuracy(utilities, groups, people, seed=self.seed),
        }
        return {name: plain(value) for name, value in facts.items()}

    def trained(self, config: PPOConfig, name: str) -> tuple[Keeping, Mapping[str, object]]:
        """PPO into the folder ``name``, unless it is there: its checkpoints and the artifact's facts."""
        out = self.folder / name
        keeping = Keeping(out)
        if not (out / CARD).is_file():
            sides = {side: [one.prompt() for one in self._train if split_of(one.id) == side]
                     for side in ("train", "validation")}  # fmt: skip
            begun = time.process_time()
            train_ppo(
                config, self.anchor, self.reward, sides["train"], sides["validation"], out,
                seed=self.seed, reporter=keeping,
            )  # fmt: skip
            print(f"{name}: trained in {time.process_time() - begun:.0f} CPU s", flush=True)
        facts = read_artifact(out).facts
        # What is measured must be what the settings say, also when it was trained by an earlier call.
        if facts["config"] != json.loads(json.dumps(to_mapping(config))):
            raise SystemExit(f"{out} was trained with other settings: {facts['config']}. Use another --out.")
        return keeping, facts

    def kept(self, name: str) -> Policy:
        """The checkpoint that the product keeps."""
        return self._policy(self.folder / name)

    def figures(self, policy: Policy, dialogues_: int | None = None) -> dict[str, Interval | None]:
        """All figures of a row, on one sample of each of the first ``dialogues_`` test dialogues."""
        chosen = self.test[:dialogues_]
        drawn = sample(policy, [one.prompt() for one in chosen], 1, SAMPLING, seed=self.seed + 3, batch_size=64)
        utilities = self._utilities(chosen, drawn.texts)
        verdicts = judge(drawn, self.scorer, missing_eos=-1.0)
        kl = sequence_kl(policy, drawn, temperature=1.0, batch_size=64)
        return {
            "kl": normal_interval(kl.tolist()),
            "proxy": bootstrap_mean(score(drawn, self.scorer, missing_eos=-1.0).tolist(), self.seed),
            "judge": None if verdicts is None else bootstrap_mean(verdicts.tolist(), self.seed),
            "utility": bootstrap_mean(utilities, self.seed),
            "win_rate": true_win_rate(utilities, self._theirs[: len(chosen)], seed=self.seed),
            "length": bootstrap_mean(drawn.lengths.float().tolist(), self.seed),
            "eos_rate": wilson(int(drawn.finished.sum()), len(drawn.finished)),
        }

    def win_rate(self, policy: Policy) -> Interval:
        """The true win rate with a narrower interval: four samples of each test dialogue against four of the anchor's.

        A dialogue's value is the mean over its 16 pairs, ties one half; dialogues are resampled.
        """
        ours = self._write(self.test, 4, seed=self.seed + 5, policy=policy)
        theirs = self._write(self.test, 4, seed=self.seed + 6)
        shares = []
        for one, own, others in zip(self.test, ours, theirs, strict=True):
            left, right = (np.array([toy_utility(one, text).utility for text in texts]) for texts in (own, others))
            shares.append(float((np.sign(left[:, None] - right[None, :]) + 1).mean() / 2))
        return bootstrap_mean(shares, self.seed)

    def _policy(self, adapter: Path | None = None) -> Policy:
        return Policy.load(self.anchor, adapter=adapter, max_completion_tokens=SAMPLING.max_new_tokens)

    def _train_reward(self, count: int) -> None:
        asked = self._train[:count]
        drawn = generate(
            self._policy(), [one.prompt() for one in asked], 4, SAMPLING, seed=self.seed, distinct=True
        ).completions
        rankings, _people, _utilities = self._rank(asked, [[one.text for one in row] for row in drawn], stream=0)
        prompts: list[Prompt] = [one.prompt() for one in asked if split_of(one.id) == "train"]
        train_reward(
            with_preset(RewardConfig, WEAK), self.anchor, rankings, self.reward,
            seed=self.seed, reporter=Silent(), sample_prompts=prompts[:256],
        )  # fmt: skip

    def _rank(
        self, asked: list[Dialogue], texts: list[list[str]], *, stream: int
    ) -> tuple[list[Ranking], list[Annotator], list[list[float]]]:
        """A ranking of each dialogue's texts by one of five annotators, whose noise is Bradley–Terry's."""
        rng = np.random.default_rng([self.seed, stream])
        people = [Annotator.numbered(index % 5, seed=self.seed) for index in range(len(asked))]
        utilities = [[toy_utility(one, text).utility for text in row] for one, row in zip(asked, texts, strict=True)]
        rankings = [
            Ranking(one.id, one.text, tuple(row), simulated_ranking(own, annotator=person, rng=rng),
                    f"a{index % 5}", split_of(one.id))
            for index, (one, row, own, person) in enumerate(zip(asked, texts, utilities, people, strict=True))
        ]  # fmt: skip
        return rankings, people, utilities

    def _write(self, asked: list[Dialogue], n: int, *, seed: int, policy: Policy | None = None) -> list[list[str]]:
        """``n`` samples of each, by the anchor where no policy is given."""
        drawn = generate(
            policy or self._policy(), [one.prompt() for one in asked], n, SAMPLING, seed=seed, batch_size=64
        )
        return [[completion.text for completion in row] for row in drawn.completions]

    @staticmethod
    def _utilities(asked: list[Dialogue], texts: list[list[str]]) -> list[float]:
        return [toy_utility(one, row[0]).utility for one, row in zip(asked, texts, strict=True)]
