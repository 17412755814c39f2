"""core.names and core.errors: one line, safe to show, the same after a trip between processes."""

from __future__ import annotations

import pickle

import pytest

from brainview.core.errors import (
    BrainViewError,
    Cancelled,
    FormatError,
    LimitError,
    MismatchError,
    MissingError,
)
from brainview.core.names import plain, shown


@pytest.mark.parametrize(("text", "expected"), [
    ("a\nb", "a\\nb"), ("\x1b[31mred", "\\x1b[31mred"), ("a\u202eb", "a\\u202eb"), ("\u200bx", "\\u200bx"),
    ("\udcff", "\\udcff"), ("\u2028", "\\u2028"), ("R² – ü 脳", "R² – ü 脳"), (5, "5"), ("\0", "\\x00"),
])
def test_shown_escapes_what_steers_a_terminal(text: object, expected: str) -> None:
    assert shown(text) == expected
    shown(text).encode("utf-8")


def test_shown_cuts_in_the_middle() -> None:
    found = shown("a" * 500 + "z" * 500, limit=101)
    assert len(found) == 101 and found.startswith("aaa") and found.endswith("zzz") and "…" in found


def test_plain_has_no_rich_text() -> None:
    assert plain("<b>&\n") == "&lt;b&gt;&amp;\\n"


@pytest.mark.parametrize("kind", [BrainViewError, FormatError, MismatchError, MissingError, LimitError, Cancelled])
def test_errors_are_one_line_and_cross_processes(kind: type[BrainViewError]) -> None:
    error = kind("is\nwrong", where="fi\x1ble", remedy="Do\nthis.")
    line = str(error)
    assert "\n" not in line and "\x1b" not in line
    assert line.startswith("fi\\x1ble: ") and line.endswith("Do\\nthis.")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert type(again) is kind and str(again) == line and again.remedy == error.remedy


def test_error_without_where_or_remedy_is_its_own_text() -> None:
    assert str(FormatError("is wrong")) == "is wrong"
    assert str(FormatError("is wrong.", remedy="Go on.")) == "is wrong. Go on."
    assert str(Cancelled()) == "cancelled"
