"""The pairs of held-out rankings with a reward model's opinion of each: what every figure of its worth is made from."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

from rlhf.data import pairs_of
from rlhf.reward_model import RewardEnsemble, Scores
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
    prompts, texts = distinct(rankings)
    scores = _by_text(prompts, texts, ensemble.score(prompts, texts))
    verdicts = ensemble.judge(prompts, texts)
    judge = None if verdicts is None else _by_text(prompts, texts, verdicts)
    chances = win_probabilities(ensemble, rankings)
    pairs: list[JudgedPair] = []
    for ranking, chance in zip(rankings, chances, strict=True):
        keys = [(ranking.prompt, text) for text in ranking.completions]
        own = (newest or {}).get(ranking.prompt_id, ())
        pairs += [
            JudgedPair(
                prompt_id=ranking.prompt_id,
                delta=scores[keys[better]] - scores[keys[worse]],
                judge_delta=None if judge is None else judge[keys[better]] - judge[keys[worse]],
                probability=chance[better][worse],
                better_length=len(ranking.completions[better]),
                worse_length=len(ranking.completions[worse]),
                strength=_strength(ranking, better, worse),
                newest=ranking.completions[better] in own and ranking.completions[worse] in own,
            )
            for better, worse, tied in pairs_of(ranking)
            if not tied
        ]
    name = {ranking.prompt: ranking.prompt_id for ranking in rankings}
    return Judged(tuple(pairs), tuple(ScoredText(name[prompt], text, one) for (prompt, text), one in scores.items()))


def distinct(rankings: Sequence[Ranking]) -> tuple[list[str], list[list[str]]]:
    """Every prompt once, with each of its texts once: what three people ranked is read once."""
    found: dict[str, dict[str, None]] = {}
    for ranking in rankings:
        found.setdefault(ranking.prompt, {}).update(dict.fromkeys(ranking.completions))
    return list(found), [list(texts) for texts in found.values()]


def _by_text(prompts: Sequence[str], texts: Sequence[Sequence[str]], scores: Scores) -> dict[tuple[str, str], float]:
    return {
        (prompt, text): score
        for prompt, row, own in zip(prompts, texts, scores, strict=True)
        for text, score in zip(row, own, strict=True)
    }


def win_probabilities(ensemble: RewardEnsemble, rankings: Sequence[Ranking]) -> list[list[list[float]]]:
    """For each ranking [K, K] the probability that i beats j, ties apart: the mean over the scoring members.

    From the members' raw scores: after normalisation their unit is no longer that of a log-odds. By Rao and Kupper it
    is p_win / (p_win + p_lose); without a threshold, σ(r_i − r_j).
    """
    prompts, texts = distinct(rankings)
    members = ensemble.scorers
    learnt = ensemble.settings.tie_rule == "rao-kupper"
    theta = torch.tensor([ensemble.theta(name) if learnt else 0.0 for name in members]).double()[:, None, None]
    raw = ensemble.raw(members, prompts, texts).double()  # [members, all texts]
    every = [(prompt, text) for prompt, row in zip(prompts, texts, strict=True) for text in row]
    place = {key: index for index, key in enumerate(every)}
    found = []
    for ranking in rankings:
        scores = raw[:, [place[ranking.prompt, text] for text in ranking.completions]]
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
