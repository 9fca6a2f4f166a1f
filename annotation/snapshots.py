"""Frozen exports of the current rankings, named by what they say.

The canonical form is one JSON line for each ranking (sorted keys, UTF-8, NFC, no spaces, ``\\n``),
the lines sorted. It holds content alone: no ids, times, durations or versions, so that the same labels
have the same sha256 on any database.
"""

import hashlib
import hmac
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings

from annotation.texts import nfc

FILES = ("rankings.jsonl", "rankings.parquet", "manifest.json", "README.md")
ROWS_AT_ONCE = 2000


def pseudonym(*, username: str, salt: str) -> str:
    """How an annotator is called outside: 12 hex digits of HMAC-SHA256(salt, username)."""
    return hmac.new(salt.encode(), username.encode(), hashlib.sha256).hexdigest()[:12]


def folder_of(path: str) -> Path:
    """A snapshot's folder on this machine."""
    return Path(settings.DATA_DIR) / path


def canonical_groups(texts: dict[int, str], groups: Sequence[Sequence[int]]) -> dict[str, Any]:
    """Completions as sorted texts, and groups of indices into them, free of any id.

    Of completions with the same words, the one that stands higher comes first.
    """
    level = {completion: place for place, group in enumerate(groups) for completion in group}
    order = sorted(texts, key=lambda completion: (nfc(texts[completion]), level.get(completion, len(groups))))
    index = {completion: position for position, completion in enumerate(order)}
    return {
        "completions": [nfc(texts[completion]) for completion in order],
        "groups": [sorted(index[completion] for completion in group) for group in groups],
    }


def folder_write(folder: Path, lines: Sequence[bytes], manifest: Mapping[str, Any]) -> None:
    """Write a snapshot's files beside their place and rename them into it: there whole, or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=folder.parent))
    try:
        with (draft / "rankings.jsonl").open("wb") as file:
            file.writelines(lines)
        _write_parquet(draft / "rankings.parquet", lines)
        (draft / "README.md").write_text(_card(manifest), encoding="utf-8")
        (draft / "manifest.json").write_text(
            json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        draft.chmod(0o755)  # mkdtemp's is for its owner alone
        try:
            os.rename(draft, folder)
        except OSError:
            if not (folder / "manifest.json").exists():
                raise
            # Somebody else wrote the same labels in between: theirs is as good.
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _write_parquet(path: Path, lines: Sequence[bytes]) -> None:
    import pyarrow  # 100 ms that only snapshots and exports cost
    import pyarrow.parquet

    schema = pyarrow.schema(
        [
            ("annotator", pyarrow.string()),
            ("completions", pyarrow.list_(pyarrow.string())),
            ("groups", pyarrow.list_(pyarrow.list_(pyarrow.int32()))),
            ("method", pyarrow.string()),
            ("none_acceptable", pyarrow.bool_()),
            ("prompt", pyarrow.string()),
            ("split", pyarrow.string()),
            ("strengths", pyarrow.list_(pyarrow.int32())),
        ]
    )
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        for start in range(0, len(lines), ROWS_AT_ONCE):
            rows = [json.loads(line) for line in lines[start : start + ROWS_AT_ONCE]]
            writer.write_table(pyarrow.Table.from_pylist(rows, schema=schema))


def _card(manifest: Mapping[str, Any]) -> str:
    counts = manifest["counts"]
    figure = manifest["agreement"]["pairwise"]
    agreed = f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})" if figure else "not enough overlap"
    origins = ", ".join(f"{number} {origin}" for origin, number in counts["by_origin"].items())
    splits = ", ".join(f"{number} {split}" for split, number in counts["by_split"].items())
    return f"""# Rankings of {manifest["project"]}

{counts["rankings"]} rankings ({origins}), {counts["pairs"]} pairs, of {counts["prompts"]} prompts
by {counts["annotators"]} annotators. Split by prompt: {splits}. Pairwise agreement, ties left out: {agreed}.

sha256 of `rankings.jsonl`: `{manifest["sha256"]}`

One line for each ranking; `rankings.parquet` holds the same.

| field | what |
| --- | --- |
| `prompt` | the raw prompt |
| `completions` | the texts that were ranked, sorted |
| `groups` | indices into `completions`, best group first; two or more in a group are a tie |
| `method` | `best_worst` where the annotator named the best and the worst alone: those between were not compared |
| `strengths` | for each boundary between groups: 1 slightly better, 2 better, 3 much better; null when not given |
| `none_acceptable` | the annotator found none acceptable |
| `annotator` | a pseudonym, the same for the whole project |
| `split` | train, validation or test, by hash of the prompt's identity |

The lines hold no ids and no times: the same labels have the same hash anywhere.
"""
