"""Annotators as HTTP clients: as little of HTTP/1.1 as it takes, since what the driver takes the server lacks."""

import asyncio
import json
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

PROJECT = "bench"
NOTHING_LEFT = 204


@dataclass
class Times:
    """Seconds that requests took, the warm-up's left out."""

    seconds: list[float] = field(default_factory=list)

    def quantiles(self) -> tuple[float, float, float]:
        """p50, p95 and p99; NaN without requests."""
        ordered = sorted(self.seconds)
        if not ordered:
            return (float("nan"),) * 3
        last = len(ordered) - 1
        return ordered[round(0.5 * last)], ordered[round(0.95 * last)], ordered[round(0.99 * last)]


@dataclass
class Result:
    """What the annotators saw."""

    next: Times = field(default_factory=Times)
    submit: Times = field(default_factory=Times)
    acknowledged: list[int] = field(default_factory=list)  # ids of rankings
    unknown: int = 0  # sent, and the run ended before an answer came
    retried: int = 0  # sent again after the server went away
    counted: int = 0  # acknowledged after the warm-up
    elapsed: float = 0.0  # … in so many seconds
    cpu_share: float = 0.0  # of one CPU, by the driver
    errors: list[str] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return self.counted / self.elapsed if self.elapsed else float("nan")


class Away(Exception):  # noqa: N818 -- an event: the server went away in the middle
    pass


class Client:
    """One keep-alive connection."""

    def __init__(self, address: str, token: str) -> None:
        parts = urlsplit(address)
        self._where = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._head = f"Host: {parts.netloc}\r\nAuthorization: Token {token}\r\nContent-Type: application/json\r\n"
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: bytes = b"", key: str = "") -> tuple[int, bytes]:
        """(status, body); Away when the connection breaks, in which case nobody knows what was done."""
        idempotency = f"Idempotency-Key: {key}\r\n" if key else ""
        request = f"POST {path} HTTP/1.1\r\n{self._head}{idempotency}Content-Length: {len(body)}\r\n\r\n"
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection(*self._where)
            reader, writer = self._streams
            writer.write(request.encode() + body)
            head = await reader.readuntil(b"\r\n\r\n")
            length = 0
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    length = int(line[15:])
            return int(head[9:12]), await reader.readexactly(length) if length else b""
        except (OSError, asyncio.IncompleteReadError) as error:
            self.close()
            raise Away from error

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None


class Crowd:
    """``tokens``: one for each annotator. ``offered``: rankings a second of all together; None: as fast as they can."""

    def __init__(self, address: str, tokens: Sequence[str], *, offered: float | None, warm_up: float) -> None:
        self._address = address
        self._tokens = tokens
        self.annotators = len(tokens)
        self.offered = offered
        self._warm_up = warm_up

    async def work(self, seconds: float, *, kill: Callable[[], None] | None = None) -> Result:
        """Everybody asks and ranks for ``seconds``; ``kill`` is called half-way, in a thread."""
        result = Result()
        start, cpu = time.monotonic(), time.process_time()
        self._from, self._until = start + self._warm_up, start + seconds
        people = [self._annotate(number, token, result) for number, token in enumerate(self._tokens)]
        killing = [self._kill(kill, seconds / 2)] if kill else []
        await asyncio.gather(*people, *killing)
        result.elapsed = max(min(time.monotonic(), self._until) - self._from, 1e-9)
        result.cpu_share = (time.process_time() - cpu) / (time.monotonic() - start)
        return result

    async def _kill(self, kill: Callable[[], None], after: float) -> None:
        await asyncio.sleep(after)
        await asyncio.to_thread(kill)

    async def _annotate(self, number: int, token: str, result: Result) -> None:
        client = Client(self._address, token)
        period = self.annotators / self.offered if self.offered else 0.0
        due = time.monotonic() + period * number / max(1, self.annotators)
        try:
            while time.monotonic() < self._until:
                if period:
                    await asyncio.sleep(max(0.0, due - time.monotonic()))
                    due += period
                if not await self._one(client, result):
                    return
        finally:
            client.close()

    async def _one(self, client: Client, result: Result) -> bool:
        """Ask and rank; False when there is nothing left or something is wrong."""
        answer = await self._ask(client, f"/api/v1/projects/{PROJECT}/tasks/next/", result.next, result)
        if answer is None or answer[0] == NOTHING_LEFT:
            return False
        if answer[0] != 200:
            result.errors.append(f"next: {answer[0]} {answer[1][:200]!r}")
            return False
        shown = json.loads(answer[1])
        body = json.dumps({"groups": [[one["id"]] for one in shown["completions"]], "duration_ms": 9000}).encode()
        path = f"/api/v1/tasks/{shown['task']}/ranking/"
        answer = await self._ask(client, path, result.submit, result, body, uuid.uuid4().hex)
        if answer is None:
            result.unknown += 1
            return False
        if answer[0] != 201:
            result.errors.append(f"submit: {answer[0]} {answer[1][:200]!r}")
            return False
        result.acknowledged.append(json.loads(answer[1])["ranking"])
        result.counted += self._from <= time.monotonic() <= self._until
        return True

    async def _ask(
        self, client: Client, path: str, times: Times, result: Result, body: bytes = b"", key: str = ""
    ) -> tuple[int, bytes] | None:
        """The answer; asked again with the same key while the server is away, None when it stays away."""
        again = False
        while True:
            start = time.monotonic()
            try:
                answer = await client.post(path, body, key)
            except Away:
                if time.monotonic() > self._until + 30:
                    return None
                result.retried += not again
                again = True
                await asyncio.sleep(0.1)
                continue
            if not again and start >= self._from:  # what a killed server owes is no latency
                times.seconds.append(time.monotonic() - start)
            return answer
