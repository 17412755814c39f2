"""XML that cannot hurt: no entities, no fetched or inner document type, bounded size."""

from __future__ import annotations

from typing import Any
from xml.parsers import expat

from brainview.core.errors import FormatError
from brainview.core.names import shown

#: What the parsers of nibabel raise on text that is XML but not what it should be.
PARSE_ERRORS = (expat.ExpatError, ValueError, KeyError, TypeError, AttributeError, IndexError, AssertionError,
                OverflowError, NotImplementedError)


def forbid(parser: Any, where: object, *, doctype: bool) -> Any:
    """Return an expat parser that refuses entities; `doctype` allows the bare ``<!DOCTYPE X SYSTEM "...">`` line.

    The document type is never fetched. Raises FormatError while parsing.
    """

    def entity(name: str, *_: Any) -> None:
        raise FormatError(f"declares the XML entity {shown(name)!r}, which is not read", where=where,
                          remedy="Write it again without entities.")

    def document_type(name: str, system: str | None, public: str | None, inner: bool | int) -> None:
        if inner or not doctype:
            raise FormatError("declares a document type of its own, which is not read", where=where,
                              remedy="Write it again without it.")

    def external(*_: Any) -> int:
        raise FormatError("refers to an external XML entity, which is not fetched", where=where)

    parser.EntityDeclHandler = entity
    parser.UnparsedEntityDeclHandler = entity
    parser.StartDoctypeDeclHandler = document_type
    parser.ExternalEntityRefHandler = external
    parser.SkippedEntityHandler = entity
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    return parser


def check_text(text: bytes, where: object, *, doctype: bool = False) -> None:
    """Refuse XML that is not well formed or holds what :func:`forbid` forbids."""
    parser = forbid(expat.ParserCreate(), where, doctype=doctype)
    try:
        parser.Parse(text, True)
    except expat.ExpatError as err:
        raise FormatError(f"has damaged XML: {shown(err)}", where=where, remedy="Copy it again.") from err
