"""Rankings as training batches: one prompt with all its completions and all its pairs is one element."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rlhf.data import pairs_of
from rlhf.exceptions import ModelError, PromptTooLong
from rlhf.losses import STRENGTH_MARGIN, PairBatch
from rlhf.models import Policy
from rlhf.tensors import TokenBatch
from rlhf.training_config import TieRule
from rlhf.types import Ranking, Reporter

TIES_WORTH_A_MODEL = 0.05
"""Share of ties from which Rao–Kupper is the default: dropping ties inflates the scale (×1.29 at 27 % ties)."""


@dataclass(frozen=True)
class PreferenceBatch:
    """``prompts`` [P, S]; ``completions`` [B, T] of prompt ``owner`` [B]; ``pairs`` index into the B completions."""

    prompts: TokenBatch
    completions: TokenBatch
    owner: Tensor
    pairs: PairBatch


def preference_batch(policy: Policy, rankings: Sequence[Ranking], *, margins: bool = False) -> PreferenceBatch:
    """Encode ``rankings`` on the policy's device. Raises PromptTooLong: filter with `fitting` first."""
    texts = [text for ranking in rankings for text in ranking.completions]
    owner = [index for index, ranking in enumerate(rankings) for _ in ranking.completions]
    return PreferenceBatch(
        prompts=policy.encode_prompts([ranking.prompt for ranking in rankings]),
        completions=policy.encode_completions(texts),
        owner=torch.tensor(owner, device=policy.device),
        pairs=pair_batch(rankings, device=policy.device, margins=margins),
    )


def shared_batch(
    policy: Policy, rankings: Sequence[Ranking], *, margins: bool = False, weights: Sequence[float] | None = None
) -> PreferenceBatch:
    """The same with every prompt, and every completion of a prompt, once, however many annotators ranked it.

    Losses and gradients are those of `preference_batch`; the completions are no longer in the rankings' order.
    """
    prompts = {text: index for index, text in enumerate(dict.fromkeys(ranking.prompt for ranking in rankings))}
    every = [(prompts[ranking.prompt], text) for ranking in rankings for text in ranking.completions]
    rows = {one: index for index, one in enumerate(dict.fromkeys(every))}
    place = torch.tensor([rows[one] for one in every], dtype=torch.long, device=policy.device)
    pairs = pair_batch(rankings, device=policy.device, margins=margins, weights=weights)
    return PreferenceBatch(
        prompts=policy.encode_prompts(list(prompts)),
        completions=policy.encode_completions([text for _owner, text in rows]),
        owner=torch.tensor([owner for owner, _text in rows], device=policy.device),
        pairs=replace(pairs, better=place[pairs.better], worse=place[pairs.worse]),
    )


def pair_batch(
    rankings: Sequence[Ranking],
    *,
    device: torch.device | str = "cpu",
    margins: bool = False,
    weights: Sequence[float] | None = None,
) -> PairBatch:
    """All pairs of ``rankings``, indices running over all completions in order.

    A pair weighs 1/#pairs of its ranking, times the ranking's own weight where ``weights`` [rankings] are given.
    """
    better, worse, tie, weight, margin = [], [], [], [], []
    offset = 0
    for own, ranking in zip(weights or [1.0] * len(rankings), rankings, strict=True):
        pairs = pairs_of(ranking)
        for left, right, tied in pairs:
            better.append(offset + left)
            worse.append(offset + right)
            tie.append(tied)
            weight.append(own / len(pairs))
            margin.append(_margin(ranking, left, right) if margins else 0.0)
        offset += len(ranking.completions)
    return PairBatch(
        better=torch.tensor(better, dtype=torch.long, device=device),
        worse=torch.tensor(worse, dtype=torch.long, device=device),
        tie=torch.tensor(tie, dtype=torch.bool, device=device),
        weight=torch.tensor(weight, device=device),
        margin=torch.tensor(margin, device=device),
        rankings=len(rankings),
    )


def _margin(ranking: Ranking, better: int, worse: int) -> float:
    """Margin of one pair: that of the strongest boundary between the two groups; 0 where no strengths were given."""
    if ranking.strengths is None:
        return 0.0
    group = {item: rank for rank, items in enumerate(ranking.groups) for item in items}
    crossed = ranking.strengths[group[better] : group[worse]]
    return max((STRENGTH_MARGIN[strength] for strength in crossed), default=0.0)


def fitting(policy: Policy, rankings: Sequence[Ranking], reporter: Reporter) -> tuple[list[Ranking], int]:
    """The rankings that the model can read, and how many it cannot: those are reported, never cut.

    A text may be over the limit; a prompt that is not known (an import without its source) may have no token.
    """
    kept = []
    for ranking in rankings:
        try:
            policy.encode_prompts([ranking.prompt])
            policy.encode_completions(list(ranking.completions))
        except (PromptTooLong, ModelError) as error:
            reporter.event("warning", f"A ranking of prompt {ranking.prompt_id} is left out: {error}")
        else:
            kept.append(ranking)
    return kept, len(rankings) - len(kept)


def tie_share(rankings: Sequence[Ranking]) -> float:
    """Share of tied pairs among all pairs; 0 where there is none."""
    ties = [tied for ranking in rankings for _left, _right, tied in pairs_of(ranking)]
    return sum(ties) / len(ties) if ties else 0.0


def default_tie_rule(share: float) -> TieRule:
    """Rao–Kupper where ties are common enough to learn a threshold from, else a soft label of ½."""
    return "rao-kupper" if share >= TIES_WORTH_A_MODEL else "soft"
