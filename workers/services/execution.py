"""One attempt of one run, in this process: by ``workers.execute``, and by commands that need no worker."""

import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction

from annotation.models import Project
from rlhf.exceptions import Cancelled, RlhfError
from rlhf.types import Reporter
from workers import storage
from workers.exceptions import KedgeError, RunFailed, RunReplaced, StaleTransition
from workers.models import Run, RunState
from workers.reporter import RunReporter
from workers.services.endings import run_cancelled, run_fail, run_succeed
from workers.services.runs import run_claim

if TYPE_CHECKING:  # the pipelines are above the services
    from workers.pipelines.context import Context, Pipeline


def run_execute(run_id: int, attempt: int, listener: Reporter | None = None) -> None:
    """Run the pipeline of a claimed run and write how it ended; ``listener`` hears what the run reports.

    A failure is recorded, not raised. Raises RunReplaced when the run is not this attempt's (any more).
    """
    run = Run.objects.select_related("project", "round").get(pk=run_id)
    if run.state != RunState.RUNNING or run.attempt != attempt:
        raise RunReplaced(f"Run {run_id} is {run.state} under attempt {run.attempt}: attempt {attempt} does nothing.")
    from workers.pipelines.context import Context

    reporter = RunReporter(run_id=run_id, attempt=attempt, listener=listener)
    draft = storage.draft_folder(run.project, run_id=run_id, attempt=attempt)
    try:
        _attempt(Context(run=run, attempt=attempt, draft=draft, reporter=reporter))
    except StaleTransition as error:
        raise RunReplaced(str(error)) from error
    finally:
        storage.draft_discard(draft)


def _attempt(context: "Context") -> None:
    run_id, attempt = context.run.pk, context.attempt
    try:
        publish = pipeline(context.run.kind)(context)
        context.reporter.flush()
        # What the run made and its success are one transaction: an attempt that dies in between leaves neither.
        with transaction.atomic():
            run_succeed(run_id=run_id, attempt=attempt, output=publish())
    except Cancelled:
        context.reporter.flush()
        run_cancelled(run_id=run_id, attempt=attempt)
    except StaleTransition:
        raise
    except Exception as error:
        context.reporter.flush()
        run_fail(run_id=run_id, attempt=attempt, error=explain(error))


def pipeline(kind: str) -> "Pipeline":
    """The pipeline of a kind of run. Imported here, because it brings torch."""
    function: Pipeline = import_module(f"workers.pipelines.{kind}").run
    return function


def explain(error: Exception) -> str:
    """What the run's page shows: the message of an error raised on purpose, a traceback without our paths else."""
    if isinstance(error, RlhfError | KedgeError):
        return str(error)
    text = "".join(traceback.format_exception(error))
    for path, name in (
        (settings.DATA_DIR, "$DATA"),
        (settings.BASE_DIR, "."),
        (sys.prefix, "$ENV"),
        (Path.home(), "~"),
    ):
        text = text.replace(str(path), name)
    return text


def run_drain(*, project: Project, listener: Reporter | None = None) -> list[Run]:
    """Execute the project's queued runs in this process, oldest first, until none is left.

    Returns them as they ended. Raises RunFailed at the first that did not succeed.
    """
    ended = []
    while (run := Run.objects.filter(project=project, state=RunState.QUEUED).order_by("pk").first()) is not None:
        run_execute(run.pk, run_claim(run_id=run.pk), listener)
        run.refresh_from_db()
        if run.state != RunState.SUCCEEDED:
            raise RunFailed(f"Run {run.pk} ({run.kind}) has {run.state}: {run.error}")
        ended.append(run)
    return ended
