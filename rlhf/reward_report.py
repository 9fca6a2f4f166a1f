"""What a reward model is worth on rankings it never saw: accuracy, log-loss, calibration, and its love of length."""

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence

from rlhf.judged_pairs import Judged, JudgedPair, judged
from rlhf.reward_model import RewardEnsemble
from rlhf.statistics import bootstrap_ratio, spearman
from rlhf.types import Interval, Ranking

ECE_BINS = 10
LENGTH_MATCHED = 0.1  # lengths within 10 % of the longer count as equal
SUSPICIOUS = 0.75  # accuracy of a small model on people's labels above which leakage or length is the likelier reason


def report(
    ensemble: RewardEnsemble,
    rankings: Sequence[Ranking],
    *,
    seed: int,
    newest: Mapping[str, Collection[str]] | None = None,
) -> dict[str, object]:
    """Facts of held-out ``rankings``; ``newest`` holds the newest policy's texts by prompt id."""
    return {"test_rankings": len(rankings)} | figures(judged(ensemble, rankings, newest), seed=seed)


def figures(found: Judged, *, seed: int) -> dict[str, object]:
    """Every figure with its interval by a bootstrap over prompts; no decided pair, no figures."""
    pairs = found.pairs
    if not pairs:
        return {"test_pairs": 0}
    matched = [pair for pair in pairs if _matched(pair)]
    ruled = [pair for pair in pairs if pair.judge_delta is not None]
    strengths = sorted({pair.strength for pair in pairs if pair.strength is not None})
    return {
        "test_pairs": len(pairs),
        "test_prompts": len({pair.prompt_id for pair in pairs}),
        "accuracy": accuracy(pairs, seed),
        "judge_accuracy": _share(ruled, lambda pair: _right(pair.judge_delta or 0.0), seed),
        "log_loss": _share(pairs, lambda pair: -math.log(max(pair.probability, 1e-12)), seed),
        "ece": calibration_error(pairs),
        "reliability": reliability(pairs),
        "length_correlation": spearman(
            [one.reward for one in found.texts], [len(one.text) for one in found.texts],
            units=[one.prompt_id for one in found.texts], seed=seed,
        ),
        "longer_wins": _share(pairs, lambda pair: _right(pair.better_length - pair.worse_length), seed),
        "length_matched_accuracy": accuracy(matched, seed),
        "accuracy_by_strength": {
            str(strength): accuracy([pair for pair in pairs if pair.strength == strength], seed)
            for strength in strengths
        },
        "newest_accuracy": accuracy([pair for pair in pairs if pair.newest], seed),
    }  # fmt: skip


def accuracy(pairs: Sequence[JudgedPair], seed: int) -> Interval | None:
    """Share of ``pairs`` in the right order, equal rewards ½; None without pairs."""
    return _share(pairs, lambda pair: _right(pair.delta), seed)


def suspicion(facts: Mapping[str, object]) -> str | None:
    """What to look at first where the accuracy is too good to be true; None where it is not."""
    found, longer = facts.get("accuracy"), facts.get("longer_wins")
    if not isinstance(found, Interval) or not isinstance(longer, Interval) or found.value <= SUSPICIOUS:
        return None
    return (
        f"Held-out accuracy {found.value:.2f} is above {SUSPICIOUS:g}: on people's labels, look for leakage and length "
        f"first (“the longer one is better” alone has {longer.value:.2f}; the shuffled null must have 0.5)."
    )


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
