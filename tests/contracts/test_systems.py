"""Every entry of the registry of systems keeps the contract that command, jobs and window rely on."""

import inspect

import pytest

from brainview.core.systems import SYSTEMS, load
from brainview.state.glossary import definition


@pytest.mark.parametrize("name", sorted(SYSTEMS))
def test_entry_imports_trains_by_keyword_and_presents(name):
    entry = SYSTEMS[name]
    assert entry.name == name and entry.title and entry.dock in ("encoding", "decoding", "attribution")
    module = load(entry.module)
    parameters = inspect.signature(module.train).parameters
    assert list(parameters)[:2] == ["path", "run"]
    assert all(parameters[k].kind is inspect.Parameter.KEYWORD_ONLY and parameters[k].default is not inspect._empty
               for k in ("subjects", "options", "context"))
    presets = load(entry.presets).PRESETS
    assert presets and all(isinstance(v, dict) for v in presets.values())
    present = inspect.signature(load(entry.present)).parameters
    assert next(iter(present)) == "run" and "context" in present
    assert all(isinstance(c, str) for c in getattr(module, "COLUMNS", ()))
    assert [c for c in getattr(module, "COLUMNS", ()) if not definition(c)] == [], "every figure is defined on hover"
