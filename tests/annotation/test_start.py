"""What every command and every web process pays at its start."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_a_command_starts_without_scipys_parts():
    code = "import sys, django; django.setup(); from django.core.management import call_command as run; run('check')"
    code += "; print([name for name in sys.modules if name in ('scipy.optimize', 'scipy.stats', 'pandas')])"
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "webapp.settings"}
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, check=True)
    assert found.stdout.decode().splitlines()[-1] == "[]"
