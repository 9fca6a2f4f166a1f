"""``votes``: which of two responses each of several people preferred."""

from annotation.exceptions import InvalidInput
from annotation.importers import ID_FIELDS, id_field, text_checked
from annotation.layouts.base import SOURCE, Candidate, Comparison, Opinion, listed, short, words
from annotation.readers import Row

GROUPS = {1: ((0,), (1,)), 2: ((1,), (0,)), 0: ((0, 1),)}


def votes(row: Row) -> Comparison:
    """``instruction``, ``input``, ``response1``, ``response2``, ``model1``, ``model2``, ``votes``: 1, 2, or 0 (a tie).

    The row's id names the comparison: the prompt is known by its words, so that it stays one prompt in
    many comparisons. A voter without an answer (null) is left out.
    """
    values = row.values
    notes: list[str] = []
    candidates = []
    for side in ("1", "2"):
        if values.get(f"response{side}") is None:
            raise InvalidInput(f"There is no 'response{side}'.")
        source = short(values.get(f"model{side}"), f"model{side}") or SOURCE
        candidates.append(Candidate(source, words(values[f"response{side}"], f"response{side}", notes)))
    opinions = []
    for index, vote in enumerate(listed(values.get("votes"), "votes"), start=1):
        if vote is None:
            notes.append(f"rater{index} did not vote.")
        elif isinstance(vote, bool) or not isinstance(vote, int | float) or vote not in GROUPS:
            raise InvalidInput(f"{str(vote)[:20]!r} is no vote: 1 or 2 is the better response, 0 a tie.")
        else:
            opinions.append(Opinion(f"rater{index}", GROUPS[int(vote)]))
    parts = [values.get("instruction"), values.get("input")]
    texts = [text_checked(part, name) for part, name in zip(parts, ("instruction", "input"), strict=True) if part]
    return Comparison(
        line=row.line,
        prompt="\n\n".join(texts),
        prompt_id="" if texts else id_field(values, ID_FIELDS),
        candidates=candidates,
        opinions=opinions,
        notes=notes,
    )
