"""Completions by themselves: prompts that were imported get completions without anybody asking."""

from annotation.models import Project, Prompt
from workers.models import ModelKind, ModelState, ModelVersion, Run, RunKind, RunState
from workers.services.runs import run_create

LIVE = (RunState.QUEUED, RunState.RUNNING)


def generation_start(*, project: Project) -> Run | None:
    """The run that brings prompts without a task nearer to one: sft where there is no anchor, else generate.

    None when there is no such prompt or a run of that kind waits already (it reads the prompts when it starts).
    """
    if not Prompt.objects.filter(project=project, tasks__isnull=True).exists():
        return None
    anchors = ModelVersion.objects.filter(project=project, kind=ModelKind.SFT, state=ModelState.PROMOTED)
    kind, states = (RunKind.GENERATE, (RunState.QUEUED,)) if anchors.exists() else (RunKind.SFT, LIVE)
    if Run.objects.filter(project=project, kind=kind, state__in=states, round=None).exists():
        return None
    return run_create(project=project, kind=kind)
