"""Rankings of a snapshot → reward model."""

from collections import defaultdict
from typing import Any

from annotation.models import Completion, Split
from annotation.services import tasks_score
from annotation.texts import nfc
from rlhf.reward_model import load_reward_model
from rlhf.train_reward import train_reward
from workers.models import ModelKind, ModelVersion, Run
from workers.pipelines.context import Context, Publish
from workers.pipelines.models import folder
from workers.pipelines.publish import publish_model
from workers.pipelines.ratings import log_odds_store, ranked_log_odds
from workers.pipelines.selection import open_task_scores

SAMPLE_PROMPTS = 128  # the reward is normalised on the reference policy's samples of this many training prompts


def newest_texts(run: Run) -> dict[str, set[str]]:
    """What the newest policy before ``run`` wrote, by prompt id as a snapshot's rankings have it; {} before any did.

    The reward model's accuracy on these texts, which nothing it learnt from was like, is reported apart.
    """
    written = Completion.objects.filter(prompt__project=run.project)
    policies = ModelVersion.objects.filter(
        project=run.project, kind=ModelKind.POLICY, created_at__lt=run.created_at, slug__in=written.values("source")
    )
    newest = policies.order_by("-pk").first()
    found: dict[str, set[str]] = defaultdict(set)
    if newest is not None:
        for prompt, text in written.filter(source=newest.slug).values_list("prompt__content_hash", "text"):
            found[prompt].add(nfc(text))
    return dict(found)


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
        newest=newest_texts(context.run),
    )
    ensemble = load_reward_model(context.draft, folder(anchor))
    log_odds, scores = ranked_log_odds(context, ensemble), open_task_scores(context, ensemble)
    publish = publish_model(context, artifact, kind=ModelKind.REWARD, parent=anchor)

    def publish_all() -> dict[str, Any]:
        output = publish()
        log_odds_store(ModelVersion.objects.get(project=context.project, slug=output["model"]), log_odds)
        tasks_score(project=context.project, scores=scores)
        return output

    return publish_all
