"""Our side of each race: the product's own trainings, which stop after every step for their turn.

Run by the driver as `python -m bench.races.ours FOLDER`.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from bench.races.channel import Channel, resident_peak
from bench.races.work import Work, read_data
from rlhf.config import LoraSpec, SamplingConfig
from rlhf.generate import generate
from rlhf.models import Policy
from rlhf.reward_fit import TieSettings, fit_member
from rlhf.train_dpo import train_dpo
from rlhf.train_ppo import train_ppo
from rlhf.training_config import DPOConfig, PPOConfig, RewardConfig
from rlhf.types import Prompt, Ranking, Silent

FOREVER = 10_000  # rollouts: the learning rate falls to 0 so slowly that it is constant, as the peer's


class Turns(Silent):
    """A reporter that gives a turn for each step a training reports."""

    def __init__(self, channel: Channel, facts: Callable[[Mapping[str, float]], dict[str, Any]]) -> None:
        self._channel, self._facts = channel, facts

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self._channel.turn(self._facts(values))


class Constant:
    """A reward of 1 for every text. Texts that EOS did not end are never shown to it: the product gives them −1."""

    def score(self, prompts: Any, completions: Any) -> list[list[float]]:
        return [[1.0] * len(row) for row in completions]

    def judge(self, prompts: Any, completions: Any) -> None:
        return None


def ppo(work: Work, folder: Path, channel: Channel) -> None:
    """``train_ppo`` without a held-out measurement within the race."""
    config = PPOConfig(
        rollouts=FOREVER, rollout_prompts=work.prompts, samples_per_prompt=work.samples, minibatch=work.minibatch,
        epochs=work.epochs, learning_rate=work.learning_rate, max_new_tokens=work.new_tokens, evaluate_every=FOREVER,
        held_out_samples=1, kl_limit=1e9, max_prompt_tokens=work.prompt_tokens, lora=_lora(work),
    )  # fmt: skip
    asked = _prompts(folder)  # train_ppo takes them in a shuffled order, each once

    def facts(values: Mapping[str, float]) -> dict[str, Any]:
        tokens = round(values["length"] * work.sampled)
        return {"tokens": tokens, "kl": values["kl"], "entropy": values["entropy"], "reward": values["reward"]}

    train_ppo(
        config, folder / "model", Constant(), asked, asked[:1], folder / "out",
        seed=work.seed, reporter=Turns(channel, facts),
    )  # fmt: skip


def reward(work: Work, folder: Path, channel: Channel) -> None:
    """``fit_member`` of a reward model without a validation."""
    config = RewardConfig(
        epochs=1, batch_rankings=work.rankings, learning_rate=work.preference_rate, centering=0.0, ties="soft",
        max_prompt_tokens=work.prompt_tokens, max_completion_tokens=work.completion_tokens,
        max_new_tokens=work.completion_tokens - 1, lora=_lora(work),
    )  # fmt: skip
    policy = Policy.load(
        folder / "model", max_prompt_tokens=work.prompt_tokens, max_completion_tokens=work.completion_tokens
    )
    fit_member(
        config, policy, TieSettings("soft", 0.0), _rankings(folder), [],
        seed=work.seed, reporter=Turns(channel, lambda values: {"pairs": work.pairs, "loss": values["loss"]}),
    )  # fmt: skip


def dpo(work: Work, folder: Path, channel: Channel) -> None:
    """``train_dpo``; its one validation comes after the race."""
    config = DPOConfig(
        epochs=1, batch_rankings=work.rankings, learning_rate=work.preference_rate, ties="soft", evaluations=1,
        held_out_samples=1, max_new_tokens=2, max_prompt_tokens=work.prompt_tokens,
        max_completion_tokens=work.completion_tokens, lora=_lora(work),
    )  # fmt: skip
    train_dpo(
        config, folder / "model", _rankings(folder), folder / "out",
        seed=work.seed, held_out=_prompts(folder)[:1],
        reporter=Turns(channel, lambda values: {"pairs": work.pairs, "loss": values["loss"]}),
    )  # fmt: skip


def sampling(work: Work, folder: Path, channel: Channel) -> None:
    """``generate`` under a trained adapter."""
    policy = Policy.load(
        folder / "model", adapter=folder / "trained", max_prompt_tokens=work.prompt_tokens,
        max_completion_tokens=work.new_tokens,
    )  # fmt: skip
    asked, plain = _prompts(folder), SamplingConfig(max_new_tokens=work.new_tokens)
    checked = SamplingConfig(max_new_tokens=min(16, work.new_tokens), strategy="greedy")
    greedy = generate(policy, asked[:2], 1, checked, seed=0)
    facts: dict[str, Any] = {"greedy": [list(row[0].token_ids) for row in greedy.completions]}
    seed = work.seed
    while True:
        asked = [*asked[work.prompts :], *asked[: work.prompts]]
        drawn = generate(policy, asked[: work.prompts], work.samples, plain, seed=seed, batch_size=work.sampled)
        channel.turn({**facts, "tokens": sum(len(one.token_ids) for row in drawn.completions for one in row)})
        facts, seed = {}, seed + 1


def _lora(work: Work) -> LoraSpec:
    return LoraSpec(rank=work.rank, alpha=work.rank, decoder_only=work.decoder_only)


def _text(ids: list[int]) -> str:
    return " ".join(f"w{index}" for index in ids[:-1])


def _prompts(folder: Path) -> list[Prompt]:
    return [Prompt(f"p{index}", _text(ids)) for index, ids in enumerate(read_data(folder)["prompts"])]


def _rankings(folder: Path) -> list[Ranking]:
    """Strict orders: the completions as they stand are from best to worst."""
    found = []
    for index, one in enumerate(read_data(folder)["rankings"]):
        texts = tuple(_text(ids) for ids in one["completions"])
        groups = tuple((place,) for place in range(len(texts)))
        found.append(Ranking(f"r{index}", _text(one["prompt"]), texts, groups, "alice", "train"))
    return found


RACES: dict[str, Callable[[Work, Path, Channel], None]] = {
    "ppo": ppo, "ppo-decoder": ppo, "ppo-shared": ppo, "reward": reward, "dpo": dpo, "generate": sampling,
}  # fmt: skip


def main() -> None:
    folder = Path(sys.argv[1])
    work = Work.read(folder)
    torch.set_num_threads(work.threads)
    on_device = work.device == "cuda"
    channel = Channel(
        wait=torch.cuda.synchronize if on_device else None,
        peak=(lambda: torch.cuda.max_memory_allocated() / 2**20) if on_device else resident_peak,
    )
    RACES[work.race](work, folder, channel)


if __name__ == "__main__":
    main()
