'''The lab's own data: one ``dataset.toml`` that names responses, trial tables, stimuli, ROIs and space.

Open the folder that holds it, or the file itself. A complete example lies in ``resources/examples/dataset.toml``::

    format = "brainview-dataset 1"      # required
    name = "My experiment"              # shown everywhere
    phantom = false                     # true labels everything as simulated

    [space]
    name = "fsaverage5"                 # standard space; leave out for the grid of the responses
    mask = "mask.nii.gz"                # locations to keep (NIfTI of the same grid; .npy for surfaces)
    world = "scanner"                   # what world coordinates mean: scanner, MNI152, ...

    [trials]                            # how to read every subject's trial table
    rows = "trials"                     # trials: one row per response; volumes: one row per volume of a time series;
                                        # events: onset and duration in seconds (BIDS events.tsv)
    columns = ["label", "run"]          # names of the columns of a file without a header line
    stimulus = "label"                  # column with the stimulus: whole numbers are ids, words are numbered
    run = "run"                         # columns that are optional: run, session, onset, duration
    tr = 2.5                            # seconds per volume (events)

    [preprocessing]                     # in this order; nothing is done that is not asked for
    detrend = "linear"                  # per run; or "none"
    zscore = "run"                      # or "session", "none"
    average = "blocks"                  # consecutive volumes of one label; "events": a window after each onset; "none"
    drop = ["rest"]                     # labels left out after z-scoring
    delay = 5.0                         # events: seconds from onset to the window
    window = 0.0                        # events: its length; 0 = the event's duration

    [stimuli]
    folder = "pictures"                 # pictures
    table = "stimuli.csv"               # with columns id (whole number) and/or name, file, caption, caption2 ...
    names = ["face", "house"]           # for words without a table: their order gives the ids 0, 1, ...

    [[subjects]]
    id = "sub-01"
    responses = "sub-01/bold.nii.gz"    # a file, a list of files (runs, or one volume per trial), or a table:
    # responses = { left = "lh.npy", right = "rh.npy" }
    # responses = { file = "TYPED_FITHRF_GLMDENOISE_RR.hdf5", key = "betasmd" }      # GLMsingle, also .npz and .mat
    # responses = { file = "betas.npy", trials_axis = "first", order = "C", scale = 1.0 }
    trials = "sub-01/events.tsv"        # a table, or a list of tables (one per run; the run is then counted)
    rois = { vt = "vt.nii.gz" }         # label or mask file; or { file = "...", names = { 1 = "FFA" } }
    ceiling = { ncsnr = "ncsnr.nii.gz" }  # or { fraction = "..." }, { percent = "..." }
    anatomy = { T1 = "T1.nii.gz" }

Paths are relative to the manifest and stay below its folder, or are absolute, as the user wrote them.
'''

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from brainview.core.errors import FormatError, MismatchError, MissingError
from brainview.core.files import read_text, regular_file, walk
from brainview.core.names import shown
from brainview.datasets.cache import CachedResponses
from brainview.datasets.images import is_image
from brainview.datasets.manifest_files import ManifestRois, read_values
from brainview.datasets.preprocessing import ProcessedSource, Steps, blocks_of, events_of
from brainview.datasets.recordings import Recording, SpaceWish, open_recording, recording_space
from brainview.datasets.stimuli import FileStimuli, Words
from brainview.datasets.tables import Table, read_table
from brainview.datasets.types import Ceiling, Responses, Subject, TrialTable
from brainview.maps.space import Space

FILE_NAME = "dataset.toml"
FORMAT = "brainview-dataset 1"
_KEYS: dict[str, tuple[str, ...]] = {
    "": ("format", "name", "phantom", "space", "trials", "preprocessing", "stimuli", "subjects", "licence", "cite"),
    "space": ("name", "mask", "world"),
    "trials": ("rows", "columns", "stimulus", "run", "session", "onset", "duration", "tr"),
    "preprocessing": ("detrend", "zscore", "average", "drop", "delay", "window"),
    "stimuli": ("folder", "table", "names", "id", "name", "file"),
    "subjects": ("id", "responses", "trials", "rois", "ceiling", "anatomy", "mask"),
    "responses": ("file", "files", "left", "right", "key", "trials_axis", "order", "scale"),
}


def _known(section: str, values: Any, where: Path) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise FormatError(f"[{section}] must be a table", where=where)
    strange = [k for k in values if k not in _KEYS[section]]
    if strange:
        raise FormatError(f"{f'[{section}] ' if section else ''}has the unknown entry {strange[0]!r}", where=where,
                          remedy="Known: " + ", ".join(_KEYS[section]) + ".")
    return values


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]


@dataclass(frozen=True, eq=False)
class _Rows:
    """The trial table of one subject, read: one entry per row of the recording or per event."""

    labels: np.ndarray
    run: np.ndarray
    session: np.ndarray
    onset: np.ndarray | None
    duration: np.ndarray | None


@dataclass(frozen=True, eq=False)
class Manifest:
    """A data set described by a ``dataset.toml``."""

    file: Path
    config: dict[str, Any]
    layout: str = field(default="manifest", init=False)

    @property
    def path(self) -> Path:
        """Folder of the manifest."""
        return self.file.parent

    @property
    def name(self) -> str:
        """What the data set is called."""
        return str(self.config.get("name") or self.path.name)

    @property
    def phantom(self) -> bool:
        """True when the manifest says that the brains are simulated."""
        return bool(self.config.get("phantom", False))

    @cached_property
    def _subjects(self) -> dict[str, dict[str, Any]]:
        entries = self.config.get("subjects")
        if not isinstance(entries, list) or not entries:
            raise FormatError("names no [[subjects]]", where=self.file)
        out = {}
        for entry in entries:
            entry = _known("subjects", entry, self.file)
            lost = [k for k in ("id", "responses", "trials") if k not in entry]
            if lost:
                raise FormatError(f"a subject lacks {lost[0]!r}", where=self.file)
            if str(entry["id"]) in out:
                raise FormatError(f"names subject {entry['id']!r} twice", where=self.file)
            out[str(entry["id"])] = entry
        return out

    @property
    def subjects(self) -> list[str]:
        """Subject ids in the order of the manifest."""
        return list(self._subjects)

    def variants(self, subject: str) -> list[str]:
        """Return [""]: a manifest has one response set per subject."""
        self._entry(subject)
        return [""]

    def _entry(self, subject: str) -> dict[str, Any]:
        if subject not in self._subjects:
            raise MissingError(f"has no subject {subject!r}", where=self.file,
                               remedy="It has " + ", ".join(self._subjects) + ".")
        return self._subjects[subject]

    def resolve(self, name: Any) -> Path:
        """Return the path of an entry: absolute as written, or below the manifest's folder."""
        if not isinstance(name, str) or not name:
            raise FormatError(f"{name!r} is no path", where=self.file)
        path = Path(name).expanduser()
        if path.is_absolute():
            return path
        if ".." in path.parts:
            raise FormatError(f"the path {name!r} leaves the folder of the manifest", where=self.file,
                              remedy="Write an absolute path.")
        return self.path / path

    @cached_property
    def steps(self) -> Steps:
        """The preprocessing."""
        values = dict(_known("preprocessing", self.config.get("preprocessing", {}), self.file))
        if "drop" in values:
            values["drop"] = tuple(str(d) for d in _list(values["drop"]))
        return Steps(**values)

    @cached_property
    def _trials(self) -> dict[str, Any]:
        return _known("trials", self.config.get("trials", {}), self.file)

    def rows_of(self, subject: str) -> _Rows:
        """Return the trial table of a subject as columns."""
        tables = [read_table(self.resolve(n), columns=self._trials.get("columns"))
                  for n in _list(self._entry(subject)["trials"])]
        return _Rows(labels=np.concatenate([np.array([c.strip() for c in t.text(self._column("stimulus", t))])
                                            for t in tables]),
                     run=self._numbered(tables, "run"), session=self._numbered(tables, "session"),
                     onset=_seconds(self, tables, "onset"), duration=_seconds(self, tables, "duration"))

    def _column(self, role: str, table: Table) -> str:
        name = str(self._trials.get(role, role))
        if role == "stimulus" and "stimulus" not in self._trials and "stimulus" not in table.columns:
            name = next((c for c in ("trial_type", "label", "condition", "image") if c in table.columns), name)
        return name

    def _numbered(self, tables: list[Table], role: str) -> np.ndarray:
        """Return run or session numbers as they are written; several tables without the column count the runs."""
        parts = []
        for number, table in enumerate(tables):
            name = self._column(role, table)
            if name in table.columns:
                parts.append(table.integers(name))
            elif role in self._trials:
                table.text(name)  # raises, naming the columns there are
            else:
                parts.append(np.full(len(table), number if role == "run" and len(tables) > 1 else -1))
        return np.concatenate(parts).astype(np.int32)

    @cached_property
    def _stimuli(self) -> dict[str, Any]:
        return _known("stimuli", self.config.get("stimuli", {}), self.file)

    @cached_property
    def _table(self) -> Table | None:
        return read_table(self.resolve(self._stimuli["table"])) if "table" in self._stimuli else None

    @cached_property
    def vocabulary(self) -> dict[str, int]:
        """Stimulus id of each word in the trial tables; whole numbers stand for themselves."""
        names = [str(n) for n in self._stimuli.get("names", [])]
        if self._table is not None:
            column = str(self._stimuli.get("name", "name"))
            keys = self._table.text(column) if column in self._table.columns else self._table.text(
                str(self._stimuli.get("id", "id")))
            return dict(zip((k.strip() for k in keys), self._table_ids().tolist(), strict=True))
        if names:
            return {n: i for i, n in enumerate(names)}
        words = sorted({w for s in self.subjects for w in set(self.rows_of(s).labels.tolist())} - set(self.steps.drop))
        if all(_is_whole(w) for w in words):
            return {w: int(w) for w in words}
        return {w: i for i, w in enumerate(words)}

    def _table_ids(self) -> np.ndarray:
        assert self._table is not None
        column = str(self._stimuli.get("id", "id"))
        ids = self._table.integers(column) if column in self._table.columns else np.arange(len(self._table))
        if np.unique(ids).size != ids.size:
            raise FormatError("gives one id to two stimuli", where=self._table.where)
        return ids

    def _ids(self, labels: np.ndarray) -> np.ndarray:
        unknown = sorted(set(labels.tolist()) - set(self.vocabulary))
        if unknown:
            raise MismatchError(f"the trial tables show {shown(unknown[0], limit=60)!r}, which the stimuli do not name "
                                f"({len(unknown)} such)", where=self.file,
                                remedy="Add it to the stimuli, or to drop in [preprocessing].")
        return np.array([self.vocabulary[w] for w in labels.tolist()], np.int64)

    @cached_property
    def stimuli(self) -> FileStimuli:
        """Pictures by id; conditions without a picture carry their name as caption and category."""
        folder = self.resolve(self._stimuli["folder"]) if "folder" in self._stimuli else None
        present = {p.name: p for p in walk(folder, depth=4)} if folder and folder.is_dir() else {}
        by_stem = {p.stem: p for p in present.values() if is_image(p)}
        files: dict[int, Path | None] = {}
        captions: dict[int, list[str]] = {}
        details: dict[int, dict[str, Any]] = {}
        table, column = self._table, str(self._stimuli.get("file", "file"))
        named = table.text(column) if table is not None and column in table.columns else None
        for row, (word, key) in enumerate(self.vocabulary.items()):
            file = named[row].strip() if named is not None else ""
            wanted = Path(file).name if file else word
            files[key] = present.get(wanted) or by_stem.get(wanted) or by_stem.get(str(key))
            if table is not None:
                captions[key] = [table.columns[c][row] for c in table.columns
                                 if c.startswith("caption") and table.columns[c][row].strip()]
            if not _is_whole(word):
                details[key] = {"category": word}
                captions[key] = captions.get(key) or [word]
        return FileStimuli(files, own_words=Words(captions, details))

    def recording(self, subject: str) -> Recording:
        """Return where the responses of a subject lie."""
        value = self._entry(subject)["responses"]
        if not isinstance(value, dict):
            return Recording(tuple(self.resolve(n) for n in _list(value)))
        value = _known("responses", value, self.file)
        left = value.get("left", value.get("files", value.get("file")))
        if left is None or ("left" in value) != ("right" in value):
            raise FormatError(f"the responses of {subject} name no file (file, files, or left and right)",
                              where=self.file)
        extra = {k: value[k] for k in ("key", "trials_axis", "order", "scale") if k in value}
        right = tuple(self.resolve(n) for n in _list(value["right"])) if "right" in value else ()
        return Recording(tuple(self.resolve(n) for n in _list(left)), right, **extra)

    def space(self, subject: str) -> Space:
        """Return the space of a subject's responses."""
        wish = dict(_known("space", self.config.get("space", {}), self.file))
        mask = self._entry(subject).get("mask", wish.get("mask"))
        return recording_space(self.recording(subject),
                               SpaceWish(str(wish.get("name", "")), self.resolve(mask) if mask else None,
                                         str(wish.get("world", "scanner"))), subject)

    def subject(self, subject: str, variant: str | None = None) -> Subject:
        """Open one subject: headers, tables and the mask are read; the recording when rows are first asked for."""
        entry = self._entry(subject)
        if variant:
            raise MissingError(f"has no response set {variant!r}", where=self.file)
        space = self.space(subject)
        rows = self.rows_of(subject)
        responses, table, problems = self._rows(subject, space, rows)
        rois = ManifestRois(space, {n: _roi(self, r) for n, r in _mapping(entry, "rois", self.file).items()})
        anatomy = {str(k): self.resolve(v) for k, v in _mapping(entry, "anatomy", self.file).items()}
        return Subject(id=subject, space=space, trials=table, responses=responses, rois=rois,
                       ceiling=_ceiling(self, entry, space), anatomy=anatomy, dataset=self.name, phantom=self.phantom,
                       problems=tuple(problems))

    def _rows(self, subject: str, space: Space, rows: _Rows) -> tuple[Responses, TrialTable, list[str]]:
        steps, mode = self.steps, self._trials.get("rows", "trials")
        if mode not in ("trials", "volumes", "events"):
            raise FormatError(f"[trials] rows = {mode!r} is not known", where=self.file,
                              remedy="Use trials, volumes or events.")
        if (mode == "events") != (steps.average == "events"):
            raise FormatError('[trials] rows = "events" and [preprocessing] average = "events" belong together',
                              where=self.file)
        raw, key = open_recording(self.recording(subject), space, len(rows.labels))
        run, session = rows.run, rows.session
        if mode == "events":
            groups, labels, run, session, order = _events(self, subject, raw, rows)
        else:
            if raw.shape[0] != rows.labels.size:
                raise MismatchError(f"{subject} has {raw.shape[0]:,} responses and {rows.labels.size:,} rows in its "
                                    "trial table", where=self.file,
                                    remedy="Check the table, or trials_axis of the responses.")
            keep = np.array([w not in steps.drop for w in rows.labels.tolist()])
            groups = blocks_of(rows.labels, rows.run, steps.drop) if steps.average == "blocks" else \
                [np.array([i]) for i in np.flatnonzero(keep)]
            order = np.array([g[0] for g in groups], np.int64)
            labels = rows.labels[order]
        if not groups:
            raise FormatError(f"no trial of {subject} is left after dropping", where=self.file)
        problems = [] if (run >= 0).all() else ["The trial tables name no run, so all rows count as one run."]
        table = TrialTable.of(self._ids(labels), session=_zero_based(session)[order], run=_zero_based(run)[order],
                              extra={"volumes": np.array([len(g) for g in groups])})
        untouched = steps.is_plain and steps.average == "none" and len(groups) == raw.shape[0]
        if untouched:
            return raw, table, problems
        source = ProcessedSource(raw, key, groups, run, session, steps)
        return CachedResponses(source), table, problems

    def inspect(self) -> dict[str, Any]:
        """Return layout, subjects, counts, ROIs, ceilings and problems as plain types."""
        from brainview.datasets.inspect import describe

        return describe(self)


def _roi(manifest: Manifest, value: Any) -> tuple[Path, dict[int, str]]:
    if isinstance(value, dict):
        if not {"file"} <= set(value) <= {"file", "names"}:
            raise FormatError("an ROI is a file, or { file, names }", where=manifest.file)
        try:
            names = {int(k): str(v) for k, v in value.get("names", {}).items()}
        except ValueError as err:
            raise FormatError("the names of an ROI file are given by label number", where=manifest.file) from err
        return manifest.resolve(value["file"]), names
    return manifest.resolve(value), {}


def _ceiling(manifest: Manifest, entry: Mapping[str, Any], space: Space) -> Ceiling:
    from brainview.datasets.ceilings import shipped_ceiling

    values = _mapping(entry, "ceiling", manifest.file)
    if not values:
        return Ceiling("none", note="The manifest names no noise ceiling; it can be estimated when single trials "
                                    "repeat.")
    if len(values) != 1 or next(iter(values)) not in ("ncsnr", "fraction", "percent"):
        raise FormatError("a ceiling is one of ncsnr, fraction, percent", where=manifest.file)
    kind, name = next(iter(values.items()))
    data = read_values(manifest.resolve(name), space)
    if kind == "ncsnr":
        return Ceiling("ncsnr", ncsnr=np.where(np.isfinite(data), np.maximum(data, 0), np.nan).astype(np.float32))
    if kind == "fraction" and np.nanmax(data) > 1.05:
        raise MismatchError(f"is said to be a fraction and reaches {np.nanmax(data):.3g}", where=manifest.resolve(name),
                            remedy="Call it percent.")
    return shipped_ceiling(data / 100 if kind == "percent" else data, where=manifest.resolve(name))


def _seconds(manifest: Manifest, tables: list[Table], role: str) -> np.ndarray | None:
    names = [manifest._column(role, t) for t in tables]
    if not all(n in t.columns for n, t in zip(names, tables, strict=True)):
        return None
    return np.concatenate([t.numbers(n) for n, t in zip(names, tables, strict=True)])


def _events(manifest: Manifest, subject: str, raw: Responses, rows: _Rows):
    """Return groups of volumes, labels, and run and session of every volume, for tables of events."""
    if rows.onset is None or rows.duration is None or "tr" not in manifest._trials:
        raise FormatError("events need the columns onset and duration, and tr in [trials]", where=manifest.file)
    recording = manifest.recording(subject)
    runs = sorted(set(rows.run.tolist()))
    if len(runs) != len(recording.files):
        raise MismatchError(f"{subject} has {len(recording.files)} files of responses and {len(runs)} runs in its "
                            "events", where=manifest.file, remedy="Give one file and one table per run.")
    counts = [open_recording(Recording((f,)), manifest.space(subject), 0)[0].shape[0] for f in recording.files]
    volumes = np.repeat(np.array(runs, np.int32), counts)
    keep = np.array([w not in manifest.steps.drop for w in rows.labels.tolist()])
    groups = events_of(rows.onset[keep], rows.duration[keep], rows.run[keep], volumes, float(manifest._trials["tr"]),
                       manifest.steps.delay, manifest.steps.window)
    session_of = dict(zip(rows.run.tolist(), rows.session.tolist(), strict=True))
    session = np.array([session_of[r] for r in volumes.tolist()], np.int32)
    return groups, rows.labels[keep], volumes, session, np.array([g[0] for g in groups], np.int64)


def _is_whole(word: str) -> bool:
    return word.isascii() and word.isdigit()


def _zero_based(numbers: np.ndarray) -> np.ndarray:
    """Return the rank of each run or session number among those that occur; -1 stays."""
    known = np.unique(numbers[numbers >= 0])
    return np.where(numbers >= 0, np.searchsorted(known, numbers), -1).astype(np.int32)


def _mapping(entry: Mapping[str, Any], key: str, where: Path) -> dict[str, Any]:
    value = entry.get(key, {})
    if not isinstance(value, dict):
        raise FormatError(f"{key} must be a table", where=where)
    return value


def read_manifest(path: Path) -> Manifest:
    """Read and check a manifest; FormatError names the line or the entry that is wrong."""
    file = path / FILE_NAME if path.is_dir() else path
    try:
        config = tomllib.loads(read_text(regular_file(file), limit=8 << 20))
    except (tomllib.TOMLDecodeError, RecursionError) as err:
        raise FormatError(f"is not valid TOML: {shown(err, limit=160)}", where=file) from err
    _known("", config, file)
    if config.get("format") != FORMAT:
        raise FormatError(f"has the format {config.get('format')!r}, {FORMAT!r} was expected", where=file)
    manifest = Manifest(file, config)
    assert manifest.subjects
    _ = manifest.steps
    return manifest

