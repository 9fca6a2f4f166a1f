"""``manage.py loop``: whole rounds without a browser or a broker, in one process."""

import json
import os
import shutil
import sys
import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from rlhf.exceptions import RlhfError
from workers.exceptions import KedgeError
from workers.models import Algorithm
from workers.terminal import TerminalReporter

INSIDE = "KEDGE_LOOP"
"""Set in the environment of the process that has the loop's own database."""


class Command(BaseCommand):
    help = (
        "Run whole rounds (rank, reward model, PPO or DPO, evaluate, next completions) with simulated annotators in "
        "a fresh database, and print what became of the policy, measured against the hidden utility."
    )
    # The database that the settings name is not the one the loop uses.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--prompts", type=Path, help="JSONL or CSV; default: the generated corpus")
        parser.add_argument("--sft-data", type=Path, help="what the tiny policy is trained on, with --prompts")
        parser.add_argument("--rounds", type=int, default=2)
        parser.add_argument("--rankings", type=int, default=300, help="submitted in each round, overlap included")
        parser.add_argument("--algorithm", choices=Algorithm.values, default="ppo")
        parser.add_argument("--annotators", choices=["simulated"], default="simulated")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--shuffle-labels", action="store_true", help="labels without information, as a control")
        parser.add_argument("--database", type=Path, help="SQLite file to make and keep; default: a temporary one")
        parser.add_argument("--json", type=Path, help="write the report there too")

    def handle(self, *args: Any, **options: Any) -> None:
        _check(options)
        if INSIDE not in os.environ:
            _restart(options)
        from workers.loop import Loop, LoopPlan, row_table

        reporter = TerminalReporter()
        plan = LoopPlan(
            rounds=options["rounds"],
            rankings=options["rankings"],
            algorithm=options["algorithm"],
            seed=options["seed"],
            shuffle_labels=options["shuffle_labels"],
            prompts=options["prompts"],
            sft_data=options["sft_data"],
        )
        try:
            call_command("migrate", verbosity=0)
            rows = Loop(plan, reporter).run(lambda row: self.stdout.write("\n" + row_table(row) + "\n"))
        except (RlhfError, KedgeError) as error:
            raise CommandError(str(error)) from error
        finally:
            reporter.close()
            if folder := os.environ[INSIDE]:
                shutil.rmtree(folder, ignore_errors=True)
        if options["json"]:
            options["json"].write_text(json.dumps({"plan": _plain(options), "rounds": rows}, indent=1) + "\n")


def _check(options: dict[str, Any]) -> None:
    """Everything that can be refused before an hour is spent."""
    for name in ("rounds", "rankings"):
        if options[name] < 1:
            raise CommandError(f"--{name} is {options[name]}: it must be at least 1.")
    for name in ("prompts", "sft_data"):
        if options[name] is not None and not options[name].is_file():
            raise CommandError(f"--{name.replace('_', '-')}: there is no file {options[name]}.")
    if options["prompts"] is not None and options["sft_data"] is None:
        raise CommandError("With --prompts, say with --sft-data what the tiny policy is trained on.")
    if options["sft_data"] is not None and options["prompts"] is None:
        raise CommandError("--sft-data goes with --prompts: the generated corpus has its own.")
    if options["json"] is not None and not options["json"].resolve().parent.is_dir():
        raise CommandError(f"--json: there is no folder {options['json'].resolve().parent}.")
    if options["database"] is not None and options["database"].exists() and INSIDE not in os.environ:
        raise CommandError(f"--database: {options['database']} exists already, and the loop needs a fresh one.")


def _restart(options: dict[str, Any]) -> None:
    """Become the same command with a database and a data folder of its own: Django opens its database at start."""
    folder = tempfile.mkdtemp(prefix="kedge-loop-") if options["database"] is None else ""
    database = options["database"].resolve() if options["database"] else Path(folder) / "loop.sqlite3"
    environment = os.environ | {
        INSIDE: folder,
        "DATABASE_URL": f"sqlite:///{database}",
        "KEDGE_DATA": folder or f"{database}.files",
        "KEDGE_CACHE": str(settings.CACHE_DIR),
    }
    arguments = [sys.executable, str(settings.BASE_DIR / "manage.py"), "loop"]
    for name in ("prompts", "sft_data", "rounds", "rankings", "algorithm", "seed", "database", "json"):
        if options[name] is not None:
            arguments += [f"--{name.replace('_', '-')}", str(options[name])]
    os.execve(sys.executable, arguments + ["--shuffle-labels"] * options["shuffle_labels"], environment)  # noqa: S606


def _plain(options: dict[str, Any]) -> dict[str, Any]:
    names = ("rounds", "rankings", "algorithm", "seed", "shuffle_labels", "prompts", "sft_data")
    return {name: str(options[name]) if isinstance(options[name], Path) else options[name] for name in names}
