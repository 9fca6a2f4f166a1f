"""How fast tasks are handed out and rankings taken, by simulated annotators over HTTP; and whether any gets lost.

    .venv/bin/python -m bench.labelling                                        # SQLite, as `make demo` serves it
    .venv/bin/python -m bench.labelling --database postgres://… --prompts 1000 1000000 --annotators 1 8 32 64
    .venv/bin/python -m bench.labelling --annotators 32 --offered 32           # paced: 32 rankings a second in all
    .venv/bin/python -m bench.labelling --annotators 64 --seconds 60 --kill    # the server is killed with -9 half-way

The database is emptied first: give one of its own. The driver runs on the same machine, and its share of the CPU is
printed. Each figure is of one run; what was acknowledged is then looked for in the database.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from bench.labelling_crowd import Crowd, Result
from bench.labelling_server import Server, faults

HEAD = (
    "| database | prompts | strategy | annotators | offered/s | rankings/s | next p50 | p95 | p99 ms "
    "| submit p50 | p95 | p99 ms | driver CPU | retried | faults |"
)


def row(database: str, prompts: int, strategy: str, crowd: Crowd, result: Result, found: Sequence[str]) -> str:
    """One line of the table."""
    offered = f"{crowd.offered:g}" if crowd.offered else "all they can"
    latencies = " | ".join(
        f"{value * 1000:.1f}" for times in (result.next, result.submit) for value in times.quantiles()
    )
    return (
        f"| {database} | {prompts:,} | {strategy} | {crowd.annotators} | {offered} | {result.rate:.1f} | {latencies} "
        f"| {result.cpu_share:.0%} | {result.retried} | {'; '.join(found) or 'none'} |"
    )


def run(
    server: Server, options: argparse.Namespace, prompts: int, tokens: Sequence[str], offered: float
) -> tuple[str, bool]:
    """One run, of an annotator for each token; its line, and whether it was without faults."""
    server.start()
    try:
        crowd = Crowd(server.address, tokens, offered=offered or None, warm_up=options.warm_up)
        kill = server.restart if options.kill else None
        result = asyncio.run(crowd.work(options.seconds, kill=kill))
    finally:
        server.stop()
    found = faults(server.look(), result)
    return row(server.name, prompts, options.strategy, crowd, result, found), not found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", help="postgres://…; a new SQLite file unless given")
    parser.add_argument("--prompts", type=int, nargs="+", default=[1000])
    parser.add_argument("--annotators", type=int, nargs="+", default=[1, 8, 32, 64])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--warm-up", type=float, default=2.0, help="seconds at the start that are not counted")
    parser.add_argument(
        "--offered", type=float, nargs="+", default=[0], help="rankings a second, all annotators together; 0: saturated"
    )
    parser.add_argument("--raters", type=int, default=3, help="people that each task goes to")
    parser.add_argument("--strategy", default="first_in", choices=["first_in", "random", "active"])
    parser.add_argument("--workers", type=int, help="server processes: 1 on SQLite, 2 on PostgreSQL, as they ship")
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--kill", action="store_true", help="kill the server with -9 half-way and start it again")
    parser.add_argument("--json", type=Path, help="write the lines there, too")
    options = parser.parse_args()
    lines, good = [], True
    print(HEAD + "\n|" + " --- |" * (HEAD.count("|") - 1), flush=True)
    for prompts in options.prompts:
        with tempfile.TemporaryDirectory(prefix="kedge-labelling-") as folder:
            server = Server(Path(folder), database=options.database, port=options.port, workers=options.workers)
            people = max(options.annotators)
            tokens = server.seed(prompts=prompts, people=people, raters=options.raters, strategy=options.strategy)
            for number, (annotators, offered) in enumerate(product(options.annotators, options.offered)):
                if number:
                    server.clear()
                line, clean = run(server, options, prompts, tokens[:annotators], offered)
                good = good and clean
                lines.append(line)
                print(line, flush=True)
    if options.json:
        options.json.write_text(json.dumps([HEAD, *lines], indent=1) + "\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
