"""What exporting and freezing cost in memory and time, on a generated database.

    .venv/bin/python -m bench.exports                       # 200,000 rankings, 1.2 million pairs, on SQLite
    .venv/bin/python -m bench.exports --rankings 1000000    # a million: about 7 GiB of database
    .venv/bin/python -m bench.exports --what pairs-jsonl,freeze
    .venv/bin/python -m bench.exports --database postgresql://HOST:PORT/NAME   # an empty one; it is left full

Each job runs in a process of its own. Memory is the most that the whole process had resident, interpreter and libraries
included, and how much of it came after the start, with everything imported and the first row read.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROWS_AT_ONCE = 5000
K = 4
SENTENCE = "Anna and Tom meet on Saturday at half past one at the museum, he buys the tickets, she pays him back"
WORDS = tuple(SENTENCE.split())
HEAD = "| job | rows | CPU s | rows a CPU second | peak memory | above the start | file |\n|" + " --- |" * 7


def setup(folder: Path, database: str | None) -> None:
    """Django on the ``database``, else on one in ``folder``."""
    os.environ["KEDGE_DATA"] = str(folder)
    os.environ["DATABASE_URL"] = database or f"sqlite:///{folder / 'bench.sqlite3'}"
    os.environ.setdefault("SECRET_KEY", "bench")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
    import django

    django.setup()


def text(number: int, words: int) -> str:
    """A text that no other number has, of about this many words."""
    return f"{number}: " + " ".join(WORDS[(number + place) % len(WORDS)] for place in range(words))


def filled() -> bool:
    from django.db import connection

    return "annotation_preferencepair" in connection.introspection.table_names()


def fill(rankings: int) -> None:
    """A project of one ranking for each prompt, four completions each, ranked in a strict order."""
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.db import transaction

    from annotation.models import Project

    call_command("migrate", verbosity=0)
    people = [get_user_model()._default_manager.create(username=f"rater{number}") for number in range(20)]
    project = Project.objects.create(slug="bench", name="Bench", split_salt="bench")
    for start in range(0, rankings, ROWS_AT_ONCE):
        with transaction.atomic():
            _batch(project, people, range(start, min(rankings, start + ROWS_AT_ONCE)))


def _batch(project: Any, people: list[Any], numbers: range) -> None:
    from django.utils import timezone

    from annotation.models import Assignment, Completion, PreferencePair, Prompt, Ranking, Task
    from annotation.services.bulk import keys_take, rows_insert
    from annotation.services.pairs import pair_rows

    def keyed(model: Any, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        keys = keys_take(model=model, count=len(rows))
        rows = [{**row, "id": key} for row, key in zip(rows, keys, strict=True)]
        rows_insert(model=model, rows=rows)
        return rows

    prompts = keyed(Prompt, [_prompt(project, number) for number in numbers])
    texts = keyed(
        Completion,
        [
            {"prompt_id": prompt["id"], "source": "bench", "ordinal": place, "text": text(place, 30)}
            for prompt in prompts
            for place in range(K)
        ],
    )
    orders = [[one["id"] for one in texts[start : start + K]] for start in range(0, len(texts), K)]
    mine = {"project_id": project.pk}
    tasks = keyed(Task, [{**mine, "prompt_id": prompt["id"], "taken": 1, "state": "full"} for prompt in prompts])
    rows_insert(
        model=Task.completions.through,
        rows=(
            {"task_id": task["id"], "completion_id": one}
            for task, order in zip(tasks, orders, strict=True)
            for one in order
        ),
    )
    whose = [
        {"prompt_id": prompt["id"], "annotator_id": people[number % len(people)].pk}
        for number, prompt in zip(numbers, prompts, strict=True)
    ]
    leased = dict.fromkeys(("leased_at", "lease_expires"), timezone.now())
    assignments = keyed(
        Assignment,
        [
            {**who, **leased, "task_id": task["id"], "state": "submitted", "display_order": order}
            for who, task, order in zip(whose, tasks, orders, strict=True)
        ],
    )
    rankings = keyed(
        Ranking,
        [
            {**mine, **who, "assignment_id": assignment["id"], "groups": [[one] for one in order]}
            for who, assignment, order in zip(whose, assignments, orders, strict=True)
        ],
    )
    made = zip(rankings, prompts, strict=True)
    pairs = (
        pair
        for row, prompt in made
        for pair in pair_rows(Ranking(**row, prompt=Prompt(pk=prompt["id"], split=prompt["split"])))
    )
    rows_insert(model=PreferencePair, rows=pairs)


def _prompt(project: Any, number: int) -> dict[str, Any]:
    from annotation.distribution import split_of
    from annotation.texts import content_hash

    source = text(number, 200)
    return {
        "project_id": project.pk,
        "identity": str(number),
        "text": source,
        "content_hash": content_hash(source),
        "split": str(split_of(str(number), "bench")),
    }


def resident() -> int:
    """Bytes of this process in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def peak() -> int:
    """The most that it was since ``peak_forget``."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def peak_forget() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def jobs() -> dict[str, Callable[[Any, Path], Any]]:
    """Each job by name: it writes to the place."""
    from annotation.dataset_folder import dataset_write
    from annotation.exporters import Export, as_lines, as_parquet, pairs_export, rankings_export
    from annotation.services import snapshot_freeze

    def lines(kind: str) -> Callable[[Export, Path], None]:
        def write(export: Export, out: Path) -> None:
            with out.open("wb") as file:
                file.writelines(as_lines(export, kind))

        return write

    def parquet(export: Export, out: Path) -> None:
        with out.open("wb") as file:
            as_parquet(export, file)

    def folder(export: Export, out: Path) -> None:
        out.mkdir()
        dataset_write(export, out)

    writers = {"jsonl": lines("jsonl"), "csv": lines("csv"), "parquet": parquet, "datasets": folder}
    found: dict[str, Callable[[Any, Path], Any]] = {}
    for name, write in writers.items():
        found[f"pairs-{name}"] = lambda project, out, write=write: write(pairs_export(project=project), out)
        found[f"rankings-{name}"] = lambda project, out, write=write: write(rankings_export(project=project), out)
    found["freeze"] = lambda project, out: snapshot_freeze(project=project, actor=None)
    return found


def measured(name: str, out: Path) -> str:
    """Run one job in this process; a line of the table."""
    import pyarrow
    import pyarrow.parquet  # noqa: F401 -- its import is no cost of the export

    from annotation.exporters import pairs_export
    from annotation.models import PreferencePair, Project, Ranking

    project = Project.objects.get(slug="bench")
    first = next(pairs_export(project=project).rows())
    of_pairs = name.startswith("pairs")
    rows = PreferencePair.objects.count() if of_pairs else Ranking.objects.count()
    peak_forget()
    before, began = resident(), time.process_time()
    jobs()[name](project, out)
    seconds = time.process_time() - began
    del first
    size = sum(path.stat().st_size for path in [out, *out.rglob("*")] if path.is_file())
    cells = [name, f"{rows:,}", f"{seconds:.0f}", f"{rows / seconds:,.0f}"]
    most = peak()
    cells += [f"{most / 2**20:.0f} MiB", f"{(most - before) / 2**20:.0f} MiB"]
    cells.append(f"{size / 2**20:,.0f} MiB" if size else "–")
    return "| " + " | ".join(cells) + " |"


def each(names: list[str], folder: Path, database: str | None) -> Iterator[str]:
    for name in names:
        command = [sys.executable, "-m", "bench.exports", "--in", str(folder), "--job", name]
        command += ["--database", database] if database else []
        yield subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rankings", type=int, default=200_000)
    parser.add_argument("--what", default="all", help="jobs with commas between, or all")
    parser.add_argument("--in", dest="folder", type=Path, help="an earlier call's database, or where to keep this one")
    parser.add_argument("--database", metavar="URL", help="of an empty PostgreSQL database, or of an earlier call's")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder: Path = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        setup(folder, options.database)
        if options.job:
            print(measured(options.job, Path(temporary) / "out"))
            return
        if not filled():
            began = time.perf_counter()
            fill(options.rankings)
            print(f"{options.rankings:,} rankings made in {time.perf_counter() - began:.0f} s\n", flush=True)
        print(HEAD, flush=True)
        for line in each(list(jobs()) if options.what == "all" else options.what.split(","), folder, options.database):
            print(line, flush=True)


if __name__ == "__main__":
    main()
