"""How this process holds the memory that tensors leave behind."""

import ctypes
from functools import cache

# The names and numbers of glibc's malloc.h. A larger threshold than 32 MB is refused.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_SETTINGS = {_MMAP_THRESHOLD: 32 << 20, _TRIM_THRESHOLD: (1 << 31) - 1, _TOP_PAD: 64 << 20}


@cache
def keep_freed_memory() -> bool:
    """Keep what tensors on the CPU free for the next ones; False where the C library is not glibc.

    glibc would give it back to the system and take it anew for the next tensor of some megabytes: without these page
    faults a PPO step takes 7 % less (docs/performance.md). The peak stays the same.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return all(mallopt(name, value) == 1 for name, value in _SETTINGS.items())
