"""Runs made, claimed, cancelled and tried again."""

import pytest

from annotation.exceptions import Conflict, InvalidInput, StaleTransition
from annotation.models import Project
from annotation.services import project_create, project_update
from workers import dispatch
from workers.exceptions import ConfigInvalid, ModelMissing, NotReady
from workers.models import Metric, Run, RunKind, RunState
from workers.services import (
    project_format,
    run_cancel,
    run_claim,
    run_create,
    run_fail,
    run_put_back,
    run_retry,
    run_succeed,
)


def test_a_run_is_stored_with_every_default_and_sent_on_commit(
    project, anchor, prompts, rose, sent, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        run = run_create(project=project, kind="evaluate", seed=3, actor=rose)
        assert sent == []
    assert sent == [run.pk]
    assert run.config
    assert run.inputs["policy"] == anchor.slug
    assert len(run.inputs["prompts"]) == 64
    assert run.events.get().message == "queued"


def test_nothing_is_sent_while_dispatch_is_held(project, anchor, sent, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True), dispatch.held():
        run_create(project=project, kind="generate")
    assert sent == []


def test_a_broker_that_is_away_loses_no_run(project, anchor, monkeypatch, django_capture_on_commit_callbacks):
    def refuse(*args, **options):
        raise dispatch.OperationalError("Connection refused")

    monkeypatch.setattr(dispatch.current_app, "send_task", refuse)
    with django_capture_on_commit_callbacks(execute=True):
        run = run_create(project=project, kind="generate")
    run.refresh_from_db()
    assert run.state == RunState.QUEUED


def test_an_unknown_key_of_a_config_names_the_nearest(project, anchor):
    with pytest.raises(ConfigInvalid, match="temperature"):
        run_create(project=project, kind="generate", config={"temprature": 0.7})
    assert not Run.objects.exists()


def test_a_value_out_of_range_is_refused(project, anchor):
    with pytest.raises(ConfigInvalid, match="top_p"):
        run_create(project=project, kind="generate", config={"top_p": 1.5})


def test_a_policy_made_from_nothing_has_no_base_for_an_adapter(project):
    project.base_model = "toy"
    with pytest.raises(ConfigInvalid, match="method is lora, but the tiny policy is made from nothing"):
        run_create(project=project, kind="sft", config={"method": "lora"})


def test_an_unknown_input_names_the_nearest(project, anchor):
    with pytest.raises(ConfigInvalid, match="Did you mean 'policy'"):
        run_create(project=project, kind="generate", inputs={"polcy": "x"})


def test_an_unknown_kind_is_refused(project):
    with pytest.raises(ConfigInvalid, match="known are sft"):
        run_create(project=project, kind="magic")


def test_an_unknown_model_is_refused(project, anchor):
    with pytest.raises(ModelMissing, match="nobody"):
        run_create(project=project, kind="generate", inputs={"policy": "nobody"})


def test_without_an_anchor_nothing_but_sft_can_run(project, prompts):
    with pytest.raises(NotReady, match="no anchor yet"):
        run_create(project=project, kind="generate")
    assert run_create(project=project, kind="sft").state == RunState.QUEUED


def test_a_file_of_examples_cannot_be_named_over_the_network(project, rose):
    with pytest.raises(ConfigInvalid, match=r"inputs\.examples"):
        run_create(project=project, kind="sft", inputs={"examples": "secret_key"}, actor=rose)


def test_a_base_model_that_is_nowhere_is_refused_at_once(project):
    project.base_model = "./no/such/folder"
    with pytest.raises(ConfigInvalid, match="there is no folder"):
        run_create(project=project, kind="sft")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("./no/such/folder", "there is no folder"),
        ("flan t5!", "nor a name that the hub allows"),
        ("a/b/c", "there is no folder"),
        ("~nobody-of-this-name/model", "no folder here"),
        ("a" * 300, "no folder here"),
    ],
)
def test_a_project_cannot_choose_a_base_model_that_can_be_none(project, name, why):
    with pytest.raises(InvalidInput, match=why) as caught:
        project_update(project=project, actor=None, base_model=name)
    assert list(caught.value.fields) == ["base_model"]
    with pytest.raises(InvalidInput, match=why):
        project_create(actor=None, slug="other", name="Other", base_model=name)
    assert not Project.objects.filter(slug="other").exists()


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{dialogue} {prompt}", r"The template has an unknown placeholder \{dialogue\}; it knows"),
        ("{{prompt}}", r"The template has no \{prompt\}"),
        ("{examples}{prompt}", "write the examples themselves into the template"),
    ],
)
def test_a_project_cannot_choose_a_template_that_cannot_be_filled_in(project, template, why):
    with pytest.raises(InvalidInput, match=why) as caught:
        project_update(project=project, actor=None, prompt_template=template)
    assert list(caught.value.fields) == ["prompt_template"]
    with pytest.raises(InvalidInput, match=why):
        project_create(actor=None, slug="other", name="Other", prompt_template=template)
    assert not Project.objects.filter(slug="other").exists()
    project.refresh_from_db()
    assert project.prompt_template != template


def test_a_template_with_examples_and_braces_as_text_is_a_projects(project):
    template = 'A: lost it.\nIn short: A lost it.\n\n{prompt} {{examples}} {"json": 1}\nIn short:'
    project = project_update(project=project, actor=None, prompt_template=template)
    filled = 'A: lost it.\nIn short: A lost it.\n\nB {prompt} {examples} {"json": 1}\nIn short:'
    assert project_format(project).apply("B {prompt}") == filled


def test_the_base_model_stays_once_the_anchor_is_made(project, anchor, tmp_path):
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(InvalidInput, match="start a new project"):
        project_update(project=project, actor=None, base_model=str(tmp_path))
    project_update(project=project, actor=None, base_model=project.base_model, name="Renamed")


def test_a_claim_counts_the_attempt_and_clears_the_curves_of_the_one_before(queued):
    run = queued()
    Metric.objects.create(run=run, step=1, name="loss", value=1.0)
    assert run_claim(run_id=run.pk) == 1
    run.refresh_from_db()
    assert (run.state, run.attempt) == (RunState.RUNNING, 1)
    assert run.heartbeat_at is not None
    assert run.packages["torch"]
    assert not run.metrics.exists()


def test_a_message_delivered_twice_claims_once(queued):
    run = queued()
    run_claim(run_id=run.pk)
    with pytest.raises(StaleTransition):
        run_claim(run_id=run.pk)
    run.refresh_from_db()
    assert run.attempt == 1


def test_success_keeps_the_output(running):
    run = running()
    run_succeed(run_id=run.pk, attempt=1, output={"model": "m"})
    run.refresh_from_db()
    assert (run.state, run.output, run.progress) == (RunState.SUCCEEDED, {"model": "m"}, 1.0)


def test_a_replaced_attempt_cannot_succeed(running):
    run = running()
    run_put_back(run_id=run.pk, attempt=1, reason="gone", counts=True)
    assert run_claim(run_id=run.pk) == 2
    with pytest.raises(StaleTransition):
        run_succeed(run_id=run.pk, attempt=1, output={})
    run.refresh_from_db()
    assert (run.state, run.attempt) == (RunState.RUNNING, 2)


def test_a_run_that_kills_its_process_fails_after_its_attempts(running):
    run = running(max_attempts=2)
    assert run_put_back(run_id=run.pk, attempt=1, reason="Killed.", counts=True) == RunState.QUEUED
    run_claim(run_id=run.pk)
    assert run_put_back(run_id=run.pk, attempt=2, reason="Killed.", counts=True) == RunState.FAILED
    run.refresh_from_db()
    assert "attempt 2, the last one" in run.error


def test_a_shutdown_costs_no_attempt(running):
    run = running(max_attempts=1)
    assert run_put_back(run_id=run.pk, attempt=1, reason="Shut down.", counts=False) == RunState.QUEUED
    run.refresh_from_db()
    assert run.max_attempts == 2


def test_a_queued_run_is_cancelled_at_once(queued, rose):
    run = run_cancel(run=queued(), actor=rose)
    assert run.state == RunState.CANCELLED
    assert run.finished_at is not None


def test_a_running_run_is_asked_to_stop(running, rose):
    run = run_cancel(run=running(), actor=rose)
    assert (run.state, run.cancel_requested) == (RunState.RUNNING, True)


def test_a_run_whose_process_died_after_the_cancel_is_cancelled(running, rose):
    run = run_cancel(run=running(), actor=rose)
    assert run_put_back(run_id=run.pk, attempt=1, reason="gone", counts=True) == RunState.CANCELLED


def test_what_has_ended_cannot_be_cancelled(running, rose):
    run = running()
    run_fail(run_id=run.pk, attempt=1, error="broken")
    with pytest.raises(Conflict, match="failed already"):
        run_cancel(run=run, actor=rose)


def test_a_retry_is_a_new_run_with_the_same_inputs(project, anchor, rose):
    run = run_create(project=project, kind="generate", seed=5)
    run_claim(run_id=run.pk)
    run_fail(run_id=run.pk, attempt=1, error="broken")
    again = run_retry(run=run, actor=rose)
    assert again.pk != run.pk
    assert (again.kind, again.seed, again.inputs, again.config) == (run.kind, 5, run.inputs, run.config)
    assert (again.state, again.created_by) == (RunState.QUEUED, rose)


def test_a_run_that_has_not_failed_cannot_be_tried_again(running, rose):
    with pytest.raises(Conflict, match="only one that failed"):
        run_retry(run=running(), actor=rose)


def test_an_imported_prompt_without_anchor_starts_sft_and_then_generation(project, prompts):
    from workers.services import generation_start

    assert generation_start(project=project).kind == RunKind.SFT
    assert generation_start(project=project) is None


def test_with_an_anchor_generation_starts_once(project, anchor, prompts):
    from workers.services import generation_start

    assert generation_start(project=project).kind == RunKind.GENERATE
    assert generation_start(project=project) is None


def test_without_prompts_nothing_starts(project, anchor):
    from workers.services import generation_start

    assert generation_start(project=project) is None
