"""Two real workers of our side, in turn; and one that dies."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench.races import table
from bench.races.driver import Side, alternate, make_material
from bench.races.work import Work

SMALL = Work(
    "dpo", shape="tiny", prompts=2, samples=2, prompt_tokens=12, new_tokens=5, minibatch=2, rankings=1, completions=3,
    completion_tokens=6, steps=2, threads=1,
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("race", ["ppo", "dpo"])
def test_two_workers_with_the_same_work_do_the_same(race: str, tmp_path: Path) -> None:
    work = replace(SMALL, race=race)
    make_material(tmp_path, work)
    with (
        Side(Path(sys.executable), "ours", tmp_path, work) as left,
        Side(Path(sys.executable), "ours", tmp_path, work) as right,
    ):
        ours, theirs = alternate([left, right], work.steps)
    assert table.unequal(work, ours, theirs) == []
    for fact in ("loss", "entropy", "tokens"):
        assert [report.get(fact) for report in ours.reports] == [report.get(fact) for report in theirs.reports]


@pytest.mark.slow
@pytest.mark.parametrize("race", ["reward", "generate"])
def test_every_step_says_what_it_cost(race: str, tmp_path: Path) -> None:
    work = replace(SMALL, race=race)
    make_material(tmp_path, work)
    with Side(Path(sys.executable), "ours", tmp_path, work) as side:
        (steps,) = alternate([side], work.steps)
    assert len(steps.reports) == work.steps
    assert all(report["cpu"] > 0 and report["wall"] > 0 and report["peak"] > 50 for report in steps.reports)


def test_a_worker_that_dies_is_told_by_the_end_of_its_log(tmp_path: Path) -> None:
    with Side(Path(sys.executable), "peer_none", tmp_path, SMALL) as side, pytest.raises(RuntimeError) as error:
        side.listen()
    assert "No module named bench.races.peer_none" in str(error.value)
