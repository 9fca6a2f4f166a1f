"""What all trainings of the command line have in common: a folder for the result, logs beside it, a last line."""

import argparse
import json
import platform
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rlhf.cli.console import Console
from rlhf.cli.logs import RUN, Logs
from rlhf.cli.places import check_inputs, named, result_folder, write_whole
from rlhf.config import to_mapping
from rlhf.types import Artifact

WRITES = """\
  OUT/                    {what}, and kedge.json: its sha256, sizes and figures
  OUT.logs/               (or --logs DIR)
    metrics.jsonl         one line for each step: {{"step": 1, "loss": 0.5, …}}
    events.out.tfevents.* the same for TensorBoard: tensorboard --logdir OUT.logs
    run.json              the command, its settings and the packages' versions
  OUT.checkpoints/        with checkpoint_every above 0, until the end; the same command goes on from there"""
_PACKAGES = ("torch", "transformers", "peft", "accelerate", "kedge")


def train_into(
    options: argparse.Namespace, console: Console, config: object, train: Callable[[Path], Artifact]
) -> None:
    """``train`` a model into the folder it is given, with logs; say what came out.

    Raises ConfigError before any work where the result or the logs have no place.
    """
    out = named(options.out)
    if not console.leads:
        train(out)
        return
    logs = options.logs or out.with_name(out.name + ".logs")
    check_inputs("--out", out, options)
    with result_folder(out, logs, overwrite=options.overwrite):
        logs.mkdir(parents=True, exist_ok=True)
        write_whole(logs / RUN, json.dumps(_run(options, out, config), indent=1, ensure_ascii=False) + "\n")
        console.log_to(Logs(logs))
        artifact = train(out)
    console.say(summary(artifact))


def summary(artifact: Artifact) -> str:
    """The trained share and the size of a result, in words."""
    # Of a merged adapter the artifact's own counts say nothing any more.
    trained = _whole(artifact, "trained_parameters", artifact.trainable_parameters)
    total = _whole(artifact, "adapted_parameters", artifact.total_parameters)
    share = f"{trained:,} of {total:,} parameters trained ({trained / max(total, 1):.2%})"
    adapter = artifact.facts.get("adapter_bytes")
    beside = f", the adapter alone {size_words(adapter)}" if isinstance(adapter, int) else ""
    return f"{artifact.path}: {share}, {size_words(artifact.size_bytes)} on disk{beside}, sha256 {artifact.sha256}"


def _whole(artifact: Artifact, name: str, other: int) -> int:
    found = artifact.facts.get(name)
    return found if isinstance(found, int) else other


def size_words(size: int) -> str:
    """Bytes with a unit, three digits: 14.2 MB."""
    value, units = float(size), iter(("B", "kB", "MB", "GB", "TB"))
    unit = next(units)
    while value >= 1000 and unit != "TB":
        value, unit = value / 1000, next(units)
    return f"{size} B" if unit == "B" else f"{value:.3g} {unit}"


def _run(options: argparse.Namespace, out: Path, config: object) -> dict[str, object]:
    """What it takes to do the same again."""
    hidden = ("command", "refuse", "out", "set", "preset", "config")
    return {
        "command": options.command.name,
        "out": str(out.resolve()),
        "options": {name: _text(value) for name, value in vars(options).items() if name not in hidden},
        "settings": to_mapping(config),
        "versions": {"python": platform.python_version(), **_versions()},
        "arguments": sys.argv[1:],
    }


def _text(value: object) -> object:
    return str(value) if isinstance(value, Path) else value


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue  # run from a checkout: kedge is not installed
    return found
