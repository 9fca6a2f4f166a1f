"""The table of our side alone: times, tokens, memory and the share of what the chip could do."""

from statistics import median
from typing import Any

from bench.races.catalogue import Race
from bench.races.driver import Steps
from bench.races.flops import step_flops, step_tokens
from bench.races.work import Work

HEAD = (
    "| race | wall s (range) | CPU s | completion tokens/s | peak MiB | GFLOP a step | GFLOP/s | share of the peak |\n|"
    " --- | --- | --- | --- | --- | --- | --- | --- |"
)


def row(name: str, race: Race, work: Work, ours: Steps, peak: float) -> str:
    """One line; ``peak`` in FLOP/s."""
    wall = ours.values("wall")
    middle, needed = median(wall), step_flops(work)
    cells = [
        f"{name}: {race.title}",
        f"{middle:.3g} ({min(wall):.3g}–{max(wall):.3g})",
        f"{median(ours.values('cpu')):.3g}",
        f"{step_tokens(work) / middle:,.0f}",
        f"{ours.peak:,.0f}",
        f"{needed / 1e9:,.0f}",
        f"{needed / middle / 1e9:,.0f}",
        f"{needed / middle / peak:.1%}",
    ]
    return "| " + " | ".join(cells) + " |"


def peak_of(chip: dict[str, Any], given: float | None) -> tuple[float, str]:
    """(FLOP/s, where it is from): ``given`` TFLOP/s, else the table's by the chip's name, else measured."""
    if given is not None:
        return given * 1e12, "given"
    if chip["table"] is not None:
        return float(chip["table"]), "by the maker's data sheet"
    return float(chip["measured"]), "measured on square matrix products"
