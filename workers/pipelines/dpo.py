"""Anchor and rankings → a policy, by DPO; the reward model, where there is one, only measures."""

from annotation.models import Split
from rlhf.train_dpo import train_dpo
from workers.models import ModelKind
from workers.pipelines.context import Context, Publish
from workers.pipelines.models import folder
from workers.pipelines.publish import publish_model


def run(context: Context) -> Publish:
    anchor = context.anchor()
    reward = folder(context.model("reward", ModelKind.REWARD)) if context.input("reward") else None
    artifact = train_dpo(
        context.config,
        folder(anchor),
        context.rankings(),
        context.draft,
        seed=context.run.seed,
        reporter=context.reporter,
        reward=reward,
        held_out=context.prompts(Split.VALIDATION),
    )
    return publish_model(context, artifact, kind=ModelKind.POLICY, parent=anchor)
