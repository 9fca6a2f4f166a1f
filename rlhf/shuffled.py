"""The null of preference learning: rankings in which everything is kept but the relation of text and label."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rlhf.types import Ranking


def shuffled_labels(rankings: Sequence[Ranking], seed: int) -> list[Ranking]:
    """``rankings`` with the places in each given to its texts by lot.

    Prompts, texts, annotators, ties and strengths stay. All rankings of the same texts of one prompt draw the same
    lot, so annotators agree as before: a model that gets to see the same prompt on two sides of the split would pass
    the null, and is found out. On unseen prompts no model can be right more often than half of the time.
    """
    return [_shuffled(ranking, seed) for ranking in rankings]


def _shuffled(ranking: Ranking, seed: int) -> Ranking:
    order = sorted(range(len(ranking.completions)), key=lambda index: ranking.completions[index])
    texts = [ranking.completions[index] for index in order]
    digest = hashlib.sha256(json.dumps([seed, ranking.prompt_id, texts]).encode()).digest()
    lot = np.random.default_rng(int.from_bytes(digest[:8])).permutation(len(order)).tolist()
    moved = {order[place]: order[other] for place, other in enumerate(lot)}
    return replace(ranking, groups=tuple(tuple(moved[index] for index in group) for group in ranking.groups))
