"""In which order tasks of one priority are handed out: every strategy, in one place.

A strategy takes the open tasks that a person may have and says, best first, from which queries to take one. Each of
them is answered by an index (``task_next…``) from its front, so its cost does not grow with the number of tasks.
To add one: a name in models.Strategy, a function here, and a line in STRATEGIES.
"""

from collections.abc import Callable, Iterator, Mapping

from django.db.models import QuerySet

from annotation.models import Project, Strategy, Task

Draw = tuple[QuerySet[Task], Strategy]  # and the strategy that chose what is taken from it
Rule = Callable[[Project, QuerySet[Task], float], Iterator[Draw]]


def draws(project: Project, tasks: QuerySet[Task], chance: float) -> Iterator[Draw]:
    """The project's strategy on ``tasks``. ``chance``, from 0 to 1, is this request's own random number."""
    return STRATEGIES[Strategy(project.strategy)](project, tasks.select_related("prompt"), chance)


def first_in(project: Project, tasks: QuerySet[Task], chance: float) -> Iterator[Draw]:
    yield tasks.order_by("-priority", "id"), Strategy.FIRST_IN


def at_random(project: Project, tasks: QuerySet[Task], chance: float) -> Iterator[Draw]:
    """By lots that were drawn when the tasks were made: as random, and an index has them in order."""
    yield tasks.order_by("-priority", "lot"), Strategy.RANDOM


def active(project: Project, tasks: QuerySet[Task], chance: float) -> Iterator[Draw]:
    """Where the reward model is least sure; a share at random, which alone estimates accuracy.

    Tasks that have no score yet come after those that have one. Priority by priority: of "-score, nulls last" no
    index of both databases has the order, but of one priority's scored tasks it does.
    """
    if chance < project.random_share:
        yield from at_random(project, tasks, chance)
        return
    priority = tasks.order_by("-priority", "id").values_list("priority", flat=True).first()
    if priority is None:
        return
    urgent = tasks.filter(priority=priority)
    yield urgent.filter(score__isnull=False).order_by("-score"), Strategy.ACTIVE
    yield tasks.order_by("-priority", "lot"), Strategy.ACTIVE  # what was left over is no random sample


STRATEGIES: Mapping[Strategy, Rule] = {
    Strategy.FIRST_IN: first_in,
    Strategy.RANDOM: at_random,
    Strategy.ACTIVE: active,
}
