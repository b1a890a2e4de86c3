"""How the C library hands memory back: what long-running workers need, and Python has no setting for."""

from __future__ import annotations

import ctypes
import os

ARENAS = 2
_M_ARENA_MAX = -8


def share_arenas() -> bool:
    """Let all threads allocate from a few arenas; whether it was done. Call before there are threads.

    glibc gives each thread an arena of its own, up to eight a core, and each keeps most of what was freed in it: under
    load two fifths of a worker's memory. Other C libraries do not know the setting, and `MALLOC_ARENA_MAX` comes first.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None or "MALLOC_ARENA_MAX" in os.environ:
        return False
    return bool(mallopt(_M_ARENA_MAX, ARENAS))
