"""Where a command may write: checked before the work begins, so that hours of it are never lost or overwritten."""

import argparse
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rlhf.cli.logs import METRICS, RUN, SUFFIX
from rlhf.exceptions import ConfigError

CARD = "kedge.json"  # the last file that a training writes
READ = (
    "model", "anchor", "adapter", "reward", "data", "validation", "rankings", "prompts", "held_out", "config",
    "predictions", "baseline",
)  # fmt: skip
"""Options that name what is read, by their places in the parsed options."""


@contextmanager
def result_folder(out: Path, logs: Path, *, overwrite: bool) -> Iterator[None]:
    """``out`` is free, or holds what this training left when it was broken off.

    A finished result is refused, or with ``overwrite`` stands aside as ``OUT.old`` until the new one is there. Raises
    ConfigError, naming the remedy.
    """
    for option, folder in (("--out", out), ("--logs", logs)):
        check_writable(option, folder)
    check_folder(out, logs, overwrite=overwrite)
    check_logs(logs)
    aside = _stand_aside(out) if (out / CARD).is_file() else None
    try:
        yield
    except BaseException:
        if aside is not None and not out.exists():
            aside.rename(out)
        raise
    if aside is not None:
        shutil.rmtree(aside)


def check_folder(out: Path, logs: Path, *, overwrite: bool) -> None:
    """Raises ConfigError for what stands in the way of a training's result."""
    if not out.exists():
        return
    if not out.is_dir():
        raise ConfigError(f"--out {out} is a file, and must be a folder: delete it or choose another --out.")
    found = sorted(path.name for path in out.iterdir())
    if CARD in found and not overwrite:
        raise ConfigError(
            f"--out {out} holds a finished result: choose another --out, or say --overwrite to replace it."
        )
    if found and CARD not in found and not _broken_off(out, logs):
        some = ", ".join(found[:3]) + (", …" if len(found) > 3 else "")
        raise ConfigError(
            f"--out {out} is not empty and not a result of ours (it holds {some}): empty it or choose another --out."
        )


def check_logs(logs: Path) -> None:
    """Raises ConfigError for a folder of logs that holds anything else."""
    if logs.exists() and not logs.is_dir():
        raise ConfigError(f"--logs {logs} is a file, and must be a folder: delete it or choose another --logs.")
    others = [path.name for path in logs.iterdir() if not _is_log(path.name)] if logs.is_dir() else []
    if others:
        raise ConfigError(f"--logs {logs} holds what is no log of ours ({sorted(others)[0]}): choose another --logs.")


def result_file(option: str, path: Path, is_ours: Callable[[Path], bool]) -> None:
    """Raises ConfigError unless ``path`` can be written and is free, empty, or an earlier result of the same kind."""
    check_writable(option, path)
    if path.is_dir():
        raise ConfigError(f"{option} {path} is a folder, and must be a file: name one in it.")
    if path.is_file() and path.stat().st_size and not is_ours(path):
        raise ConfigError(f"{option} {path} exists and is not a result of ours: delete it or choose another {option}.")


def check_writable(option: str, path: Path) -> None:
    """Raises ConfigError unless something can be written at ``path`` or, before it exists, beside it."""
    try:
        if is_stream(path):
            return
        place = path if path.is_dir() else path.parent
        place.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=place).close()
        if path.is_file():
            path.open("ab").close()
    except OSError as error:
        why = "Not a directory" if isinstance(error, FileExistsError) else error.strerror or error
        raise ConfigError(f"{option} {path} cannot be written ({why}): choose another {option}.") from error


def check_inputs(option: str, out: Path, options: argparse.Namespace) -> None:
    """Raises ConfigError where ``out`` is, or holds, what the command reads: it would be replaced."""
    place = out.resolve()
    for name in READ:
        value = getattr(options, name, None)
        read = Path(value).resolve() if value else None
        if read is not None and place in (read, *read.parents):
            raise ConfigError(f"{option} {out} would replace --{name.replace('_', '-')} {value}: choose another.")


def write_whole(path: Path, text: str) -> None:
    """Write JSON so that a reader finds the old file or the new one, never a part; a pipe or device directly.

    An OSError names ``path``, and leaves nothing beside it.
    """
    data = text.encode("utf-8", "backslashreplace")  # half a surrogate pair becomes its JSON escape
    if is_stream(path):
        path.write_bytes(data)
        return
    target = path.resolve()  # a link stays one
    fresh = target.with_name(target.name + ".new")
    try:
        fresh.write_bytes(data)
        os.replace(fresh, target)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error


def is_stream(path: Path) -> bool:
    """True for /dev/stdout, a pipe, and the like."""
    return path.exists() and not path.is_file() and not path.is_dir()


def named(path: Path) -> Path:
    """``path`` with a name of its own, which “.” has not: other names are made from it."""
    return path if path.name not in ("", "..") else path.resolve()


def _stand_aside(out: Path) -> Path:
    aside = out.with_name(out.name + ".old")
    if aside.exists():
        raise ConfigError(f"{aside} is in the way of --overwrite: an earlier try left it; delete it or move it away.")
    # Checkpoints beside a finished result are of its own training, which a new one must not go on from.
    shutil.rmtree(out.with_name(out.name + ".checkpoints"), ignore_errors=True)
    return out.rename(aside)


def _broken_off(out: Path, logs: Path) -> bool:
    """A training of ours began here and did not end: it left checkpoints, or logs that name this folder."""
    beside = out.with_name(out.name + ".checkpoints")
    if beside.is_dir() or any(path.name.startswith("checkpoint") for path in out.iterdir()):
        return True
    try:
        run = json.loads((logs / RUN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(run, dict) and run.get("out") == str(out.resolve())


def _is_log(name: str) -> bool:
    ours = (METRICS, RUN, METRICS + ".new", RUN + ".new")
    return name in ours or (name.startswith("events.out.tfevents.") and name.endswith(SUFFIX))
