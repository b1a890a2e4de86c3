"""Threads share arenas: what one has freed, another can use."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

COUNT = """
import ctypes, sys, tempfile, threading
from streams.allocator import share_arenas
if sys.argv[1] == "share":
    share_arenas()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
ready = threading.Barrier(9)
def work():
    libc.malloc(ctypes.c_size_t(1000))
    ready.wait()
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
ready.wait()
with tempfile.NamedTemporaryFile() as file:
    libc.fopen.restype = ctypes.c_void_p
    sink = ctypes.c_void_p(libc.fopen(file.name.encode(), b"w"))
    libc.malloc_info(0, sink)
    libc.fclose(sink)
    print(open(file.name).read().count("<heap nr="))
"""


def arenas(how: str, **variables: str) -> int:
    environment = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"} | variables
    done = subprocess.run(
        [sys.executable, "-c", COUNT, how], env=environment, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_threads_share_arenas_unless_the_environment_says_otherwise() -> None:
    assert arenas("not") > 2
    assert arenas("share") <= 2
    assert arenas("share", MALLOC_ARENA_MAX="4") == 4
