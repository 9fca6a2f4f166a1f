"""The training that PPO and RLOO share: rollout, optimisation, measurement, until the end or a stop rule.

The reference policy is the policy with its adapter switched off: there is no second copy.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rlhf import loading, parallel
from rlhf.artifacts import save_artifact
from rlhf.checkpoints import checkpoints_of, remove_checkpoints
from rlhf.config import to_mapping
from rlhf.hashing import artifact_hash, fingerprint
from rlhf.held_out import HeldOut, Keeper, fitting_prompts
from rlhf.losses import AdaptiveBeta
from rlhf.models import Policy
from rlhf.policy_gradient import Estimator, Experience, collect, minibatch_loss
from rlhf.policy_gradient_config import PolicyGradientConfig
from rlhf.reporting import Quiet
from rlhf.reward import part_means
from rlhf.reward_model import RewardScorer
from rlhf.rewards import load_reward, reward_record, save_description
from rlhf.stop_rules import Stop, StopRules
from rlhf.training import loop_config, train
from rlhf.types import Artifact, Prompt, Reporter
from rlhf.updates import Metrics, Sums, Updates


def train_policy_gradient(
    name: str,
    config: PolicyGradientConfig,
    estimator_of: Callable[[Policy], Estimator],
    anchor: Path,
    reward: Path | RewardScorer,
    prompts: Sequence[Prompt],
    held_out: Sequence[Prompt],
    out: Path,
    *,
    seed: int,
    reporter: Reporter,
) -> Artifact:
    """Train a fresh adapter on ``anchor`` against ``reward``; the best checkpoint by held-out reward goes to ``out``.

    ``reward`` is a scorer, or whatever path `load_reward` knows: a reward model's folder or a description's file.
    Raises Cancelled, DataError (no prompt fits) and the errors of loading a model. The same seed on one CPU thread
    gives the same artifact hash; another number of threads adds up in another order and may differ.
    """
    # 1. The policy is the anchor with a fresh adapter: adapter off is the reference, and the first KL is 0.
    reporter = parallel.reporter_of(reporter)
    torch.manual_seed(seed)
    policy = Policy.load(
        anchor, max_prompt_tokens=config.max_prompt_tokens, max_completion_tokens=config.max_new_tokens
    )
    policy.add_lora(config.lora, seed=seed)
    scorer = (
        load_reward(reward, anchor, prompts=[*prompts, *held_out], batch=config.batch_size, reporter=reporter)
        if isinstance(reward, Path)
        else reward
    )
    trained, measured = fitting_prompts(policy, prompts, reporter), fitting_prompts(policy, held_out, reporter)

    # 2. The start is measured, then the product's one loop.
    held = HeldOut(
        policy=policy,
        scorer=scorer,
        prompts=measured,
        sampling=config.sampling,
        samples=config.held_out_samples,
        missing_eos=config.missing_eos_reward,
        batch_size=config.batch_size,
        seed=seed,
        reporter=Quiet(reporter),
    )
    task = PolicyGradient(
        name, config, policy, estimator_of(policy), scorer, trained, held,
        seed=seed, data=fingerprint(anchor, (trained, measured)), reporter=reporter,
    )  # fmt: skip
    outcome = train(loop_config(config), task, seed=seed, reporter=reporter, checkpoint=checkpoints_of(out))

    # 3. The best checkpoint back, measured on fresh samples and saved.
    best = task.keeper.put_back()
    reporter.event("log", f"Kept the checkpoint of step {best.step}: held-out KL {best.kl:.2f} nats.")
    facts = held.facts() | {
        "best_step": best.step,
        "steps": outcome.steps,
        "stopped_by": [stop.rule for stop in outcome.stops],
        "reward_before": task.start.reward,
        "judge_before": task.start.judge,
        "beta": task.controller.value,
        "reward_source": reward_record(scorer),
        "config": to_mapping(config),
        "anchor_sha256": artifact_hash(loading.found(anchor)),
    }

    def write(folder: Path) -> None:
        policy.save_adapter(folder)
        save_description(scorer, folder)

    artifact = save_artifact(out, policy, write, facts)
    remove_checkpoints(checkpoints_of(out))
    return artifact


class PolicyGradient:
    """The loop's task: a step is a rollout and ``epochs`` passes over it."""

    paged = False

    def __init__(
        self,
        name: str,
        config: PolicyGradientConfig,
        policy: Policy,
        estimator: Estimator,
        scorer: RewardScorer,
        prompts: Sequence[Prompt],
        held: HeldOut,
        *,
        seed: int,
        data: str,
        reporter: Reporter,
    ) -> None:
        self.name, self.data, self.steps = name, data, config.rollouts
        self._config, self._policy, self._estimator, self._scorer = config, policy, estimator, scorer
        self._prompts, self._held, self._seed, self._reporter = prompts, held, seed, reporter
        rates = policy.learning_rates(rate=config.learning_rate, saved_rate=config.saved_learning_rate)
        rates += estimator.rates()
        self.parameters: list[nn.Parameter] = [parameter for parameter, _rate in rates]
        self.rates: list[float] = [rate for _parameter, rate in rates]
        self.controller = AdaptiveBeta(config.beta, config.kl_target, config.horizon or config.episodes / 5)
        self.start = held.measure(0)
        self.keeper = Keeper(policy, config.limits, self.start)
        self._rules = StopRules(config.limits, self.start)
        self._fired: list[Stop] = []

    @property
    def updates_a_step(self) -> int:
        """Minibatches of all passes over a rollout."""
        rows = self._config.rollout_prompts * self._config.samples_per_prompt
        return self._config.epochs * -(-rows // self._config.minibatch)

    def step(self, number: int, update: Updates) -> Metrics:
        """One rollout and its optimisation. Raises Cancelled within one update."""
        experience = collect(
            self._config,
            self._policy,
            self._estimator,
            self._scorer,
            self.batch(number),
            beta=self.controller.value,
            seed=1_000_003 * (self._seed + 1) + number,
            reporter=Quiet(self._reporter),
        )
        losses = self._optimise(experience, number, update)
        values = dict(experience.metrics()) | losses | {"beta": self.controller.value}
        values |= part_means(self._scorer, experience.samples.prompt_texts, experience.samples.finished_texts)
        self.controller.update(values["kl"], len(experience.rewards))
        self._fired = _broken(values, self._config)
        return values

    def validate(self, step: int) -> Metrics:
        """Held-out figures, unless the training is broken already."""
        if self._fired:
            return {}
        now = self._held.measure(step)
        self.keeper.see(now)
        self._fired = self._rules.check(now)
        judged = {} if now.judge is None else {"judge_reward": now.judge}
        return {"held_out_reward": now.reward, "held_out_kl": now.kl} | judged

    def stop(self, step: int, values: Metrics) -> Sequence[Stop]:
        """The rules that fired at this step."""
        return self._fired

    def state(self) -> dict[str, object]:
        """β, what was measured, and the best adapter."""
        return {
            "beta": self.controller.value,
            "rules": self._rules.state(),
            "keeper": self.keeper.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state``."""
        self.controller.value = state["beta"]
        self._rules.restore(state["rules"])
        self.keeper.restore(state["keeper"])

    def batch(self, number: int) -> list[Prompt]:
        """The prompts of rollout ``number`` (from 1): every prompt once before any comes again."""
        size, count = self._config.rollout_prompts, len(self._prompts)
        places = range((number - 1) * size, number * size)
        orders = {turn: _order(count, self._seed, turn) for turn in {place // count for place in places}}
        return [self._prompts[orders[place // count][place % count]] for place in places]

    def _optimise(self, experience: Experience, number: int, update: Updates) -> dict[str, float]:
        """All epochs over one rollout; mean losses by their metric names."""
        generator = torch.Generator().manual_seed(1_000_003 * (self._seed + 1) + number)
        lengths = experience.samples.lengths.tolist()
        groups = _groups(experience.samples.owner)
        device = experience.rewards.device

        def loss(rows: list[int]) -> tuple[Tensor, Sums]:
            return minibatch_loss(
                self._config, self._policy, self._estimator, experience, torch.tensor(rows, device=device)
            )

        seen: list[dict[str, float]] = []
        for _epoch in range(self._config.epochs):
            # A prompt's completions stand together, so that a minibatch's encoder reads few prompts.
            order = torch.cat([groups[group] for group in torch.randperm(len(groups), generator=generator).tolist()])
            for rows in torch.split(order, self._config.minibatch):
                chosen = rows.tolist()
                seen.append(update(chosen, [lengths[row] for row in chosen], loss))
                if seen[-1]["loss"] != seen[-1]["loss"]:
                    return {"policy_loss": float("nan")}
        names = ("policy_loss", "value_loss", "clip_fraction")
        return {name: sum(values[name] for values in seen) / len(seen) for name in names}


def _order(count: int, seed: int, turn: int) -> list[int]:
    """All of ``range(count)`` in the seeded order of the ``turn``-th pass."""
    generator = torch.Generator().manual_seed(1_000_003 * (seed + 1) + turn)
    order: list[int] = torch.randperm(count, generator=generator).tolist()
    return order


def _groups(owner: Tensor) -> list[Tensor]:
    """The rows of each prompt, for ``owner`` [B]."""
    return [(owner == prompt).nonzero()[:, 0].cpu() for prompt in range(int(owner.max()) + 1)]


def _broken(values: Mapping[str, float], config: PolicyGradientConfig) -> list[Stop]:
    """Stops that cannot wait for the next held-out measurement."""
    if any(value != value for value in values.values()):
        return [Stop("nan", "A loss or a reward is not a number.")]
    if values["kl"] > config.kl_limit:
        return [Stop("kl-limit", f"KL {values['kl']:.1f} nats a sequence is above the limit of {config.kl_limit:g}.")]
    return []
