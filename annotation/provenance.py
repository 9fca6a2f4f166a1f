"""Under which code something was made."""

import os
import subprocess
from functools import cache
from pathlib import Path


@cache
def code_version() -> str:
    """The commit of the checkout (``+`` when it has changes), else ``CODE_VERSION``, else ``unknown``."""
    if given := os.environ.get("CODE_VERSION"):
        return given
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return "unknown"
    try:
        command = ["git", "-C", str(root), "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
