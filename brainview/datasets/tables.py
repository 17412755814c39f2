"""Trial and stimulus tables: CSV, TSV or columns separated by blanks, read as text, columns converted on demand."""

from __future__ import annotations

import csv
import io
import os
from dataclasses import dataclass

import numpy as np

from brainview.core.errors import FormatError, LimitError, MissingError
from brainview.core.files import read_text
from brainview.core.names import shown

#: The most rows of a table.
ROW_LIMIT = 5_000_000


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of text by name, all of one length."""

    columns: dict[str, list[str]]
    where: str

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), []))

    def text(self, name: str) -> list[str]:
        """Return one column as text; MissingError names the columns there are."""
        if name not in self.columns:
            raise MissingError(f"has no column {name!r}", where=self.where,
                               remedy="Its columns are " + ", ".join(shown(c, limit=40) for c in self.columns) + ".")
        return self.columns[name]

    def integers(self, name: str) -> np.ndarray:
        """Return one column as (n,) int64; FormatError names the first cell that is no whole number."""
        numbers = self.numbers(name)
        wrong = np.flatnonzero(~np.isfinite(numbers) | (numbers != np.round(numbers)))
        if wrong.size:
            cell = self.columns[name][wrong[0]]
            raise FormatError(f"column {name!r} row {wrong[0] + 1} is {cell!r}, a whole number was expected",
                              where=self.where)
        return numbers.astype(np.int64)

    def numbers(self, name: str) -> np.ndarray:
        """Return one column as (n,) float64; empty, ``n/a`` and ``nan`` cells are NaN."""
        out = np.empty(len(self))
        for i, cell in enumerate(self.text(name)):
            word = cell.strip()
            try:
                out[i] = np.nan if word.lower() in ("", "n/a", "na") else float(word)
            except ValueError as err:
                raise FormatError(f"column {name!r} row {i + 1} is {cell!r}, a number was expected",
                                  where=self.where) from err
        return out


def read_table(path: os.PathLike | str, *, columns: list[str] | None = None) -> Table:
    """Read a table whose separator (tab, comma, semicolon, blanks) is told from its first line.

    Parameters
    ----------
    path : path
    columns : list of str, optional
        Names of the columns of a file without a header line.
    """
    text = read_text(path)
    first = text.split("\n", 1)[0]
    separator = next((s for s in ("\t", ",", ";") if s in first), None)
    if separator is None:
        lines = [line.split() for line in text.splitlines() if line.strip()]
    else:
        try:
            lines = [row for row in csv.reader(io.StringIO(text), delimiter=separator) if row]
        except csv.Error as err:
            raise FormatError(f"is not a readable table: {shown(err)}", where=path) from err
    if len(lines) > ROW_LIMIT:
        raise LimitError(f"has more than {ROW_LIMIT:,} rows", where=path)
    names = list(columns) if columns else [n.strip() for n in (lines[0] if lines else [])]
    rows = lines if columns else lines[1:]
    if not names or not rows:
        raise FormatError("holds no rows", where=path)
    if len(set(names)) != len(names):
        raise FormatError("names a column twice", where=path)
    for i, row in enumerate(rows):
        if len(row) != len(names):
            raise FormatError(f"row {i + 1} has {len(row)} cells, {len(names)} columns were expected", where=path)
    return Table({n: [row[i] for row in rows] for i, n in enumerate(names)}, str(path))
