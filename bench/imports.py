"""How fast prompts and rankings go in, and how much memory that takes, on SQLite and on PostgreSQL.

    .venv/bin/python -m bench.imports [--prompts 100000] [--rankings 20000] [--postgresql postgresql://HOST:PORT]

Files of made-up dialogues (600 characters) and of lines in the `rankings` layout (four completions, three raters),
imported by the commands that people use, each in a process of its own on a new database. Without a PostgreSQL at that
address its rows are left out, and that is said.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg

ROOT = Path(__file__).resolve().parents[1]
SERVER = "postgresql://root@127.0.0.1:5432"
WORDS = ["the", "museum", "ticket", "station", "saturday", "umbrella", "train", "sister", "cash", "euro", "lunch"]
HEAD = "| import | database | lines | seconds | CPU s | lines a second | rankings a second | peak MiB |"


def text(rng: random.Random, words: int) -> str:
    return " ".join(rng.choices(WORDS, k=words))


def prompt_line(rng: random.Random, number: int) -> dict[str, object]:
    return {"id": f"p{number}", "dialogue": f"{number} {text(rng, 95)}", "summary": text(rng, 20)}


def ranking_line(rng: random.Random, number: int) -> dict[str, object]:
    ranks = [[rng.randint(1, 4) for _ in range(4)] for _ in range(3)]
    return {
        "id": f"r{number}",
        "prompt": f"{number} {text(rng, 95)}",
        "completions": [{"source": name, "text": f"{name} {text(rng, 25)}"} for name in "ABCD"],
        "rankings": [{"ranks": one} for one in ranks],
    }


def write(path: Path, count: int, line: Callable[[random.Random, int], dict[str, object]]) -> None:
    rng = random.Random(7)
    with path.open("w") as file:
        for number in range(count):
            file.write(json.dumps(line(rng, number)) + "\n")


@contextmanager
def postgresql(server: str) -> Iterator[str]:
    """A database of its own."""
    name = f"kedge_imports_{uuid4().hex[:12]}"
    with psycopg.connect(f"{server}/postgres", autocommit=True, connect_timeout=3) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        try:
            yield f"{server}/{name}"
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def manage(environment: dict[str, str], *arguments: str) -> tuple[float, float, float, str]:
    """Wall and CPU seconds and peak MiB of a command, and what it printed."""
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    said = process.stdout.read().decode()
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(arguments)} failed: {status}")
    return time.monotonic() - started, used.ru_utime + used.ru_stime, _mebibytes(used), said


def _mebibytes(used: resource.struct_rusage) -> float:
    return used.ru_maxrss / (1024 if sys.platform == "linux" else 1024 * 1024)


def rows(database: str, address: str, folder: Path, prompts: int, rankings: int) -> Iterator[str]:
    environment = {"DATABASE_URL": address, "KEDGE_DATA": str(folder / "data"), "OMP_NUM_THREADS": "1"}
    (folder / "data").mkdir(exist_ok=True)
    manage(environment, "migrate", "-v0")
    make = "from annotation.services import project_create as p; p(actor=None, slug='bench', name='Bench')"
    manage(environment, "shell", "-v0", "-c", make)
    named = ["--project", "bench", "--json"]
    ranked = ["import_rankings", *named, "--layout=rankings", str(folder / "rankings.jsonl")]
    jobs = [
        (f"{prompts:,} prompts", prompts, 1, ["import_prompts", *named, "--file", str(folder / "prompts.jsonl")]),
        (f"{rankings:,} × 3 rankings of 4", rankings, 3, ranked),
    ]
    for what, lines, each, command in jobs:
        wall, cpu, peak, said = manage(environment, *command)
        report = json.loads(said.splitlines()[-1])
        if report["created"] != lines * each:
            raise SystemExit(f"{report['created']} were created of {what}: {report['rejected'][:3]}")
        cells = [what, database, f"{lines:,}", f"{wall:.1f}", f"{cpu:.1f}", f"{lines / wall:,.0f}"]
        yield "| " + " | ".join([*cells, f"{lines * each / wall:,.0f}" if each > 1 else "", f"{peak:.0f}"]) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=100_000)
    parser.add_argument("--rankings", type=int, default=20_000, help="lines, each with three raters' rankings")
    parser.add_argument("--postgresql", default=SERVER, metavar="URL")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "prompts.jsonl", options.prompts, prompt_line)
        write(folder / "rankings.jsonl", options.rankings, ranking_line)
        print(HEAD, "| --- " * HEAD.count(" | ") + "| --- |", sep="\n")
        for row in rows("SQLite", f"sqlite:///{folder / 'db.sqlite3'}", folder, options.prompts, options.rankings):
            print(row, flush=True)
        try:
            with postgresql(options.postgresql) as address:
                for row in rows("PostgreSQL", address, folder, options.prompts, options.rankings):
                    print(row, flush=True)
        except psycopg.OperationalError as error:
            print(f"no PostgreSQL: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
