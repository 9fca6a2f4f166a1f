"""The ranking page's document names every key that the page knows."""

import re
from pathlib import Path

from django.conf import settings

KEYS = Path(settings.BASE_DIR) / "annotation" / "static" / "annotation" / "keys.js"


def test_every_key_is_documented():
    named = KEYS.read_text().split("const NAMED = {")[1].split("};")[0]
    keys = [key.strip('"') for key in re.findall(r'^  ("[^"]+"|\w+):', named, flags=re.MULTILINE)]
    documented = re.findall(r"`([^`]+)`", (Path(settings.BASE_DIR) / "docs" / "ranking.md").read_text())
    assert len(keys) > 15
    assert set(keys) <= set(documented)
