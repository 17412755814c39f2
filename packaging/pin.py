"""Write the versions installed here into ``[tool.uv] constraint-dependencies``: the tested set.

Run it after the tests passed: ``uv run python packaging/pin.py``. Only what BrainView depends on, directly or not,
is pinned; versions carry no hosts, so that every mirror serves them. Platform wheels that exist on one system only
(CUDA libraries) are left to their parents.
"""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
SKIP = re.compile(r"^(nvidia|cuda|triton|brainview|pip$|setuptools$)")


def normal(name: str) -> str:
    """Return the normal form of a distribution name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def needed() -> dict[str, str]:
    """Return name -> version of the closure of BrainView's requirements (and its dev group) that is installed."""
    text = PROJECT.read_text()
    dev = re.search(r"^dev = \[(.*?)^\]", text, re.S | re.M)
    roots = re.findall(r'"([A-Za-z0-9_.-]+)', dev.group(1)) if dev else []
    roots += [re.match(r"[A-Za-z0-9_.-]+", r).group() for r in metadata.requires("brainview-explorer") or []]
    found: dict[str, str] = {}
    stack = [normal(r) for r in roots]
    while stack:
        name = stack.pop()
        if name in found or SKIP.match(name):
            continue
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        found[name] = distribution.version.split("+")[0]
        stack += [normal(re.match(r"[A-Za-z0-9_.-]+", r).group()) for r in distribution.requires or []
                  if "extra ==" not in r]
    return dict(sorted(found.items()))


def main() -> None:
    """Rewrite the list in pyproject.toml."""
    pins = needed()
    block = "constraint-dependencies = [\n" + "".join(f'  "{n}=={v}",\n' for n, v in pins.items()) + "]"
    text = PROJECT.read_text()
    new = re.sub(r"constraint-dependencies = \[.*?\]", lambda _: block, text, count=1, flags=re.S)
    PROJECT.write_text(new)
    print(f"pinned {len(pins)} versions")


if __name__ == "__main__":
    main()
