"""What buttons start: coroutines that ask the engine and put the answers into the state. No Qt.

The session is the only writer of what is *opened* (data set, subject, run, prediction); widgets write what is
*chosen*. A newer request of the same sort makes an older one's answer worthless, and it is dropped.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

from psygnal import Signal

from brainview.core.errors import BrainViewError, FormatError, MissingError
from brainview.maps.brainmap import BrainMap
from brainview.maps.display import ColorRule
from brainview.state import project
from brainview.state.app import GROUP, AppState, DatasetInfo, Prediction, RunInfo, Source, SubjectInfo
from brainview.state.in_silico import Pictures
from brainview.state.trust import Maker, Quality, Significances
from brainview.state.undo import Change, UndoStack
from brainview.state.view import ViewState

#: Names of the engine's jobs, in one place.
INSPECT = "brainview.datasets.jobs:inspect"
OPEN_SUBJECT = "brainview.datasets.jobs:open_subject"
ANATOMY = "brainview.datasets.jobs:anatomy"
RESPONSE = "brainview.datasets.jobs:response_map"
OPEN_MAPS = "brainview.maps.jobs:open_maps"
EXPORT = "brainview.maps.jobs:export_map"
KEEP = "brainview.maps.jobs:keep_maps"
TRAIN = "brainview.training.jobs:train"
PRESENT = "brainview.training.jobs:present"
PREDICT = "brainview.encoding.jobs:predict_stimulus"
PHANTOM = "brainview.phantom.jobs:ensure_default"


class Handle(Protocol):
    """What the session needs of an engine's job."""

    id: str

    def result(self) -> Awaitable[Any]:
        """Give the value or raise."""

    def retry(self) -> Any:
        """Submit again."""


class EngineLike(Protocol):
    """What the session needs of the engine."""

    def submit(self, function: str, *, title: str, lane: str = ..., arguments: dict[str, Any] | None = ...) -> Any:
        """Submit a job by name."""


def variant_argument(app: AppState) -> dict[str, str]:
    """Return the argument of jobs that names the response set, {} for the data set's first."""
    return {"variant": app.variant} if app.variant else {}


def with_variant(app: AppState, options: dict[str, Any]) -> dict[str, Any]:
    """Return training options that name the chosen response set, where the system can be told and is not."""
    able = "variant" in options and not options["variant"]
    return {**options, **variant_argument(app)} if able else options


class Session:
    """The open data set, subject and run, and how they come and go.

    Parameters
    ----------
    engine : EngineLike
    app : AppState
    view : ViewState
        Restored from and described into project files.
    undo : UndoStack, optional
    """

    phantom_grown = Signal(str)

    def __init__(self, engine: EngineLike, app: AppState, view: ViewState, undo: UndoStack | None = None) -> None:
        self.engine, self.app, self.view = engine, app, view
        self.undo = undo or UndoStack()
        self.files: dict[str, list[BrainMap]] = {}
        #: Colours that the user gave to each sort of map.
        self.rules: dict[tuple, ColorRule] = {}
        #: State of the panels that systems bring along: name -> object with ``settings()`` and ``apply(dict)``.
        self.parts: dict[str, Any] = {}
        self.pictures = Pictures(self)
        #: Who makes the maps of a source kind: objects with ``at_once(source)`` and coroutine ``fetch(source)``.
        self.makers: dict[str, Any] = {}
        self.significance, self.quality = Significances(self), Quality(self)
        self.parts["trust"] = self.significance.state
        self.makers |= dict.fromkeys(("significance", "count"), Maker(self.significance))
        self.makers["quality"] = Maker(self.quality)
        self._subjects: dict[tuple[str, str, str], SubjectInfo] = {}
        #: True while :meth:`open_variant` is at work, so that nobody opens the subject a second time.
        self.opening_variant = False
        self._then: dict[str, Callable[[Any], Awaitable[Any]]] = {}
        self._latest: dict[str, int] = {}

    # -- asking the engine ---------------------------------------------------------------------------------------

    async def ask(self, function: str, title: str, lane: str = "live", **arguments: Any) -> Any:
        """Submit a job and return its value."""
        return await self.engine.submit(function, title=title, lane=lane, arguments=arguments).result()

    async def follow(self, job: Any, then: Callable[[Any], Awaitable[Any]]) -> Any:
        """Await a job and do `then` with its value, also when the user retries it after a failure."""
        self._then[job.id] = then
        value = await job.result()
        self._then.pop(job.id, None)
        return await then(value)

    async def retry(self, job: Any) -> Any:
        """Submit a failed job again, with what was to happen after it."""
        then = self._then.pop(job.id, None)
        again = job.retry()
        return await again.result() if then is None else await self.follow(again, then)

    def _ticket(self, sort: str) -> Callable[[], bool]:
        """Return a function that tells whether no newer request of this sort was made."""
        number = self._latest[sort] = self._latest.get(sort, 0) + 1
        return lambda: self._latest[sort] == number

    # -- opening -------------------------------------------------------------------------------------------------

    async def open_path(self, path: str) -> str:
        """Open whatever this is: a project, a run, a data set or a map file. Returns which it was."""
        where = Path(path).expanduser()
        if not where.exists():
            raise MissingError("does not exist", where=path, remedy="Check the name.")
        if where.is_dir():
            if (where / "run.json").is_file():
                await self.open_run(str(where))
                return "run"
            await self.open_dataset(str(where))
            return "dataset"
        if where.suffix == project.SUFFIX:
            await self.open_project(str(where))
            return "project"
        if where.name == "dataset.toml":
            await self.open_dataset(str(where.parent))
            return "dataset"
        await self.open_map_file(str(where))
        return "map"

    async def open_dataset(self, path: str, *, subject: str | None = None, show: bool = True,
                           variant: str = "") -> None:
        """Inspect a data set and open its first subject (or `subject`); draws that subject's ceiling."""
        newest = self._ticket("dataset")
        facts = await self.ask(INSPECT, f"Inspect {Path(path).name}", path=path)
        if not newest():
            return
        info = DatasetInfo.from_job(path, facts)
        if not info.subjects:
            raise FormatError("holds no subject that BrainView recognises", where=path,
                              remedy="See: brainview inspect PATH.")
        self._subjects.clear()
        with self.undo.paused():
            self.app.subject, self.app.prediction, self.app.run = None, None, None
            self.app.stimulus, self.app.rois, self.app.split, self.app.variant = -1, (), "", variant
            self.app.dataset = info
        self.undo.clear()
        await self.open_subject(subject if subject in info.subjects else info.subjects[0], show=show)

    async def open_subject(self, subject: str, *, show: bool = True) -> SubjectInfo | None:
        """Open one subject of the data set; None when a newer request came between."""
        dataset = self.app.dataset
        if dataset is None:
            raise MissingError("no data set is open", remedy="Open one first.")
        newest = self._ticket("subject")
        key = (dataset.path, subject, self.app.variant)
        info = self._subjects.get(key)
        if info is None:
            info = SubjectInfo.from_job(await self.ask(OPEN_SUBJECT, f"Open {subject}", path=dataset.path,
                                                       subject=subject, **variant_argument(self.app)))
        if not newest() or self.app.dataset is not dataset:
            return None
        self._subjects[key] = info
        self.app.subject = info
        if show and info.ceiling is not None:
            with self.undo.paused():
                self.app.source = Source("ceiling", brain=subject)
        return info

    async def open_variant(self, name: str, *, record: bool = True) -> None:
        """Open another response set of the open subject, "" the first; a map of the old one gives way to its ceiling.

        What a failed opening leaves is what there was. One step of undo, unless `record` is false: the set then comes
        with a run or a project. Whoever undoes it gets set and map back; the wiring opens the subject again for them.
        """
        before, person, drawn = self.app.variant, self.app.subject, self.app.source
        if person is None or name == before:
            return
        self.opening_variant = True
        try:
            self.app.variant = name
            info = await self.open_subject(person.id, show=False)
        except BrainViewError:
            self.app.variant = before
            raise
        finally:
            self.opening_variant = False
        if info is not None and self.app.source.kind in ("none", "ceiling", "measured"):
            with self.undo.paused():
                self.app.source = Source()
                if info.ceiling is not None:
                    self.app.source = Source("ceiling", brain=info.id)
        if info is not None and record:
            self.undo.push_all("Choose response set", [Change(self.app, "variant", before, name),
                                                       Change(self.app, "source", drawn, self.app.source)])

    async def open_run(self, path: str, *, show: bool = True) -> None:
        """Open a trained model and draw its first map."""
        newest = self._ticket("run")
        run = RunInfo.from_job(path, await self.ask(PRESENT, f"Open {Path(path).name}", run=path))
        if not newest():
            return
        brain = self.app.subject.id if self.app.subject and self.app.subject.id in run.subjects else run.subjects[0]
        self.app.prediction = None
        self.app.run = run
        dataset = self.app.dataset
        if dataset is not None and "variant" in run.card and run.card.get("data") == str(Path(dataset.path).resolve()):
            await self.open_variant(str(run.card["variant"]), record=False)  # regions must fit its maps
            if not newest():
                return
        if show and run.metrics:
            with self.undo.paused():
                self.app.source = Source("metric", brain=brain, metric=run.first_metric(brain))

    async def open_map_file(self, path: str, index: int = 0) -> list[BrainMap]:
        """Open a map file and draw one of its maps."""
        maps = await self.read_maps(path)
        with self.undo.paused():
            self.app.source = Source("file", path=path, index=min(max(index, 0), len(maps) - 1))
        return maps

    async def read_maps(self, path: str) -> list[BrainMap]:
        """Return the maps of a file, read once."""
        if path not in self.files:
            maps = await self.ask(OPEN_MAPS, f"Open {Path(path).name}", path=path)
            if not maps:
                raise FormatError("holds no map", where=path)
            self.files[path] = list(maps)
        self.app.opened_maps = tuple(m.name for m in self.files[path])
        return self.files[path]

    async def keep(self, *maps: BrainMap) -> list[str]:
        """Have maps that exist in the window only written into files of BrainView's own; returns the files."""
        paths: list[str] = await self.ask(KEEP, f"Keep {maps[0].name}", maps=list(maps))
        self.files |= {path: [one] for path, one in zip(paths, maps, strict=True)}
        return paths

    # -- training and predicting ---------------------------------------------------------------------------------

    async def train(self, system: str, run: str, *, subjects: list[str] | None, features: str,
                    options: dict[str, Any]) -> str:
        """Train a model on the open data set and open the result; the run's folder is returned."""
        if self.app.dataset is None:
            raise MissingError("no data set is open", remedy="Open one first.")
        settings = with_variant(self.app, {**options, "features": features} if features else options)
        arguments = {"system_name": system, "path": self.app.dataset.path, "run": run, "subjects": subjects,
                     "options": settings}
        job = self.engine.submit(TRAIN, title=f"Train {Path(run).name}", lane="batch", arguments=arguments)

        async def opened(path: str) -> str:
            await self.open_run(path)
            return path

        return await self.follow(job, opened)

    async def predict(self, brain: str, stimulus: int) -> Prediction | None:
        """Fetch measured and predicted maps of one stimulus; None when a newer request came between."""
        run = self.app.run
        if run is None:
            raise MissingError("no trained model is open", remedy="Train one, or open a run.")
        known = self.app.prediction
        if known and (known.run, known.brain, known.stimulus) == (run.path, brain, stimulus):
            return known
        newest = self._ticket("predict")
        answer = await self.ask(PREDICT, f"Predict {brain}, stimulus {stimulus}", run=run.path, subject=brain,
                                stimulus=int(stimulus))
        if not newest() or self.app.run is not run:
            return None
        self.app.prediction = Prediction.from_job(run.path, brain, stimulus, answer)
        return self.app.prediction

    async def response(self, brain: str, stimulus: int) -> BrainMap:
        """Fetch the measured response of one subject to one stimulus."""
        if self.app.dataset is None:
            raise MissingError("no data set is open", remedy="Open one first.")
        return await self.ask(RESPONSE, f"Response of {brain} to {stimulus}", path=self.app.dataset.path,
                              subject=brain, stimulus=int(stimulus), **variant_argument(self.app))

    # -- the built-in data set -----------------------------------------------------------------------------------

    async def open_phantom(self) -> None:
        """Make the built-in phantom as far as needed, open it, and let the rest be made in the background."""
        job = self.engine.submit(PHANTOM, title="Make the built-in phantom", lane="live",
                                 arguments={"stage": "first"})

        async def opened(path: str) -> None:
            await self.open_dataset(path)

        await self.follow(job, opened)

    async def finish_phantom(self) -> None:
        """Make the rest of the phantom, first all subjects, then their volumes.

        The whole data set is another folder; it replaces the small one at once while nothing was done with that, and
        is offered through ``phantom_grown`` otherwise.
        """
        small = self.app.dataset
        path = await self.ask(PHANTOM, "Complete the built-in phantom", lane="batch", stage="surface")
        if small is None or Path(small.path) != Path(path):
            untouched = small is not None and self.app.dataset is small and self.app.run is None \
                and not self.undo.undo_title
            if untouched:
                await self.open_dataset(path)
            else:
                self.phantom_grown.emit(path)
        await self.ask(PHANTOM, "Make the phantom's volumes", lane="batch", stage="full")

    # -- projects ------------------------------------------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """Return the session as a project dict."""
        return project.describe(self.app, self.view, self.parts)

    async def open_project(self, path: str) -> None:
        """Open a project file."""
        await self.restore(project.load(path))
        self.app.project = path

    def save_project(self, path: str) -> str:
        """Write a project file; returns its path."""
        self.app.project = str(project.save(path, project.gathered(self.describe(), Path(path))))
        return self.app.project

    async def restore(self, stored: dict[str, Any]) -> None:
        """Bring a stored session back: open what was open, then choose what was chosen."""
        app = stored["app"]
        source = project.stored_source(app)
        if app.get("dataset"):
            await self.open_dataset(str(app["dataset"]), subject=app.get("subject"), show=False,
                                    variant=str(app.get("variant") or ""))
        if app.get("run"):
            await self.open_run(str(app["run"]), show=False)
            await self.open_variant(str(app.get("variant") or ""), record=False)
        with self.undo.paused():
            project.restore_app(self.app, app)
            self.view.apply(stored.get("view", {}))
            for name, part in self.parts.items():
                part.apply(project.part(stored, name))
            self.rules[source.color_key] = self.view.rule
            self.app.source = source
        self.undo.clear()

    # -- saving maps ---------------------------------------------------------------------------------------------

    async def export_map(self, brain_map: BrainMap, path: str, form: str, space: str | None) -> str:
        """Write a map to a file in a format and space; returns the path written."""
        return await self.ask(EXPORT, f"Export {Path(path).name}", map=brain_map, path=path, format=form,
                              space_name=space)

    def brain_subject(self) -> str:
        """Return the subject that the drawn map belongs to, the open one for a group map."""
        brain = self.app.source.brain
        if brain and brain != GROUP:
            return brain
        return self.app.subject.id if self.app.subject else ""
