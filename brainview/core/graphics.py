"""Drawing and training in one process: the order in which two compilers may be loaded."""

from __future__ import annotations

import contextlib
import importlib


def load_compilers() -> None:
    """Load torch's compiler (triton, where it is installed) before anything is drawn in this process.

    Mesa's software OpenGL and triton each bring an LLVM of their own. Triton first, then Mesa works; the other way
    round the process dies of a segmentation fault. A worker that draws may train afterwards; the window never does.
    """
    with contextlib.suppress(ImportError):
        importlib.import_module("triton._C.libtriton")
