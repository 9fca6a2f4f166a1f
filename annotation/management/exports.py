"""What the two commands that export have in common."""

import sys
from argparse import ArgumentParser
from contextlib import nullcontext
from pathlib import Path

from django.core.management.base import CommandError

from annotation.dataset_folder import dataset_write
from annotation.exporters import FORMATS, LINES, Export, as_lines, as_parquet


def export_options(parser: ArgumentParser) -> None:
    """Which project, in which format, where to."""
    parser.add_argument("--project", required=True, metavar="SLUG")
    parser.add_argument("--format", default="jsonl", choices=list(FORMATS), help="datasets: a folder for HF datasets.")
    parser.add_argument("--out", type=Path, help="A file, or the folder; else lines go to the standard output.")


def export_write(export: Export, wanted: str, out: Path | None) -> None:
    """Write the file or the folder; a CommandError says what is in the way."""
    if wanted not in LINES and out is None:
        raise CommandError(f"{wanted} needs a place: --out {'FOLDER' if wanted == 'datasets' else 'FILE'}.")
    try:
        if wanted == "datasets" and out is not None:
            _folder(export, out)
            return
        with out.open("wb") if out else nullcontext(sys.stdout.buffer) as file:
            if wanted == "parquet":
                as_parquet(export, file)
            else:
                file.writelines(as_lines(export, wanted))
    except OSError as error:
        raise CommandError(f"{out} cannot be written: {error.strerror}.") from error


def _folder(export: Export, out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CommandError(f"{out} is there already and not an empty folder: name another.")
    out.mkdir(parents=True, exist_ok=True)
    dataset_write(export, out)
