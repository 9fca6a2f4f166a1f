"""Supervised batches for the training loop: every example once an epoch, in an order that the seed decides."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from rlhf.stop_rules import Stop
from rlhf.updates import Loss, Metrics, Updates

BUCKETS = 32  # batches that are sorted by length together


@dataclass
class Examples:
    """A task whose step is one update on a batch of examples, each of the weight ``weights[i]`` (tokens, or 1)."""

    name: str
    parameters: Sequence[nn.Parameter]
    weights: Sequence[float]
    loss: Loss
    batch_size: int
    epochs: float  # may be a part of one
    seed: int
    lengths: Sequence[int] | None = None  # examples of like length share a batch: less padding
    measure: Callable[[int], Metrics] | None = None  # the validation
    rules: Callable[[int, Metrics], Sequence[Stop]] | None = None  # reasons to stop
    rates: Sequence[float] | None = None
    paged: bool = False  # the optimiser's state may leave a GPU that runs short of memory
    data: str = ""
    keep: Any = None  # something with state() and restore() that the measurements feed
    _epoch: tuple[int, list[list[int]]] = field(default=(-1, []), init=False, repr=False)

    updates_a_step = 1

    @property
    def steps_an_epoch(self) -> int:
        return math.ceil(len(self.weights) / self.batch_size)

    @property
    def steps(self) -> int:
        return max(1, math.ceil(self.steps_an_epoch * self.epochs))

    def step(self, number: int, update: Updates) -> Metrics:
        """One update on batch ``number``."""
        rows = self.batch(number)
        return update(rows, [self.weights[row] for row in rows], self.loss)

    def validate(self, step: int) -> Metrics:
        return {} if self.measure is None else self.measure(step)

    def stop(self, step: int, values: Metrics) -> Sequence[Stop]:
        return () if self.rules is None else self.rules(step, values)

    def state(self) -> Mapping[str, object]:
        return {} if self.keep is None else self.keep.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        if self.keep is not None:
            self.keep.restore(state)

    def batch(self, number: int) -> list[int]:
        """The examples of step ``number`` (from 1)."""
        epoch, place = divmod(number - 1, self.steps_an_epoch)
        if self._epoch[0] != epoch:
            generator = torch.Generator().manual_seed(1_000_003 * self.seed + epoch)
            self._epoch = (epoch, epoch_batches(len(self.weights), self.batch_size, generator, self.lengths))
        return self._epoch[1][place]


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
