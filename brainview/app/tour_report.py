"""The tour's report: one HTML page without scripts, pictures beside it."""

from __future__ import annotations

import html
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brainview import __version__
from brainview.core.files import atomic_write, to_json

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f27; --dim: #5a6270; --paper: #fbfbfc; --line: #dfe2e8; --accent: #2f6fde }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaee; --dim: #a2a9b5; --paper: #15181d; --line: #2c313a } }
body { font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 1100px;
       margin: 0 auto; padding: 40px 24px 96px }
h1 { font-size: 30px; margin: 0 0 4px } h2 { font-size: 19px; margin: 56px 0 4px } p { margin: 4px 0 16px }
.dim { color: var(--dim) } .label { border: 1px solid var(--accent); color: var(--accent); border-radius: 4px;
padding: 1px 8px; font-size: 14px } img { width: 100%; border: 1px solid var(--line); border-radius: 8px }
table { border-collapse: collapse; font-size: 14px } td, th { padding: 4px 16px 4px 0; text-align: left;
border-bottom: 1px solid var(--line) } pre { font-size: 13px; overflow: auto; padding: 16px;
border: 1px solid var(--line); border-radius: 8px }
"""


@dataclass(frozen=True)
class Page:
    """One picture of the tour: a short name, a title, a text, the file."""

    name: str
    title: str
    text: str
    file: Path


def write_report(out: Path, pages: Sequence[Page], files: Sequence[Path], seconds: Mapping[str, float],
                 facts: Mapping[str, Any]) -> Path:
    """Write ``report.html`` into `out` and return its path."""
    label = '<p><span class="label">Phantom: simulated brains with known truth, not measurements</span></p>'
    parts = [f"<!doctype html><html lang=en><meta charset=utf-8><title>BrainView tour</title><style>{STYLE}</style>",
             "<h1>BrainView: a tour</h1>",
             f'<p class="dim">Version {__version__}, Python {platform.python_version()}, {platform.system()}. '
             "Each picture is the real window, drawn off screen.</p>", label if facts.get("phantom") else ""]
    for page in pages:
        name = html.escape(page.file.name)
        parts.append(f"<h2>{html.escape(page.title)}</h2><p class=dim>{html.escape(page.text)}</p>"
                     f'<a href="{name}"><img src="{name}" alt="{html.escape(page.title)}"></a>')
    rows = "".join(f'<tr><td><a href="{html.escape(_relative(f, out))}">{html.escape(_relative(f, out))}</a></td>'
                   f"<td>{f.stat().st_size:,} bytes</td></tr>" for f in files if f.exists())
    parts.append(f"<h2>Files</h2><table><tr><th>file<th>size</tr>{rows}</table>")
    times = "".join(f"<tr><td>{html.escape(k)}</td><td>{v:.1f} s</td></tr>" for k, v in seconds.items())
    parts.append(f"<h2>Time</h2><table><tr><th>step<th>on this machine</tr>{times}</table>")
    notes = "".join(f"<li>{html.escape(str(n))}</li>" for n in facts.get("notes", ()))
    parts.append(f"<h2>The model's notes</h2><ul>{notes or '<li>none</li>'}</ul>")
    parts.append(f"<h2>The model's card</h2><pre>{html.escape(to_json(facts.get('card', {})))}</pre></html>")
    path = out / "report.html"
    with atomic_write(path) as file:
        file.write("\n".join(parts).encode())
    return path


def _relative(file: Path, folder: Path) -> str:
    return str(file.relative_to(folder)) if file.is_relative_to(folder) else str(file)
