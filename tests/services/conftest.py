"""A Redis and Celery workers of the test's own: real processes on a real database file, to be killed at will."""

import ctypes
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from celery import Celery
from django.conf import settings as django_settings
from django.db import connection

from annotation.models import Project, Split
from tests.factories import PromptFactory
from tests.workers.tiny import prompt_text, save_base_model
from webapp.broker import redis_binary, wait_for_redis
from workers import dispatch
from workers.models import Run, RunState

STALE_SECONDS = 20
POSTGRESQL = "postgresql://root@127.0.0.1:5432"


def die_with_parent() -> None:
    """Ask the kernel to end this process with the tests, even when those are killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)


class Worker:
    """``celery worker`` as the demo starts it, with housekeeping every two seconds."""

    def __init__(self, name: str, environment: dict[str, str], folder: Path) -> None:
        self.log = folder / f"{name}.log"
        command = [sys.executable, "-m", "celery", "-A", "tests.services.celery", "worker", "-B", "-Q", "cpu,gpu"]
        command += ["-c", "2", "-n", f"{name}@test", "-l", "INFO", "-s", str(folder / f"{name}-schedule")]
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                command,
                cwd=django_settings.BASE_DIR,
                env=os.environ | environment,
                stdout=out,
                stderr=out,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )

    def family(self) -> list[psutil.Process]:
        """Main process, pool, and the processes of runs."""
        main = psutil.Process(self.process.pid)
        return [main, *main.children(recursive=True)]

    def run_process(self, run: Run) -> psutil.Process:
        """The process in which the run's attempt is executed."""
        for process in self.family():
            if process.cmdline()[1:5] == ["-m", "workers.execute", str(run.pk), str(run.attempt)]:
                return process
        raise AssertionError(f"no process of {run}: {self.log.read_text()[-2000:]}")

    def kill(self) -> list[psutil.Process]:
        """SIGKILL for the main process and its pool at the same moment; what runs are executed in stays."""
        family = self.family()
        runs = [process for process in family if "workers.execute" in process.cmdline()]
        for process in family:
            if process not in runs:
                process.kill()
        self.process.wait()
        return runs

    def kill_all(self) -> None:
        """As if the machine lost its power: nobody has the time to write anything."""
        for process in self.family():
            process.kill()
        self.process.wait()

    def stop(self) -> None:
        """As the demo does: SIGTERM, and what is left after some seconds is killed."""
        if self.process.poll() is not None:
            return
        family = self.family()
        self.process.send_signal(signal.SIGTERM)
        _, alive = psutil.wait_procs(family, timeout=10)
        for process in alive:
            process.kill()
        self.process.wait()


class Redis:
    """A Redis on a socket of its own, which keeps nothing: what is restarted has been flushed too."""

    def __init__(self, binary: str, folder: Path) -> None:
        self.url = f"redis+socket://{folder / 's'}"
        self._folder = folder
        self._command = [binary, "--port", "0", "--unixsocket", str(folder / "s"), "--dir", str(folder)]
        self._command += ["--save", "", "--appendonly", "no"]
        self.start()

    def start(self) -> None:
        with (self._folder / "log").open("ab") as out:
            self._process = subprocess.Popen(self._command, stdout=out, stderr=out, preexec_fn=die_with_parent)
        wait_for_redis(self._folder / "s", self._process, self._folder / "log")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        (self._folder / "s").unlink(missing_ok=True)


@pytest.fixture
def redis(tmp_path_factory) -> Iterator[Redis]:
    binary = redis_binary()
    if binary is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no redis-server on this machine")
    server = Redis(binary, tmp_path_factory.mktemp("redis"))
    yield server
    server.kill()


@pytest.fixture
def broker(redis) -> str:
    """The address of that Redis."""
    return redis.url


@pytest.fixture
def queue(broker, monkeypatch) -> Celery:
    """This process sends to that Redis."""
    app = Celery("tests", broker=broker, set_as_current=False)
    monkeypatch.setattr(dispatch, "current_app", app)
    return app


@pytest.fixture
def start_worker(transactional_db, broker, queue, data_folder, tmp_path) -> Iterator[Callable[[str], Worker]]:
    """``start_worker(name)``: a worker on this test's database, queue and data folder."""
    environment = {
        "DJANGO_SETTINGS_MODULE": "webapp.settings",
        "DATABASE_URL": f"sqlite:///{connection.settings_dict['NAME']}",
        "KEDGE_DATA": str(data_folder),
        "CELERY_BROKER_URL": broker,
        "RUN_STALE_SECONDS": str(STALE_SECONDS),
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    workers: list[Worker] = []

    def start(name: str = "one") -> Worker:
        worker = Worker(name, environment, tmp_path)
        workers.append(worker)
        return worker

    yield start
    for worker in workers:
        worker.stop()


@pytest.fixture(scope="session")
def base_model(tmp_path_factory) -> Path:
    return save_base_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def lab(transactional_db, project, base_model) -> Project:
    """A project on the tiny model, with prompts that have references and two rankings' worth of tasks."""
    project.base_model = str(base_model)
    project.save()
    for index in range(12):
        PromptFactory(
            project=project,
            split=Split.TRAIN,
            identity=f"p{index:02d}",
            text=prompt_text(index),
            references=["anna meets bob"],
        )
    return project


def wait_for(run: Run, reached: Callable[[Run], bool], *, seconds: float = 150) -> Run:
    """The run as soon as ``reached`` says yes; fails with its state and log after ``seconds``."""
    started = time.monotonic()
    while time.monotonic() < started + seconds:
        run.refresh_from_db()
        if reached(run):
            return run
        if has_ended(run):
            break
        time.sleep(0.1)
    took = time.monotonic() - started
    events = "\n".join(event.message for event in run.events.order_by("pk"))
    raise AssertionError(f"{run} is {run.state} after {took:.0f} s (attempt {run.attempt}): {run.error}\n{events}")


def has_ended(run: Run) -> bool:
    return run.state not in (RunState.QUEUED, RunState.RUNNING)


def is_learning(run: Run) -> bool:
    """In the middle: its process has written a metric."""
    return run.state == RunState.RUNNING and run.metrics.exists()


@pytest.fixture
def database() -> Iterator[str]:
    """A database of its own; a PostgreSQL that is not there skips the test, except under CI."""
    name = f"kedge_test_{uuid.uuid4().hex[:12]}"
    try:
        server = psycopg.connect(f"{POSTGRESQL}/postgres", autocommit=True, connect_timeout=3)
    except psycopg.OperationalError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no PostgreSQL: {error}")
    with server:
        server.execute(f'CREATE DATABASE "{name}"')
        yield f"{POSTGRESQL}/{name}"
        server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
