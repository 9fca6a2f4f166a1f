"""Several processes of one training (torchrun, accelerate launch): who does what, and sums over all of them.

The processes hold the same weights, data and random numbers, and each computes every n-th part of the work. Started
plainly there is one process, and everything here is the identity.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather_object
from torch import Tensor

from rlhf.types import Reporter, Silent

T = TypeVar("T")
R = TypeVar("R")


def _state() -> PartialState:
    # Said outright: without CUDA, accelerate would take torchrun's processes for single ones.
    return PartialState(cpu=not torch.cuda.is_available())


def count() -> int:
    """Processes of this training."""
    return int(_state().num_processes)


def rank() -> int:
    """This process's number, 0 … ``count()`` − 1."""
    return int(_state().process_index)


def is_main() -> bool:
    """True in the one process that writes files and reports."""
    return rank() == 0


def device() -> torch.device:
    """This process's own accelerator, or the CPU."""
    place: torch.device = _state().device
    return place


def wait() -> None:
    """Until all processes are here."""
    _state().wait_for_everyone()


def mine(items: Sequence[T]) -> Sequence[T]:
    """This process's share: every n-th item."""
    return items[rank() :: count()]


def spread(work: Callable[[Sequence[T]], Sequence[R]], items: Sequence[T]) -> list[R]:
    """``work`` on all items, each process on its share, the results of all in the items' order on every process."""
    if count() == 1:
        return list(work(items))
    parts: list[list[R]] = gather_object([list(work(mine(items)))])
    found: list[Any] = [None] * len(items)
    for place, part in enumerate(parts):
        found[place :: count()] = part
    return found


def add_up(values: Mapping[str, float]) -> dict[str, float]:
    """Sums over all processes, by name."""
    if count() == 1:
        return dict(values)
    total: dict[str, float] = {}
    for part in gather_object([dict(values)]):
        for name, value in part.items():
            total[name] = total.get(name, 0.0) + value
    return total


def add_up_gradients(parameters: Sequence[torch.nn.Parameter]) -> None:
    """Every parameter's gradient becomes its sum over all processes; one that no process has stays None."""
    if count() == 1:
        return
    flags = [torch.full((1,), float(parameter.grad is not None), device=parameter.device) for parameter in parameters]
    grads = [torch.zeros_like(parameter) if parameter.grad is None else parameter.grad for parameter in parameters]
    flat = torch.cat([*flags, *(grad.reshape(-1).float() for grad in grads)])
    torch.distributed.all_reduce(flat)
    sizes = [1] * len(flags) + [grad.numel() for grad in grads]
    pieces = torch.split(flat, sizes)
    for parameter, seen, summed in zip(parameters, pieces[: len(flags)], pieces[len(flags) :], strict=True):
        parameter.grad = summed.view_as(parameter).to(parameter.dtype) if float(seen) else None


def gather_rows(own: Tensor, rows: int) -> Tensor:
    """[rows, …] from each process's ``mine`` share of it along the first dimension, in order."""
    if count() == 1:
        return own
    whole = own.new_zeros((rows, *own.shape[1:]))
    whole[rank() :: count()] = own
    # A sum with zeros is a gather that needs no equal shares.
    wide = whole.to(torch.int64) if whole.dtype == torch.bool else whole
    torch.distributed.all_reduce(wide)
    return wide.to(own.dtype)


def agreed(answer: bool) -> bool:  # noqa: FBT001 - it is the whole question
    """The main process's answer, on every process: they must all take the same turn."""
    if count() == 1:
        return answer
    box = [answer]
    broadcast_object_list(box)
    return bool(box[0])


def reporter_of(reporter: Reporter) -> Reporter:
    """The reporter in the main process; silence in the others."""
    return reporter if is_main() else Silent()
