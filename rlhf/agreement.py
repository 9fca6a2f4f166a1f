"""How far annotators agree, and what that allows: the best accuracy a reward model can have, the share of wrong labels.

Two annotators who are each right with chance p agree with chance A = p² + (1 − p)², so p = ½(1 + √(2A − 1)).
"""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from rlhf.data import pairs_of
from rlhf.statistics import bootstrap_ratio
from rlhf.types import Interval, Ranking

Signs = dict[str, dict[tuple[str, str], dict[str, int]]]
"""By prompt, pair of texts (in alphabetical order) and annotator: 1 where the first is better, −1 worse, 0 a tie."""


@dataclass(frozen=True)
class Band:
    """Where the best possible accuracy lies; ``lowest`` and ``highest`` use the agreement's own interval."""

    low: float
    high: float
    lowest: float
    highest: float
    n: int  # prompts behind it


def pair_signs(rankings: Sequence[Ranking]) -> Signs:
    """What each annotator said of each pair of different texts of a prompt; of two answers the later one."""
    found: Signs = defaultdict(lambda: defaultdict(dict))
    for ranking in rankings:
        texts = ranking.completions
        count = Counter(texts)
        for better, worse, tie in pairs_of(ranking):
            first, second = texts[better], texts[worse]
            if count[first] == count[second] == 1:  # of a text that stands at two places nobody knows which was meant
                sign = 0 if tie else 1 if first < second else -1
                pair = (first, second) if first < second else (second, first)
                found[ranking.prompt_id][pair][ranking.annotator] = sign
    return found


def pairwise_agreement(rankings: Sequence[Ranking], seed: int = 0) -> Interval | None:
    """Share of equal answers among all (two annotators, pair they both decided), prompts resampled; ties left out.

    None where no two annotators decided the same pair.
    """
    same, both = [], []
    for pairs in pair_signs(rankings).values():
        counts = [Counter(answers.values()) for answers in pairs.values()]
        agreeing = [math.comb(count[1], 2) + math.comb(count[-1], 2) for count in counts]
        same.append(sum(agreeing))
        both.append(sum(agreeing) + sum(count[1] * count[-1] for count in counts))
    return bootstrap_ratio(same, both, seed) if sum(both) else None


def best_accuracy(agreement: float) -> float:
    """½(1 + √(2A − 1)): how often one label is right where labels agree this often; ½ below A = ½."""
    return 0.5 * (1 + math.sqrt(max(0.0, 2 * agreement - 1)))


def agreement_band(agreement: Interval) -> Band:
    """A ≤ best possible accuracy on single labels ≤ ½(1 + √(2A − 1)).

    The upper end holds where all pairs are equally hard; the more they differ, the nearer the truth is to A.
    """
    high, highest = (max(value, best_accuracy(value)) for value in (agreement.value, agreement.high))
    return Band(low=agreement.value, high=high, lowest=agreement.low, highest=highest, n=agreement.n)


def wrong_labels(agreement: float) -> float:
    """ε = 1 − ½(1 + √(2A − 1)), the share of wrong labels that explains this agreement: for label smoothing."""
    return 1 - best_accuracy(agreement)
