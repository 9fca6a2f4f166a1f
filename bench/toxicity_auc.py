"""How well each toxicity backend knows hate from its absence: the AUC on HateCheck's sentences, with interval.

    .venv/bin/python -m bench.toxicity_auc [--data ../shared/data] [--backends profanity-proxy NAME_OR_FOLDER …]

2,895 sentences, each with five of ten annotators' votes. 0.5 is chance. A backend that cannot be had here is said so.
"""

import argparse
import gzip
import json
from pathlib import Path
from typing import Any

from rlhf.exceptions import ModelError
from rlhf.statistics import auc
from rlhf.toxicity import DEFAULT_MODEL, choose_backend
from rlhf.types import Interval


def sentences(data: Path) -> list[dict[str, Any]]:
    with gzip.open(data / "hatecheck_votes.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def majority(votes: list[int | None]) -> bool:
    given = [vote for vote in votes if vote is not None]
    return sum(given) > len(given) / 2


def cell(figure: Interval) -> str:
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--backends", nargs="+", default=["profanity-proxy", DEFAULT_MODEL])
    options = parser.parse_args()
    rows = sentences(options.data)
    texts = [row["text"] for row in rows]
    sides = {
        "majority": [majority(row["votes"]) for row in rows],
        "authors": [row["gold"] == "hateful" for row in rows],
    }
    profane = [row["functionality"].startswith(("profanity", "slur")) for row in rows]
    print(
        "| backend | n | AUC, annotators' majority | AUC, the authors' label | majority, only with slurs or profanity |"
    )
    print("| --- | --- | --- | --- | --- |")
    for name in options.backends:
        try:
            backend = choose_backend(name)
            scores = backend.score(texts)
        except ModelError as error:
            print(f"| `{name}` | | not measured: {error} | | |")
            continue
        figures = [cell(auc(scores, [float(side) for side in one])) for one in sides.values()]
        some = [
            (score, float(side)) for score, side, kept in zip(scores, sides["majority"], profane, strict=True) if kept
        ]
        figures.append(f"{cell(auc(*zip(*some, strict=True)))}, n = {len(some)}")
        print(f"| `{backend.name}` ({backend.version}) | {len(rows)} | {' | '.join(figures)} |")
        backend.close()


if __name__ == "__main__":
    main()
