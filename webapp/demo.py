"""``make demo``: everything on one machine, from nothing, under one Ctrl+C.

Phases: database and static files; demo data (``manage.py demo_data``, kept for the next start);
then Redis, Celery worker, Celery beat and the web server as child processes, watched until one of
them dies or somebody presses Ctrl+C.
"""

import argparse
import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO

import psutil

from webapp.broker import broker_start
from webapp.env import BASE_DIR, data_folder

GRACE_SECONDS = 3.0
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "worker": ("celery", "-A", "webapp", "worker", "-Q", "cpu,gpu", "-c", "2", "-n", "demo@%h", "-l", "INFO"),
    "beat": ("celery", "-A", "webapp", "beat", "-l", "INFO", "-s", "{data}/celerybeat-schedule", "--pidfile="),
    "web": (
        *("granian", "--interface", "wsgi", "--host", "{host}", "--port", "{port}"),
        # SQLite has one writer: more threads only wait for it, and not in the order in which they came.
        *("--workers", "1", "--blocking-threads", "4", "--no-ws", "webapp.wsgi:application"),
    ),
}


@dataclass
class Demo:
    """The child processes and the folder they share."""

    host: str
    port: int
    data: Path
    children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def log(self, name: str) -> Path:
        folder = self.data / "logs"
        folder.mkdir(exist_ok=True)
        return folder / f"{name}.log"

    def run(self, *arguments: str) -> None:
        """One ``manage.py`` command to its end; what it prints is shown."""
        # A process group of its own, so that Ctrl+C reaches it through ``stop`` alone.
        child = subprocess.Popen([sys.executable, "manage.py", *arguments], cwd=BASE_DIR, start_new_session=True)
        self.children["setup"] = child
        if code := child.wait():
            raise SystemExit(f"manage.py {arguments[0]} ended with {code}: what it printed above says why.")
        del self.children["setup"]

    def start(self, name: str, environment: Mapping[str, str]) -> None:
        program, *rest = COMMANDS[name]
        values = {"host": self.host, "port": str(self.port), "data": str(self.data)}
        command = [str(Path(sys.executable).parent / program), *(part.format(**values) for part in rest)]
        with self.log(name).open("ab") as out:
            self.children[name] = subprocess.Popen(
                command, cwd=BASE_DIR, env={**os.environ, **environment}, stdout=out, stderr=out, start_new_session=True
            )

    def watch(self) -> str:
        """Block until a child dies; its name."""
        while True:
            for name, child in self.children.items():
                if child.poll() is not None:
                    return name
            time.sleep(0.5)

    def stop(self) -> None:
        """End every process below this one within five seconds, training runs included.

        The worker puts its run back on SIGTERM; what is too slow for that is taken over at the next start.
        """
        everything = psutil.Process().children(recursive=True)
        servers = {child.pid for name, child in self.children.items() if name != "redis"}
        for process in everything:
            if process.pid in servers:
                _send(process, signal.SIGTERM)
        # Redis last: a worker that cannot reach its broker waits for it instead of stopping.
        redis = self.children.get("redis")
        others = [process for process in everything if redis is None or process.pid != redis.pid]
        psutil.wait_procs(others, timeout=GRACE_SECONDS)
        alive = {*everything, *psutil.Process().children(recursive=True)}
        for process in alive:
            _send(process, signal.SIGKILL)
        psutil.wait_procs(list(alive), timeout=1)


def _send(process: psutil.Process, number: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def port_check(host: str, port: int) -> None:
    """Raise SystemExit when somebody else serves the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SystemExit(f"Port {port} is taken ({error.strerror}): try 'make demo PORT={port + 1}'.") from error


def data_lock(folder: Path) -> IO[str]:
    """Hold the data folder for this process; SystemExit when another demo has it. The lock goes with the process."""
    lock = (folder / "demo.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise SystemExit(f"Another 'make demo' runs on {folder}: end it first, or set KEDGE_DATA.") from error
    return lock


def web_wait(demo: Demo, seconds: float = 60) -> None:
    """Return when the web server takes connections."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if demo.children["web"].poll() is not None:
            break
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex((demo.host, demo.port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit(f"The web server did not start: see {demo.log('web')}.")


def welcome(address: str, logins: Mapping[str, object]) -> str:
    """What a new user reads: the address, the logins, and the call that starts a round."""
    users = logins["users"]
    assert isinstance(users, list)
    lines = ["", f"Kedge is running:  {address}", ""]
    lines += [f"  {user['role']:<10} {user['username']:<8} {user['password']}" for user in users]
    lines += [
        "",
        "Rank as the annotator; as the lead open Rounds and press 'Start a round', or send:",
        "",
        f"  curl -X POST {address}/api/v1/projects/{logins['project']}/rounds/ \\",
        f"    -H 'Authorization: Token {logins['token']}' -H 'Content-Type: application/json' \\",
        """    -d '{"algorithm": "ppo"}'""",
        "",
        "Ctrl+C ends everything; the data stays in var/.",
    ]
    return "\n".join(lines)


def serve(demo: Demo) -> None:
    """Set up, start the servers and watch them."""
    demo.run("migrate", "--verbosity", "0")
    demo.run("collectstatic", "--no-input", "--verbosity", "0")
    demo.run("demo_data")
    broker = broker_start(log=demo.log("redis"))
    if broker.warning:
        print(broker.warning)
    if broker.process is not None:
        demo.children["redis"] = broker.process
    try:
        for name in COMMANDS:
            demo.start(name, {"CELERY_BROKER_URL": broker.url})
        servers_watch(demo)
    finally:
        if broker.folder is not None:
            shutil.rmtree(broker.folder, ignore_errors=True)


def servers_watch(demo: Demo) -> None:
    """Say where it runs, and wait until a server dies, which is an error."""
    web_wait(demo)
    logins = json.loads((demo.data / "demo.json").read_text())
    print(welcome(f"http://{demo.host}:{demo.port}", logins), flush=True)
    died = demo.watch()
    raise SystemExit(f"The {died} process ended: see {demo.log(died)}.")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    # SIGINT too: a shell starts what is in the background with SIGINT ignored.
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    port_check(options.host, options.port)
    demo = Demo(options.host, options.port, data_folder())
    lock = data_lock(demo.data)
    try:
        serve(demo)
    except KeyboardInterrupt:
        print("\nStopping.", flush=True)
    finally:
        # A second Ctrl+C must not leave half of the processes behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        demo.stop()
        lock.close()


if __name__ == "__main__":
    main()
