"""The profanity proxy: a small bag-of-words classifier in a process of its own."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from rlhf.exceptions import ModelError

START_SECONDS = 120.0  # importing scikit-learn on a busy machine with a cold disk
ANSWER_SECONDS = 120.0
_BATCH = 500
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "TMPDIR", "LANG", "SYSTEMROOT")


class ProfanityProxy:
    """alt-profanity-check's linear SVM on word counts: finds abusive words, understands no sentence.

    It is a stand-in where no real classifier can be had, and is called so. The process starts with
    the first score, answers until `close` (or the end of this object, or of this process), and is
    started again after a fork or a crash.
    """

    name = "profanity-proxy"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[str] | None = None
        self._errors: IO[str] | None = None
        self._owner = 0
        self._stop: weakref.finalize[..., ProfanityProxy] | None = None
        self._version = ""

    @property
    def version(self) -> str:
        """The packages' versions, as the process reports them."""
        with self._lock:
            self._running()
        return self._version

    def score(self, texts: Sequence[str]) -> list[float]:
        """A score in [0, 1] for each text, any text: empty, of many lines, or with lone surrogates."""
        scores: list[float] = []
        with self._lock:
            for start in range(0, len(texts), _BATCH):
                # ASCII JSON keeps newlines and surrogates inside one line.
                scores += self._ask({"texts": list(texts[start : start + _BATCH])})["scores"]
        return scores

    def close(self) -> None:
        """End the process. Scoring again starts a new one."""
        with self._lock:
            self._end()

    def __enter__(self) -> "ProfanityProxy":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _ask(self, request: dict[str, Any]) -> Any:
        child = self._running()
        assert child.stdin is not None  # opened with PIPE
        try:
            child.stdin.write(json.dumps(request) + "\n")
            child.stdin.flush()
        except OSError as error:
            raise self._failure("ended before it was asked") from error
        return self._answer(child, ANSWER_SECONDS)

    def _running(self) -> subprocess.Popen[str]:
        if self._child is not None and self._owner == os.getpid() and self._child.poll() is None:
            return self._child
        self._end()
        self._errors = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115  # closed by _end
        worker = Path(__file__).with_name("toxicity_worker.py")
        environment = {key: os.environ[key] for key in _PASSED_ON if key in os.environ}
        self._child = subprocess.Popen(  # our own interpreter and file
            [sys.executable, "-P", str(worker), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            encoding="ascii",
            env=environment | {"OMP_NUM_THREADS": "1"},
        )
        self._owner = os.getpid()
        self._stop = weakref.finalize(self, _stop, self._child, self._errors, self._owner)
        self._version = self._answer(self._child, START_SECONDS)["version"]
        return self._child

    def _answer(self, child: subprocess.Popen[str], seconds: float) -> Any:
        assert child.stdout is not None  # opened with PIPE
        timer = threading.Timer(seconds, child.kill)
        timer.start()
        try:
            line = child.stdout.readline()
        finally:
            timer.cancel()
        if not line.endswith("\n"):
            raise self._failure(f"gave no answer within {seconds:.0f} s or ended")
        return json.loads(line)

    def _failure(self, what: str) -> ModelError:
        tail = ""
        if self._errors is not None:
            self._errors.seek(0)
            tail = self._errors.read()[-500:].strip()
        self._end()
        return ModelError(f"the profanity proxy's process {what}; its last words: {tail or 'none'}")

    def _end(self) -> None:
        if self._stop is not None:
            self._stop()
        self._child = self._errors = self._stop = None


def _stop(child: subprocess.Popen[str], errors: IO[str], owner: int) -> None:
    if os.getpid() == owner:  # after a fork the child belongs to the other process
        child.kill()
        child.wait()
    for stream in (child.stdin, child.stdout, errors):
        if stream is not None:
            try:
                stream.close()
            except OSError:
                continue  # an unsent request to a dead process
