"""Races of the product against TRL and transformers, in alternating steps; prints a table and what work was equal.

    .venv/bin/python -m bench.race                                   # all six, on two threads
    .venv/bin/python -m bench.race dpo reward --steps 7 --json out.json
    .venv/bin/python -m bench.race --alone --device cuda --dtype bf16 --shape flan-t5-base

The peers' virtual environments are made by the command itself, in ``--environments``. ``--alone`` runs our side only.
"""

import argparse
import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench.races import alone, table
from bench.races.catalogue import RACES, work_of
from bench.races.driver import Side, Steps, alternate, chip, make_material
from bench.races.environments import python_of
from bench.races.work import SHAPES, Work

SIZES = ("steps", "shape", "threads", "epochs", "device", "dtype", "wait", "peer_pairs")


def run(name: str, work: Work, folder: Path, environments: Path, *, alone: bool) -> list[Steps]:
    """Our steps and, unless ``alone``, theirs."""
    make_material(folder, work)
    race = RACES[name]
    with ExitStack() as stack:
        sides = [stack.enter_context(Side(Path(sys.executable), "ours", folder, work))]
        if not alone:
            python = python_of(race.environment, environments)
            sides.append(stack.enter_context(Side(python, race.module, folder, work)))
        return alternate(sides, work.steps)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("races", nargs="*", default=list(RACES), metavar="RACE", help=f"of {', '.join(RACES)}; all")
    parser.add_argument("--environments", type=Path, default=Path(tempfile.gettempdir()) / "kedge-race-environments")
    parser.add_argument("--folder", type=Path, help="keep weights, data and logs here")
    parser.add_argument("--steps", type=int, default=5, help="measured steps of each side")
    parser.add_argument("--shape", choices=SHAPES, default="flan-t5-small")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--wait", choices=("passive", "active"), default="passive", help="OpenMP's waiting threads")
    parser.add_argument("--peer-pairs", type=int, default=6, help="pairs in one forward of TRL's trainers")
    parser.add_argument("--epochs", type=int, default=1, help="of PPO, on both sides")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--dtype", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--alone", action="store_true", help="our side only")
    parser.add_argument("--peak", type=float, help="TFLOP/s of the chip; else by its name, else measured")
    parser.add_argument("--json", type=Path, help="write everything that was reported here")
    options = parser.parse_args()
    if unknown := [name for name in options.races if name not in RACES]:
        parser.error(f"There is no race {unknown[0]!r}; there are {', '.join(RACES)}.")
    if (options.device, options.dtype) not in (("cpu", "fp32"), ("cuda", "bf16")):
        parser.error("The product computes in fp32 on a CPU and in bf16 on an accelerator: choose one of the two.")
    return options


def main() -> None:
    options = parse()
    sizes = {key: getattr(options, key) for key in SIZES}
    rows, notes, wrong = [alone.HEAD if options.alone else table.HEAD], list[str](), list[str]()
    everything: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for name in options.races:
            work = work_of(name, **sizes)
            sides = run(name, work, folder / name, options.environments, alone=options.alone)
            everything[name] = table.as_json(work, *sides)
            if options.alone:
                peak, source = alone.peak_of(found := chip(work, folder), options.peak)
                rows.append(alone.row(name, RACES[name], work, sides[0], peak=peak))
                notes = [f"{found['name']}: {peak / 1e12:.3g} TFLOP/s at most, {source}; {work.shape}, {work.dtype}"]
            else:
                rows.append(table.row(name, RACES[name], *sides))
                wrong += table.unequal(work, *sides)
                notes.append(f"{name}\n" + table.equal_work(work, RACES[name], *sides))
            print(rows[-1], notes[-1], sep="\n", file=sys.stderr, flush=True)
    print("\n".join(rows), *notes, sep="\n\n")
    if options.json:
        options.json.write_text(json.dumps(everything, indent=1), encoding="utf-8")
    if wrong:
        sys.exit("The work was not equal. " + "; ".join(wrong))


if __name__ == "__main__":
    main()
