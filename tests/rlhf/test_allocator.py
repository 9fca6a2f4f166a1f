"""Freed memory stays with the process, where the C library lets it."""

import os
import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys, torch
from rlhf.allocator import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
def faults(count):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(count):
        tensors = [torch.ones(3_000_000) for _ in range(4)]
        del tensors
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults(3)
print(faults(10))
"""


def _faults(how: str) -> int:
    """Where glibc gives every tensor back at once, unless it is told otherwise: by default it depends on the heap."""
    values = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"}
    done = subprocess.run([sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True, env=values)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="not glibc: there is nothing to set")
def test_the_next_tensors_take_no_page_faults() -> None:
    """Ten times four tensors of 12 MB."""
    given_back = _faults("given back")
    assert given_back > 1000
    assert _faults("kept") < given_back / 10
