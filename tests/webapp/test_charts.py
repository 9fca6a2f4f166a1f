"""The geometry of charts."""

import math

import pytest

from webapp.dashboard.charts import Column, Row, Scale, column_chart, dot_chart, nice_step, share_bar


def interval(value: float, half: float = 0.1) -> dict[str, float]:
    return {"value": value, "low": value - half, "high": value + half, "n": 10}


def test_a_dot_lies_within_its_interval():
    (dot,) = dot_chart("A", [Row("a", interval(0.5))]).dots
    assert dot.low < dot.x < dot.low + dot.width


def test_the_order_of_values_is_the_order_of_places():
    low, high = dot_chart("A", [Row("a", interval(0.2)), Row("b", interval(0.7))]).dots
    assert low.x < high.x


def test_nothing_measured_is_no_chart():
    assert dot_chart("A", [Row("a", {}), Row("b", {"value": math.nan})]) is None


def test_one_exact_value_has_a_place():
    (dot,) = dot_chart("A", [Row("a", {"value": 0.0, "low": 0.0, "high": 0.0, "n": 5})]).dots
    assert (0 <= dot.x <= 100, dot.width) == (True, 0)


def test_band_and_marks_widen_the_axis():
    chart = dot_chart("A", [Row("a", interval(0.7, 0.01))], band=(0.8, 0.9, "best"), marks=[(0.5, "chance")])
    assert chart.marks[0].x < chart.dots[0].x < chart.band.x
    assert chart.band.x + chart.band.width <= 100


@pytest.mark.parametrize("values", [[0.1, 0.9], [-3, 5], [1e-6, 2e-6], [1e6, 3e6], [7, 7], [0, 0]])
def test_every_value_is_on_the_axis(values):
    scale = Scale.around(values)
    ticks = scale.ticks()
    assert all(0 <= scale.x(value) <= 100 for value in values)
    assert 2 <= len(ticks) <= 7
    assert len({tick.text for tick in ticks}) == len(ticks)


@pytest.mark.parametrize(("rough", "step"), [(0.09, 0.1), (0.11, 0.2), (0.21, 0.25), (3, 5), (1, 1)])
def test_ticks_stand_at_round_numbers(rough, step):
    assert nice_step(rough) == pytest.approx(step)


def test_columns_are_stacked_from_the_axis():
    chart = column_chart("A", [Column("Mon", (3, 1))], ("people", "simulated"))
    below, above = chart.segments
    assert below.y + below.height == pytest.approx(chart.axis)
    assert above.y + above.height == pytest.approx(below.y)
    assert below.height == pytest.approx(3 * above.height, rel=0.01)


def test_columns_of_zeros_are_no_chart():
    assert column_chart("A", [Column("Mon", (0, 0))], ("people", "simulated")) is None


def test_a_bar_is_filled():
    bar = share_bar("A", (1, 0, 3), ("a", "b", "c"))
    assert [(segment.x, segment.width, segment.series) for segment in bar.segments] == [(0, 25, 1), (25, 75, 3)]


def test_a_bar_of_nothing_is_empty():
    assert share_bar("A", (0, 0), ("a", "b")).segments == ()
