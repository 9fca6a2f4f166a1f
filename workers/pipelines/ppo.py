"""Anchor and reward model → a policy, by PPO."""

from annotation.models import Split
from rlhf.train_ppo import train_ppo
from workers.models import ModelKind
from workers.pipelines.context import Context, Publish
from workers.pipelines.models import folder
from workers.pipelines.publish import publish_model


def run(context: Context) -> Publish:
    anchor = context.anchor()
    reward = context.model("reward", ModelKind.REWARD)
    artifact = train_ppo(
        context.config,
        folder(anchor),
        folder(reward),
        context.prompts(Split.TRAIN),
        context.prompts(Split.VALIDATION),
        context.draft,
        seed=context.run.seed,
        reporter=context.reporter,
    )
    return publish_model(context, artifact, kind=ModelKind.POLICY, parent=anchor)
