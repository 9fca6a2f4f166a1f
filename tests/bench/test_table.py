"""Medians, ratios, and what is called unequal."""

from dataclasses import replace

from bench.races import alone, table
from bench.races.catalogue import RACES, work_of
from bench.races.chips import peak_flops
from bench.races.driver import Steps

WORK = work_of("dpo")


def steps(cpu: list[float], *, ready: dict[str, object] | None = None, **facts: object) -> Steps:
    reports = [{"cpu": value, "wall": value / 2, "peak": 100.0, "pairs": 24, "loss": 0.5, **facts} for value in cpu]
    return Steps({"loss": 0.6931} if ready is None else ready, reports)


def test_the_ratio_is_that_of_the_medians_and_its_range_of_neighbours() -> None:
    cells = table.row("dpo", RACES["dpo"], steps([1, 2, 3]), steps([8, 8, 9])).split(" | ")
    assert cells[1:5] == ["2.00", "8.00", "4.00 (3.00–8.00)", "4"]
    assert cells[5:8] == ["1.00", "4.00", "4.00 (3.00–8.00)"]


def test_equal_work_is_nothing_to_complain_of() -> None:
    assert table.unequal(WORK, steps([1]), steps([2])) == []


def test_losses_that_part_are_said() -> None:
    (said,) = table.unequal(WORK, steps([1]), steps([2], loss=0.51))
    assert "1.0e-02" in said


def test_other_token_counts_are_said() -> None:
    work = replace(WORK, race="generate")
    ready = {"greedy": [[5]]}
    said = table.unequal(work, steps([1], ready=ready, tokens=959), steps([1], ready=ready, tokens=960))
    assert said == ["generate: tokens 959 and 960"]


def test_other_greedy_ids_are_said() -> None:
    work = replace(WORK, race="generate")
    ours, theirs = (steps([1], ready={"greedy": [[token]]}) for token in (5, 6))
    assert table.unequal(work, ours, theirs) == ["generate: the greedy ids differ"]


def test_the_share_of_the_peak() -> None:
    work = work_of("generate")
    flops = alone.step_flops(work)
    cells = alone.row("generate", RACES["generate"], work, steps([2, 2, 2]), peak=flops * 4).split(" | ")
    assert cells[3] == "3,840"
    assert cells[-1] == "25.0% |"


def test_a_chip_is_known_by_its_name() -> None:
    assert peak_flops("NVIDIA H100 80GB HBM3") == 989e12
    assert peak_flops("NVIDIA H100 PCIe") == 756e12
    assert peak_flops("NVIDIA A100-SXM4-80GB") == 312e12
    assert peak_flops("NVIDIA L40S") == 362e12
    assert peak_flops("AMD EPYC") is None


def test_a_given_peak_comes_first() -> None:
    chip = {"name": "x", "table": 5.0, "measured": 2.0}
    assert alone.peak_of(chip, 3.0)[0] == 3e12
    assert alone.peak_of(chip, None)[0] == 5.0
    assert alone.peak_of(chip | {"table": None}, None)[0] == 2.0
