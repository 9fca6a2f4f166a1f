"""The static files of others: exactly those that are listed, and all of them there."""

import re

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders

from webapp.assets import ASSETS, ICONS


@pytest.mark.parametrize("name", sorted(ASSETS))
def test_every_listed_file_is_found(name):
    assert finders.find(name)


@pytest.mark.parametrize("name", ["vendor/../package.json", "@picocss/pico/css/pico.css", "vendor/nothing.js"])
def test_nothing_else_of_node_modules_is_served(name):
    assert finders.find(name) is None


def test_every_icon_has_its_style_and_every_style_its_icon():
    css = (settings.BASE_DIR / "webapp/static/kedge/icons.css").read_text()
    assert set(re.findall(r"vendor/icons/([a-z0-9-]+)\.svg", css)) == set(ICONS)


def test_the_lock_names_no_registry():
    lock = (settings.BASE_DIR / "package-lock.json").read_text()
    assert "resolved" not in lock
    assert "http" not in lock


def test_every_icon_in_a_template_is_listed():
    used = set()
    for folder in ("webapp/templates", "annotation/templates"):
        for template in (settings.BASE_DIR / folder).rglob("*.html"):
            used |= set(re.findall(r"\bicon icon-([a-z0-9-]+)", template.read_text()))
    assert used <= set(ICONS)
