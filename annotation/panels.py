"""Who won a panel: one system's texts against another's, as blind annotators saw them."""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from django.db.models import F, Sum

from annotation.bootstrap import Figure, ratio_figure
from annotation.models import Completion, Project, Ranking, Task, TaskKind, TaskState
from annotation.services.panels import panel_prompts

MINIMUM = 10  # prompts below which an interval would mean nothing


@dataclass(frozen=True)
class PanelResult:
    """``win_rate``: of ``new`` over ``old``, a tie half; None below MINIMUM prompts."""

    new: str
    old: str
    wins: int
    ties: int
    losses: int
    prompts: int
    open: int  # rankings still wanted
    win_rate: Figure | None


def panel_result(project: Project, *, new: str, old: str) -> PanelResult:
    """The current rankings of the panel. The interval is by bootstrap over prompts: raters of one prompt agree."""
    among = panel_prompts(project, new, old)
    rankings = Ranking.objects.filter(project=project, is_current=True, kind=TaskKind.PANEL).order_by("id")
    wins = ties = losses = 0
    scores: dict[int, list[float]] = defaultdict(list)
    texts = Completion.objects.filter(tasks__project=project, tasks__kind=TaskKind.PANEL, source__in=[new, old])
    sources = dict(texts.values_list("pk", "source"))
    for prompt, groups in rankings.values_list("prompt_id", "groups"):
        place = {sources.get(completion): index for index, group in enumerate(groups) for completion in group}
        if prompt not in among or not {new, old} <= set(place):
            continue
        wins += place[new] < place[old]
        ties += place[new] == place[old]
        losses += place[new] > place[old]
        scores[prompt].append(1.0 if place[new] < place[old] else 0.5 if place[new] == place[old] else 0.0)
    tasks = Task.objects.filter(project=project, kind=TaskKind.PANEL, state=TaskState.OPEN, prompt__in=among)
    left = tasks.filter(completions__source=new).aggregate(left=Sum(F("wanted_raters") - F("taken")))["left"]
    own = list(scores.values())
    top, bottom = np.array([sum(one) for one in own]), np.array([float(len(one)) for one in own])
    win_rate = ratio_figure(top, bottom, seed=0, minimum=MINIMUM)
    return PanelResult(new, old, wins, ties, losses, len(own), left or 0, win_rate)
