"""What an export holds: rows of pairs and of rankings, read a batch at a time, and the type of each column."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from annotation.canonical import RANKINGS_AT_ONCE, ROWS_AT_ONCE, pseudonym
from annotation.conversations import as_prompt, as_reply
from annotation.models import LABEL_KINDS, PreferencePair, Project, Ranking

Row = dict[str, Any]
PAIRS: dict[str, tuple[str, ...]] = {
    "trl": ("prompt", "chosen", "rejected"),
    "trl_conversational": ("prompt", "chosen", "rejected"),
    "full": ("prompt", "chosen", "rejected", "ranking", "annotator", "strength", "tie", "weight", "split"),
}
RANKINGS = (
    *("ranking", "task", "prompt_id", "prompt", "turns", "completions", "sources", "shown", "groups", "strengths"),
    *("method", "none_acceptable", "ratings", "flags", "spans", "rationale", "rewrite", "annotator", "rater_group"),
    *("split", "origin", "batch", "kind", "overruled", "revision", "duration_ms", "created_at"),
)


def pair_rows(*, project: Project, layout: str) -> Iterator[tuple[str, Row]]:
    """Split and row of each pair that models learn from, oldest first. TRL's layouts have no ties."""
    rows = PreferencePair.objects.filter(
        project=project, ranking__is_current=True, ranking__overruled=False, ranking__kind__in=LABEL_KINDS
    ).order_by("id")
    fields = ["split", "prompt__text", "chosen__text", "rejected__text"]
    if layout == "full":
        fields += ["ranking_id", "annotator__username", "strength", "tie", "weight"]
    else:
        rows = rows.filter(tie=False)
    if layout == "trl_conversational":
        fields.append("prompt__turns")
    name = _pseudonyms(project)
    for split, prompt, chosen, rejected, *more in rows.values_list(*fields).iterator(chunk_size=ROWS_AT_ONCE):
        row: Row = {"prompt": prompt, "chosen": chosen, "rejected": rejected}
        if layout == "trl_conversational":
            row = {"prompt": as_prompt(prompt, more[0]), "chosen": as_reply(chosen), "rejected": as_reply(rejected)}
        if layout == "full":
            ranking, username, strength, tie, weight = more
            row |= {"ranking": ranking, "annotator": name(username), "strength": strength}
            row |= {"tie": tie, "weight": weight, "split": split}
        yield split, row


def ranking_rows(*, project: Project) -> Iterator[tuple[str, Row]]:
    """Split and row of each label, overruled ones too: what every annotator said, and not only the consensus."""
    rows = Ranking.objects.labels().filter(project=project).order_by("id")
    rows = rows.select_related("prompt", "annotator", "assignment__task")
    rows = rows.prefetch_related("assignment__task__completions")
    name = _pseudonyms(project)
    for ranking in rows.iterator(chunk_size=RANKINGS_AT_ONCE):
        yield ranking.prompt.split, _ranking_row(ranking, name(ranking.annotator.get_username()))


def _pseudonyms(project: Project) -> Any:
    return cache(lambda username: pseudonym(username=username, salt=project.split_salt))


def _ranking_row(ranking: Ranking, annotator: str) -> Row:
    completions = sorted(ranking.assignment.task.completions.all(), key=lambda one: one.pk)
    place = {one.pk: index for index, one in enumerate(completions)}
    rewrite = ranking.rewrite
    return {
        "ranking": ranking.pk,
        "task": ranking.assignment.task_id,
        "prompt_id": ranking.prompt.identity,
        "prompt": ranking.prompt.text,
        "turns": ranking.prompt.turns,
        "completions": [one.text for one in completions],
        "sources": [one.source for one in completions],
        "shown": [place[one] for one in ranking.assignment.display_order if one in place],
        "groups": [[place[one] for one in group] for group in ranking.groups],
        "strengths": ranking.strengths,
        "method": ranking.method,
        "none_acceptable": ranking.none_acceptable,
        "ratings": [
            {"criterion": criterion, "completion": place[int(one)], "rating": rating}
            for criterion, ratings in ranking.ratings.items()
            for one, rating in ratings.items()
        ],
        "flags": [{"completion": place[int(one)], "reason": reason} for one, reason in ranking.flags.items()],
        "spans": [{**span, "completion": place[span["completion"]]} for span in ranking.spans],
        "rationale": ranking.rationale,
        "rewrite": rewrite and {"completion": place[rewrite["completion"]], "text": rewrite["text"]},
        "annotator": annotator,
        "rater_group": ranking.rater_group,
        "split": ranking.prompt.split,
        "origin": ranking.origin,
        "batch": ranking.batch,
        "kind": ranking.kind,
        "overruled": ranking.overruled,
        "revision": ranking.revision,
        "duration_ms": ranking.duration_ms,
        "created_at": ranking.created_at.isoformat(),
    }


def schema_of(columns: tuple[str, ...], *, conversational: bool = False) -> Any:
    """The pyarrow schema of these columns; texts unless it says otherwise."""
    import pyarrow as pa  # 100 ms that only exports cost

    text, number = pa.string(), pa.int32()
    messages = pa.list_(pa.struct([("role", text), ("content", text)]))
    types: Mapping[str, Any] = {
        **dict.fromkeys(("ranking", "task", "duration_ms"), pa.int64()),
        **dict.fromkeys(("tie", "none_acceptable", "overruled"), pa.bool_()),
        **dict.fromkeys(("completions", "sources"), pa.list_(text)),
        **dict.fromkeys(("shown", "strengths"), pa.list_(number)),
        **(dict.fromkeys(columns, messages) if conversational else {}),
        "strength": pa.int8(),
        "revision": number,
        "weight": pa.float64(),
        "groups": pa.list_(pa.list_(number)),
        "turns": pa.list_(pa.struct([("speaker", text), ("text", text)])),
        "ratings": pa.list_(pa.struct([("criterion", text), ("completion", number), ("rating", pa.float64())])),
        "flags": pa.list_(pa.struct([("completion", number), ("reason", text)])),
        "spans": pa.list_(pa.struct([("completion", number), ("start", number), ("end", number), ("label", text)])),
        "rewrite": pa.struct([("completion", number), ("text", text)]),
    }
    return pa.schema([(name, types.get(name, text)) for name in columns])
