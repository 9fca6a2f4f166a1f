"""Numbers as people read them: with a sane number of digits, a unit, n and an interval."""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta

from django import template
from django.utils import timezone

from annotation.markdown import render_markdown

register = template.Library()
register.filter("markdown", render_markdown)

DASH = "–"  # an absent figure
KINDS = {
    "sft": "SFT",
    "generate": "Completions",
    "reward": "Reward model",
    "ppo": "PPO",
    "dpo": "DPO",
    "evaluate": "Evaluation",
    "base": "Base model",
    "policy": "Policy",
}


@register.filter
def figure(value: object, unit: str = "") -> str:
    """A number with three significant digits: 0.412, 12.3, 1,204; ``share`` prints a percentage, ``seconds`` a time."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return DASH
    text = _digits(value, unit)
    return f"\N{MINUS SIGN}{text[1:]}" if text.startswith("-") else text


def _digits(value: float, unit: str) -> str:
    if unit == "share":
        return f"{100 * value:.1f} %"
    if unit == "seconds":
        return f"{value:.1f} s"
    size = abs(value)
    if isinstance(value, int) or size >= 1000:
        return f"{value:,.0f}"
    if 0 < size < 0.001:
        return f"{value:.1e}"
    # + 0.0 turns a rounded -0.000 into 0.000.
    digits = 1 if size >= 100 else 2 if size >= 10 else 3
    return f"{round(value, digits) + 0.0:.{digits}f}"


@register.filter
def signed(value: object) -> str:
    """A difference with its sign: +0.031."""
    text = figure(value)
    return f"+{text}" if isinstance(value, int | float) and value > 0 and text != DASH else text


@register.filter
def millions(value: object) -> str:
    """A count of parameters: 3.54 M, 512 k."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return DASH
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.0f}"


@register.filter
def kind(value: str) -> str:
    """What a kind of run or model is called: PPO, SFT, reward model."""
    return KINDS.get(value, value)


@register.filter
def short(value: str) -> str:
    """The first twelve digits of a hash."""
    return value[:12]


@register.filter
def spent(value: object) -> str:
    """A duration: 8.4 s, 3 min 20 s, 2 h 05 min. Takes a timedelta or milliseconds."""
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value / 1000
    else:
        return DASH
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


@register.filter
def seconds(value: float) -> str:
    """Seconds as a duration."""
    return spent(timedelta(seconds=value))


@register.filter
def days(value: float) -> str:
    """A rough number of days: under a day, 1 day, 12 days."""
    if value < 1:
        return "a day or less"
    return "1 day" if round(value) == 1 else f"{value:,.0f} days"


@register.simple_tag
def took(start: datetime | None, end: datetime | None) -> str:
    """How long something took, or has taken so far."""
    return spent((end or timezone.now()) - start) if start else DASH


@register.filter
def ago(value: datetime | None) -> str:
    """How long ago: just now, 5 min ago, 3 h ago, else the day."""
    if value is None:
        return DASH
    minutes = (timezone.now() - value).total_seconds() / 60
    if minutes < 1:
        return "just now"
    if minutes < 60:
        return f"{minutes:.0f} min ago"
    return f"{minutes / 60:.0f} h ago" if minutes < 24 * 60 else f"{value:%-d %b %Y}"


@register.filter
def get(mapping: object, key: str) -> object:
    """``mapping[key]`` in a template, None when it is not there."""
    return mapping.get(key) if isinstance(mapping, Mapping) else None


@register.filter
def percent(value: object) -> int:
    """A share as whole percents, for ``<progress>``."""
    return round(100 * value) if isinstance(value, int | float) else 0


@register.inclusion_tag("dashboard/_interval.html")
def interval(value: object, unit: str = "", absent: str = DASH) -> dict[str, object]:
    """An Interval ``{value, low, high, n}`` as value, bounds and n; ``absent`` where there is none."""
    return {"interval": value if isinstance(value, Mapping) else None, "unit": unit, "absent": absent}
