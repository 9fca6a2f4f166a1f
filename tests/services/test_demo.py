"""The supervisor of ``make demo`` with its real servers, on a data folder that holds the first round already."""

import http.client
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from django.conf import settings as django_settings

pytestmark = [pytest.mark.service, pytest.mark.slow, pytest.mark.xdist_group("services")]

PREPARE = """
import json, pathlib, sys
import django
django.setup()
from django.conf import settings
from django.core.management import call_command
call_command("migrate", verbosity=0)
from annotation.models import Split
from tests.factories import ProjectFactory, PromptFactory, TaskFactory
from tests.workers.tiny import prompt_text, save_base_model
from workers import dispatch
from workers.models import Round
from workers.services import run_create
folder = save_base_model(pathlib.Path(sys.argv[1]) / "model")
project = ProjectFactory(slug="dialogues", base_model=str(folder))
TaskFactory(project=project)
for index in range(12):
    PromptFactory(project=project, split=Split.TRAIN, identity=f"p{index:02d}", text=prompt_text(index),
                  references=["anna meets bob"])
Round.objects.create(project=project, number=1, algorithm="ppo", state="succeeded")
with dispatch.held():
    run_create(project=project, kind="sft", inputs={"examples": "references"},
               config={"epochs": 100000.0, "batch_size": 4})
logins = {"project": "dialogues", "users": [{"role": "lead", "username": "lena", "password": "s"}], "token": "t"}
(settings.DATA_DIR / "demo.json").write_text(json.dumps(logins))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A data folder with the demo's project and a training that would take hours."""
    folder = tmp_path_factory.mktemp("demo")
    subprocess.run([sys.executable, "-c", PREPARE, str(folder)], cwd=django_settings.BASE_DIR, env=_environment(folder),
                   check=True)  # fmt: skip
    return folder


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(folder) -> Iterator[Start]:
    """``start(port)``: ``python -m webapp.demo`` on the data folder; whatever is left of it is killed."""
    started: list[subprocess.Popen[str]] = []

    def run(port: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-u", "-m", "webapp.demo", "--port", str(port)]
        demo = subprocess.Popen(command, cwd=django_settings.BASE_DIR, env=_environment(folder), text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)  # fmt: skip
        started.append(demo)
        return demo

    yield run
    for demo in started:
        if demo.poll() is None:
            for process in _family(demo):
                process.kill()
            demo.wait()


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "CELERY_BROKER_URL")}
    return kept | {"KEDGE_DATA": str(folder), "DJANGO_SETTINGS_MODULE": "webapp.settings", "OMP_NUM_THREADS": "1"}


def _family(demo: subprocess.Popen[str]) -> list[psutil.Process]:
    main = psutil.Process(demo.pid)
    return [main, *main.children(recursive=True)]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _read_until(demo: subprocess.Popen[str], wanted: str) -> str:
    """What the demo printed up to and with the line that holds ``wanted``; fails when it ends before."""
    assert demo.stdout is not None
    seen = ""
    for line in demo.stdout:
        seen += line
        if wanted in line:
            return seen
    raise AssertionError(f"the demo ended with {demo.wait()} and never said {wanted!r}:\n{seen}")


def _run_state(folder: Path) -> tuple[str, int]:
    with sqlite3.connect(folder / "kedge.sqlite3") as database:
        state, metrics = database.execute(
            "select state, (select count(*) from workers_metric) from workers_run where kind = 'sft'"
        ).fetchone()
    return state, metrics


def _status(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    return connection.getresponse().status


def test_it_serves_trains_and_ends_whole_in_the_middle_of_a_run(start, folder):
    port = _free_port()
    demo = start(port)
    printed = _read_until(demo, "Ctrl+C ends everything")
    assert f"http://127.0.0.1:{port}" in printed
    assert "lena" in printed
    assert f"curl -X POST http://127.0.0.1:{port}/api/v1/projects/dialogues/rounds/" in printed
    assert "Authorization: Token t" in printed
    assert _status(port, "/healthz") == 200
    assert _status(port, "/accounts/login/") == 200

    # A second one on the same data, or on the same port, would do harm: it says so and changes nothing.
    other = start(_free_port())
    assert "Another 'make demo' runs" in _read_until(other, "Another")
    assert other.wait(timeout=30) == 1
    taken = start(port)
    assert f"PORT={port + 1}" in _read_until(taken, "is taken")
    assert taken.wait(timeout=30) == 1

    deadline = time.monotonic() + 120
    while _run_state(folder)[1] == 0:  # until the training writes its curves
        assert time.monotonic() < deadline, _run_state(folder)
        time.sleep(0.2)
    family = _family(demo)
    assert any("workers.execute" in process.cmdline() for process in family)
    demo.send_signal(signal.SIGINT)
    demo.wait(timeout=30)
    # Who is only waiting for init to take note of its end does nothing any more.
    alive = [one for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    assert not alive
    assert len(family) >= 7  # itself, Redis, the worker and its pool, the run, beat, web
    assert "Traceback" not in (demo.stdout.read() if demo.stdout else "")

    # The next start takes the run up again, or found it put back already.
    again = start(port)
    _read_until(again, "Ctrl+C ends everything")
    assert _run_state(folder)[0] in ("queued", "running")
    again.send_signal(signal.SIGTERM)
    again.wait(timeout=30)
    assert _status_refused(port)


def _status_refused(port: int) -> bool:
    try:
        _status(port, "/healthz")
    except ConnectionRefusedError:
        return True
    return False


def test_a_server_that_dies_ends_the_demo_and_is_named(start):
    demo = start(_free_port())
    _read_until(demo, "Ctrl+C ends everything")
    beat = next(process for process in _family(demo) if "beat" in process.cmdline())
    beat.kill()
    assert "see" in _read_until(demo, "The beat process ended")
    assert demo.wait(timeout=30) == 1
