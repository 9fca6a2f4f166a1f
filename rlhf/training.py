"""The one training loop: steps, logging, validation, stopping, exact resume; for every trainer of the library."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from rlhf import parallel
from rlhf.checkpoints import Checkpoints
from rlhf.config import require
from rlhf.exceptions import Cancelled, ConfigError
from rlhf.stop_rules import Stop
from rlhf.types import Reporter
from rlhf.updates import Metrics, Schedule, Updates


@dataclass(frozen=True)
class LoopConfig:
    """What every training has in common."""

    learning_rate: float = 1e-4  # the peak, where the task gives no rates of its own
    micro_batch: int = 0  # examples in one forward of one process, 0 for all; changes memory, not the result
    schedule: Schedule = "linear"  # to 0 at the last step, or constant
    warmup: float = 0.0  # share of the updates in which the rate rises from 0
    weight_decay: float = 0.0
    adam_epsilon: float = 1e-8
    max_gradient_norm: float = 1.0  # gradients are clipped to it
    evaluate_every: int = 0  # steps between validations, 0 for one at the end
    patience: int = 0  # validations without a lower validation_loss until it stops, 0 for never
    checkpoint_every: int = 0  # steps between checkpoints, 0 for none
    keep_checkpoints: int = 2  # the newest ones that stay

    def __post_init__(self) -> None:
        for name in ("learning_rate", "adam_epsilon", "max_gradient_norm", "keep_checkpoints"):
            require(getattr(self, name) > 0, f"{name} must be above 0, not {getattr(self, name)}")
        for name in ("micro_batch", "weight_decay", "evaluate_every", "patience", "checkpoint_every"):
            require(getattr(self, name) >= 0, f"{name} must not be negative, but is {getattr(self, name)}")
        require(0 <= self.warmup <= 1, f"warmup must be in [0, 1], not {self.warmup}")


def loop_config(config: object, **others: Any) -> LoopConfig:
    """The loop's part of a trainer's config: its fields of the same names, and ``others``."""
    names = {field.name for field in fields(LoopConfig)}
    return LoopConfig(**{name: value for name, value in vars(config).items() if name in names} | others)


class Task(Protocol):
    """What is trained: one step's work, what is measured on the way, and when to stop."""

    @property
    def name(self) -> str:
        """For bars and messages."""

    @property
    def parameters(self) -> Sequence[nn.Parameter]:
        """What the optimiser changes."""

    @property
    def rates(self) -> Sequence[float] | None:
        """A learning rate for each parameter; None: all have the config's."""

    @property
    def paged(self) -> bool:
        """Whether the optimiser's state may leave a GPU that runs short of memory."""

    @property
    def steps(self) -> int:
        """Steps of the whole training."""

    @property
    def updates_a_step(self) -> int:
        """Optimiser updates in each, for the schedule."""

    @property
    def data(self) -> str:
        """A hash of what is trained on: a checkpoint made with other data is refused."""

    def step(self, number: int, update: Updates) -> Metrics:
        """Step ``number`` (from 1), which depends on nothing but that number, the weights and ``state()``."""

    def validate(self, step: int) -> Metrics:
        """Figures of the present weights; empty where there is nothing to measure."""

    def stop(self, step: int, values: Metrics) -> Sequence[Stop]:
        """Reasons to stop after ``step``, whose ``values`` include the validation's where there was one."""

    def state(self) -> Mapping[str, object]:
        """What else changes from step to step: numbers, texts, tensors, lists and dicts of them."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state()``."""


@dataclass(frozen=True)
class Outcome:
    """How a training ended: its last metrics, and why it stopped before the last step (empty: it did not)."""

    steps: int
    metrics: dict[str, float]
    stops: tuple[Stop, ...] = ()

    @property
    def stopped(self) -> str | None:
        """The reasons in one line."""
        return " ".join(stop.message for stop in self.stops) or None


def train(config: LoopConfig, task: Task, *, seed: int, reporter: Reporter, checkpoint: Path | None = None) -> Outcome:
    """Train ``task.parameters`` in place; with ``patience`` the weights of the best validation stay.

    With ``checkpoint_every``, the newest whole checkpoint in the folder ``checkpoint`` is gone on from, on a CPU in
    fp32 with the same threads to the bit; the last one stays for the caller to remove when the model is saved. Raises
    Cancelled within one update, CheckpointError when one cannot be written, and ConfigError for a checkpoint of
    another training. A loss that is not finite stops the training before it touches the weights.
    """
    # 1. Optimiser, schedule, and what a broken training left.
    loop = _Loop(config, task, seed, reporter, checkpoint)
    loop.resume()

    # 2. Steps. What is random in a step follows from the seed and its number alone.
    while loop.step < task.steps and not loop.stops:
        loop.advance()

    # 3. The best weights.
    return loop.finish()


class _Loop:
    """The state that changes from step to step, and that a checkpoint therefore holds."""

    def __init__(self, config: LoopConfig, task: Task, seed: int, reporter: Reporter, checkpoint: Path | None) -> None:
        self._config, self._task, self._seed = config, task, seed
        self._reporter = parallel.reporter_of(reporter)
        self._checkpoints = (
            Checkpoints(checkpoint, config.keep_checkpoints, self._reporter)
            if checkpoint is not None and config.checkpoint_every
            else None
        )
        self._updates = Updates(
            task.parameters,
            task.rates or [config.learning_rate] * len(task.parameters),
            total=task.steps * task.updates_a_step,
            schedule=config.schedule,
            warmup=config.warmup,
            weight_decay=config.weight_decay,
            epsilon=config.adam_epsilon,
            max_gradient_norm=config.max_gradient_norm,
            micro_batch=config.micro_batch,
            paged=task.paged,
            reporter=self._reporter,
        )
        self.step = 0
        self.stops: tuple[Stop, ...] = ()
        self._metrics: dict[str, float] = {}
        self._lowest, self._waited = math.inf, 0
        self._best: list[Tensor] = []
        self._finished = False

    def advance(self) -> None:
        """The next step, its report, and a checkpoint when one is due."""
        step, total = self.step + 1, self._task.steps
        # torch takes 64 bits; without the remainder a date as the seed would be too large.
        torch.manual_seed((1_000_003 * (1_000_003 * self._seed + step) + parallel.rank()) % (1 << 63))
        try:
            values = dict(self._task.step(step, self._updates))
        except Cancelled as error:
            raise Cancelled(f"{self._task.name} was cancelled at step {step}.") from error
        self.step = step
        if math.isfinite(values.get("loss", 0.0)):
            if step == total or (self._config.evaluate_every and step % self._config.evaluate_every == 0):
                values |= self._task.validate(step)
                self._judge(values)
            self.stops += tuple(self._task.stop(step, values))
        else:
            self.stops = (Stop("nan", "The loss is not a finite number."),)
        self._metrics |= values
        self._tell(values)
        if self._checkpoints and not self.stops and step < total and step % self._config.checkpoint_every == 0:
            self._save(self._checkpoints)

    @torch.no_grad()
    def finish(self) -> Outcome:
        """Put the best weights back where there are any, and keep that state until the model is saved."""
        for parameter, best in zip(self._task.parameters, self._best, strict=bool(self._best)):
            parameter.copy_(best)
        if self._checkpoints and not self._finished:
            self._finished = True
            self._save(self._checkpoints)
        return Outcome(self.step, self._metrics, self.stops)

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one of this very training."""
        state = None if self._checkpoints is None else self._checkpoints.newest()
        if state is None:
            return
        if state["made_for"] != self._made_for():
            raise ConfigError(_another(state["made_for"], self._made_for()))
        self._updates.restore(state["updates"])
        self._task.restore(state["task"])
        self.step, self._metrics, self._finished = state["step"], state["metrics"], state["finished"]
        self.stops = tuple(Stop(**stop) for stop in state["stops"])
        lowest, self._waited, best = state["early_stop"]
        self._lowest = math.inf if lowest is None else lowest
        self._best = [saved.to(p.device) for saved, p in zip(best, self._task.parameters, strict=bool(best))]
        message = f"{self._task.name} goes on after step {self.step}."
        self._reporter.event("log", message, step=self.step, resumed=True)

    def _judge(self, values: Mapping[str, float]) -> None:
        """Keep the best weights, and stop after ``patience`` validations that were not better."""
        if not self._config.patience or "validation_loss" not in values:
            return
        if values["validation_loss"] < self._lowest:
            self._lowest, self._waited = values["validation_loss"], 0
            self._best = [parameter.detach().clone() for parameter in self._task.parameters]
            return
        self._waited += 1
        if self._waited >= self._config.patience:
            why = f"{self._waited} validations in a row were not better than {self._lowest:.4f}."
            self.stops = (Stop("patience", why),)

    def _tell(self, values: Mapping[str, float]) -> None:
        name, total = self._task.name, self._task.steps
        self._reporter.metrics(self.step, {key: value for key, value in values.items() if math.isfinite(value)})
        self._reporter.progress(self.step, total, name)
        for stop in self.stops:
            message = f"{name} stopped at step {self.step} of {total}: {stop.message}"
            self._reporter.event("stop-rule", message, rule=stop.rule, step=self.step)

    def _save(self, checkpoints: Checkpoints) -> None:
        """Write everything the next step depends on; all processes hold the same."""
        state = {
            "made_for": self._made_for(),
            "step": self.step,
            "finished": self._finished,
            "stops": [asdict(stop) for stop in self.stops],
            "metrics": self._metrics,
            "updates": self._updates.state(),
            "task": self._task.state(),
            "early_stop": [None if math.isinf(self._lowest) else self._lowest, self._waited, self._best],
        }
        if parallel.is_main():
            checkpoints.save(self.step, state)
        parallel.wait()

    def _made_for(self) -> dict[str, Any]:
        task = self._task
        return {"task": task.name, "seed": self._seed, "steps": task.steps, "data": task.data, **asdict(self._config)}


def _another(seen: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    differ = [key for key in wanted if seen.get(key) != wanted[key]]
    said = ", ".join(f"{key} {seen.get(key)!r} there and {wanted[key]!r} here" for key in differ)
    return f"The checkpoints belong to another training ({said}): train with the same settings, or remove them."
