"""Many annotators at once against the product as it is served, and the server killed with -9 in the middle."""

import asyncio
import socket

import pytest

from bench.labelling_crowd import Crowd, Result
from bench.labelling_server import Server, faults

pytestmark = [pytest.mark.service, pytest.mark.slow, pytest.mark.xdist_group("services")]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("kind", ["SQLite", "PostgreSQL"])
def test_nothing_is_lost_doubled_or_given_to_too_many_when_the_server_is_killed(request, kind, tmp_path):
    database = request.getfixturevalue("database") if kind == "PostgreSQL" else None
    server = Server(tmp_path, database=database, port=free_port())
    tokens = server.seed(prompts=200, people=16, raters=3, strategy="random")
    server.start()
    try:
        crowd = Crowd(server.address, tokens, offered=None, warm_up=0)
        result = asyncio.run(crowd.work(6, kill=server.restart))
    finally:
        server.stop()
    assert faults(server.look(), result) == []
    assert result.retried, "nobody noticed that the server was killed"


@pytest.mark.parametrize(
    ("found", "result", "words"),
    [
        ({"rankings": [(1, 1)]}, {"acknowledged": [1, 2]}, "1 acknowledged rankings missing"),
        ({"rankings": [(1, 1), (2, 1)]}, {"acknowledged": [1, 2]}, "1 rankings doubled"),
        ({"rankings": [(1, 1), (2, 2)]}, {"acknowledged": [1]}, "nobody was told of"),
        ({"rankings": [(1, 1)], "beyond": 1}, {"acknowledged": [1]}, "beyond what they want"),
        ({"rankings": []}, {}, "nothing was ranked"),
    ],
)
def test_what_is_wrong_is_found(found, result, words):
    none = {"rankings": [], "beyond": 0, "miscounted": 0, "met_twice": 0}
    assert words in "; ".join(faults(none | found, Result(**result)))
