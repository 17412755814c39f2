"""Imports that wait until they are used."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from importlib.abc import Loader
from types import ModuleType
from typing import Any


def postpone(name: str) -> ModuleType | None:
    """Put a stand-in for a module into ``sys.modules``; the first attribute asked of it runs the module's code.

    For modules that a library imports at its start and hardly ever uses (pyvista imports matplotlib's pyplot for its
    charts: 0.6 s of CPU before the first brain). The stand-in is the module itself, only its code has not run yet, so
    whoever imported it meanwhile sees the real thing. ``importlib.util.LazyLoader`` does not serve: in CPython 3.11
    the second import statement already runs the code.

    Returns
    -------
    module or None
        None when the module is there already or cannot be found; nothing is changed then.
    """
    if name in sys.modules:
        return None
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        return None
    if spec is None or not isinstance(spec.loader, Loader):
        return None
    module, loader = importlib.util.module_from_spec(spec), spec.loader

    def run(attribute: str) -> Any:
        if attribute.startswith("__"):  # the import system and inspect look for marks that no module needs to have
            raise AttributeError(attribute)
        module.__dict__.pop("__getattr__", None)
        loader.exec_module(module)
        return getattr(module, attribute)

    module.__dict__["__getattr__"] = run
    sys.modules[name] = module
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)
    return module


@contextmanager
def called_later(name: str, *functions: str) -> Iterator[None]:
    """While the block runs, importing `functions` from a module gives stand-ins that import the module when called.

    For a library that takes a class out of another at its start, only to call it in a rare case (pyvista takes
    matplotlib's canvas for charts: 0.35 s of CPU). The stand-in is gone after the block, so that everyone else
    imports the real module; nothing happens when the module is there already.
    """
    if name in sys.modules:
        yield
        return
    stand_in = ModuleType(name)
    for function in functions:
        setattr(stand_in, function, partial(_call, name, function))
    sys.modules[name] = stand_in
    try:
        yield
    finally:
        if sys.modules.get(name) is stand_in:
            del sys.modules[name]


def _call(name: str, function: str, *arguments: Any, **options: Any) -> Any:
    return getattr(import_module(name), function)(*arguments, **options)
