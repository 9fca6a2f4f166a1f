"""What a line of an import says, checked, and the report on a whole file. No database here."""

import io
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, BinaryIO

from annotation.exceptions import InvalidInput
from annotation.readers import BadRow, Needs, Progress, Row, rows_of, rows_of_items
from annotation.texts import content_hash, text_problem
from annotation.turns import Turn, turns_of, turns_text

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

BATCH = 500
MAX_TEXT = 100_000
MAX_ID = 200
MAX_REFERENCES = 100
SHOWN = 1000  # lines named in a report; the counts are always of all
PROMPT_FIELDS = ("prompt", "dialogue", "text")
TURN_FIELDS = ("turns", "messages", "conversation")
ID_FIELDS = ("id", "external_id")
REFERENCE_FIELDS = ("references", "summaries", "summary", "reference")
COMPLETION_FIELDS = ("completion", "text", "summary", "output")
SOURCE_FIELDS = ("source", "model", "system")
PROMPT_ID_FIELDS = ("prompt_id", "id", "external_id")
PROMPT_TEXT_FIELDS = ("prompt", "dialogue")
PROMPT_NEEDS = ((*PROMPT_FIELDS, *TURN_FIELDS),)
COMPLETION_NEEDS = (SOURCE_FIELDS, COMPLETION_FIELDS, (*PROMPT_ID_FIELDS, *PROMPT_TEXT_FIELDS))


@dataclass(frozen=True)
class Line:
    """A line that was not imported, and why; ``line`` counts from 1."""

    line: int
    error: str


@dataclass
class ImportReport:
    """``rejected`` and ``duplicate_lines`` name at most ``SHOWN`` lines, in the order of the file."""

    created: int = 0
    duplicates: int = 0
    rejected_count: int = 0
    rejected: list[Line] = field(default_factory=list)
    duplicate_lines: list[Line] = field(default_factory=list)

    def reject(self, line: int, error: str) -> None:
        self.rejected_count += 1
        if len(self.rejected) < SHOWN:
            self.rejected.append(Line(line, error))

    def repeat(self, line: int, error: str) -> None:
        self.duplicates += 1
        if len(self.duplicate_lines) < SHOWN:
            self.duplicate_lines.append(Line(line, error))

    def as_dict(self) -> dict[str, Any]:
        self.rejected.sort(key=lambda line: line.line)
        self.duplicate_lines.sort(key=lambda line: line.line)
        return asdict(self)


@dataclass
class CompletionReport(ImportReport):
    tasks: int = 0


@dataclass
class RankingReport(ImportReport):
    """``created`` and ``duplicates`` count rankings; what is rejected is a line, or one rater's ranking in it."""

    prompts: int = 0
    completions: int = 0
    tasks: int = 0
    raters: int = 0
    strict_pairs: int = 0
    tied_pairs: int = 0
    repeated_texts: int = 0  # completions whose words stand in their line already
    empty_texts: int = 0
    changed: int = 0  # rejected because the same rater ranked the same completions otherwise
    note_count: int = 0
    notes: list[Line] = field(default_factory=list)

    def note(self, line: int, text: str) -> None:
        self.note_count += 1
        if len(self.notes) < SHOWN:
            self.notes.append(Line(line, text))


@dataclass(frozen=True)
class NewCompletion:
    line: int
    prompt_id: str  # external id, or empty
    prompt_hash: str  # of the prompt's text, when there is no id
    source: str
    text: str


@dataclass(frozen=True)
class NewPrompt:
    line: int
    external_id: str
    text: str
    references: Sequence[str]
    identity: str
    content: str
    turns: Sequence[Turn] | None = None


def rows_from(
    file: BinaryIO | None,
    items: Iterable[Mapping[str, Any]] | None,
    name: str,
    needs: Needs,
    *,
    limited: bool = True,
    progress: Progress | None = None,
) -> Iterator[Row | BadRow]:
    """The rows of the file, or of the objects when there is none."""
    if file is None:
        return rows_of_items(items or ())
    return rows_of(file, name, needs, limited=limited, progress=progress)


@contextmanager
def put_aside(
    rows: Iterator[Row | BadRow], parse: Callable[[Row | BadRow], "DataclassInstance"], report: ImportReport
) -> Iterator[IO[str]]:
    """Check every row; the bad ones are in ``report``, the good ones in a temporary file for ``batches_of``.

    This is done before the transaction, so that it only writes: on SQLite nobody else can write meanwhile.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as good:
        for row in rows:
            try:
                good.write(json.dumps(parse(row), default=vars) + "\n")
            except InvalidInput as error:
                report.reject(row.line, error.detail)
        yield good


def batches_of(good: IO[str], progress: Progress | None = None) -> Iterator[list[dict[str, Any]]]:
    """What was put aside, read again in batches."""
    size, done = good.seek(0, io.SEEK_END), 0
    good.seek(0)
    while lines := list(islice(good, BATCH)):
        yield [json.loads(line) for line in lines]
        done += sum(map(len, lines))  # JSON's lines are ASCII: a character is a byte
        if progress is not None:
            progress("storing", done, size)


def prompt_of(row: Row | BadRow) -> NewPrompt:
    """The prompt of a line, or InvalidInput."""
    if isinstance(row, BadRow):
        raise InvalidInput(row.error)
    turns = None
    if not any(row.values.get(name) not in (None, "") for name in PROMPT_FIELDS):
        turns = turns_field(row.values)
    if turns is None:
        text = text_field(row.values, PROMPT_FIELDS, what="prompt")
    else:
        text = text_checked(turns_text(turns), "prompt")
    if not text.strip() or (turns and not any(turn["text"].strip() for turn in turns)):
        raise InvalidInput("The prompt is empty.")
    external_id = id_field(row.values, ID_FIELDS)
    content = content_hash(text)
    return NewPrompt(row.line, external_id, text, references_of(row.values), external_id or content, content, turns)


def turns_field(values: Mapping[str, Any]) -> list[Turn] | None:
    """The conversation in the first of TURN_FIELDS that is there; None when none is."""
    name = next((name for name in TURN_FIELDS if values.get(name) not in (None, "")), None)
    return None if name is None else turns_of(values[name], name)


def text_field(values: Mapping[str, Any], names: Sequence[str], *, what: str) -> str:
    """The first of ``names`` that is there, as a text that can be stored; InvalidInput otherwise."""
    name = next((name for name in names if values.get(name) is not None), None)
    if name is None:
        seen = ", ".join(map(repr, list(values)[:10])) or "none"
        raise InvalidInput(f"No {what}: one of the fields {', '.join(names)} is needed; there are {seen}.")
    return text_checked(values[name], name)


def text_checked(value: Any, name: str) -> str:
    """``value`` as a text that can be stored; InvalidInput otherwise."""
    if not isinstance(value, str):
        raise InvalidInput(f"'{name}' is no text but {type(value).__name__}.")
    if problem := text_problem(value):
        raise InvalidInput(f"'{name}': {problem}")
    if len(value) > MAX_TEXT:
        raise InvalidInput(f"'{name}' has {len(value):,} characters; {MAX_TEXT:,} is the most.")
    return value


def id_field(values: Mapping[str, Any], names: Sequence[str]) -> str:
    """The first of ``names`` that is there, numbers written out; empty when there is none."""
    value = next((values[name] for name in names if values.get(name) not in (None, "")), "")
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InvalidInput(f"The id is neither a text nor a whole number but {type(value).__name__}.")
    text = str(value).strip()
    if problem := text_problem(text):
        raise InvalidInput(f"The id: {problem}")
    if len(text) > MAX_ID:
        raise InvalidInput(f"The id has {len(text)} characters; {MAX_ID} is the most.")
    return text


def references_of(values: Mapping[str, Any]) -> list[str]:
    """The prompt's reference completions; empty ones are left out."""
    name = next((name for name in REFERENCE_FIELDS if values.get(name) not in (None, "")), None)
    if name is None:
        return []
    value = values[name]
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = _list_in_a_cell(value)
    found = value if isinstance(value, list) else [value]
    if len(found) > MAX_REFERENCES:
        raise InvalidInput(f"{len(found)} references; {MAX_REFERENCES} is the most.")
    return [text for one in found if (text := text_checked(one, name)).strip()]


def _list_in_a_cell(value: str) -> Any:
    """A CSV cell can hold a JSON list; any other text is one reference that begins with a bracket."""
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return found if isinstance(found, list) else value


def completion_of(row: Row | BadRow) -> NewCompletion:
    """The completion of a line, or InvalidInput."""
    if isinstance(row, BadRow):
        raise InvalidInput(row.error)
    prompt_id = id_field(row.values, PROMPT_ID_FIELDS)
    prompt = "" if prompt_id else text_field(row.values, PROMPT_TEXT_FIELDS, what="prompt")
    if not prompt_id and not prompt.strip():
        raise InvalidInput("The prompt is empty: name it by its id.")
    source = id_field(row.values, SOURCE_FIELDS)
    if not source:
        raise InvalidInput(f"No source: one of the fields {', '.join(SOURCE_FIELDS)} says who wrote it.")
    return NewCompletion(
        row.line,
        prompt_id,
        "" if prompt_id else content_hash(prompt),
        source,
        text_field(row.values, COMPLETION_FIELDS, what="completion"),
    )
