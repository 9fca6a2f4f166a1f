"""What a running pipeline writes, and that a replaced one writes nothing."""

import pytest

from workers.exceptions import RunReplaced
from workers.models import Run
from workers.reporter import RunReporter
from workers.services import run_cancel, run_claim, run_put_back


@pytest.fixture
def run(running) -> Run:
    return running()


@pytest.fixture
def reporter(run) -> RunReporter:
    return RunReporter(run_id=run.pk, attempt=run.attempt)


def replace(run: Run) -> None:
    run_put_back(run_id=run.pk, attempt=run.attempt, reason="gone", counts=True)
    run_claim(run_id=run.pk)


def test_metrics_wait_and_are_written_together(run, reporter):
    reporter.metrics(1, {"loss": 0.9, "accuracy": 0.5})
    reporter.metrics(2, {"loss": 0.8})
    assert not run.metrics.exists()
    reporter.flush()
    assert list(run.metrics.order_by("name", "step").values_list("name", "step", "value")) == [
        ("accuracy", 1, 0.5),
        ("loss", 1, 0.9),
        ("loss", 2, 0.8),
    ]


def test_a_value_measured_again_replaces_the_first(run, reporter):
    for value in (0.9, 0.4):
        reporter.metrics(1, {"loss": value})
        reporter.flush()
    assert run.metrics.get().value == 0.4


def test_what_is_no_number_is_left_out(run, reporter):
    reporter.metrics(1, {"loss": float("nan"), "kl": float("inf"), "reward": 1.0})
    reporter.flush()
    assert run.metrics.get().name == "reward"


def test_progress_and_heartbeat_are_seen_while_it_runs(run, reporter):
    before = run.heartbeat_at
    reporter.progress(1, 4, "epoch 1")
    reporter.flush()
    run.refresh_from_db()
    assert (run.progress, run.phase) == (0.25, "epoch 1")
    assert run.heartbeat_at > before


def test_an_event_is_written_at_once(run, reporter):
    reporter.event("stop-rule", "KL above the limit", kl=12.5)
    event = run.events.get(kind="stop-rule")
    assert (event.message, event.data, event.attempt) == ("KL above the limit", {"kl": 12.5}, 1)


def test_a_cancel_is_heard(run, reporter, rose):
    run_cancel(run=run, actor=rose)
    assert reporter.cancelled()


@pytest.mark.parametrize(
    "write",
    [
        lambda reporter: reporter.flush(),
        lambda reporter: reporter.event("log", "I am still here"),
        lambda reporter: reporter.cancelled(),
        lambda reporter: reporter.beat(),
    ],
)
def test_a_replaced_process_is_told_to_stop_and_writes_nothing(run, reporter, write):
    replace(run)
    reporter.metrics(9, {"loss": 0.1})
    with pytest.raises(RunReplaced):
        write(reporter)
    assert not run.metrics.exists()
    assert not run.events.filter(kind="log").exists()


def test_once_replaced_it_stays_replaced(run, reporter):
    replace(run)
    with pytest.raises(RunReplaced):
        reporter.beat()
    with pytest.raises(RunReplaced):
        reporter.progress(1, 2, "going on")
