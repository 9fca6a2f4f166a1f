"""On which process and under which libraries a run ran."""

import os
import platform
from functools import cache
from importlib import metadata

PACKAGES = ("torch", "transformers", "peft", "accelerate", "safetensors", "tokenizers", "numpy", "rouge-score")


@cache
def package_versions() -> dict[str, str]:
    """Versions of the libraries that shape a result; asks the metadata, imports none of them."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def worker_name() -> str:
    """Host and process, as shown on the run's page."""
    return f"{platform.node()}:{os.getpid()}"
