"""What happens to a run when something dies: nothing stays running for ever, and no ranking is lost."""

import signal
import time

import psutil
import pytest

from annotation import services as labelling
from annotation.models import Ranking
from tests.factories import TaskFactory
from tests.services.conftest import has_ended, is_learning, wait_for
from workers import dispatch
from workers.models import ModelVersion, Run, RunState
from workers.services import run_cancel, run_create

pytestmark = [pytest.mark.service, pytest.mark.slow, pytest.mark.xdist_group("services")]

LONG = {"epochs": 3000.0, "batch_size": 4}
SOME_SECONDS = {"epochs": 150.0, "batch_size": 4, "evaluate_every": 20}


def train(lab, config=SOME_SECONDS) -> Run:
    """An sft run on the prompts' references."""
    return run_create(project=lab, kind="sft", inputs={"examples": "references"}, config=config)


def rank(lab, person) -> int:
    """The id of a ranking that was made before the fault."""
    TaskFactory(project=lab)
    assignment = labelling.task_next(project=lab, annotator=person)
    ranking = labelling.ranking_submit(assignment=assignment, groups=[[one] for one in assignment.display_order])
    return int(ranking.pk)


def test_a_worker_killed_in_the_middle_leaves_its_run_to_the_next(lab, alice, start_worker):
    ranking = rank(lab, alice)
    first = start_worker("first")
    run = wait_for(train(lab), is_learning)
    processes = first.kill()
    psutil.wait_procs(processes, timeout=10)
    assert not any(process.is_running() for process in processes), "the run's process outlived its worker"

    start_worker("second")
    wait_for(run, has_ended)
    assert run.state == RunState.SUCCEEDED
    assert run.attempt == 2
    model = ModelVersion.objects.get(run=run)
    assert Ranking.objects.filter(pk=ranking, is_current=True).exists()

    unbroken = wait_for(train(lab), has_ended)
    assert unbroken.attempt == 1
    assert ModelVersion.objects.get(run=unbroken).sha256 == model.sha256


def test_a_machine_without_power_leaves_its_run_to_the_next(lab, start_worker):
    first = start_worker("first")
    run = wait_for(train(lab), is_learning)
    first.kill_all()
    run.refresh_from_db()
    assert run.state == RunState.RUNNING  # nobody could write that it is not

    start_worker("second")
    wait_for(run, has_ended)
    assert (run.state, run.attempt) == (RunState.SUCCEEDED, 2)
    assert run.events.filter(message__contains="no sign of life").exists()


def test_a_run_whose_process_is_killed_again_and_again_fails_with_the_reason(lab, start_worker):
    worker = start_worker()
    run = train(lab, LONG)
    Run.objects.filter(pk=run.pk).update(max_attempts=2)
    for attempt in (1, 2):
        wait_for(run, lambda run, attempt=attempt: run.attempt == attempt and is_learning(run))
        worker.run_process(run).kill()
    wait_for(run, has_ended)
    assert (run.state, run.attempt) == (RunState.FAILED, 2)
    assert "killed by SIGKILL" in run.error
    assert not ModelVersion.objects.exists()


def test_a_message_delivered_three_times_runs_once(lab, start_worker):
    run = train(lab, {"epochs": 2.0})
    dispatch.send_now(run.pk)
    dispatch.send_now(run.pk)
    start_worker()
    wait_for(run, has_ended)
    time.sleep(3)  # until the other messages have been looked at
    run.refresh_from_db()
    assert (run.state, run.attempt) == (RunState.SUCCEEDED, 1)
    assert run.worker
    assert ModelVersion.objects.filter(run=run).count() == 1


def test_a_message_that_is_lost_is_sent_again(lab, start_worker, queue):
    run = train(lab, {"epochs": 2.0})
    queue.control.purge()  # all queues that the app knows
    with queue.connection_for_write() as link:
        link.default_channel.queue_purge("gpu")
    Run.objects.filter(pk=run.pk).update(sent_at=None)
    start_worker()
    wait_for(run, has_ended)
    assert run.state == RunState.SUCCEEDED


def test_a_redis_that_is_killed_and_comes_back_empty_stops_nothing(lab, start_worker, redis):
    worker = start_worker()
    run = wait_for(train(lab), is_learning)
    redis.kill()
    time.sleep(1)
    redis.start()
    assert wait_for(run, has_ended).state == RunState.SUCCEEDED
    assert run.attempt == 1
    following = wait_for(train(lab, {"epochs": 2.0}), has_ended)
    assert following.state == RunState.SUCCEEDED
    assert worker.process.poll() is None, "the worker ended with its broker"


def test_a_running_run_is_cancelled_within_seconds(lab, start_worker, rose):
    worker = start_worker()
    run = wait_for(train(lab, LONG), is_learning)
    process = worker.run_process(run)
    asked = time.monotonic()
    run_cancel(run=run, actor=rose)
    wait_for(run, has_ended)
    assert run.state == RunState.CANCELLED
    assert time.monotonic() - asked < 15
    process.wait(timeout=10)
    assert not ModelVersion.objects.exists()


def test_a_frozen_process_that_wakes_after_it_was_replaced_changes_nothing(lab, start_worker):
    worker = start_worker()
    run = wait_for(train(lab), is_learning)
    frozen = worker.run_process(run)
    frozen.send_signal(signal.SIGSTOP)
    # The first watcher sees that its attempt was replaced and ends it; the second attempt finishes the run.
    wait_for(run, has_ended)
    assert (run.state, run.attempt) == (RunState.SUCCEEDED, 2)
    assert ModelVersion.objects.filter(run=run).count() == 1


def test_a_worker_that_is_shut_down_puts_its_run_back_at_once_and_it_costs_no_attempt(lab, start_worker):
    first = start_worker("first")
    run = wait_for(train(lab), is_learning)
    first.process.send_signal(signal.SIGTERM)
    wait_for(run, lambda run: run.state == RunState.QUEUED, seconds=10)
    assert run.max_attempts == 4
    first.process.wait(timeout=10)
    start_worker("second")
    wait_for(run, has_ended)
    assert run.state == RunState.SUCCEEDED


def test_only_one_run_trains_at_a_time_on_a_host(lab, start_worker):
    for _ in range(2):  # and the first of them starts a generate run
        train(lab, {"epochs": 5.0})
    start_worker()
    most = 0
    while Run.objects.filter(state__in=[RunState.QUEUED, RunState.RUNNING]).exists():
        # One query: of two, the first run may have ended and the second started in between.
        most = max(most, Run.objects.filter(state=RunState.RUNNING).count())
        time.sleep(0.2)
    assert most == 1
    assert set(Run.objects.values_list("state", flat=True)) == {RunState.SUCCEEDED}
