"""The bar on a terminal: drawn on a real one, also where it says that it has no size."""

import fcntl
import os
import pty
import struct
import sys
import termios

import pytest

CODE = """
from annotation.management.progress import progress_bar
with progress_bar() as told:
    told("reading", 10, 100)
    told("storing", 20, 20)
"""


def shown(rows, columns):
    """What a command writes to a terminal of this size."""
    child, terminal = pty.fork()
    if not child:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.execv(sys.executable, [sys.executable, "-c", CODE])
    said = b""
    try:
        while block := os.read(terminal, 4096):
            said += block
    except OSError:  # the other side is closed
        pass
    os.waitpid(child, 0)
    os.close(terminal)
    return said.decode()


@pytest.mark.parametrize("size", [(24, 100), (0, 0)])
def test_each_thing_that_is_done_has_a_bar_that_ends_full(size):
    said = shown(*size)
    assert "reading: 100%" in said
    assert "storing: 100%" in said
