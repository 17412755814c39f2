"""A tiny film phantom in the HAD layout (two subjects, three runs), built once per session; and one with every trap."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film phantom of two subjects, three runs, six drawn clips each, about 300 vertices."""
    from brainview.phantom.writers.had_build import build_had

    return build_had(tmp_path_factory.mktemp("film") / "had", subjects=2, runs=3, categories=6, clips=6, thin=48,
                     frames=4, size=64, level="easy")


@pytest.fixture(scope="session")
def trapped_film(tiny_film: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with what real copies of HAD have: stray session, broken links, early events, a second field map."""
    root = tmp_path_factory.mktemp("trapped") / "had"
    shutil.copytree(tiny_film, root)
    results = root / "derivatives" / "ciftify" / "sub-01" / "results"
    series = results / "ses-action01_task-action_run-1_Atlas.dtseries.nii"
    os.link(series, results / "ses-action02_task-action_run-1_Atlas.dtseries.nii")
    # a run 10 of another day would sort before run 2 as text
    os.link(series, results / "ses-action01_task-action_run-10_Atlas.dtseries.nii")
    other = root / "derivatives" / "ciftify" / "sub-02" / "results"
    broken = other / "ses-action01_task-action_run-3_Atlas.dtseries.nii"
    broken.unlink()
    broken.symlink_to("../../../../.git/annex/objects/xx/yy/MD5E-s1--0.nii/MD5E-s1--0.nii")
    clip = next((root / "stimuli").rglob("*.mp4"))
    clip.unlink()
    clip.symlink_to("../../.git/annex/objects/MD5E-s1--0.mp4")
    fmap = root / "sub-01" / "ses-action01" / "fmap"
    fmap.mkdir()
    for run in ("01", "02"):
        (fmap / f"sub-01_ses-action01_run-{run}_phasediff.nii.gz").symlink_to("../../../.git/annex/objects/MD5E.nii.gz")
    events = root / "sub-02" / "ses-action01" / "func" / "sub-02_ses-action01_task-action_run-02_events.tsv"
    lines = [line.split("\t") for line in events.read_text().splitlines()]
    lines = [lines[0]] + [[*r[:3], r[3].removesuffix(".0"), *r[4:]] for r in lines[1:]]  # -1 without the point
    events.write_text("\n".join("\t".join(r) for r in lines) + "\n")
    return root
