"""Celery's doors: ids in, no logic. What they do is safe to do twice."""

from typing import Any

from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down

from annotation import services as annotation_services
from workers import services, watch


def _run(run_id: int) -> None:
    watch.run_watch(run_id=run_id)


def _runs_recover() -> None:
    services.runs_recover()


def _leases_expire() -> None:
    annotation_services.leases_expire()
    annotation_services.answers_forget()


# Called, not used as decorators: Celery has no types, and an untyped decorator takes the function's away.
run_start = shared_task(_run, name="workers.run")
runs_recover = shared_task(_runs_recover, name="workers.runs_recover")
leases_expire = shared_task(_leases_expire, name="workers.leases_expire")


def _recover_at_start(**kwargs: Any) -> None:
    # Runs that a shutdown put back have no message; nobody should wait for the next beat.
    runs_recover.apply_async(retry=False)


def _put_back_at_shutdown(**kwargs: Any) -> None:
    watch.shutdown_announce()


# weak=False: nothing else holds these functions.
worker_ready.connect(_recover_at_start, weak=False)
worker_shutting_down.connect(_put_back_at_shutdown, weak=False)
