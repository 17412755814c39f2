"""How this process gives memory back: large arrays that end must not leave holes in the heap.

glibc serves what is larger than a threshold by mappings of its own, which go back to the system when they are freed.
The threshold starts at 128 KiB, but by default it *rises* to the size of each such block that is freed, up to 32 MiB
(mallopt(3), M_MMAP_THRESHOLD: "dynamic adjustment"). A program that draws frees a frame of several megabytes with
every paint: from the first one on, frames, maps and meshes share the heap with small things that live long, and a
window that is open all day keeps hundreds of megabytes that nobody uses. Setting the threshold ends the adjustment.
"""

from __future__ import annotations

import ctypes
import platform

#: Bytes from which a block has a mapping of its own: below a frame or a mesh, above what is made thousands of times.
LARGE = 64 * 1024
#: mallopt's numbers (malloc.h of glibc).
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3


def keep_heap_small() -> bool:
    """Have freed blocks of :data:`LARGE` bytes or more go back to the system; False where the C library has no such
    setting (macOS, Windows and musl give large blocks back anyhow).

    Call it where a process starts; it does not touch what is allocated already.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(M_MMAP_THRESHOLD, LARGE)) and bool(mallopt(M_TRIM_THRESHOLD, 16 * LARGE))
