"""Rankings of a snapshot → reward model."""

from annotation.models import Split
from rlhf.train_reward import train_reward
from workers.models import ModelKind
from workers.pipelines.context import Context, Publish
from workers.pipelines.models import folder
from workers.pipelines.publish import publish_model

SAMPLE_PROMPTS = 128  # the reward is normalised on the reference policy's samples of this many training prompts


def run(context: Context) -> Publish:
    anchor = context.anchor()
    artifact = train_reward(
        context.config,
        folder(anchor),
        context.rankings(),
        context.draft,
        seed=context.run.seed,
        reporter=context.reporter,
        sample_prompts=context.prompts(Split.TRAIN)[:SAMPLE_PROMPTS],
    )
    return publish_model(context, artifact, kind=ModelKind.REWARD, parent=anchor)
