"""One optimiser update: micro-batches, several processes, clipping, the learning rate's schedule."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from rlhf import parallel
from rlhf.config import require
from rlhf.exceptions import Cancelled
from rlhf.optimisers import adamw
from rlhf.types import Reporter

Metrics = Mapping[str, float]
Sums = Mapping[str, tuple[float, float]]  # of further metrics: (sum, count), so that means can be taken over any cut
Loss = Callable[[list[int]], tuple[Tensor, Sums]]
Schedule = Literal["linear", "constant"]


class Updates:
    """AdamW over parameters with a learning rate each.

    ``schedule`` is linear, to 0 after the last of ``total`` updates, or constant; before it the rates rise from 0 over
    ``warmup``, a share of the updates. Weights, gradients and state are the same in every process.
    """

    def __init__(
        self,
        parameters: Sequence[nn.Parameter],
        rates: Sequence[float],
        *,
        total: int,
        schedule: Schedule,
        warmup: float,
        weight_decay: float,
        epsilon: float,
        max_gradient_norm: float,
        micro_batch: int,
        paged: bool,
        reporter: Reporter,
    ) -> None:
        require(bool(parameters), "There is nothing to train: no parameter wants a gradient.")
        self._parameters, self._total, self._schedule, self._warmup = list(parameters), total, schedule, warmup
        self._limit, self._micro_batch, self._reporter = max_gradient_norm, micro_batch, reporter
        by_rate: dict[float, list[nn.Parameter]] = {}
        for parameter, rate in zip(parameters, rates, strict=True):
            by_rate.setdefault(rate, []).append(parameter)
        self._rates = list(by_rate)
        self._accelerator = Accelerator(
            cpu=not torch.cuda.is_available(), mixed_precision="bf16" if _has_bf16() else "no"
        )
        groups = [{"params": group, "lr": rate} for rate, group in by_rate.items()]
        self._adam = adamw(groups, weight_decay=weight_decay, epsilon=epsilon, paged=paged)
        self._done = 0

    def __call__(self, rows: Sequence[int], weights: Sequence[float], loss: Loss) -> dict[str, float]:
        """One update on the examples ``rows``, ``weights[i]`` the weight of ``rows[i]``; mean loss and metrics.

        ``loss`` gives the *sum* of the losses of the examples it is asked for, which is divided by the sum of the
        weights (tokens, or 1 each) of the whole batch: the way it is cut into micro-batches and processes changes
        nothing. A loss that is not finite changes no weight and comes back as NaN. Raises Cancelled before any
        micro-batch.
        """
        weight = sum(weights)
        own = list(parallel.mine(rows))
        longest = math.ceil(len(rows) / parallel.count())  # of the processes' shares: all take as many turns
        size = self._micro_batch or max(longest, 1)
        sums: dict[str, float] = {"loss": 0.0}
        counts: dict[str, float] = {}
        self._adam.zero_grad(set_to_none=True)
        for start in range(0, max(longest, 1), size):
            if parallel.agreed(self._reporter.cancelled()):
                raise Cancelled("cancelled")
            if part := own[start : start + size]:
                for name, (value, count) in self._backward(part, weight, loss).items():
                    sums[name] = sums.get(name, 0.0) + value
                    counts[name] = counts.get(name, 0.0) + count
        parallel.add_up_gradients(self._parameters)
        sums, counts = parallel.add_up(sums), parallel.add_up(counts) | {"loss": weight}
        self._step(sums)
        return {name: value / counts[name] for name, value in sums.items() if counts[name]}

    def state(self) -> dict[str, Any]:
        """What the next update depends on, parameters included."""
        return {"done": self._done, "parameters": self._parameters, "adam": self._adam.state_dict()}

    @torch.no_grad()
    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state``."""
        for parameter, saved in zip(self._parameters, state["parameters"], strict=True):
            parameter.copy_(saved)
        self._adam.load_state_dict(state["adam"])
        self._done = state["done"]

    def _backward(self, rows: list[int], weight: float, loss: Loss) -> dict[str, tuple[float, float]]:
        with self._accelerator.autocast():
            total, further = loss(rows)
        self._accelerator.backward(total / weight)
        return {"loss": (float(total.detach()), 0.0), **further}

    def _step(self, sums: dict[str, float]) -> None:
        self._done += 1
        norm = nn.utils.clip_grad_norm_(self._parameters, self._limit)
        if not math.isfinite(sums["loss"]) or not bool(torch.isfinite(norm)):
            sums["loss"] = math.nan
            return
        factor = self._factor(self._done)
        for group, rate in zip(self._adam.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor
        self._adam.step()

    def _factor(self, update: int) -> float:
        """Of the learning rates at update 1 … total: up over the warm-up, then constant or linear."""
        warm = self._warmup * self._total
        if warm and update <= warm:
            return update / warm
        if self._schedule == "constant":
            return 1.0
        return max(self._total - update + 1, 0) / (self._total - math.floor(warm))


def _has_bf16() -> bool:
    return torch.cuda.is_available() and torch.cuda.is_bf16_supported()
