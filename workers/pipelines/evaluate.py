"""A policy → an evaluation: ROUGE, toxicity, reward, KL, length, each with its interval."""

from dataclasses import asdict
from typing import Any

from annotation.models import Split
from rlhf.artifacts import plain
from rlhf.config import to_mapping
from rlhf.evaluate import evaluate
from rlhf.exceptions import DataError
from workers.models import Evaluation, ModelKind
from workers.pipelines.context import Context, Publish
from workers.pipelines.models import folder


def run(context: Context) -> Publish:
    model = context.model("policy")
    split = Split(context.input("split"))
    prompts = context.prompts(split)
    if not prompts:
        raise DataError(f"{context.project.slug} has no prompts in its {split} split: import more prompts.")
    result = evaluate(
        context.config,
        folder(context.anchor()),
        folder(model) if model.kind == ModelKind.POLICY else None,
        folder(context.model("reward", ModelKind.REWARD)) if context.input("reward") else None,
        prompts,
        seed=context.run.seed,
        reporter=context.reporter,
    )

    def publish() -> dict[str, Any]:
        evaluation = Evaluation.objects.create(
            run=context.run,
            model=model,
            split=split,
            # ``how`` says in words how each figure came about, the toxicity backend's name among them.
            decoding=to_mapping(context.config)
            | {"reward": context.input("reward"), "how": dict(result.decoding), "counts": dict(result.counts)},
            metrics={name: asdict(interval) for name, interval in result.metrics.items()},
            samples=plain(list(result.samples)),
            reward_table=plain(list(result.reward_table)),
        )
        return {"evaluation": evaluation.pk, "model": model.slug}

    return publish
