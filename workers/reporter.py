"""What a running pipeline tells the database, fenced by its attempt.

Every write first updates the run's row on the condition that this attempt still owns it; when that
hits no row, the process was replaced and RunReplaced is raised: it must stop at once.
"""

import threading
import time
from collections.abc import Mapping

from django.db import models, transaction
from django.utils import timezone

from rlhf.types import Reporter, Silent
from workers.exceptions import RunReplaced
from workers.models import Metric, Run, RunEvent, RunState

FLUSH_SECONDS = 1.0
CANCEL_SECONDS = 0.5
NAME_LIMIT = 60


class RunReporter:
    """rlhf's Reporter over the tables Metric, RunEvent and Run. Used by one thread; ``beat`` by another."""

    def __init__(self, *, run_id: int, attempt: int, listener: Reporter | None = None) -> None:
        self.run_id = run_id
        self.attempt = attempt
        self._listener: Reporter = listener or Silent()
        self._metrics: dict[tuple[str, int], float] = {}
        self._progress: tuple[float, str] | None = None
        self._flushed = time.monotonic()
        self._asked = 0.0
        self._cancel = threading.Event()
        self._replaced = threading.Event()

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Keep the values; they are written together with others, about once a second."""
        self._check()
        for name, value in values.items():
            # A NaN has no place in JSON or on a curve; the training's own stop rule reports it.
            if value == value and abs(value) != float("inf"):
                self._metrics[name[:NAME_LIMIT], step] = float(value)
        self._listener.metrics(step, values)
        self._flush_if_due()

    def progress(self, done: int, total: int, phase: str) -> None:
        self._check()
        self._progress = (min(1.0, done / total) if total else 0.0, phase[:100])
        self._listener.progress(done, total, phase)
        self._flush_if_due()

    def event(self, kind: str, message: str, **data: object) -> None:
        """Written at once, with everything that waits."""
        self._listener.event(kind, message, **data)
        with transaction.atomic():
            self.flush()
            RunEvent.objects.create(
                run_id=self.run_id, attempt=self.attempt, kind=kind[:20], message=message, data=data
            )

    def cancelled(self) -> bool:
        """Whether somebody asked the run to stop; asks the database at most twice a second."""
        self._check()
        now = time.monotonic()
        if now - self._asked >= CANCEL_SECONDS:
            self._asked = now
            self._look()
        return self._cancel.is_set()

    def flush(self) -> None:
        """Write what waits. Raises RunReplaced."""
        metrics, self._metrics = self._metrics, {}
        progress, self._progress = self._progress, None
        changes: dict[str, object] = {"heartbeat_at": timezone.now()}
        if progress is not None:
            changes |= {"progress": progress[0], "phase": progress[1]}
        with transaction.atomic():
            # The fence: the row stays locked until the commit, so nobody takes the run over in between.
            if not self._owned().update(**changes):
                self._replaced.set()
                self._check()
            rows = [
                Metric(run_id=self.run_id, step=step, name=name, value=value) for (name, step), value in metrics.items()
            ]
            Metric.objects.bulk_create(
                rows, update_conflicts=True, unique_fields=["run", "name", "step"], update_fields=["value"]
            )
        self._flushed = time.monotonic()

    def beat(self, **changes: str) -> None:
        """One heartbeat, from the thread that keeps a long torch step from looking dead. Raises RunReplaced."""
        if not self._owned().update(heartbeat_at=timezone.now(), **changes):
            self._replaced.set()
            self._check()

    def _look(self) -> None:
        asked = self._owned().values_list("cancel_requested", flat=True).first()
        if asked is None:
            self._replaced.set()
            self._check()
        elif asked:
            self._cancel.set()

    def _flush_if_due(self) -> None:
        if time.monotonic() - self._flushed >= FLUSH_SECONDS:
            self.flush()

    def _owned(self) -> models.QuerySet[Run]:
        return Run.objects.filter(pk=self.run_id, attempt=self.attempt, state=RunState.RUNNING)

    def _check(self) -> None:
        if self._replaced.is_set():
            raise RunReplaced(f"Run {self.run_id} is no longer attempt {self.attempt}'s.")
