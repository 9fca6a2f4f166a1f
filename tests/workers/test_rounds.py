"""A round: its gates, its chain, and how it ends."""

import pytest

from annotation.exceptions import Conflict
from annotation.models import AuditEvent, Snapshot
from workers.exceptions import ConfigInvalid, GateClosed, NotReady, RoundRunning
from workers.models import Evaluation, ModelKind, ModelVersion, Round, RoundState, RunState
from workers.selectors import round_detail, round_gate
from workers.services import round_advance, round_start, run_cancel, run_claim, run_fail, run_retry, run_succeed


@pytest.fixture
def ready(project, anchor, ranked):
    """A project whose round may start: 3 rankings of 3 wanted."""
    project.min_rankings = 3
    project.save()
    ranked(3)
    return project


def finish(round_, *, accuracy: dict[str, float] | None = None) -> str:
    """End the round's live run as its pipeline would, with the model it makes; the kind that ended."""
    run = round_.runs.get(state=RunState.QUEUED)
    attempt = run_claim(run_id=run.pk)
    output = {}
    if run.kind in ("reward", "ppo", "dpo"):
        model = ModelVersion.objects.create(
            project=round_.project,
            slug=f"m{run.pk}",
            kind=ModelKind.REWARD if run.kind == "reward" else ModelKind.POLICY,
            run=run,
            path=f"m{run.pk}",
            facts={"accuracy": accuracy or {"value": 0.7, "low": 0.6, "high": 0.8, "n": 50}},
        )
        output = {"model": model.slug}
    if run.kind == "evaluate":
        model = ModelVersion.objects.get(slug=run.inputs["policy"])
        Evaluation.objects.create(run=run, model=model, split="test", decoding={}, metrics={})
    run_succeed(run_id=run.pk, attempt=attempt, output=output)
    round_.refresh_from_db()
    return str(run.kind)


def test_a_round_goes_from_snapshot_to_next_completions(ready, rose):
    round_ = round_start(project=ready, algorithm="ppo", seed=7, actor=rose)
    assert round_.number == 1
    assert round_.snapshot.rankings == 3
    kinds = [finish(round_) for _ in range(5)]
    assert kinds == ["reward", "ppo", "evaluate", "evaluate", "generate"]
    assert round_.state == RoundState.SUCCEEDED
    assert [step["state"] for step in round_detail(round_)["steps"]] == ["succeeded"] * 5


def test_each_run_reads_what_the_one_before_made(ready, rose):
    round_ = round_start(project=ready, algorithm="dpo", seed=7, actor=rose)
    for _ in range(5):
        finish(round_)
    reward, dpo, before, after, generate = round_.runs.order_by("position")
    assert reward.inputs["snapshot"] == dpo.inputs["snapshot"] == round_.snapshot.sha256
    assert dpo.inputs["reward"] == reward.output["model"]
    assert before.inputs["policy"] == "dialogues-sft"
    assert after.inputs["policy"] == generate.inputs["policy"] == dpo.output["model"]
    assert len({run.inputs["prompts"] for run in (reward, dpo, before, after)}) == 1
    assert {run.seed for run in round_.runs.all()} == {7}


def test_the_anchor_is_evaluated_in_the_first_round_only(ready, rose):
    first = round_start(project=ready, algorithm="ppo", actor=rose)
    for _ in range(5):
        finish(first)
    second = round_start(project=ready, algorithm="ppo", actor=rose)
    assert [step["kind"] for step in second.plan] == ["reward", "ppo", "evaluate", "generate"]


def test_too_few_rankings_are_refused_with_figures_and_remedy(project, anchor, ranked, rose):
    ranked(2)
    with pytest.raises(GateClosed, match=r"2 of the 500 rankings .* collect 498 more"):
        round_start(project=project, algorithm="ppo", actor=rose)
    assert not Round.objects.exists()
    assert not Snapshot.objects.exists()


def test_force_overrules_the_gate_and_is_written_down(project, anchor, ranked, rose):
    ranked(2)
    round_ = round_start(project=project, algorithm="ppo", actor=rose, force=True)
    assert round_.forced
    event = AuditEvent.objects.get(verb="round.force")
    assert event.actor == rose
    assert "2 of the 500" in event.data["reasons"][0]


def test_force_is_not_written_down_where_the_gate_is_open(ready, rose):
    assert not round_start(project=ready, algorithm="ppo", actor=rose, force=True).forced
    assert not AuditEvent.objects.filter(verb="round.force").exists()


def test_without_any_ranking_even_force_starts_nothing(project, anchor, prompts, rose):
    with pytest.raises(NotReady, match="no rankings"):
        round_start(project=project, algorithm="ppo", actor=rose, force=True)


def test_without_an_anchor_no_round_starts(project, ranked, rose):
    ranked(1)
    with pytest.raises(NotReady, match="no anchor"):
        round_start(project=project, algorithm="ppo", actor=rose, force=True)


def test_two_rounds_do_not_run_at_once(ready, rose):
    round_start(project=ready, algorithm="ppo", actor=rose)
    with pytest.raises(RoundRunning):
        round_start(project=ready, algorithm="dpo", actor=rose)


def test_an_unknown_algorithm_is_refused(ready, rose):
    with pytest.raises(ConfigInvalid, match="known are ppo, dpo"):
        round_start(project=ready, algorithm="magic", actor=rose)


def test_an_unknown_key_of_a_rounds_config_is_refused_before_anything_is_made(ready, rose):
    with pytest.raises(ConfigInvalid, match="learning_rate"):
        round_start(project=ready, algorithm="ppo", config={"ppo": {"learning_rat": 1}}, actor=rose)
    with pytest.raises(ConfigInvalid, match="Did you mean 'ppo'"):
        round_start(project=ready, algorithm="ppo", config={"pp": {}}, actor=rose)
    assert not Round.objects.exists()


def test_a_weak_reward_model_ends_the_round_before_the_policy_is_trained(ready, rose):
    round_ = round_start(project=ready, algorithm="ppo", actor=rose)
    finish(round_, accuracy={"value": 0.55, "low": 0.48, "high": 0.62, "n": 40})
    assert round_.state == RoundState.FAILED
    assert "0.550 (0.480 to 0.620)" in round_.error
    assert not round_.gate["passed"]
    assert not round_.runs.filter(kind="ppo").exists()


def test_a_forced_round_goes_on_with_a_weak_reward_model(ready, rose):
    round_ = round_start(project=ready, algorithm="ppo", actor=rose, force=True)
    finish(round_, accuracy={"value": 0.5, "low": 0.4, "high": 0.6, "n": 40})
    assert (round_.state, round_.forced) == (RoundState.RUNNING, True)
    assert round_.runs.filter(kind="ppo").exists()
    assert AuditEvent.objects.get(verb="round.force").actor == rose


def test_a_failed_run_fails_its_round_with_its_error(ready, rose):
    round_ = round_start(project=ready, algorithm="ppo", actor=rose)
    run = round_.runs.get()
    run_fail(run_id=run.pk, attempt=run_claim(run_id=run.pk), error="Traceback\nValueError: no luck")
    round_.refresh_from_db()
    assert round_.state == RoundState.FAILED
    assert round_.error == f"Run {run.pk} (reward) failed: ValueError: no luck"


def test_a_retry_takes_the_round_up_again(ready, rose):
    round_ = round_start(project=ready, algorithm="ppo", actor=rose)
    run = round_.runs.get()
    run_fail(run_id=run.pk, attempt=run_claim(run_id=run.pk), error="broken")
    again = run_retry(run=run, actor=rose)
    round_.refresh_from_db()
    assert (round_.state, again.round, again.position) == (RoundState.RUNNING, round_, 0)
    finish(round_)
    assert round_.runs.filter(kind="ppo", state=RunState.QUEUED).exists()


def test_a_run_is_tried_again_once(ready, rose):
    round_ = round_start(project=ready, algorithm="ppo", actor=rose)
    run = round_.runs.get()
    run_fail(run_id=run.pk, attempt=run_claim(run_id=run.pk), error="broken")
    run_retry(run=run, actor=rose)
    with pytest.raises(Conflict, match="has gone on"):
        run_retry(run=run, actor=rose)


def test_a_cancelled_run_cancels_its_round(ready, rose):
    round_ = round_start(project=ready, algorithm="ppo", actor=rose)
    run_cancel(run=round_.runs.get(), actor=rose)
    round_.refresh_from_db()
    assert round_.state == RoundState.CANCELLED


def test_advancing_twice_starts_one_run(ready, rose):
    round_ = round_start(project=ready, algorithm="ppo", actor=rose)
    assert round_advance(round_id=round_.pk) is None
    assert round_.runs.count() == 1


def test_the_pages_know_beforehand_what_the_gate_will_say(project, ranked):
    ranked(2)
    gate = round_gate(project)
    assert (gate["passed"], gate["rankings"], gate["min_rankings"]) == (False, 2, 500)
