"""The table of clusters as a file; apart from the search for them, because the window must not wait for scipy."""

from __future__ import annotations

import csv
import io
from typing import Any


def to_csv(rows: list[dict[str, Any]], units: str) -> str:
    """Return the table as CSV text with a header that names units."""
    buffer = io.StringIO()
    pen = csv.writer(buffer, lineterminator="\n")
    size = rows[0]["unit"] if rows else "mm2"
    world = rows[0]["world"] if rows else ""
    pen.writerow(["hemisphere", f"peak value ({units})" if units else "peak value", "peak index", f"R mm ({world})",
                  f"A mm ({world})", f"S mm ({world})", "locations", f"size ({size})", "region at peak", "covers"])
    for r in rows:
        pen.writerow([r["hemisphere"], f"{r['value']:.6g}", r["peak"], r["x"], r["y"], r["z"], r["locations"],
                      r["size"], r["region"], r["covers"]])
    return buffer.getvalue()
