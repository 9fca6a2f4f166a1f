"""The geometry of charts that the server draws as SVG.

x is in percent of the chart's width and y in pixels, so that a chart fills a phone and a desktop
while its text keeps its size. No style attribute is needed, as the content security policy wants.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from webapp.dashboard.templatetags.figures import figure

ROW = 18  # pixels of a dot's strip
EDGE = 1.5  # percent kept free left and right, so that no dot is cut
COLUMNS_HEIGHT = 120


@dataclass(frozen=True)
class Tick:
    x: float
    text: str
    anchor: str


@dataclass(frozen=True)
class Dot:
    """One figure: its label and value as text, below them its interval as a bar and its value as a circle."""

    label: str
    value: str
    x: float
    low: float
    width: float
    series: int


@dataclass(frozen=True)
class Span:
    x: float
    width: float
    title: str


@dataclass(frozen=True)
class DotChart:
    title: str
    unit: str
    note: str
    dots: tuple[Dot, ...]
    ticks: tuple[Tick, ...]
    height: int
    band: Span | None = None
    marks: tuple[Span, ...] = ()


@dataclass(frozen=True)
class Row:
    """A labelled interval ``{value, low, high, n}`` to be drawn; ``series`` picks the colour."""

    label: str
    interval: Mapping[str, Any]
    series: int = 1


def dot_chart(
    title: str,
    rows: Sequence[Row],
    *,
    unit: str = "",
    note: str = "",
    form: str = "",
    band: tuple[float, float, str] | None = None,
    marks: Iterable[tuple[float, str]] = (),
) -> DotChart | None:
    """Values with their intervals on one axis, as percentages in the ``form`` share; None when nothing was measured."""
    rows = [row for row in rows if is_figure(row.interval.get("value"))]
    marks = tuple(marks)
    if not rows:
        return None
    bounds = [bound for row in rows for bound in _bounds(row.interval)]
    scale = Scale.around(bounds + list(band[:2] if band else ()) + [value for value, _ in marks])
    return DotChart(
        title=title,
        unit=unit,
        note=note,
        dots=tuple(_dot(row, scale, form) for row in rows),
        ticks=scale.ticks(form),
        height=ROW,
        band=_span(scale, *band) if band else None,
        marks=tuple(Span(scale.x(value), 0, text) for value, text in marks),
    )


def is_figure(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _bounds(interval: Mapping[str, Any]) -> list[float]:
    return [interval[name] for name in ("value", "low", "high") if is_figure(interval.get(name))]


def _dot(row: Row, scale: "Scale", form: str) -> Dot:
    low, high = min(_bounds(row.interval)), max(_bounds(row.interval))
    value = row.interval["value"]
    text = figure(value, form)
    if low != high:
        text += f" ({figure(low, form)} to {figure(high, form)})"
    if is_figure(row.interval.get("n")):
        text += f", n = {figure(row.interval['n'])}"
    left, right = scale.x(low), scale.x(high)
    return Dot(row.label, text, scale.x(value), left, round(right - left, 2), row.series)


def _span(scale: "Scale", low: float, high: float, title: str) -> Span:
    left, right = scale.x(low), scale.x(high)
    return Span(left, round(max(right - left, 0.4), 2), title)


@dataclass(frozen=True)
class Scale:
    """A linear axis with round ticks; ``x`` maps a value to percent of the width."""

    low: float
    high: float
    step: float

    @classmethod
    def around(cls, values: Sequence[float], *, ticks: int = 4) -> "Scale":
        low, high = min(values), max(values)
        if low == high:
            low, high = low - (abs(low) or 1) * 0.1, high + (abs(high) or 1) * 0.1
        step = nice_step((high - low) / ticks)
        return cls(math.floor(low / step) * step, math.ceil(high / step) * step, step)

    def x(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(EDGE + (100 - 2 * EDGE) * min(max(share, 0), 1), 2)

    def ticks(self, form: str = "") -> tuple[Tick, ...]:
        size, sign = (100, " %") if form == "share" else (1, "")
        digits = max(0, -math.floor(math.log10(self.step * size)))
        count = round((self.high - self.low) / self.step)
        values = [self.low + self.step * index for index in range(count + 1)]
        anchors = ["start", *["middle"] * (count - 1), "end"]
        return tuple(
            Tick(
                self.x(value),
                f"{round(value * size, digits) + 0.0:,.{digits}f}{sign}".replace("-", "\N{MINUS SIGN}"),
                anchor,
            )
            for value, anchor in zip(values, anchors, strict=True)
        )


def nice_step(rough: float) -> float:
    """The smallest of 1, 2, 2.5, 5 × 10^k that is not below ``rough``."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * (1 - 1e-9))


@dataclass(frozen=True)
class Segment:
    """One rectangle of a column or of a bar; unused sides are 0."""

    x: float
    y: float
    width: float
    height: float
    series: int
    title: str


@dataclass(frozen=True)
class ColumnChart:
    title: str
    segments: tuple[Segment, ...]
    labels: tuple[Tick, ...]
    top: str
    height: int = COLUMNS_HEIGHT
    axis: int = COLUMNS_HEIGHT
    label_y: int = COLUMNS_HEIGHT + 16
    total_height: int = COLUMNS_HEIGHT + 22


@dataclass(frozen=True)
class Column:
    """One place on the x axis: a label and a stack of values, the first at the bottom."""

    label: str
    values: tuple[float, ...]


def column_chart(title: str, columns: Sequence[Column], names: Sequence[str]) -> ColumnChart | None:
    """Stacked columns; None when there is nothing but zeros."""
    highest = max((sum(column.values) for column in columns), default=0)
    if highest <= 0:
        return None
    place = 100 / len(columns)
    width = min(place * 0.8, 6)
    segments = []
    for index, column in enumerate(columns):
        bottom = 0.0
        for series, (value, name) in enumerate(zip(column.values, names, strict=True), start=1):
            height = value / highest * (COLUMNS_HEIGHT - 4)
            top = COLUMNS_HEIGHT - bottom - height
            x = index * place + (place - width) / 2
            text = f"{column.label}: {figure(value)} {name}"
            if value:
                segments.append(Segment(round(x, 2), round(top, 2), round(width, 2), round(height, 2), series, text))
            bottom += height
    return ColumnChart(title, tuple(segments), _column_labels(columns, place), figure(highest))


def _column_labels(columns: Sequence[Column], place: float) -> tuple[Tick, ...]:
    """The first, the middle and the last label: as many as fit on a phone."""
    last = len(columns) - 1
    wanted = sorted({0, last // 2, last}) if last > 1 else range(last + 1)
    return tuple(
        Tick(
            round(0 if index == 0 and last else 100 if index == last and last else (index + 0.5) * place, 2),
            columns[index].label,
            "start" if index == 0 and last else "end" if index == last and last else "middle",
        )
        for index in wanted
    )


@dataclass(frozen=True)
class ShareBar:
    """One horizontal bar cut into shares, with the figures for the table beside it."""

    label: str
    names: tuple[str, ...]
    segments: tuple[Segment, ...] = ()
    scale: str = "fill"  # fill: colours that differ; rank: shades of one colour, for what has an order


def share_bar(label: str, counts: Sequence[float], names: Sequence[str], *, scale: str = "fill") -> ShareBar:
    """Counts as shares of one bar's width."""
    total = sum(counts)
    segments, left = [], 0.0
    for series, (count, name) in enumerate(zip(counts, names, strict=True), start=1):
        width = 100 * count / total if total else 0
        if count:
            title = f"{name}: {figure(count)} ({width:.0f} %)"
            segments.append(Segment(round(left, 2), 0, round(width, 2), 18, series, title))
        left += width
    return ShareBar(label, tuple(names), tuple(segments), scale)
