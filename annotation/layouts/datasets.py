"""``ultrafeedback`` and ``openai``: two published data sets in the shape in which they are published."""

from collections.abc import Mapping
from typing import Any

from annotation.exceptions import InvalidInput
from annotation.importers import id_field, text_checked
from annotation.layouts.base import SOURCE, Candidate, Comparison, Number, Opinion, by_score, number, objects, short
from annotation.layouts.preferences import trl
from annotation.readers import Row

CRITERIA = ("helpfulness", "honesty", "instruction_following", "truthfulness")


def ultrafeedback(row: Row) -> Comparison:
    """openbmb/UltraFeedback: ``instruction``, ``completions`` of ``model``, ``response``, ``annotations``.

    The rater is GPT-4. The ranking is by the sum of the criteria that every completion was rated on; the binarized
    set (``chosen`` and ``rejected``) is read as TRL's.
    """
    if row.values.get("completions") is None and row.values.get("chosen") is not None:
        return trl(row)
    found = objects(row.values.get("completions"), "completions")
    rated = [_rated(one) for one in found]
    shared = [name for name in CRITERIA if rated and all(name in one for one in rated)]
    candidates = [
        Candidate(short(one.get("model"), "model") or SOURCE, text_checked(one.get("response"), "response"))
        for one in found
    ]
    if not shared:
        raise InvalidInput(f"No criterion was rated for every completion; known are {', '.join(CRITERIA)}.")
    left_out = sorted({name for one in rated for name in one} - set(shared))
    opinion = Opinion(
        "gpt-4",
        by_score({place: sum(one[name] for name in shared) for place, one in enumerate(rated)}),
        group="model",
        ratings={name: {place: one[name] for place, one in enumerate(rated)} for name in shared},
    )
    return Comparison(
        line=row.line,
        prompt=text_checked(row.values.get("instruction"), "instruction"),
        candidates=candidates,
        opinions=[opinion],
        notes=[f"{', '.join(left_out)}: not rated for every completion, and left out."] if left_out else (),
    )


def _rated(completion: Mapping[str, Any]) -> dict[str, Number]:
    """{criterion: rating}; a rating is written as a text, and 'N/A' is none."""
    annotations = completion.get("annotations")
    if not isinstance(annotations, dict):
        raise InvalidInput("A completion has no 'annotations'.")
    found: dict[str, Number] = {}
    for name in CRITERIA:
        annotation = annotations.get(name)
        rating = annotation.get("Rating") if isinstance(annotation, dict) else None
        if isinstance(rating, str) and rating.strip().isdecimal() and len(rating) < 5:
            rating = int(rating)
        if rating is not None and not isinstance(rating, str):
            found[name] = number(rating, name)
    return found


def openai(row: Row) -> Comparison:
    """summarize_from_feedback's comparisons: ``info``, two ``summaries``, ``choice``, ``worker``, ``extra``.

    The prompt is ``info.post`` or ``info.article``. ``extra.confidence`` (1 to 9) is kept as the rationale and
    made no strength: the file does not say whether 9 is sure of the choice, or of the second summary.
    """
    info, extra = row.values.get("info"), row.values.get("extra")
    if not isinstance(info, dict):
        raise InvalidInput("There is no 'info' with the post.")
    prompt = info.get("post") or info.get("article")
    summaries = objects(row.values.get("summaries"), "summaries")
    choice = row.values.get("choice")
    if isinstance(choice, bool) or not isinstance(choice, int) or not 0 <= choice < len(summaries):
        raise InvalidInput(f"'choice' is the number of a summary, from 0, and not {str(choice)[:20]!r}.")
    others = [place for place in range(len(summaries)) if place != choice]
    confidence = extra.get("confidence") if isinstance(extra, dict) else None
    return Comparison(
        line=row.line,
        prompt=text_checked(prompt, "post"),
        prompt_id=id_field(info, ("id",)),
        candidates=[
            Candidate(short(one.get("policy"), "policy") or SOURCE, text_checked(one.get("text"), "text"))
            for one in summaries
        ],
        opinions=[
            Opinion(
                short(row.values.get("worker"), "worker") or "rater1",
                [[choice], others],
                rationale="" if confidence is None else f"confidence {number(confidence, 'confidence')} of 9",
            )
        ],
    )
