"""Rewards of an evaluation's texts: the reward's, its judge's, and those of a sum's parts."""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence

from rlhf.reward import reward_parts
from rlhf.reward_model import RewardScorer
from rlhf.types import Completion, Prompt

_PROMPTS = 64  # read at once

Groups = Sequence[Sequence[Completion]]
Values = list[list[float]]  # [P, N], as the completions


def rate(
    scorer: RewardScorer, prompts: Sequence[Prompt], groups: Groups, *, missing_eos: float, tell: Callable[[int], None]
) -> tuple[Values, Values | None, dict[str, Values]]:
    """Rewards of each prompt's completions, the judge's where there is one, and a sum's parts by name.

    What did not end gets ``missing_eos`` and is not read: in the parts it is NaN. ``tell`` hears how many prompts are
    done.
    """
    rewards = [[missing_eos] * len(group) for group in groups]
    judged: Values | None = [list(row) for row in rewards]
    parts: dict[str, Values] = defaultdict(lambda: [[math.nan] * len(group) for group in groups])
    rows = [row for row, group in enumerate(groups) if any(one.finished for one in group)]
    rows.sort(key=lambda row: len(prompts[row].text))  # little padding
    for start in range(0, len(rows), _PROMPTS):
        tell(start)
        part = rows[start : start + _PROMPTS]
        asked = [prompts[row].text for row in part]
        texts = [[one.text for one in groups[row] if one.finished] for row in part]
        _fill(rewards, groups, part, scorer.score(asked, texts))
        for name, found in reward_parts(scorer, asked, texts).items():
            _fill(parts[name], groups, part, found)
        verdicts = scorer.judge(asked, texts) if judged is not None else None
        if verdicts is None or judged is None:
            judged = None
        else:
            _fill(judged, groups, part, verdicts)
    return rewards, judged, parts


def _fill(into: Values, groups: Groups, part: list[int], scores: Values) -> None:
    for row, found in zip(part, scores, strict=True):
        values = iter(found)
        into[row] = [next(values) if one.finished else kept for one, kept in zip(groups[row], into[row], strict=True)]
