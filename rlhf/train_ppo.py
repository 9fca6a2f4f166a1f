"""Training by PPO with a KL penalty against the anchor, for seq2seq and causal policies.

The reference policy is the policy with its adapter switched off: there is no second copy. The formulas are in
losses.py, a rollout and a minibatch in ppo.py.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from rlhf.checkpoints import describe
from rlhf.config import to_mapping
from rlhf.exceptions import Cancelled
from rlhf.held_out import HeldOut, Keeper, fitting_prompts
from rlhf.losses import AdaptiveBeta
from rlhf.models import Policy
from rlhf.ppo import Experience, Losses, ValueHead, collect, minibatch_losses
from rlhf.reporting import Quiet
from rlhf.reward_model import RewardScorer, load_reward_model
from rlhf.stop_rules import Stop, StopRules
from rlhf.training_config import PPOConfig
from rlhf.types import Artifact, Prompt, Reporter

__all__ = ["PPOConfig", "train_ppo"]


class _Optimiser:
    """Adam over adapter and value head, all learning rates linear to 0 over the whole training."""

    def __init__(self, config: PPOConfig, policy: Policy, value_head: ValueHead) -> None:
        rates = policy.learning_rates(rate=config.learning_rate, saved_rate=config.saved_learning_rate)
        rates += [(parameter, config.value_learning_rate) for parameter in value_head.parameters()]
        self._parameters = [parameter for parameter, _rate in rates]
        self._limit = config.max_gradient_norm
        self._adam = torch.optim.Adam(
            [{"params": [parameter], "lr": rate} for parameter, rate in rates], eps=config.adam_epsilon
        )
        per_rollout = config.epochs * -(-config.rollout_prompts * config.samples_per_prompt // config.minibatch)
        total = config.rollouts * per_rollout
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._adam, lambda done: max(1 - done / total, 0.0))

    def step(self, loss: Tensor) -> None:
        """One update; gradients are clipped to the norm limit."""
        self._adam.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(self._parameters, self._limit)
        self._adam.step()
        self._schedule.step()


def optimise(
    config: PPOConfig,
    policy: Policy,
    value_head: ValueHead,
    optimiser: _Optimiser,
    experience: Experience,
    *,
    generator: torch.Generator,
    reporter: Reporter,
) -> dict[str, float]:
    """All epochs over one rollout; mean losses by their metric names. Raises Cancelled within one step."""
    seen: list[Losses] = []
    for _epoch in range(config.epochs):
        order = torch.randperm(len(experience.samples.owner), generator=generator)
        for rows in torch.split(order, config.minibatch):
            if reporter.cancelled():
                raise Cancelled("The PPO training was cancelled.")
            losses = minibatch_losses(config, policy, value_head, experience, rows.to(policy.device))
            if not torch.isfinite(losses.total):
                return {"policy_loss": float("nan")}
            optimiser.step(losses.total)
            seen.append(losses)
    return {
        "policy_loss": float(torch.stack([losses.policy for losses in seen]).mean()),
        "value_loss": float(torch.stack([losses.value for losses in seen]).mean()),
        "clip_fraction": float(torch.stack([losses.clip_fraction for losses in seen]).mean()),
    }


def prompt_batches(prompts: Sequence[Prompt], size: int, generator: torch.Generator) -> Iterator[list[Prompt]]:
    """Endless batches of ``size`` prompts, every prompt once before any comes again."""
    queue: list[Prompt] = []
    while True:
        while len(queue) < size:
            queue += [prompts[index] for index in torch.randperm(len(prompts), generator=generator).tolist()]
        yield queue[:size]
        queue = queue[size:]


def train_ppo(
    config: PPOConfig,
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

    Raises Cancelled, DataError (no prompt fits) and the errors of loading a model. The same seed on one CPU thread
    gives the same artifact hash; another number of threads adds up in another order and may differ.
    """
    # 1. The policy is the anchor with a fresh adapter: adapter off is the reference, and the first KL is 0.
    torch.manual_seed(seed)
    policy = Policy.load(
        anchor, max_prompt_tokens=config.max_prompt_tokens, max_completion_tokens=config.max_new_tokens
    )
    policy.add_lora(config.lora, seed=seed)
    value_head = ValueHead(policy.hidden_size).to(policy.device)
    scorer = load_reward_model(reward, anchor, batch=config.batch_size) if isinstance(reward, Path) else reward
    trained, measured = fitting_prompts(policy, prompts, reporter), fitting_prompts(policy, held_out, reporter)

    # 2. What is remembered: held-out measurements, the best adapter so far, the KL controller.
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
    start = held.measure(0)
    rules, keeper = StopRules(config.limits, start), Keeper(policy, config.limits, start)
    controller = AdaptiveBeta(config.beta, config.kl_target, config.horizon or config.episodes / 5)
    optimiser = _Optimiser(config, policy, value_head)
    generator = torch.Generator().manual_seed(seed)
    batches = prompt_batches(trained, config.rollout_prompts, generator)

    # 3. Rollout, optimisation, measurement, until the end or a stop rule.
    stops: list[Stop] = []
    for rollout in range(1, config.rollouts + 1):
        experience = collect(
            config,
            policy,
            value_head,
            scorer,
            next(batches),
            beta=controller.value,
            seed=1_000_003 * (seed + 1) + rollout,
            reporter=Quiet(reporter),
        )
        losses = optimise(config, policy, value_head, optimiser, experience, generator=generator, reporter=reporter)
        values = _rollout_metrics(experience) | losses | {"beta": controller.value}
        stops = _broken(values, config)
        controller.update(values["kl"], len(experience.rewards))
        if not stops and (rollout % config.evaluate_every == 0 or rollout == config.rollouts):
            now = held.measure(rollout)
            keeper.see(now)
            stops = rules.check(now)
            values |= {"held_out_reward": now.reward, "held_out_kl": now.kl}
            values |= {} if now.judge is None else {"judge_reward": now.judge}
        reporter.metrics(rollout, {name: value for name, value in values.items() if value == value})
        reporter.progress(rollout, config.rollouts, "PPO")
        if stops:
            break

    # 4. Report why it ended, put the best checkpoint back, measure it on fresh samples and save it.
    for stop in stops:
        reporter.event("stop-rule", stop.message, rule=stop.rule, step=rollout)
    best = keeper.restore()
    reporter.event("log", f"Kept the checkpoint of step {best.step}: held-out KL {best.kl:.2f} nats.")
    facts = held.facts() | {
        "best_step": best.step,
        "steps": rollout,
        "stopped_by": [stop.rule for stop in stops],
        "reward_before": start.reward,
        "judge_before": start.judge,
        "beta": controller.value,
        "config": to_mapping(config),
    }
    policy.save_adapter(out)
    return describe(out, policy, facts)


def _rollout_metrics(experience: Experience) -> dict[str, float]:
    samples = experience.samples
    return {
        "reward": float(experience.rewards.mean()),
        "kl": float(experience.kl.mean()),
        "k3": experience.k3,
        "entropy": experience.entropy,
        "length": float(samples.lengths.float().mean()),
        "eos_rate": float(samples.finished.float().mean()),
    }


def _broken(values: dict[str, float], config: PPOConfig) -> list[Stop]:
    """Stops that cannot wait for the next held-out measurement."""
    if any(value != value for value in values.values()):
        return [Stop("nan", "A loss or a reward is not a number.")]
    if values["kl"] > config.kl_limit:
        return [Stop("kl-limit", f"KL {values['kl']:.1f} nats a sequence is above the limit of {config.kl_limit:g}.")]
    return []
