"""Runs are made here, and claimed by whoever executes them."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from annotation.models import Project
from annotation.provenance import code_version
from annotation.users import User
from workers import dispatch
from workers.config import config_validate, preset_of
from workers.exceptions import ConfigInvalid
from workers.models import Metric, Round, Run, RunEvent, RunKind, RunState
from workers.provenance import package_versions, worker_name
from workers.services.inputs import inputs_resolve
from workers.states import run_move

SEED_LIMIT = 2**31
PHASE_STARTING = "starting"  # from the claim until the process that executes it gives its first sign of life


def run_create(
    *,
    project: Project,
    kind: str,
    config: Mapping[str, Any] | None = None,
    seed: int = 0,
    inputs: Mapping[str, Any] | None = None,
    actor: User | None = None,
    round: Round | None = None,  # noqa: A002 the word of the field
    position: int = 0,
) -> Run:
    """A queued run; its message goes out on commit.

    Config and inputs are checked at once and stored whole, with every default filled in. Raises
    ConfigInvalid, ModelMissing or NotReady, and then nothing was made.
    """
    if kind not in RunKind.values:
        raise ConfigInvalid(f"There is no kind of run '{kind}': known are {', '.join(RunKind.values)}.")
    if not 0 <= seed < SEED_LIMIT:
        raise ConfigInvalid(f"seed is {seed}: it must be between 0 and {SEED_LIMIT - 1}.")
    whole = config_validate(kind, config or {}, preset=preset_of(project.base_model))
    with transaction.atomic():
        resolved = inputs_resolve(project=project, kind=kind, given=inputs or {}, actor=actor)
        run = Run.objects.create(
            project=project,
            round=round,
            position=position,
            kind=kind,
            config=whole,
            seed=seed,
            inputs=resolved,
            created_by=actor,
        )
        RunEvent.objects.create(run=run, kind="state", message="queued", data={"old": "", "new": RunState.QUEUED})
        dispatch.run_send(run.pk)
    return run


def run_claim(*, run_id: int) -> int:
    """Take a queued run for this process; the attempt number, which fences every write from here on.

    Raises StaleTransition when it is not queued: a message delivered twice ends here.
    """
    with transaction.atomic():
        run = Run.objects.select_for_update().get(pk=run_id)
        attempt = run.attempt + 1
        now = timezone.now()
        run_move(
            run_id=run_id,
            old=RunState.QUEUED,
            new=RunState.RUNNING,
            message=f"attempt {attempt} on {worker_name()}",
            fence=run.attempt,
            attempt=attempt,
            started_at=run.started_at or now,
            heartbeat_at=now,
            worker=worker_name(),
            progress=0.0,
            phase=PHASE_STARTING,
            code_version=code_version(),
            packages=package_versions(),
        )
        # A new attempt begins at step 0: the curves of the one that died would be mixed with its own.
        Metric.objects.filter(run_id=run_id).delete()
    return attempt
