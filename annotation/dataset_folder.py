"""A folder that ``datasets.load_dataset(folder)`` loads without a network: Parquet by split, and a dataset card."""

import tempfile
import zipfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from annotation.exporters import Export
from annotation.licence import licence_words, licence_yaml
from annotation.models import Split
from annotation.parquet import ParquetFile

_WHAT = {
    "pairs": "preference pairs: people ranked the completions, and every pair whose order they decided is a row",
    "rankings": "rankings: one row for everything that one person said of one task",
}
_FIELDS = {
    "prompt": "what was answered",
    "chosen": "the completion that stood higher",
    "rejected": "the one that stood lower; of a tie, the order means nothing",
    "tie": "the annotator put both on the same place",
    "strength": "1 slightly better, 2 better, 3 much better; null when not given",
    "weight": "1 / pairs of its ranking, so that a ranking weighs 1",
    "completions": "the texts that were ranked",
    "sources": "who wrote each",
    "shown": "indices into `completions` in the order in which the annotator saw them",
    "groups": "indices into `completions`, best group first; two or more in a group are a tie",
    "strengths": "for each boundary between groups: 1 slightly better, 2 better, 3 much better",
    "method": "`full`, or `best_worst`: the middle group's members were not compared",
    "ratings": "1 to 5 on a criterion, completions by index",
    "flags": "why a completion should not be shown, by index",
    "spans": "marked parts of a completion, in code points",
    "rewrite": "a better text that the annotator wrote",
    "annotator": "a pseudonym, the same for the whole project",
    "rater_group": "as the import called them",
    "overruled": "a reviewer has set the final ranking of this task: leave this one out of training",
    "origin": "person, simulated, imported, or adjudicated by a reviewer",
    "split": "by hash of the prompt's identity",
}


def dataset_write(export: Export, folder: Path) -> Counter[str]:
    """Write the folder in one pass over the rows; how many rows each split has. The folder must be there and empty."""
    data = folder / "data"
    data.mkdir()
    schema = export.schema()
    files: dict[str, ParquetFile] = {}
    with ExitStack() as stack:
        for split, row in export.rows():
            if split not in files:
                files[split] = stack.enter_context(ParquetFile(data / f"{split}.parquet", schema))
            files[split].write(row)
    counts = Counter({split: file.count for split, file in files.items()})
    (folder / "README.md").write_text(_card(export, counts), encoding="utf-8")
    return counts


def dataset_zip(export: Export, file: IO[bytes]) -> None:
    """The same folder as a zip file; it goes through the disk, and Parquet is compressed already."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dataset_write(export, folder)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for path in sorted(one for one in folder.rglob("*") if one.is_file()):
                archive.write(path, path.relative_to(folder))


def _card(export: Export, counts: Counter[str]) -> str:
    there = [split for split in Split.values if counts[split]]
    files = "".join(f"\n      - split: {split}\n        path: data/{split}.parquet" for split in there)
    configs = f"configs:\n  - config_name: default\n    data_files:{files}\n" if there else ""
    rows = ", ".join(f"{counts[split]:,} {split}" for split in there) or "none"
    fields = "".join(f"| `{name}` | {_FIELDS.get(name, '')} |\n" for name in export.columns)
    return f"""---
license: {licence_yaml(export.project.data_license)}
tags: [preference, rlhf]
{configs}---

# {export.name.capitalize()} of {export.project.slug}

{_WHAT[export.name].capitalize()}. Layout `{export.layout}`. Rows: {rows}.

The split is by prompt: no prompt stands in two. Labels that were taken back are not in here; neither is gold.

Licence: {licence_words(export.project.data_license)}.

| column | what |
| --- | --- |
{fields}"""
