"""What the round pages show of a round."""

import json
from dataclasses import asdict
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from annotation.models import Project, Split
from annotation.quality import Figure, ceiling
from webapp.dashboard.charts import DotChart, Row, dot_chart
from webapp.dashboard.results import HEADLINES, metrics_of, newest_first_by_line, result_rows
from workers.models import Evaluation, ModelKind, ModelVersion, Round, RoundState
from workers.selectors import round_detail


def curl_round(request: HttpRequest, project: Project) -> str:
    """The same round from a terminal."""
    address = request.build_absolute_uri(reverse("api_rounds", args=[project.slug]))
    body = json.dumps({"algorithm": "ppo", "seed": 0})
    return "\n".join(
        [
            f"curl -X POST {address} \\",
            '  -H "Authorization: Token $TOKEN" \\',
            '  -H "Content-Type: application/json" \\',
            '  -H "Idempotency-Key: $(uuidgen)" \\',
            f"  -d '{body}'",
        ]
    )


def round_figures(round_: Round) -> dict[str, Any]:
    """The chain, the reward model beside the agreement band, and the evaluations of one round."""
    detail = round_detail(round_)
    evaluations = newest_first_by_line([*detail["evaluations"], *anchor_evaluations(round_)])
    metrics = [m for m in metrics_of({n for one in evaluations for n in one.metrics}) if m.name in HEADLINES]
    band = agreement_band(round_)
    return {
        "round": round_,
        "live": round_.state == RoundState.RUNNING,
        "steps": detail["steps"],
        "error": round_error(round_),
        "band": band,
        "accuracy": accuracy_chart(round_, detail["models"], band),
        "metrics": metrics,
        "results": result_rows(evaluations, metrics),
    }


def round_error(round_: Round) -> str:
    """Why the round failed, unless the gate's reasons say it already."""
    reasons = round_.gate.get("reasons") or []
    return "" if any(reason in round_.error for reason in reasons) else round_.error


def anchor_evaluations(round_: Round) -> list[Evaluation]:
    """The anchor's newest evaluation on the test side, which every round is compared with."""
    found = Evaluation.objects.filter(
        model__project=round_.project_id, model__kind=ModelKind.SFT, model__state="promoted", split=Split.TEST
    )
    found = found.exclude(run__round=round_).select_related("model").defer("samples", "reward_table")
    return list(found.order_by("-pk")[:1])


def agreement_band(round_: Round) -> dict[str, float] | None:
    """Where the labels' own agreement puts the best possible accuracy, as frozen with the snapshot."""
    manifest = round_.snapshot.manifest if round_.snapshot else {}
    pairwise = (manifest.get("agreement") or {}).get("pairwise")
    return asdict(ceiling(Figure(**pairwise))) if pairwise else None


# What the reward model's run reports of held-out pairs, in the order in which one asks.
ACCURACIES = (
    ("accuracy", "Reward model", 1),
    ("judge_accuracy", "The member that only judges", 1),
    ("newest_accuracy", "Reward model, on completions of the newest policy", 1),
    ("length_matched_accuracy", "Reward model, on completions of equal length", 1),
    ("longer_wins", "“The longer one is better”, for comparison", 3),
    ("null_accuracy", "The control that learnt labels given by lot", 3),
)


def accuracy_chart(round_: Round, models: list[ModelVersion], band: dict[str, float] | None) -> DotChart | None:
    """Held-out accuracy of the round's reward model beside chance, the gate, the band and the rule of length."""
    reward = next((model for model in reversed(models) if model.kind == ModelKind.REWARD), None)
    if reward is None:
        return None
    gate = round_.project.min_reward_accuracy
    marks = [(0.5, "0.5: chance")]
    if gate != 0.5:
        marks.append((gate, f"{gate:g}: the project’s gate"))
    return dot_chart(
        f"Accuracy of {reward.slug} on held-out pairs",
        [Row(label, reward.facts.get(name) or {}, series) for name, label, series in ACCURACIES],
        unit="share of pairs",
        band=(band["low"], band["high"], "Best possible accuracy, from agreement") if band else None,
        marks=marks,
    )
