"""What a new reward model thinks of the completions that people ranked: what makes a label suspicious."""

from django.db.models import Max

from annotation.models import Completion, Ranking
from rlhf.exceptions import Cancelled, ModelError, PromptTooLong
from rlhf.reward_model import RewardEnsemble
from workers.models import CompletionReward, ModelVersion
from workers.pipelines.context import Context

RATED_PROMPTS = 5000  # the newest; more would cost as much as the training
BATCH = 64


def ranked_log_odds(context: Context, ensemble: RewardEnsemble) -> dict[int, float]:
    """The model's log-odds of every completion of the newest ranked prompts, by completion id.

    A prompt that the model cannot read (too long, or no source) is left out: its rankings trained nothing either.
    """
    ranked = Ranking.objects.training().filter(project=context.project).values("prompt")
    newest = ranked.annotate(newest=Max("pk")).order_by("-newest")[:RATED_PROMPTS]
    keys = sorted(row["prompt"] for row in newest)
    found: dict[int, float] = {}
    for start in range(0, len(keys), BATCH):
        if context.reporter.cancelled():
            raise Cancelled("The reward run was cancelled.")
        context.reporter.progress(start, len(keys), "rating the ranked completions")
        rows = Completion.objects.filter(
            prompt__in=keys[start : start + BATCH], tasks__assignments__rankings__is_current=True
        ).distinct()
        by_prompt: dict[str, list[tuple[int, str]]] = {}
        for pk, text, prompt in rows.order_by("pk").values_list("pk", "text", "prompt__text"):
            by_prompt.setdefault(context.templated(prompt), []).append((pk, text))
        found |= _log_odds(ensemble, by_prompt)
    return found


def log_odds_store(model: ModelVersion, log_odds: dict[int, float]) -> None:
    CompletionReward.objects.bulk_create(
        (CompletionReward(model=model, completion_id=pk, log_odds=value) for pk, value in log_odds.items()),
        batch_size=1000,
    )


def _log_odds(ensemble: RewardEnsemble, by_prompt: dict[str, list[tuple[int, str]]]) -> dict[int, float]:
    """All prompts at once; where one cannot be read, each alone, so that it takes no other with it."""
    prompts, rows = list(by_prompt), list(by_prompt.values())
    try:
        scores = ensemble.log_odds(prompts, [[text for _pk, text in row] for row in rows])
    except (PromptTooLong, ModelError):
        if len(prompts) == 1:
            return {}
        alone = (_log_odds(ensemble, {prompt: row}) for prompt, row in by_prompt.items())
        return {pk: value for part in alone for pk, value in part.items()}
    return {
        pk: value for row, own in zip(rows, scores, strict=True) for (pk, _text), value in zip(row, own, strict=True)
    }
