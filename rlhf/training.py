"""The one training loop: seeded batches, accumulation, clipping, schedule, logging, stopping, exact resume."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from rlhf.checkpoints import load_checkpoint, remove_checkpoint, save_checkpoint
from rlhf.config import require
from rlhf.exceptions import Cancelled, ConfigError
from rlhf.types import Reporter

BUCKETS = 32  # batches that are sorted by length together

Metrics = Mapping[str, float]
Schedule = Literal["linear", "constant"]


@dataclass(frozen=True)
class LoopConfig:
    """What every training has in common."""

    epochs: float = 1.0  # passes over the examples; may be a part of one
    batch_size: int = 32  # examples in one step of the optimiser
    micro_batch: int = 0  # examples in one forward, 0 for the whole batch; changes memory, not the result
    learning_rate: float = 1e-4  # the peak
    schedule: Schedule = "linear"  # to 0 at the last step, or constant
    warmup: float = 0.0  # share of the steps in which the rate rises from 0
    weight_decay: float = 0.0
    adam_epsilon: float = 1e-8
    max_gradient_norm: float = 1.0  # gradients are clipped to it
    evaluate_every: int = 0  # steps between validations, 0 for once an epoch
    patience: int = 0  # validations without a lower validation_loss until it stops, 0 for never
    checkpoint_every: int = 0  # steps between checkpoints, 0 for none

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate", "adam_epsilon", "max_gradient_norm"):
            require(getattr(self, name) > 0, f"{name} must be above 0, not {getattr(self, name)}")
        for name in ("micro_batch", "weight_decay", "evaluate_every", "patience", "checkpoint_every"):
            require(getattr(self, name) >= 0, f"{name} must not be negative, but is {getattr(self, name)}")
        require(0 <= self.warmup <= 1, f"warmup must be in [0, 1], not {self.warmup}")


@dataclass(frozen=True)
class Task:
    """What is trained. ``loss`` gives the *sum* of the losses of the examples with these indices and sums of further
    metrics; the loop divides both by the batch's sum of ``weights`` (tokens or 1 each), so that the way a batch is
    cut into micro-batches changes nothing."""

    name: str
    parameters: Sequence[nn.Parameter]
    weights: Sequence[float]
    loss: Callable[[list[int]], tuple[Tensor, Metrics]]
    lengths: Sequence[int] | None = None  # examples of like length share a batch: less padding
    validate: Callable[[], Metrics] | None = None
    stop: Callable[[int, Metrics], str | None] | None = None  # a reason to stop, after a validation
    rates: Sequence[float] | None = None  # a learning rate for each parameter, where they differ
    data: str = ""  # a hash of the examples: a checkpoint made with others is refused


@dataclass(frozen=True)
class Outcome:
    """How a training ended: its last metrics, and why it stopped before the last step (None: it did not)."""

    steps: int
    metrics: dict[str, float]
    stopped: str | None = None


def train(config: LoopConfig, task: Task, *, seed: int, reporter: Reporter, checkpoint: Path | None = None) -> Outcome:
    """Train ``task.parameters`` in place; with ``patience`` the weights of the best validation stay.

    A checkpoint in the folder ``checkpoint`` is resumed to the bit on a CPU, and removed at the end. Raises
    Cancelled within one step, and ConfigError for a checkpoint of another training. A loss that is not finite
    stops the training before it touches the weights.
    """
    # 1. Optimiser, schedule, what a checkpoint has to hold.
    loop = _Loop(config, task, seed, reporter, checkpoint)
    steps_an_epoch = math.ceil(len(task.weights) / config.batch_size)
    total = max(1, math.ceil(steps_an_epoch * config.epochs))
    every = config.evaluate_every or steps_an_epoch
    loop.resume(total)

    # 2. Steps.
    for step, rows in enumerate(_batches(config, task, seed, total), start=1):
        if step <= loop.step:
            continue
        loop.rate(step, total)
        values = loop.update(rows)
        loop.step = step
        if not math.isfinite(values["loss"]):
            loop.stopped = "The loss is not a finite number."
        elif task.validate is not None and (step % every == 0 or step == total):
            values |= task.validate()
            loop.judge(values)
        reporter.metrics(step, values)
        reporter.progress(step, total, task.name)
        loop.metrics |= values
        if loop.stopped:
            reporter.event("stop-rule", f"{task.name} stopped at step {step} of {total}: {loop.stopped}", step=step)
            break
        if config.checkpoint_every and step % config.checkpoint_every == 0:
            loop.save(total)

    # 3. The best weights, and no checkpoint any more.
    loop.finish()
    return Outcome(loop.step, loop.metrics, loop.stopped)


class _Loop:
    """The state that changes from step to step, and that a checkpoint therefore holds."""

    def __init__(self, config: LoopConfig, task: Task, seed: int, reporter: Reporter, checkpoint: Path | None) -> None:
        self._config, self._task, self._seed, self._reporter = config, task, seed, reporter
        self._checkpoint = checkpoint
        by_rate: dict[float, list[nn.Parameter]] = {}
        rates = task.rates or [config.learning_rate] * len(task.parameters)
        for parameter, rate in zip(task.parameters, rates, strict=True):
            by_rate.setdefault(rate, []).append(parameter)
        self._rates = list(by_rate)
        self._accelerator = Accelerator(mixed_precision="bf16" if _has_bf16() else "no")
        self._optimiser = torch.optim.AdamW(
[{"params": parameters, "lr": rate} for rate, parameters in by_rate.items()],
            weight_decay=config.weight_decay, eps=config.adam_epsilon, fused=True,
        )  # fmt: skip
        self.step = 0
        self.metrics: dict[str, float] = {}
        self.stopped: str | None = None
        self._lowest, self._waited = math.inf, 0
        self._best: list[Tensor] = []
        torch.manual_seed(seed)

    def rate(self, step: int, total: int) -> None:
        """Learning rates of step 1 … total: up over the warm-up, then constant or linear to 0 after the last."""
        warm = self._config.warmup * total
        factor = min(1.0, step / warm) if warm else 1.0
        if self._config.schedule == "linear" and step > warm:
            factor = (total - step + 1) / (total - math.floor(warm))
        for group, rate in zip(self._optimiser.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor

    def update(self, rows: list[int]) -> dict[str, float]:
        """One step on the examples ``rows``; its mean loss and metrics. A loss that is not finite changes nothing."""
        weight = sum(self._task.weights[row] for row in rows)
        size = self._config.micro_batch or len(rows)
        sums: dict[str, float] = {"loss": 0.0}
        self._optimiser.zero_grad(set_to_none=True)
        for start in range(0, len(rows), size):
            if self._reporter.cancelled():
                raise Cancelled(f"{self._task.name} was cancelled at step {self.step + 1}.")
            with self._accelerator.autocast():
                loss, metrics = self._task.loss(rows[start : start + size])
            self._accelerator.backward(loss / weight)
            for name, value in {"loss": float(loss.detach()), **metrics}.items():
                sums[name] = sums.get(name, 0.0) + value
        norm = nn.utils.clip_grad_norm_(self._task.parameters, self._config.max_gradient_norm)
        if math.isfinite(sums["loss"]) and bool(torch.isfinite(norm)):
            self._optimiser.step()
        else:
            sums["loss"] = math.nan
        return {name: value / weight for name, value in sums.items()}

    def judge(self, values: dict[str, float]) -> None:
        """Keep the best weights and decide whether to stop, after a validation."""
        if self._config.patience and "validation_loss" in values:
            if values["validation_loss"] < self._lowest:
                self._lowest, self._waited = values["validation_loss"], 0
                self._best = [parameter.detach().clone() for parameter in self._task.parameters]
            else:
                self._waited += 1
            if self._waited >= self._config.patience:
                self.stopped = f"{self._waited} validations in a row were not better than {self._lowest:.4f}."
        if self._task.stop is not None and self.stopped is None:
            self.stopped = self._task.stop(self.step, values)

    @torch.no_grad()
    def finish(self) -> None:
        """Put the best weights back where there are any."""
        for parameter, best in zip(self._task.parameters, self._best, strict=bool(self._best)):
            parameter.copy_(best)
        if self._checkpoint is not None:
            remove_checkpoint(self._checkpoint)

    def save(self, total: int) -> None:
        """Write everything the next step depends on."""
        if self._checkpoint is None:
            return
        state = {
            "made_for": self._made_for(total),
            "step": self.step,
            "metrics": self.metrics,
            "parameters": list(self._task.parameters),
            "optimiser": self._optimiser.state_dict(),
            "random": torch.get_rng_state(),
            "early_stop": [None if math.isinf(self._lowest) else self._lowest, self._waited, self._best],
        }
        save_checkpoint(self._checkpoint, state)

    @torch.no_grad()
    def resume(self, total: int) -> None:
        """Go on from the checkpoint, if there is one of this very training."""
        state = None if self._checkpoint is None else load_checkpoint(self._checkpoint)
        if state is None:
            return
        if state["made_for"] != self._made_for(total):
            raise ConfigError(
                f"The checkpoint {self._checkpoint} belongs to another training ({state['made_for']}, not "
                f"{self._made_for(total)}): delete it to start anew."
            )
        for parameter, saved in zip(self._task.parameters, state["parameters"], strict=True):
            parameter.copy_(saved)
        self._optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["random"])
        self.step, self.metrics = state["step"], state["metrics"]
        lowest, self._waited, best = state["early_stop"]
        self._lowest = math.inf if lowest is None else lowest
        self._best = [saved.to(p.device) for saved, p in zip(best, self._task.parameters, strict=bool(best))]
        self._reporter.event("log", f"{self._task.name} goes on after step {self.step}.", step=self.step)

    def _made_for(self, total: int) -> dict[str, Any]:
        return {
            "task": self._task.name, "seed": self._seed, "steps": total, "examples": len(self._task.weights),
            "data": self._task.data,
            **asdict(self._config),
        }  # fmt: skip


def _batches(config: LoopConfig, task: Task, seed: int, total: int) -> Iterator[list[int]]:
    """``total`` batches; every example once an epoch, in an order that only the seed and the epoch decide."""
    done, epoch = 0, 0
    while done < total:
        generator = torch.Generator().manual_seed(1_000_003 * seed + epoch)
        for rows in epoch_batches(len(task.weights), config.batch_size, generator, task.lengths)[: total - done]:
            yield rows
            done += 1
        epoch += 1


def epoch_batches(
    count: int, size: int, generator: torch.Generator, lengths: Sequence[int] | None = None
) -> list[list[int]]:
    """All of ``range(count)`` in shuffled batches; with ``lengths``, sorted within runs of BUCKETS batches."""
    order = torch.randperm(count, generator=generator).tolist()
    if lengths is None:
        return [order[start : start + size] for start in range(0, count, size)]
    batches: list[list[int]] = []
    for start in range(0, count, BUCKETS * size):
        run = sorted(order[start : start + BUCKETS * size], key=lambda row: lengths[row])
        batches += [run[at : at + size] for at in range(0, len(run), size)]
    return [batches[place] for place in torch.randperm(len(batches), generator=generator).tolist()]


def _has_bf16() -> bool:
    return torch.cuda.is_available() and torch.cuda.is_bf16_supported()
