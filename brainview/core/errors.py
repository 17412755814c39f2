"""Errors a user can act on: one line that says what is wrong, where, and what to do."""

from __future__ import annotations

from brainview.core.names import shown


class BrainViewError(Exception):
    """A fault of the input or the request, told in one line.

    Parameters
    ----------
    what : str
        What is wrong, with the value found and the value expected.
    where : object, optional
        The file, field or subject; shown escaped.
    remedy : str, optional
        What the user can do next, in the imperative.
    """

    def __init__(self, what: str, *, where: object = None, remedy: str | None = None) -> None:
        super().__init__(what, where, remedy)
        self.what = what
        self.where = None if where is None else str(where)
        self.remedy = remedy

    def __str__(self) -> str:
        head = self.what if self.where is None else f"{shown(self.where)}: {self.what}"
        line = head if not self.remedy else f"{head.rstrip('.')}. {self.remedy}"
        return " ".join(shown(line, limit=2000).split())

    def __reduce__(self):  # keyword-only fields survive the trip from a worker process
        return _rebuild, (type(self), self.what, self.where, self.remedy)


def _rebuild(kind: type[BrainViewError], what: str, where: str | None, remedy: str | None) -> BrainViewError:
    return kind(what, where=where, remedy=remedy)


class FormatError(BrainViewError):
    """A file is not what it says it is, is damaged, or holds what no part of BrainView can show."""


class IsSurface(FormatError):
    """A file that was opened as a map is a surface."""


class MismatchError(BrainViewError):
    """Two things that must agree (sizes, spaces, ids) do not."""


class MissingError(BrainViewError):
    """Something needed (a mesh, weights, a subject, an optional package) is not on this machine."""


class LimitError(BrainViewError):
    """Reading this would cost more memory, disk or files than the stated limit."""


class Cancelled(BrainViewError):
    """The user cancelled; nothing is wrong."""

    def __init__(self, what: str = "cancelled", *, where: object = None, remedy: str | None = None) -> None:
        super().__init__(what, where=where, remedy=remedy)
