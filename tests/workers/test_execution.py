"""How a pipeline's end becomes the run's end."""

import pytest

from rlhf.exceptions import Cancelled, ModelError
from workers import storage
from workers.exceptions import RunFailed, RunReplaced
from workers.models import RunState
from workers.services import execution, run_claim, run_drain, run_execute, run_put_back


@pytest.fixture
def pipeline(monkeypatch):
    """``pipeline(function)``: what every kind of run executes."""

    def install(function):
        monkeypatch.setattr(execution, "pipeline", lambda kind: function)

    return install


def succeeds(context):
    (context.draft / "weights").write_text("w")
    context.reporter.metrics(1, {"loss": 0.5})
    return lambda: {"made": 1}


def test_success_keeps_output_and_metrics_and_removes_the_draft(running, pipeline, project):
    pipeline(succeeds)
    run = running()
    run_execute(run.pk, run.attempt)
    run.refresh_from_db()
    assert (run.state, run.output) == (RunState.SUCCEEDED, {"made": 1})
    assert run.metrics.get().value == 0.5
    assert not list((storage.project_folder(project) / "drafts").iterdir())


def test_an_error_raised_on_purpose_is_shown_as_it_is(running, pipeline):
    def fails(context):
        raise ModelError("no model 'nobody/nothing' on the hub")

    pipeline(fails)
    run = running()
    run_execute(run.pk, run.attempt)
    run.refresh_from_db()
    assert (run.state, run.error) == (RunState.FAILED, "no model 'nobody/nothing' on the hub")


def test_any_other_error_is_shown_with_its_traceback_and_without_our_paths(running, pipeline, settings):
    def breaks(context):
        raise ValueError(f"cannot read {settings.DATA_DIR}/x")

    pipeline(breaks)
    run = running()
    run_execute(run.pk, run.attempt)
    run.refresh_from_db()
    assert run.state == RunState.FAILED
    assert "Traceback" in run.error
    assert "ValueError: cannot read $DATA/x" in run.error
    assert str(settings.BASE_DIR) not in run.error


def test_a_cancelled_training_ends_cancelled(running, pipeline):
    def stops(context):
        raise Cancelled("as asked")

    pipeline(stops)
    run = running()
    run_execute(run.pk, run.attempt)
    run.refresh_from_db()
    assert run.state == RunState.CANCELLED


def test_what_publishing_breaks_leaves_nothing_published(running, pipeline, project):
    def half(context):
        def publish():
            context.project.name = "changed"
            context.project.save()
            raise ValueError("disk full")

        return publish

    pipeline(half)
    run = running()
    run_execute(run.pk, run.attempt)
    run.refresh_from_db()
    project.refresh_from_db()
    assert run.state == RunState.FAILED
    assert project.name == "Dialogues"


def test_an_attempt_that_is_not_the_runs_does_nothing(running, pipeline):
    pipeline(succeeds)
    run = running()
    with pytest.raises(RunReplaced):
        run_execute(run.pk, run.attempt + 1)
    run.refresh_from_db()
    assert run.state == RunState.RUNNING


def test_an_attempt_replaced_while_it_worked_publishes_nothing(running, pipeline):
    def overtaken(context):
        run_put_back(run_id=context.run.pk, attempt=context.attempt, reason="slow", counts=True)
        run_claim(run_id=context.run.pk)
        return lambda: {"made": "late"}

    pipeline(overtaken)
    run = running()
    with pytest.raises(RunReplaced):
        run_execute(run.pk, run.attempt)
    run.refresh_from_db()
    assert (run.state, run.attempt, run.output) == (RunState.RUNNING, 2, {})


def test_drain_executes_what_is_queued_in_order(queued, pipeline, project):
    pipeline(succeeds)
    first, second = queued(), queued()
    assert [run.pk for run in run_drain(project=project)] == [first.pk, second.pk]


def test_drain_stops_at_the_first_failure_with_its_error(queued, pipeline, project):
    def fails(context):
        raise ModelError("no such model")

    pipeline(fails)
    queued()
    with pytest.raises(RunFailed, match="no such model"):
        run_drain(project=project)
