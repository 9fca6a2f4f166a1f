"""A round: snapshot → reward model → PPO or DPO → evaluation → next completions, one run at a time."""

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max

from annotation.models import AuditEvent, Project, Ranking
from annotation.services import snapshot_freeze
from annotation.users import User
from workers.config import preset_of, round_config_validate
from workers.exceptions import ConfigInvalid, GateClosed, KedgeError, NotReady, RoundRunning
from workers.models import (
    Algorithm,
    Evaluation,
    ModelVersion,
    Round,
    RoundEvent,
    RoundState,
    Run,
    RunKind,
    RunState,
)
from workers.services.gates import Gate, both, rankings_gate, reward_gate
from workers.services.prompts import prompts_freeze
from workers.services.registry import project_anchor
from workers.services.runs import run_create
from workers.states import round_move

LIVE = (RunState.QUEUED, RunState.RUNNING)
FORCE = "Send force to start all the same; that is written to the audit trail."


def round_start(
    *,
    project: Project,
    algorithm: str,
    config: Mapping[str, Any] | None = None,
    seed: int = 0,
    actor: User | None = None,
    force: bool = False,
) -> Round:
    """Freeze the labels and start the chain.

    Raises GateClosed when there are too few rankings (unless ``force``), NotReady without any ranking, prompt
    or anchor, RoundRunning while a round runs, ConfigInvalid. Then nothing was made.
    """
    if algorithm not in Algorithm.values:
        raise ConfigInvalid(f"There is no algorithm '{algorithm}': known are {', '.join(Algorithm.values)}.")
    whole = round_config_validate(algorithm, config or {}, preset=preset_of(project.base_model))
    anchor = project_anchor(project)
    if not Ranking.objects.labels().filter(project=project).exists():
        raise NotReady(f"{project.slug} has no rankings yet: there is nothing to learn from. Rank some tasks first.")
    gate = rankings_gate(project=project)
    if not gate.passed and not force:
        raise GateClosed(f"{' '.join(gate.reasons)} {FORCE}")
    if project.rounds.filter(state=RoundState.RUNNING).exists():
        raise RoundRunning("A round of this project is running: wait until it has ended, or cancel its run.")
    prompts_freeze(project=project)
    with transaction.atomic():
        try:
            round_ = _round_create(project, algorithm, whole, seed, actor, gate, force, anchor)
        except IntegrityError as error:  # two people pressed the button at the same moment
            raise RoundRunning("A round of this project has just been started by somebody else.") from error
        if not gate.passed:
            _forced(round_, gate)
        round_advance(round_id=round_.pk)
    round_.refresh_from_db()
    return round_


def _round_create(
    project: Project,
    algorithm: str,
    config: dict[str, Any],
    seed: int,
    actor: User | None,
    gate: Gate,
    force: bool,  # noqa: FBT001 as it stands in the row
    anchor: ModelVersion,
) -> Round:
    last = project.rounds.aggregate(last=Max("number"))["last"] or 0
    with transaction.atomic():
        round_ = Round.objects.create(
            project=project,
            number=last + 1,
            algorithm=algorithm,
            config=config,
            plan=_plan(algorithm, anchor),
            seed=seed,
            snapshot=snapshot_freeze(project=project, actor=actor),
            force=force,
            gate=gate.as_json(),
            created_by=actor,
        )
        RoundEvent.objects.create(round=round_, new=RoundState.RUNNING, message=f"started with {algorithm}")
    AuditEvent.objects.create(
        project=project, actor=actor, verb="round.start", target=f"round {round_.number}", data={"algorithm": algorithm}
    )
    return round_


def _plan(algorithm: str, anchor: ModelVersion) -> list[dict[str, str]]:
    """The runs of the round, in order. The anchor is evaluated once in the project's life."""
    measured = Evaluation.objects.filter(model=anchor).exists()
    steps = [{"kind": RunKind.REWARD.value}, {"kind": algorithm}]
    steps += [] if measured else [{"kind": RunKind.EVALUATE.value, "policy": "anchor"}]
    return [
        *steps,
        {"kind": RunKind.EVALUATE.value, "policy": "new"},
        {"kind": RunKind.GENERATE.value, "policy": "new"},
    ]


def round_advance(*, round_id: int) -> Run | None:
    """Do what comes next: start the next run, or end the round. Calling it twice does nothing twice."""
    with transaction.atomic():
        round_ = Round.objects.select_for_update().select_related("project", "snapshot").get(pk=round_id)
        if round_.state != RoundState.RUNNING:
            return None
        # The newest run of each place: a retry stands in for the one that failed.
        runs = {run.position: run for run in round_.runs.order_by("pk")}
        for position in range(len(round_.plan)):
            run = runs.get(position)
            if run is None:
                return _step_start(round_, position, runs)
            if run.state in LIVE:
                return None
            if run.state != RunState.SUCCEEDED:
                _round_end(round_, run)
                return None
        round_move(round_id=round_.pk, old=RoundState.RUNNING, new=RoundState.SUCCEEDED, message="every run succeeded")
    return None


def _step_start(round_: Round, position: int, runs: Mapping[int, Run]) -> Run | None:
    step = round_.plan[position]
    previous = runs.get(position - 1)
    if previous is not None and previous.kind == RunKind.REWARD and not _reward_passes(round_, previous):
        return None
    try:
        return run_create(
            project=round_.project,
            kind=step["kind"],
            config=round_.config[step["kind"]],
            seed=round_.seed,
            inputs=_step_inputs(round_, step, runs),
            actor=round_.created_by,
            round=round_,
            position=position,
        )
    except KedgeError as error:
        _round_fail(round_, f"{step['kind']} could not be started: {error}")
        return None


def _step_inputs(round_: Round, step: Mapping[str, str], runs: Mapping[int, Run]) -> dict[str, str]:
    anchor = project_anchor(round_.project).slug
    made = {run.kind: str(run.output.get("model", "")) for run in runs.values()}
    snapshot = round_.snapshot.sha256 if round_.snapshot else ""
    first = runs.get(0)
    # Frozen by the first run: prompts imported while the round runs do not move under the later ones.
    prompts = {"prompts": first.inputs["prompts"]} if first else {}
    policy = anchor if step.get("policy") == "anchor" else made.get(round_.algorithm, "")
    inputs: dict[str, dict[str, str]] = {
        RunKind.REWARD: {"anchor": anchor, "snapshot": snapshot},
        RunKind.PPO: {"anchor": anchor, "reward": made.get(RunKind.REWARD, "")},
        RunKind.DPO: {"anchor": anchor, "snapshot": snapshot, "reward": made.get(RunKind.REWARD, "")},
        RunKind.EVALUATE: {"policy": policy, "reward": made.get(RunKind.REWARD, "")},
        RunKind.GENERATE: {"policy": policy},
    }
    return inputs[step["kind"]] | ({} if step["kind"] == RunKind.GENERATE else prompts)


def _reward_passes(round_: Round, run: Run) -> bool:
    """Measure the gate of the reward model, write it down, and say whether the round goes on."""
    model = ModelVersion.objects.get(slug=run.output["model"])
    measured = reward_gate(project=round_.project, accuracy=model.facts.get("accuracy"))
    gate = both(rankings_gate_of(round_), measured)
    Round.objects.filter(pk=round_.pk).update(gate=gate.as_json())
    if measured.passed:
        return True
    if round_.force:
        _forced(round_, measured)
        return True
    _round_fail(round_, f"{' '.join(measured.reasons)} {FORCE}")
    return False


def rankings_gate_of(round_: Round) -> Gate:
    """What the gate of the rankings said when the round started."""
    return Gate(passed=bool(round_.gate.get("passed", True)), reasons=list(round_.gate.get("reasons", [])))


def _forced(round_: Round, gate: Gate) -> None:
    Round.objects.filter(pk=round_.pk).update(forced=True)
    AuditEvent.objects.create(
        project=round_.project,
        actor=round_.created_by,
        verb="round.force",
        target=f"round {round_.number}",
        data={"reasons": gate.reasons},
    )


def _round_end(round_: Round, run: Run) -> None:
    if run.state == RunState.CANCELLED:
        round_move(
            round_id=round_.pk,
            old=RoundState.RUNNING,
            new=RoundState.CANCELLED,
            message=f"its run {run.pk} ({run.kind}) was cancelled",
        )
    else:
        last_line = run.error.strip().rpartition("\n")[2]
        _round_fail(round_, f"Run {run.pk} ({run.kind}) failed: {last_line}")


def _round_fail(round_: Round, error: str) -> None:
    round_move(
        round_id=round_.pk, old=RoundState.RUNNING, new=RoundState.FAILED, message=error.partition("\n")[0], error=error
    )
