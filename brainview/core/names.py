"""Names that come from files, made safe to show."""

from __future__ import annotations

import unicodedata


def shown(text: object, *, limit: int = 300) -> str:
    """Return `text` fit for a terminal, a log or a plain-text label.

    Control characters (new lines, escape codes), bidirectional marks and lone surrogates are written as
    ``\\xNN``/``\\uNNNN``; what is longer than `limit` characters is cut in the middle.
    """
    out = []
    for char in str(text):
        category = unicodedata.category(char)
        if category in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp"):
            out.append(char.encode("unicode_escape").decode("ascii") if category != "Cs" else f"\\u{ord(char):04x}")
        else:
            out.append(char)
    name = "".join(out)
    if len(name) <= limit:
        return name
    half = (limit - 1) // 2
    return f"{name[:half]}…{name[-half:]}"


def plain(text: object, *, limit: int = 300) -> str:
    """Return `text` for a Qt label: as :func:`shown`, and with the rich-text characters escaped."""
    return shown(text, limit=limit).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
