"""Rows of the learning side, straight into the tables: no model lies behind them."""

import hashlib
from datetime import timedelta
from typing import Any

from django.utils import timezone

from annotation.models import Project, Snapshot, Split
from workers.models import (
    Algorithm,
    Evaluation,
    Metric,
    ModelKind,
    ModelVersion,
    Round,
    RoundState,
    Run,
    RunEvent,
    RunKind,
    RunState,
)

PLAN = [{"kind": "reward"}, {"kind": "ppo"}, {"kind": "evaluate", "policy": "new"}, {"kind": "generate"}]


def snapshot_make(project: Project, number: int = 1) -> Snapshot:
    sha256 = hashlib.sha256(f"{project.slug}{number}".encode()).hexdigest()
    manifest = {"counts": {"prompts": 3, "annotators": 1, "by_origin": {"person": 3}}, "agreement": {"pairwise": None}}
    return Snapshot.objects.create(
        project=project, sha256=sha256, rankings=3, pairs=18, manifest=manifest, path=f"snapshots/{sha256[:16]}"
    )


def round_make(project: Project, **fields: Any) -> Round:
    known = {"number": 1, "algorithm": Algorithm.PPO, "state": RoundState.SUCCEEDED, "plan": PLAN}
    return Round.objects.create(project=project, **(known | {"gate": {"passed": True, "reasons": []}} | fields))


def run_make(project: Project, **fields: Any) -> Run:
    known = {"kind": RunKind.PPO, "state": RunState.SUCCEEDED, "started_at": timezone.now() - timedelta(minutes=2)}
    run = Run.objects.create(project=project, **(known | fields))
    RunEvent.objects.create(run=run, kind="log", message="3,214,592 parameters")
    return run


def metrics_make(run: Run, steps: int = 5) -> None:
    rows = [
        Metric(run=run, step=step, name=name, value=0.1 * step) for step in range(steps) for name in ("reward", "kl")
    ]
    Metric.objects.bulk_create(rows)


def model_make(project: Project, **fields: Any) -> ModelVersion:
    known = {"slug": "dialogues-policy", "kind": ModelKind.POLICY, "method": "ppo", "sha256": "ab" * 32}
    size = {"trainable_parameters": 147_456, "total_parameters": 3_214_592, "size_bytes": 1_204_224}
    return ModelVersion.objects.create(project=project, **(known | size | {"path": "models/x"} | fields))


def evaluation_make(model: ModelVersion, *, run: Run, text: str = "They meet at ten.", **fields: Any) -> Evaluation:
    interval = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 100}
    names = ("rouge1", "rouge2", "rougeL", "rougeLsum", "toxicity", "reward", "kl", "length")
    sample = {"prompt": "Ann: At ten?\nTom: Yes.", "references": ["They meet."], "text": text, "reward": 0.3}
    row = {"prompt": "Ann: At ten?", "before": "No.", "after": text, "reward_before": -0.25, "reward_after": 0.5}
    known = {
        "split": Split.TEST,
        "decoding": {"how": {"toxicity": "profanity-proxy (1.9) on the samples"}, "counts": {"too_long": 2}},
        "metrics": dict.fromkeys(names, interval),
        "samples": [sample],
        "reward_table": [row],
    }
    return Evaluation.objects.create(model=model, run=run, **(known | fields))
