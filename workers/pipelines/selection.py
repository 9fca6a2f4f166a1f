"""Which open tasks would teach the reward model most: the active strategy's scores."""

from annotation.models import Strategy, Task, TaskKind, TaskState
from rlhf.acquisition import acquisition_order
from rlhf.reward_model import RewardEnsemble
from workers.pipelines.context import Context

SCORED_TASKS = 2000  # of the highest priority, drawn by lot: more are not ranked before the next reward model


def open_task_scores(context: Context, ensemble: RewardEnsemble) -> dict[int, float]:
    """From 1 (rank it next) down to almost 0, by task id; {} where the project's strategy needs no scores.

    A task that the model cannot read is left out, and so are all where one member alone scores: it cannot disagree
    with itself.
    """
    if context.project.strategy != Strategy.ACTIVE:
        return {}
    if len(ensemble.scorers) < 2:
        context.reporter.event(
            "warning",
            "The active strategy needs two scoring members or more (the setting members): tasks are drawn by lot.",
        )
        return {}
    tasks = Task.objects.filter(project=context.project, state=TaskState.OPEN, kind=TaskKind.RANK)
    rows = tasks.select_related("prompt").prefetch_related("completions").order_by("-priority", "lot")[:SCORED_TASKS]
    asked = [(task.pk, context.templated(task.prompt.text), sorted(one.text for one in task.completions.all()))
             for task in rows]  # fmt: skip
    known = [one for one in asked if ensemble.reads(one[1], one[2])]
    context.reporter.progress(0, 1, "choosing what to label next")
    order = acquisition_order(ensemble, [one[1] for one in known], [one[2] for one in known], len(known))
    return {known[place][0]: 1 - rank / len(known) for rank, place in enumerate(order)}
