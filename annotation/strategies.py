"""In which order tasks of one priority are handed out: every strategy, in one place.

A strategy says, best first, in which orders to look for a task. Each order is answered by an index (``task_next…``)
from its front, so its cost does not grow with the number of tasks.
To add one: a name in models.Strategy, a function here, and a line in STRATEGIES.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from django.db.models import QuerySet, SmallIntegerField

from annotation.models import Project, Strategy, Task
from annotation.prepared import Slot

Order = Callable[[QuerySet[Task]], QuerySet[Task]]  # of open tasks; compiled once for each


class First(Protocol):
    """The first task that a person may have in this order, or None. ``values`` are those of the order's slots."""

    def __call__(self, order: Order, **values: Any) -> Task | None: ...


@dataclass(frozen=True)
class Draw:
    """Take the first task in this order; it is counted as chosen by ``strategy``."""

    order: Order
    strategy: Strategy
    values: Mapping[str, Any] = field(default_factory=dict)


Rule = Callable[[Project, First, float], Iterator[Draw]]


def draws(project: Project, first: First, chance: float) -> Iterator[Draw]:
    """The project's strategy. ``chance``, from 0 to 1, is this request's own random number."""
    return STRATEGIES[Strategy(project.strategy)](project, first, chance)


def by_age(tasks: QuerySet[Task]) -> QuerySet[Task]:
    return tasks.order_by("-priority", "id")


def by_lot(tasks: QuerySet[Task]) -> QuerySet[Task]:
    """By lots that were drawn when the tasks were made: as random, and an index has them in order."""
    return tasks.order_by("-priority", "lot")


def by_score(tasks: QuerySet[Task]) -> QuerySet[Task]:
    """Scored tasks of one priority: of "-score, nulls last" no index of both databases has the order."""
    urgent = tasks.filter(priority=Slot("priority", SmallIntegerField()))
    return urgent.filter(score__isnull=False).order_by("-score")


def first_in(project: Project, first: First, chance: float) -> Iterator[Draw]:
    yield Draw(by_age, Strategy.FIRST_IN)


def at_random(project: Project, first: First, chance: float) -> Iterator[Draw]:
    yield Draw(by_lot, Strategy.RANDOM)


def active(project: Project, first: First, chance: float) -> Iterator[Draw]:
    """Where the reward model is least sure; a share at random, which alone estimates accuracy.

    Tasks that have no score yet come after those that have one, priority by priority.
    """
    if chance < project.random_share:
        yield from at_random(project, first, chance)
        return
    top = first(by_age)
    if top is None:
        return
    yield Draw(by_score, Strategy.ACTIVE, {"priority": top.priority})
    yield Draw(by_lot, Strategy.ACTIVE)  # what was left over is no random sample


STRATEGIES: Mapping[Strategy, Rule] = {
    Strategy.FIRST_IN: first_in,
    Strategy.RANDOM: at_random,
    Strategy.ACTIVE: active,
}
