"""The pairs of held-out rankings with a reward model's opinion of each: what every figure of its worth is made from."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

from rlhf.data import pairs_of
from rlhf.reward_model import RewardEnsemble
from rlhf.types import Ranking


@dataclass(frozen=True)
class JudgedPair:
    """One decided pair of a held-out ranking. ``delta`` is the reward of the better text minus that of the worse."""

    prompt_id: str
    delta: float
    judge_delta: float | None
    probability: float  # that the better one wins, given that there is no tie
    better_length: int  # characters
    worse_length: int
    strength: int | None
    newest: bool = False  # both texts are of the newest policy


@dataclass(frozen=True)
class ScoredText:
    """One text of a prompt with its reward; a text that several annotators ranked is here once."""

    prompt_id: str
    text: str
    reward: float


@dataclass(frozen=True)
class Judged:
    """All decided pairs and all texts of some rankings; those of two reward models may be put together."""

    pairs: tuple[JudgedPair, ...]
    texts: tuple[ScoredText, ...]

    def __add__(self, other: "Judged") -> "Judged":
        return Judged(self.pairs + other.pairs, self.texts + other.texts)


def judged(
    ensemble: RewardEnsemble, rankings: Sequence[Ranking], newest: Mapping[str, Collection[str]] | None = None
) -> Judged:
    """The ensemble's opinion of ``rankings``; ``newest`` holds the newest policy's texts by prompt id."""
    prompts, texts = [ranking.prompt for ranking in rankings], [ranking.completions for ranking in rankings]
    scores, judge = ensemble.score(prompts, texts), ensemble.judge(prompts, texts)
    chances = win_probabilities(ensemble, rankings)
    own = newest or {}
    pairs: list[JudgedPair] = []
    for index, ranking in enumerate(rankings):
        written = {place for place, text in enumerate(texts[index]) if text in own.get(ranking.prompt_id, ())}
        pairs += [
            JudgedPair(
                prompt_id=ranking.prompt_id,
                delta=scores[index][better] - scores[index][worse],
                judge_delta=None if judge is None else judge[index][better] - judge[index][worse],
                probability=chances[index][better][worse],
                better_length=len(ranking.completions[better]),
                worse_length=len(ranking.completions[worse]),
                strength=_strength(ranking, better, worse),
                newest={better, worse} <= written,
            )
            for better, worse, tied in pairs_of(ranking)
            if not tied
        ]
    found = {
        (ranking.prompt_id, text): reward
        for ranking, row in zip(rankings, scores, strict=True)
        for text, reward in zip(ranking.completions, row, strict=True)
    }
    return Judged(tuple(pairs), tuple(ScoredText(*key, reward) for key, reward in found.items()))


def win_probabilities(ensemble: RewardEnsemble, rankings: Sequence[Ranking]) -> list[list[list[float]]]:
    """For each ranking [K, K] the probability that i beats j, ties apart: the mean over the scoring members.

    From the members' raw scores: after normalisation their unit is no longer that of a log-odds. By Rao and Kupper it
    is p_win / (p_win + p_lose); without a threshold, σ(r_i − r_j).
    """
    prompts, texts = [ranking.prompt for ranking in rankings], [ranking.completions for ranking in rankings]
    members = [member.name for member in ensemble.settings.members if member.role == "scorer"]
    learnt = ensemble.settings.tie_rule == "rao-kupper"
    theta = torch.tensor([ensemble.theta(name) if learnt else 0.0 for name in members]).double()[:, None, None]
    raw = ensemble.raw(members, prompts, texts).double()  # [members, all completions]
    found = []
    for scores in torch.split(raw, [len(row) for row in texts], dim=1):
        delta = scores[:, :, None] - scores[:, None, :]
        win, lose = functional.logsigmoid(delta - theta), functional.logsigmoid(-delta - theta)
        found.append(functional.sigmoid(win - lose).mean(dim=0).tolist())
    return found


def _strength(ranking: Ranking, better: int, worse: int) -> int | None:
    """The strongest boundary between the two; None where the annotator gave no strengths."""
    if ranking.strengths is None:
        return None
    group = {item: rank for rank, items in enumerate(ranking.groups) for item in items}
    return max(ranking.strengths[group[better] : group[worse]], default=0)
