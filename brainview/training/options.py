"""What can be set of a system, read from its settings dataclass and its presets: one table for form, check and help.

A system's settings are a frozen dataclass with ``of(options)`` and ``plain()`` that its ``presets`` module holds (or
names as ``CONFIG``), or the ``config`` module of its package does. Words come from ``field(metadata={"hint": ...})``
or else from the comment that stands behind the field: ``method: str = "gcv"  # gcv | kfold: how alpha is chosen``.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from typing import Any

from brainview.core.errors import BrainViewError, MissingError
from brainview.core.systems import SystemEntry, load, system

#: ``name: kind = default  # comment`` of a source line.
_FIELD = re.compile(r"^\s+(\w+)\s*:\s*[^#]*?#\s*(.+?)\s*$")
_WORD = re.compile(r"[\w.+-]+")


def config_class(entry: SystemEntry) -> type:
    """Return the settings dataclass of a system; raises MissingError when it has none."""
    presets = load(entry.presets)
    found = getattr(presets, "CONFIG", None) or _settings_in(presets, presets.__name__)
    if found is None:
        try:
            near = importlib.import_module(presets.__name__.rsplit(".", 1)[0] + ".config")
        except ImportError:
            near = None
        found = None if near is None else _settings_in(near, near.__name__)
    if found is None:
        raise MissingError(f"{entry.name} has no settings dataclass", where=entry.presets)
    return found


def _settings_in(module: Any, name: str) -> type | None:
    """Return the dataclass with ``of`` and ``plain`` of a module, one of its own before an imported one."""
    found = [c for c in vars(module).values() if inspect.isclass(c) and dataclasses.is_dataclass(c)
             and hasattr(c, "of") and hasattr(c, "plain")]
    own = [c for c in found if c.__module__ == name]
    return next(iter(own or found), None)


def comments(config: type) -> dict[str, str]:
    """Return field -> the comment behind it, {} where the source is not at hand."""
    try:
        lines = inspect.getsource(config).splitlines()
    except (OSError, TypeError):
        return {}
    return {m[1]: m[2] for m in map(_FIELD.match, lines) if m}


def choices_of(comment: str) -> tuple[tuple[str, ...], str]:
    """Return (choices, the rest) of a comment that begins with ``one | two | three: rest``.

    >>> choices_of("gcv | kfold: how alpha is chosen")
    (('gcv', 'kfold'), 'how alpha is chosen')
    >>> choices_of("share of images for validation")
    ((), 'share of images for validation')
    """
    if " | " not in comment:
        return (), comment
    plain = comment
    while "(" in plain and ")" in plain:  # explanations in brackets, the inner ones first
        shorter = re.sub(r"\([^()]*\)", "", plain)
        if shorter == plain:
            break
        plain = shorter
    head, _, rest = plain.partition(":")
    words = [w.strip() for w in head.split("|")]
    if len(words) > 1 and all(_WORD.fullmatch(w) for w in words):
        return tuple(words), (rest.strip() or comment)
    return (), comment


def describe(name: str) -> dict[str, Any]:
    """Return what the training page needs of a system, as plain types.

    Keys: ``name, title, about, dock, presets`` {name: {option: value}}, ``preset_notes`` {name: sentence}, ``options``
    rows of ``name, kind, default, hint, choices, low, high``.
    """
    entry = system(name)
    config = config_class(entry)
    presets_module = load(entry.presets)
    about = (load(entry.module).__doc__ or "").strip().splitlines()
    sentence = re.sub(r"^System\s+`*[\w-]+`*\s*:\s*", "", about[0]) if about else ""
    words = comments(config)
    return {"name": name, "title": entry.title, "dock": entry.dock,
            "about": sentence[:1].upper() + sentence[1:].replace("``", ""),
            "presets": {k: dict(v) for k, v in presets_module.PRESETS.items()},
            "preset_notes": dict(getattr(presets_module, "PRESET_NOTES", {})),
            "options": [_row(f, words.get(f.name, "")) for f in dataclasses.fields(config)]}


def _row(field: dataclasses.Field, comment: str) -> dict[str, Any]:
    default = None if field.default is dataclasses.MISSING else field.default
    if field.default_factory is not dataclasses.MISSING:
        default = field.default_factory()
    found, hint = choices_of(comment)
    row = {"name": field.name, "kind": type(default).__name__, "hint": hint, "choices": list(found), "low": None,
           "high": None}
    row |= {k: v for k, v in field.metadata.items() if k in ("hint", "choices", "low", "high", "title")}
    plain = isinstance(default, (bool, int, float, str))
    row["default"] = default if plain else ",".join(map(str, default)) if isinstance(default, (tuple, list)) else ""
    if not plain:
        row["kind"] = "str"
    return row


def checked(name: str, options: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return (settings as they would stand in the card, what is wrong); the system itself checks, so both agree."""
    try:
        return config_class(system(name)).of(dict(options)).plain(), ""  # type: ignore[attr-defined]
    except BrainViewError as err:
        return {}, str(err)
    except (TypeError, ValueError) as err:
        return {}, f"{name}: {err}"
