"""What a reward model is worth on rankings it never saw: accuracy, log-loss, calibration, and its love of length."""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from rlhf.data import pairs_of
from rlhf.reward_model import RewardEnsemble, Scores
from rlhf.statistics import bootstrap_ratio, spearman
from rlhf.types import Interval, Ranking

ECE_BINS = 10
LENGTH_MATCHED = 0.1  # lengths within 10 % of the longer count as equal


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


def judged_pairs(ensemble: RewardEnsemble, rankings: Sequence[Ranking]) -> tuple[list[JudgedPair], Scores]:
    """All decided pairs of ``rankings`` with the ensemble's opinion; and its scores, one list for each ranking."""
    prompts, texts = [ranking.prompt for ranking in rankings], [ranking.completions for ranking in rankings]
    scores, judge = ensemble.score(prompts, texts), ensemble.judge(prompts, texts)
    chances = win_probabilities(ensemble, rankings)
    found = []
    for index, ranking in enumerate(rankings):
        for better, worse, tied in pairs_of(ranking):
            if tied:
                continue
            found.append(
                JudgedPair(
                    prompt_id=ranking.prompt_id,
                    delta=scores[index][better] - scores[index][worse],
                    judge_delta=None if judge is None else judge[index][better] - judge[index][worse],
                    probability=chances[index](better, worse),
                    better_length=len(ranking.completions[better]),
                    worse_length=len(ranking.completions[worse]),
                    strength=_strength(ranking, better, worse),
                )
            )
    return found, scores


def win_probabilities(ensemble: RewardEnsemble, rankings: Sequence[Ranking]) -> list[Callable[[int, int], float]]:
    """For each ranking the probability that i beats j, ties apart: the mean over the scoring members.

    From the members' raw scores: after normalisation their unit is no longer that of a log-odds.
    """
    prompts, texts = [ranking.prompt for ranking in rankings], [ranking.completions for ranking in rankings]
    members = [member.name for member in ensemble.settings.members if member.role == "scorer"]
    raw = ensemble.raw(members, prompts, texts)
    thetas = [ensemble.theta(name) if ensemble.settings.tie_rule == "rao-kupper" else 0.0 for name in members]
    offsets = [0]
    for ranking in rankings:
        offsets.append(offsets[-1] + len(ranking.completions))

    def chance(offset: int) -> Callable[[int, int], float]:
        return lambda i, j: (
            sum(
                _wins(scores[offset + i] - scores[offset + j], theta) for scores, theta in zip(raw, thetas, strict=True)
            )
            / len(raw)
        )

    return [chance(offset) for offset in offsets[:-1]]


def _wins(delta: Tensor, theta: float) -> float:
    """p_win / (p_win + p_lose) of Rao and Kupper; σ(delta) for θ = 0."""
    win, lose = functional.logsigmoid(delta.double() - theta), functional.logsigmoid(-delta.double() - theta)
    return float(functional.sigmoid(win - lose))


def _strength(ranking: Ranking, better: int, worse: int) -> int | None:
    """The strongest boundary between the two; None where the annotator gave no strengths."""
    if ranking.strengths is None:
        return None
    group = {item: rank for rank, items in enumerate(ranking.groups) for item in items}
    return max(ranking.strengths[group[better] : group[worse]], default=0)


def report(ensemble: RewardEnsemble, rankings: Sequence[Ranking], *, seed: int) -> dict[str, object]:
    """Facts of held-out ``rankings``, intervals by a bootstrap over prompts; no decided pair, no figures."""
    pairs, scores = judged_pairs(ensemble, rankings)
    facts: dict[str, object] = {"test_rankings": len(rankings), "test_pairs": len(pairs)}
    if not pairs:
        return facts
    lengths = [len(text) for ranking in rankings for text in ranking.completions]
    matched = [pair for pair in pairs if _matched(pair)]
    judged = [pair for pair in pairs if pair.judge_delta is not None]
    return facts | {
        "test_prompts": len({pair.prompt_id for pair in pairs}),
        "accuracy": _share(pairs, lambda pair: _right(pair.delta), seed),
        "judge_accuracy": _share(judged, lambda pair: _right(pair.judge_delta or 0.0), seed),
        "log_loss": _share(pairs, lambda pair: -math.log(max(pair.probability, 1e-12)), seed),
        "ece": calibration_error(pairs),
        "reliability": reliability(pairs),
        "length_correlation": spearman([value for row in scores for value in row], lengths),
        "longer_wins": _share(pairs, lambda pair: _right(pair.better_length - pair.worse_length), seed),
        "length_matched_accuracy": _share(matched, lambda pair: _right(pair.delta), seed),
        "accuracy_by_strength": {
            str(strength): _share([p for p in pairs if p.strength == strength], lambda pair: _right(pair.delta), seed)
            for strength in sorted({pair.strength for pair in pairs if pair.strength is not None})
        },
    }


def _right(delta: float) -> float:
    return 0.5 if delta == 0 else float(delta > 0)


def _matched(pair: JudgedPair) -> bool:
    longer = max(pair.better_length, pair.worse_length)
    return abs(pair.better_length - pair.worse_length) <= LENGTH_MATCHED * longer


def _share(pairs: Sequence[JudgedPair], value: Callable[[JudgedPair], float], seed: int) -> Interval | None:
    """Mean of ``value`` over pairs, prompts resampled; None without pairs."""
    if not pairs:
        return None
    values: dict[str, list[float]] = defaultdict(list)
    for pair in pairs:
        values[pair.prompt_id].append(value(pair))
    return bootstrap_ratio([sum(own) for own in values.values()], [len(own) for own in values.values()], seed)


def reliability(pairs: Sequence[JudgedPair]) -> list[dict[str, float]]:
    """Bins of confidence max(p, 1 − p) in [½, 1]: mean confidence, share right, pairs."""
    bins: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for pair in pairs:
        confidence = max(pair.probability, 1 - pair.probability)
        bins[min(int((confidence - 0.5) * 2 * ECE_BINS), ECE_BINS - 1)].append(
            (confidence, _right(pair.probability - 0.5))
        )
    return [
        {
            "confidence": sum(confidence for confidence, _ in bins[key]) / len(bins[key]),
            "accuracy": sum(right for _, right in bins[key]) / len(bins[key]),
            "n": float(len(bins[key])),
        }
        for key in sorted(bins)
    ]


def calibration_error(pairs: Sequence[JudgedPair]) -> float:
    """Expected calibration error (Guo et al. 2017): mean distance of confidence and accuracy over the bins."""
    table = reliability(pairs)
    return sum(row["n"] * abs(row["confidence"] - row["accuracy"]) for row in table) / len(pairs)
