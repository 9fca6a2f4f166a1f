"""An artifact that a training left in the draft folder becomes a model version."""

from typing import Any

from rlhf.artifacts import plain
from rlhf.types import Artifact
from workers.models import ModelKind, ModelVersion
from workers.pipelines.context import Context, Publish
from workers.services.registry import anchor_set, model_register


def publish_model(context: Context, artifact: Artifact, *, kind: ModelKind, parent: ModelVersion | None) -> Publish:
    """What registers the artifact, and makes the project's first SFT model its anchor."""

    def publish() -> dict[str, Any]:
        model = model_register(
            run=context.run,
            attempt=context.attempt,
            draft=context.draft,
            artifact=artifact,
            facts={name: plain(value) for name, value in artifact.facts.items()},
            kind=kind,
            parent=parent,
        )
        if kind == ModelKind.SFT:
            anchor_set(model=model)
        return {"model": model.slug, "sha256": model.sha256}

    return publish
