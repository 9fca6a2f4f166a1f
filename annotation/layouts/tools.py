"""``labelstudio`` and ``argilla``: what these labelling tools export."""

from collections.abc import Mapping, Sequence
from typing import Any

from annotation.exceptions import InvalidInput
from annotation.importers import id_field, text_checked
from annotation.layouts.base import SOURCE, Candidate, Comparison, Opinion, by_score, number, objects, short
from annotation.ranking import MAX_DURATION_MS
from annotation.readers import Row

PROMPTS = ("prompt", "instruction", "question", "query", "input", "dialogue", "document", "context", "text")
# What the two sides of a pairwise task are called in ``data``: the export does not name them.
SIDES = (
    ("answer1", "answer2"),
    ("text1", "text2"),
    ("response1", "response2"),
    ("response_1", "response_2"),
    ("completion1", "completion2"),
    ("summary1", "summary2"),
    ("output1", "output2"),
    ("response_a", "response_b"),
    ("left", "right"),
)
PICKED = {"left": [[0], [1]], "right": [[1], [0]]}


def labelstudio(row: Row) -> Comparison:
    """A task of Label Studio's JSON export: ``data`` and ``annotations`` with a ranker's or a pairwise result; or an
    annotation of its JSON_MIN export.

    A ranker's items are ``{id, body or title}``; the order in its one bucket is the ranking, and what was left in
    ``_`` was not ranked. Cancelled annotations are left out.
    """
    data, annotations = _task(row.values)
    names, candidates = _items(data)
    opinions, notes, refused = [], [], []
    for index, annotation in enumerate(objects(annotations, "annotations"), start=1):
        rater = _completed_by(annotation.get("completed_by")) or f"rater{index}"
        if annotation.get("was_cancelled"):
            notes.append(f"{rater} skipped this task.")
            continue
        try:
            groups = _result(annotation, names, notes, rater)
        except InvalidInput as error:
            refused.append(f"{rater}: {error.detail}")
            continue
        opinions.append(Opinion(rater, groups, duration_ms=_milliseconds(annotation.get("lead_time"))))
    prompt = next((data[name] for name in PROMPTS if isinstance(data.get(name), str)), "")
    return Comparison(
        line=row.line,
        prompt=text_checked(prompt, "prompt"),
        prompt_id="" if prompt else id_field(row.values, ("id",)),
        candidates=candidates,
        opinions=opinions,
        notes=notes,
        refused=refused,
    )


def _task(values: Mapping[str, Any]) -> tuple[Mapping[str, Any], Any]:
    """The task's data and its annotations.

    JSON_MIN has the data's fields and the results, by their tags' names, side by side: a result is a list of objects
    with what was ``selected``, or with the order of a ``ranker``.
    """
    data = values.get("data")
    if isinstance(data, dict):
        return data, values.get("annotations")
    results = {name: found for name, value in values.items() if (found := _results(value))}
    if not results:
        raise InvalidInput("This is no task of Label Studio's JSON or JSON_MIN export: no 'data', and no result.")
    annotation = {
        "completed_by": values.get("annotator"),
        "lead_time": values.get("lead_time"),
        "result": [one for found in results.values() for one in found],
    }
    return {name: value for name, value in values.items() if name not in results}, [annotation]


def _results(value: Any) -> list[dict[str, Any]]:
    """The results of one tag as the JSON export writes them."""
    found = [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)]
    kinds = {"selected": "pairwise", "ranker": "ranker"}
    return [{"type": kind, "value": one} for one in found for name, kind in kinds.items() if name in one]


def _items(data: Mapping[str, Any]) -> tuple[list[str], list[Candidate]]:
    """The candidates' names in the results, and the candidates."""
    for value in data.values():
        if isinstance(value, list) and value and all(isinstance(one, dict) and "id" in one for one in value):
            names = [short(one["id"], "id") for one in value]
            texts = [next((one[name] for name in ("body", "text", "title") if one.get(name)), "") for one in value]
            pairs = zip(names, texts, strict=True)
            return names, [Candidate(name or SOURCE, text_checked(text, "body")) for name, text in pairs]
    for sides in SIDES:
        if all(isinstance(data.get(side), str) for side in sides):
            return ["left", "right"], [Candidate(SOURCE, text_checked(data[side], side)) for side in sides]
    raise InvalidInput("'data' has neither a list of items with an id each, nor two answers (answer1 and answer2, …).")


def _result(annotation: Mapping[str, Any], names: Sequence[str], notes: list[str], rater: str) -> list[list[int]]:
    for result in objects(annotation.get("result"), "result"):
        value = result.get("value")
        if not isinstance(value, dict):
            continue
        if result.get("type") == "pairwise":
            picked = value.get("selected")
            if not isinstance(picked, str) or picked not in PICKED:
                raise InvalidInput(f"{str(picked)[:20]!r} is neither 'left' nor 'right'.")
            return PICKED[picked]
        if result.get("type") == "ranker":
            return _ranked(value.get("ranker"), names, notes, rater)
    raise InvalidInput("There is neither a ranker's nor a pairwise result.")


def _ranked(value: Any, names: Sequence[str], notes: list[str], rater: str) -> list[list[int]]:
    order = value
    if isinstance(value, dict):
        buckets = {name: items for name, items in value.items() if items and name != "_"}
        if len(buckets) > 1:
            raise InvalidInput(f"{len(buckets)} buckets hold items: the export does not say which bucket is better.")
        order = next(iter(buckets.values()), value.get("_"))
    places = _places(order, names)
    if len(places) < len(names):
        notes.append(f"{rater} ranked {len(places)} of {len(names)} completions.")
    return [[place] for place in places]


def _places(order: Any, names: Sequence[str]) -> list[int]:
    if not isinstance(order, list) or len(order) < 2:
        raise InvalidInput("Fewer than two items are ranked.")
    if unknown := [one for one in order if not isinstance(one, str | int) or str(one) not in names]:
        raise InvalidInput(f"{str(unknown[0])[:50]!r} is ranked, but is none of the items.")
    return [names.index(str(one)) for one in order]


def _completed_by(value: Any) -> str:
    if isinstance(value, dict):
        value = value.get("email") or value.get("id")
    return short(value, "completed_by")


def _milliseconds(seconds: Any) -> int | None:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds * 1000 <= MAX_DURATION_MS:
        return None
    return int(seconds * 1000)


def argilla(row: Row) -> Comparison:
    """A record of Argilla with answers to a RankingQuestion whose options are names of fields.

    Version 2 nested (``fields``, ``responses``: {question: [{value, user_id}]}) and flat (``….responses``,
    ``….responses.users``), version 1 (``responses``: [{user_id, status, values}]) and its data sets on the hub. Drafts
    and discarded answers are left out. Version 2 exports the order alone: its ties are lost before they come here.
    """
    fields = row.values.get("fields")
    if not isinstance(fields, dict):
        fields = {name: value for name, value in row.values.items() if isinstance(value, str) and name != "id"}
    opinions, options, notes, refused = [], [], [], []
    for index, (user, status, value) in enumerate(_answers(row.values), start=1):
        rater = short(user, "user_id") or f"rater{index}"
        if status in ("draft", "discarded", "pending"):
            notes.append(f"{rater}'s answer is {status}, and left out.")
            continue
        try:
            ranks = _ranks(value, fields)
        except InvalidInput as error:
            refused.append(f"{rater}: {error.detail}")
            continue
        options += [name for name in ranks if name not in options]
        opinions.append((rater, ranks))
    options = [name for name in fields if name in options]
    prompt = _prompt(fields, options)
    return Comparison(
        line=row.line,
        prompt=text_checked(prompt, "prompt"),
        prompt_id=id_field(row.values, ("external_id",) if prompt else ("external_id", "id")),
        candidates=[Candidate(name[:200], text_checked(fields[name], name)) for name in options],
        opinions=[
            Opinion(rater, by_score({options.index(name): -rank for name, rank in ranks.items()}))
            for rater, ranks in opinions
        ],
        notes=notes,
        refused=refused,
    )


def _answers(values: Mapping[str, Any]) -> list[tuple[Any, Any, Any]]:
    """(user, status, value) of every answer that looks like a ranking."""
    responses = values.get("responses")
    found: list[tuple[Any, Any, Any]] = []
    if isinstance(responses, dict):
        for answers in responses.values():
            found += [_answer(one) for one in answers or [] if isinstance(one, dict)]
    elif isinstance(responses, list):
        for one in objects(responses, "responses"):
            answers = one.get("values")
            for answer in answers.values() if isinstance(answers, dict) else ():
                if isinstance(answer, dict):
                    found.append((one.get("user_id"), one.get("status"), answer.get("value")))
    else:
        for name, value in values.items():
            if name.endswith(".responses") and isinstance(value, list):
                users, states = (values.get(f"{name}.{what}") or [None] * len(value) for what in ("users", "status"))
                if isinstance(users, list) and isinstance(states, list):
                    found += zip(users, states, value, strict=False)
            elif isinstance(value, list) and all(isinstance(one, dict) and "user_id" in one for one in value):
                found += [_answer(one) for one in value]
    return [(user, status, value) for user, status, value in found if isinstance(value, list | dict)]


def _answer(values: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    return values.get("user_id"), values.get("status"), values.get("value")


def _ranks(value: Any, fields: Mapping[str, Any]) -> dict[str, int | float]:
    """{option: rank}, 1 is best."""
    if isinstance(value, dict) and all(isinstance(value.get(name), list) for name in ("rank", "value")):
        value = [{"rank": rank, "value": name} for rank, name in zip(value["rank"], value["value"], strict=False)]
    if not isinstance(value, list):
        raise InvalidInput("The answer is no ranking.")
    ranks: dict[str, int | float] = {}
    for index, one in enumerate(value, start=1):
        name, rank = (one.get("value"), one.get("rank", index)) if isinstance(one, dict) else (one, index)
        if not isinstance(name, str) or not isinstance(fields.get(name), str):
            raise InvalidInput(f"The option {str(name)[:50]!r} is no field of the record: its text is not here.")
        if rank is not None:
            ranks[name] = number(rank, "rank")
    if len(ranks) < 2:
        raise InvalidInput("Fewer than two options are ranked.")
    return ranks


def _prompt(fields: Mapping[str, Any], options: Sequence[str]) -> str:
    others = {name: text for name, text in fields.items() if name not in options and isinstance(text, str)}
    if len(others) == 1:
        return next(iter(others.values()))
    return next((others[name] for name in PROMPTS if others.get(name)), "")
