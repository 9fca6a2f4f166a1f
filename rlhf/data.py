"""Files of prompts, supervised pairs and rankings; every refusal names the file, the line and the remedy."""

import csv
import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rlhf.conversations import prompt_of
from rlhf.exceptions import DataError
from rlhf.prompting import TEMPLATES, PromptFormat, RawPrompt, Shot, raw_text
from rlhf.types import Example, Prompt, Ranking

REFERENCE_FIELDS = ("summaries", "references", "summary")
PLAIN = TEMPLATES["plain"]
Row = Mapping[str, object]


def text_id(text: str) -> str:
    """The identity of a text that came without one: its sha256."""
    return hashlib.sha256(text.encode()).hexdigest()


def read_prompts(path: Path | str, template: PromptFormat | str = PLAIN) -> list[Prompt]:
    """Prompts of a JSONL or CSV file (``.gz`` too): `dialogue`, `prompt` or `messages`; `id`; references if there are
    any.

    A prompt is a text or a list of turns. References stand in `summaries`, `references` or `summary`, a text or a
    list; without any, the last of `messages` is one where it is the assistant's. Without an `id` the prompt's hash is
    its id. Raises DataError for an unreadable file, an empty prompt or a repeated id.
    """
    format_ = _format(template)
    prompts: dict[str, Prompt] = {}
    for where, row in _rows(Path(path)):
        raw, references = _row(row, where)
        given, own = row.get("id"), text_id(raw_text(raw))
        name = own if given is None or given == "" else str(given)
        if name in prompts:
            what = "this prompt" if name == own else f"the id {name!r}"
            raise DataError(f"{where}: {what} occurs twice: remove one of the lines, or give each an id of its own.")
        prompts[name] = Prompt(name, _applied(format_, raw, where), references)
    return list(prompts.values())


def read_examples(path: Path | str, template: PromptFormat | str = PLAIN) -> list[Example]:
    """Supervised pairs of the same files: one for each reference of each prompt. A prompt without one is an error."""
    format_ = _format(template)
    return [Example(_applied(format_, shot.prompt, where), shot.target) for where, shot in _pairs(Path(path))]


def read_shots(path: Path | str) -> list[Shot]:
    """The same pairs as examples to show before a prompt: raw, one for each prompt, with its first reference."""
    shots: dict[str, Shot] = {}
    for _where, shot in _pairs(Path(path)):
        shots.setdefault(raw_text(shot.prompt), shot)
    return list(shots.values())


def read_rankings(path: Path | str, template: PromptFormat | str = PLAIN) -> list[Ranking]:
    """Rankings of a snapshot: `rankings.jsonl`, the same gzipped, or its Parquet file.

    ``prompt_id`` is the hash of the raw prompt; ``prompt`` is what the model reads (template applied).
    """
    format_ = _format(template)
    return [_ranking(row, where, format_) for where, row in _rows(Path(path))]


def read_completions(path: Path | str) -> dict[str, list[str]]:
    """Texts by the prompt they answer, as ``generate`` writes them: lines with `prompt` and `completions`."""
    found: dict[str, list[str]] = {}
    for where, row in _rows(Path(path)):
        texts = row.get("completions")
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise DataError(f"{where}: completions must be a list of texts, not {texts!r}.")
        found.setdefault(raw_text(_row(row, where)[0]), []).extend(texts)
    return found


def pairs_of(ranking: Ranking) -> list[tuple[int, int, bool]]:
    """All pairs (i, j, tie) that were compared: i stands above j, or beside it when ``tie`` (then i comes first)."""
    place = {index: level for level, group in enumerate(ranking.groups) for index in group}
    order = [index for group in ranking.groups for index in group]
    pairs = [(i, j, place[i] == place[j]) for rank, i in enumerate(order) for j in order[rank + 1 :]]
    return pairs if ranking.ties else [pair for pair in pairs if not pair[2]]


def _format(template: PromptFormat | str) -> PromptFormat:
    return PromptFormat(template) if isinstance(template, str) else template


def _applied(format_: PromptFormat, raw: RawPrompt, where: str) -> str:
    try:
        return format_.apply(raw)
    except DataError as error:
        raise DataError(f"{where}: {error}.") from error


def _pairs(path: Path) -> Iterator[tuple[str, Shot]]:
    """(“file, line n”, a raw prompt with one of its references)."""
    for where, row in _rows(path):
        raw, references = _row(row, where)
        if not references:
            raise DataError(f"{where}: no reference: give {', '.join(REFERENCE_FIELDS)} (a text or a list of texts).")
        for reference in references:
            yield where, Shot(raw, reference)


def _row(row: Row, where: str) -> tuple[RawPrompt, tuple[str, ...]]:
    """A prompt and its references."""
    raw, answer = prompt_of(row, where)
    return raw, _references(row, where) or (() if answer is None else (answer,))


def _references(row: Row, where: str) -> tuple[str, ...]:
    for field in REFERENCE_FIELDS:
        value = row.get(field)
        if value is None or value == "":
            continue
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list) or not all(isinstance(text, str) and text.strip() for text in texts):
            raise DataError(f"{where}: {field} must be a text or a list of texts, none empty, not {value!r}.")
        return tuple(texts)
    return ()


def _ranking(row: Row, where: str, format_: PromptFormat) -> Ranking:
    completions, groups = row.get("completions"), row.get("groups")
    if not row.get("prompt"):
        raise DataError(f"{where}: a ranking needs its prompt, a text or a list of turns.")
    raw, _answer = prompt_of({"prompt": row["prompt"]}, where)
    if not isinstance(completions, list) or not all(isinstance(text, str) for text in completions):
        raise DataError(f"{where}: completions must be a list of texts.")
    if len(completions) < 2:
        raise DataError(f"{where}: a ranking needs at least two completions, not {len(completions)}.")
    if not isinstance(groups, list) or not all(isinstance(group, list) and group for group in groups):
        raise DataError(f"{where}: groups must be a list of lists of places in completions, none of them empty.")
    places = [index for group in groups for index in group]
    if any(type(place) is not int for place in places) or sorted(places) != list(range(len(completions))):
        raise DataError(f"{where}: groups must hold each of the {len(completions)} completions once, not {groups}.")
    split = str(row.get("split"))
    if split not in ("train", "validation", "test"):
        raise DataError(f"{where}: split must be train, validation or test, not {row.get('split')!r}.")
    method = row.get("method")
    if method not in (None, "full", "best_worst"):
        raise DataError(f"{where}: method must be full, best_worst or missing, not {method!r}.")
    return Ranking(
        prompt_id=text_id(raw_text(raw)),
        prompt=_applied(format_, raw, where),
        completions=tuple(completions),
        groups=tuple(tuple(group) for group in groups),
        annotator=str(row.get("annotator", "")),
        split=split,
        strengths=_strengths(row.get("strengths"), len(groups), where),
        ties=method != "best_worst",
    )


def _strengths(value: object, groups: int, where: str) -> tuple[int, ...] | None:
    if value is None:
        return None
    known = isinstance(value, list) and all(type(item) is int and 1 <= item <= 3 for item in value)
    if not isinstance(value, list) or not known or len(value) != groups - 1:
        raise DataError(f"{where}: strengths must be null or {groups - 1} numbers of 1, 2 or 3, not {value!r}.")
    return tuple(value)


def _rows(path: Path) -> Iterator[tuple[str, Row]]:
    """(“file, line n”, row) of each row, whatever the format."""
    if not path.is_file():
        what = "is a folder or a device, and must be a file" if path.exists() else "there is no such file"
        raise DataError(f"{path}: {what}.")
    name = path.name.removesuffix(".gz")
    if name.endswith(".parquet"):
        yield from _parquet(path)
    elif name.endswith(".csv"):
        yield from _csv(path)
    elif name.endswith((".jsonl", ".json")):
        yield from _jsonl(path)
    else:
        raise DataError(f"{path}: unknown kind of file: give .jsonl, .csv (each may end in .gz) or .parquet.")


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8-sig")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: the gzip data is damaged ({error}): make the file again.") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DataError(f"{path}, line {line}: not UTF-8: save the file as UTF-8.") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error}") from error


def _jsonl(path: Path) -> Iterator[tuple[str, Row]]:
    # Not splitlines(): it would break a line at U+2028, which JSON allows inside a text.
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{where}: not JSON ({error.msg}): write one object on each line.") from error
        except (ValueError, RecursionError) as error:  # a number of thousands of digits, thousands of brackets
            raise DataError(f"{where}: no Python object can hold this JSON ({error}).") from error
        if "\\ud" in line.lower():
            _check_characters(row, where)
        if not isinstance(row, dict):
            raise DataError(f"{where}: must be an object with keys, not {line[:40]!r}.")
        yield where, row


def _check_characters(row: object, where: str) -> None:
    """A text with half of a surrogate pair, as a cut escape leaves it, has no UTF-8 and no tokens."""
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start].encode("ascii", "backslashreplace").decode()
        raise DataError(f"{where}: {half} is half of a character: write both halves, or neither.") from error


def _csv(path: Path) -> Iterator[tuple[str, Row]]:
    reader = csv.DictReader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        names = list(reader.fieldnames or ())
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise DataError(f"{path}, line 1: the column {twice[0]!r} stands there twice: rename or remove one.")
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            if None in row or None in row.values():
                raise DataError(
                    f"{where}: has not as many cells as the header: quote texts with commas or line breaks."
                )
            yield where, row
    except csv.Error as error:
        raise DataError(
            f"{path}, line {reader.line_num}: not CSV ({error}): quote texts with commas or line breaks."
        ) from error


def _parquet(path: Path) -> Iterator[tuple[str, Row]]:
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a Parquet file ({error}): export it again.") from error
    for number, row in enumerate(table.to_pylist(), start=1):
        yield f"{path}, row {number}", row
