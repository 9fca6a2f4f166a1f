"""Numbers as people read them."""

import math
from datetime import timedelta

import pytest
from django.utils import timezone

from webapp.dashboard.templatetags import figures


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.41234, "0.412"),
        (12.345, "12.35"),
        (123.45, "123.5"),
        (1234.5, "1,234"),
        (1234, "1,234"),
        (0, "0"),
        (0.0, "0.000"),
        (-0.0001, "−1.0e-04"),
        (-0.25, "−0.250"),
        (-0.0, "0.000"),
        (math.nan, "–"),
        (math.inf, "–"),
        (None, "–"),
        ("x", "–"),
        (True, "–"),
    ],
)
def test_figure(value, text):
    assert figures.figure(value) == text


def test_a_share_is_a_percentage():
    assert figures.figure(0.7593, "share") == "75.9 %"


@pytest.mark.parametrize(("value", "text"), [(0.5, "+0.500"), (-0.5, "−0.500"), (0.0, "0.000"), (None, "–")])
def test_signed(value, text):
    assert figures.signed(value) == text


@pytest.mark.parametrize(("value", "text"), [(3_544_000, "3.54 M"), (512, "512"), (147_456, "147 k"), (None, "–")])
def test_millions(value, text):
    assert figures.millions(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (timedelta(seconds=8.4), "8.4 s"),
        (timedelta(seconds=200), "3 min 20 s"),
        (timedelta(minutes=125), "2 h 05 min"),
        (timedelta(seconds=59.97), "1 min 00 s"),
        (20_300, "20.3 s"),
        (None, "–"),
    ],
)
def test_spent(value, text):
    assert figures.spent(value) == text


@pytest.mark.parametrize(
    ("back", "text"),
    [(timedelta(seconds=5), "just now"), (timedelta(minutes=5), "5 min ago"), (timedelta(hours=3), "3 h ago")],
)
def test_ago(back, text):
    assert figures.ago(timezone.now() - back) == text


def test_a_missing_interval_is_a_dash():
    assert figures.interval(None)["interval"] is None
