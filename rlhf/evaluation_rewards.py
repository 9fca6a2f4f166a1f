"""Rewards of an evaluation's texts, by the reward model and by its judge."""

from collections.abc import Callable, Sequence

from rlhf.reward_model import RewardScorer
from rlhf.types import Completion, Prompt

_PROMPTS = 64  # read at once

Groups = Sequence[Sequence[Completion]]
Values = list[list[float]]  # [P, N], as the completions


def rate(
    scorer: RewardScorer, prompts: Sequence[Prompt], groups: Groups, *, missing_eos: float, tell: Callable[[int], None]
) -> tuple[Values, Values | None]:
    """Rewards of each prompt's completions, and the judge's where there is one.

    What did not end gets ``missing_eos`` and is not read. ``tell`` hears how many prompts are done.
    """
    rewards = [[missing_eos] * len(group) for group in groups]
    judged: Values | None = [list(row) for row in rewards]
    rows = [row for row, group in enumerate(groups) if any(one.finished for one in group)]
    rows.sort(key=lambda row: len(prompts[row].text))  # little padding
    for start in range(0, len(rows), _PROMPTS):
        tell(start)
        part = rows[start : start + _PROMPTS]
        asked = [prompts[row].text for row in part]
        texts = [[one.text for one in groups[row] if one.finished] for row in part]
        _fill(rewards, groups, part, scorer.score(asked, texts))
        verdicts = scorer.judge(asked, texts) if judged is not None else None
        if verdicts is None or judged is None:
            judged = None
        else:
            _fill(judged, groups, part, verdicts)
    return rewards, judged


def _fill(into: Values, groups: Groups, part: list[int], scores: Values) -> None:
    for row, found in zip(part, scores, strict=True):
        values = iter(found)
        into[row] = [next(values) if one.finished else kept for one, kept in zip(groups[row], into[row], strict=True)]
