"""The product as it is served, on a database of its own, to be killed at will; and what must hold in it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from bench.labelling_crowd import Result
from webapp.demo import COMMANDS
from webapp.env import BASE_DIR

SEED = """
import json, sys
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("flush", interactive=False, verbosity=0)
from bench.labelling_tables import fill
print(json.dumps(fill(**json.loads(sys.argv[1]))))
"""
CLEAR = """
import django
django.setup()
from bench.labelling_tables import clear
clear()
"""
LOOK = """
import json
import django
django.setup()
from bench.labelling_tables import look
print(json.dumps(look()))
"""


class Server:
    """``database``: an address, else a SQLite file in ``folder``. ``workers``: as they ship unless given."""

    def __init__(self, folder: Path, *, database: str | None, port: int, workers: int | None = None) -> None:
        self.name = "PostgreSQL" if database else "SQLite"
        self.address = f"http://127.0.0.1:{port}"
        self._folder, self._port = folder, port
        self._log = folder / "web.log"
        self._workers = workers or (2 if database else 1)
        self._environment = {
            **os.environ,
            "DATABASE_URL": database or f"sqlite:///{folder / 'bench.sqlite3'}",
            "KEDGE_DATA": str(folder),
            "DJANGO_SETTINGS_MODULE": "webapp.settings",
            "OMP_NUM_THREADS": "1",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def seed(self, **values: Any) -> list[str]:
        """Empty the database and fill it; the annotators' tokens."""
        (self._folder / "static").mkdir(exist_ok=True)
        tokens: list[str] = json.loads(self._python("-c", SEED, json.dumps(values)))
        return tokens

    def clear(self) -> None:
        """As it was when it was filled."""
        self._python("-c", CLEAR)

    def look(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._python("-c", LOOK))
        return found

    def start(self) -> None:
        """Serve, with the command of `make demo`."""
        program, *rest = COMMANDS["web"]
        values = {"host": "127.0.0.1", "port": str(self._port), "data": str(self._folder)}
        command = [str(Path(sys.executable).parent / program), *(part.format(**values) for part in rest)]
        command[command.index("--workers") + 1] = str(self._workers)
        if self.name == "PostgreSQL":
            command[command.index("--blocking-threads") + 1] = "8"  # as the image serves it
        with self._log.open("wb") as out:
            self._process = subprocess.Popen(
                command, cwd=BASE_DIR, env=self._environment, stdout=out, stderr=out, start_new_session=True
            )
        self._wait()

    def restart(self) -> None:
        """kill -9 for the server and all its processes at once, and start it again."""
        self._end(signal.SIGKILL)
        self.start()

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        os.killpg(self._process.pid, number)
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None

    def _wait(self, seconds: float = 60) -> None:
        """Until every process serves: the first would take the connections of all who come before the second is up."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                break
            if self._log.read_text().count("Started worker") >= self._workers:
                return
            time.sleep(0.1)
        raise SystemExit(f"The server did not start: {self._log.read_text()[-2000:]}")

    def _python(self, *arguments: str) -> str:
        run = subprocess.run(
            [sys.executable, *arguments], cwd=BASE_DIR, env=self._environment, capture_output=True, text=True
        )
        if run.returncode:
            raise SystemExit(f"{arguments[:2]} ended with {run.returncode}:\n{run.stderr[-2000:]}")
        return run.stdout.splitlines()[-1] if run.stdout.strip() else ""


def faults(found: dict[str, Any], result: Result) -> list[str]:
    """What must never be, in words; none is good."""
    wrong = list(result.errors[:3])
    if not result.acknowledged:
        wrong.append("nothing was ranked")
    stored = Counter(assignment for _, assignment in found["rankings"])
    if missing := set(result.acknowledged) - {ranking for ranking, _ in found["rankings"]}:
        wrong.append(f"{len(missing)} acknowledged rankings missing")
    if doubled := sum(number > 1 for number in stored.values()):
        wrong.append(f"{doubled} rankings doubled")
    if twice := len(result.acknowledged) - len(set(result.acknowledged)):
        wrong.append(f"{twice} rankings acknowledged for two tasks")
    if (more := len(found["rankings"]) - len(result.acknowledged)) > result.unknown:
        wrong.append(f"{more} rankings that nobody was told of, {result.unknown} answers outstanding")
    counts = {"beyond": "tasks beyond what they want", "miscounted": "tasks miscounted", "met_twice": "met twice"}
    return wrong + [f"{found[name]} {words}" for name, words in counts.items() if found[name]]
