"""Fixtures of the whole suite. Qt runs off screen unless a test asks for a real window."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from brainview.core.graphics import load_compilers

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("QT_API", "pyside6")
os.environ.setdefault("HF_HUB_OFFLINE", "1")


load_compilers()  # the suite draws and trains in one process, in any order


@pytest.fixture(scope="session", autouse=True)
def brainview_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keep the tests out of the user's own data and cache folders."""
    home = tmp_path_factory.mktemp("brainview-home")
    os.environ["BRAINVIEW_HOME"] = str(home)
    return home


def shared_data() -> Path | None:
    """Return the folder of real files that lies beside a developer's checkout, None elsewhere."""
    folder = Path(os.environ.get("BRAINVIEW_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    return folder if folder.is_dir() else None


@pytest.fixture(scope="session")
def real_files() -> Path:
    """Give the folder of real files; skip where it is absent."""
    folder = shared_data()
    if folder is None:
        pytest.skip("the folder of real test files is not on this machine (set BRAINVIEW_TEST_DATA to it)")
    return folder
