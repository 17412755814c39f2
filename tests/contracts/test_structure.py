"""The shape of the code is held by tests: the arrow of imports, the light window, the size of the tail."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "brainview"
SOURCES = sorted(PACKAGE.rglob("*.py"))


def test_arrow_of_imports():
    done = subprocess.run([sys.executable, "-c", "from importlinter.cli import lint_imports; "
                           "raise SystemExit(lint_imports())"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "0 broken" in done.stdout


def imported(tree: ast.AST, *, top_only: bool) -> set[str]:
    nodes = ast.iter_child_nodes(tree) if top_only else ast.walk(tree)
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_only_cli_imports_app_and_only_lazily():
    offenders = []
    for path in SOURCES:
        part = path.relative_to(PACKAGE).parts[0]
        tree = ast.parse(path.read_text())
        wants = any(n.startswith("brainview.app") for n in imported(tree, top_only=False))
        at_top = any(n.startswith("brainview.app") for n in imported(tree, top_only=True))
        if (wants and part not in ("app", "cli")) or (at_top and part == "cli"):
            offenders.append(str(path.relative_to(ROOT)))
    assert not offenders


@pytest.mark.parametrize("package", ["PySide6", "pyvistaqt", "qtpy", "qasync"])
def test_qt_is_only_in_app(package):
    offenders = [str(p.relative_to(ROOT)) for p in SOURCES if p.relative_to(PACKAGE).parts[0] not in ("app", "cli")
                 and any(n.split(".")[0] == package for n in imported(ast.parse(p.read_text()), top_only=False))]
    assert not offenders


@pytest.mark.parametrize("part", ["core", "maps", "state", "engine", "scene"])
def test_light_parts_import_without_torch_nilearn_and_qt(part):
    code = f"""
import importlib, pkgutil, sys
sys.modules["PySide6"] = None
package = importlib.import_module("brainview.{part}")
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    if not module.name.endswith(("benchmark", "preload")):
        importlib.import_module(module.name)
heavy = {{"torch", "nilearn", "transformers", "timm", "open_clip", "sklearn"}} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]


def test_sizes_of_files_functions_and_classes():
    offenders = []
    for path in SOURCES:
        text = path.read_text()
        if len(text.splitlines()) > 500:
            offenders.append(f"{path.relative_to(ROOT)}: {len(text.splitlines())} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                length = (node.end_lineno or 0) - node.lineno + 1
                if length > 100:
                    offenders.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {length} lines")
            if isinstance(node, ast.ClassDef):
                methods = sum(isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef)) for n in node.body)
                if methods > 25:
                    offenders.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {methods} methods")
    assert not offenders, "\n".join(offenders)


def test_public_functions_have_docstrings():
    missing = []
    for path in SOURCES:
        for node in ast.parse(path.read_text()).body:
            is_public = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
            if is_public and not node.name.startswith("_") and not ast.get_docstring(node):
                missing.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert not missing, "\n".join(missing)


def test_no_registry_host_and_no_machine_path_is_named():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    bad = ("hosted" + ".org", "://" + "registry.", "/" + "work/main", "/" + "root/", "index" + "-url")
    offenders = []
    for name in tracked.stdout.split():
        path = ROOT / name
        if path.suffix in (".py", ".toml", ".md", ".sh", ".yml", ".json", "") and path.is_file():
            text = path.read_text(errors="ignore")
            offenders += [f"{name}: {b}" for b in bad if b in text]
    assert not offenders


def test_no_lock_file_is_tracked():
    tracked = subprocess.run(["git", "ls-files", "uv.lock"], cwd=ROOT, capture_output=True, text=True)
    assert tracked.stdout.strip() == ""
