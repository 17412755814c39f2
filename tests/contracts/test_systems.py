"""Every entry of the registry of systems keeps the contract that command, jobs and window rely on."""

import inspect

import pytest

from brainview.core.systems import SYSTEMS, load
from brainview.state.glossary import definition
from brainview.state.training import SystemForm
from brainview.state.training_words import FROM_START
from brainview.training.options import describe


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


@pytest.mark.parametrize("name", sorted(SYSTEMS))
def test_every_setting_and_preset_is_explained_and_no_preset_sets_what_the_form_hides(name):
    form = SystemForm.from_job(describe(name))
    mute = [o.name for o in form.options if len(o.hint) < 15]
    assert mute == [], "say what they are in brainview/state/training_words.py"
    assert [p for p in form.presets if not form.preset_notes.get(p)] == []
    known = {o.name for o in form.options}
    inherited = getattr(load(SYSTEMS[name].presets), "INHERITED", ())
    assert tuple(FROM_START.get(name, ())) == tuple(inherited), "the form would show what a later stage does not use"
    hidden = {(preset, key) for preset, values in form.presets.items() for key in values if key not in known}
    assert hidden == set(), "the window would train this preset otherwise than the command"
