"""What a ranking is, apart from any database: its rules, and the pairs that follow from it."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from annotation.exceptions import InvalidRanking
from annotation.texts import text_problem

STRENGTHS = (1, 2, 3)  # slightly better, better, much better
RATINGS = (1, 2, 3, 4, 5)
MAX_TEXT = 20_000
MAX_SPANS = 200
MAX_DURATION_MS = 7 * 24 * 3600 * 1000
FULL, BEST_WORST = "full", "best_worst"
METHODS = (FULL, BEST_WORST)
LEAST_FOR_BEST_WORST = 4  # of three, a best and a worst are the whole order
UNSUPPORTED = "unsupported"  # the label of a span that the source does not bear out


@dataclass(frozen=True)
class Span:
    """A marked part of a completion, in code points, ``end`` not included."""

    completion: int
    start: int
    end: int
    label: str = ""


@dataclass(frozen=True)
class Rewrite:
    """A better text that the annotator wrote: a demonstration."""

    completion: int
    text: str


@dataclass(frozen=True)
class Answer:
    """What an annotator says of one task; completions are named by their ids."""

    groups: Sequence[Sequence[int]]  # best group first; two or more in a group are a tie
    strengths: Sequence[int] | None = None  # one for each boundary between neighbouring groups
    none_acceptable: bool = False
    flags: Mapping[int, str] = field(default_factory=dict)
    ratings: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    spans: Sequence[Span] = ()
    rationale: str = ""
    rewrite: Rewrite | None = None
    duration_ms: int | None = None
    method: str = FULL  # BEST_WORST: three groups, best, middle and worst; the middle was not compared


@dataclass(frozen=True)
class Pair:
    """``chosen`` stands above ``rejected``; of a tie, the lower id comes first."""

    chosen: int
    rejected: int
    tie: bool
    strength: int | None
    weight: float


def answer_check(answer: Answer, *, completions: Mapping[int, str], criteria: Collection[str]) -> None:
    """Raise InvalidRanking unless ``answer`` fits a task with these completions (id to text) and criteria.

    Every mistake is named, each under its own field.
    """
    problems: dict[str, list[str]] = {
        "method": list(_method_problems(answer, completions)),
        "groups": list(_group_problems(answer, completions)),
        "strengths": list(_strength_problems(answer)),
        "flags": list(_flag_problems(answer, completions)),
        "ratings": list(_rating_problems(answer, completions, criteria)),
        "spans": list(_span_problems(answer, completions)),
        "rationale": [problem for problem in [_text(answer.rationale)] if problem],
        "rewrite": list(_rewrite_problems(answer, completions)),
        "duration_ms": list(_duration_problems(answer)),
    }
    fields = {name: messages for name, messages in problems.items() if messages}
    if fields:
        raise InvalidRanking(" ".join(messages[0] for messages in fields.values()), fields=fields)


def pairs_of(answer: Answer) -> list[Pair]:
    """Every pair the ranking decides, ties included; each weighs 1 / number of pairs, so a ranking weighs 1.

    The strength of a pair is the greatest on the boundaries between its two groups: who is much
    better than the next is at least much better than the one after it. Of best and worst alone, the
    completions between them were not compared: they make no pairs with each other, and no ties.
    """
    groups = answer.groups
    ranked = [(level, completion) for level, group in enumerate(groups) for completion in sorted(group)]
    decided = [
        (above, below)
        for above, below in combinations(ranked, 2)
        if answer.method == FULL or above[0] != below[0]  # what shares a group here was not compared
    ]
    return [
        Pair(chosen, rejected, high == low, _strength(answer.strengths, high, low), 1 / len(decided))
        for (high, chosen), (low, rejected) in decided
    ]


def method_of(*, completions: int, best_worst: bool) -> str:
    """How a task of so many completions is asked for, in a project with this setting."""
    return BEST_WORST if best_worst and completions >= 5 else FULL


def _strength(strengths: Sequence[int] | None, high: int, low: int) -> int | None:
    return max(strengths[high:low]) if strengths and high < low else None


def _method_problems(answer: Answer, completions: Mapping[int, str]) -> Iterable[str]:
    if answer.method not in METHODS:
        yield f"'{answer.method}' is no method: {', '.join(METHODS)}."
    if answer.method != BEST_WORST or (not answer.groups and answer.none_acceptable):
        return
    if len(completions) < LEAST_FOR_BEST_WORST:
        yield f"Best and worst need {LEAST_FOR_BEST_WORST} completions or more; this task has {len(completions)}."
    sizes = [len(group) for group in answer.groups]
    if len(sizes) != 3 or (sizes[0], sizes[2]) != (1, 1):
        yield f"Best and worst are three groups: the best, all others, the worst; here they hold {sizes}."


def _group_problems(answer: Answer, completions: Mapping[int, str]) -> Iterable[str]:
    if not answer.groups and answer.none_acceptable:
        return
    if not answer.groups:
        yield "Nothing is ranked yet: place every completion, or say that none is acceptable."
        return
    if any(not group for group in answer.groups):
        yield "A group is empty: every group holds at least one completion."
    placed = Counter(completion for group in answer.groups for completion in group)
    for completion, times in sorted(placed.items()):
        if completion not in completions:
            yield f"{completion} is not one of this task's completions."
        elif times > 1:
            yield f"Completion {completion} is placed {times} times: each is placed once."
    for completion in sorted(set(completions) - set(placed)):
        yield f"Completion {completion} is missing: every completion is placed once."


def _strength_problems(answer: Answer) -> Iterable[str]:
    if answer.strengths is None:
        return
    boundaries = max(len(answer.groups) - 1, 0)
    if len(answer.strengths) != boundaries:
        yield f"There are {len(answer.strengths)} strengths for {boundaries} boundaries between groups."
    for strength in answer.strengths:
        if strength not in STRENGTHS:
            yield f"{strength} is no strength: 1 is slightly better, 2 better, 3 much better."


def _flag_problems(answer: Answer, completions: Mapping[int, str]) -> Iterable[str]:
    for completion, reason in answer.flags.items():
        if completion not in completions:
            yield f"{completion} is not one of this task's completions."
        if problem := _text(reason, limit=200):
            yield problem


def _rating_problems(answer: Answer, completions: Mapping[int, str], criteria: Collection[str]) -> Iterable[str]:
    for criterion, ratings in answer.ratings.items():
        if criterion not in criteria:
            yield f"'{criterion}' is not one of this project's criteria: {', '.join(criteria) or 'there are none'}."
        for completion, rating in ratings.items():
            if completion not in completions:
                yield f"{completion} is not one of this task's completions."
            if rating not in RATINGS:
                yield f"{rating} is no rating: it runs from 1 to 5."


def _span_problems(answer: Answer, completions: Mapping[int, str]) -> Iterable[str]:
    if len(answer.spans) > MAX_SPANS:
        yield f"There are {len(answer.spans)} spans; {MAX_SPANS} is the most."
    for span in answer.spans:
        if span.completion not in completions:
            yield f"{span.completion} is not one of this task's completions."
        elif not 0 <= span.start < span.end <= len(completions[span.completion]):
            yield f"The span {span.start} to {span.end} is not inside completion {span.completion}."
        if problem := _text(span.label, limit=200):
            yield problem


def _rewrite_problems(answer: Answer, completions: Mapping[int, str]) -> Iterable[str]:
    if answer.rewrite is None:
        return
    if answer.rewrite.completion not in completions:
        yield f"{answer.rewrite.completion} is not one of this task's completions."
    if not answer.rewrite.text.strip():
        yield "The rewrite is empty."
    elif problem := _text(answer.rewrite.text):
        yield problem


def _duration_problems(answer: Answer) -> Iterable[str]:
    if answer.duration_ms is not None and not 0 <= answer.duration_ms <= MAX_DURATION_MS:
        yield f"{answer.duration_ms} ms is no time that ranking one task takes."


def _text(text: str, limit: int = MAX_TEXT) -> str | None:
    return text_problem(text) or (f"Longer than {limit} characters." if len(text) > limit else None)
