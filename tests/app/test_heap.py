"""Large blocks that end go back to the system, whatever was freed before them."""

import os
import platform
import subprocess
import sys

import pytest

#: A window's life in small: a freed frame, then arrays of a megabyte with something small behind each; the arrays go.
LIFE = """
import ctypes, sys

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

if sys.argv[1] == "in the window's process":
    from brainview.app.start import application
    program = application()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes, libc.memset.argtypes = (
    ctypes.c_void_p, [ctypes.c_void_p], [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t])
libc.free(libc.malloc(ctypes.c_size_t(8 << 20)))
before = resident()
large, small = [], []
for _ in range(60):
    large.append(libc.malloc(ctypes.c_size_t(1 << 20)))
    libc.memset(large[-1], 1, 1 << 20)
    small.append(libc.malloc(ctypes.c_size_t(2048)))
for block in large:
    libc.free(block)
print((resident() - before) >> 20)
"""


def left_behind(how: str) -> int:
    """Return the MB that stay after 60 MB of large blocks were freed."""
    told = subprocess.run([sys.executable, "-c", LIFE, how], capture_output=True, text=True, check=True,
                          env={**os.environ, "QT_QPA_PLATFORM": "offscreen"})
    return int(told.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps large blocks in its heap")
def test_large_blocks_go_back_to_the_system():
    assert left_behind("as it is") > 40  # what the setting is for; when this fails, glibc no longer needs it
    assert left_behind("in the window's process") < 5

