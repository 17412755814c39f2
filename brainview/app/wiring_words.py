"""The wires of the page "Words": prompt -> voices one after the other, streamed; a word -> its voxels on the cortex."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtWidgets import QFileDialog

from brainview.core.errors import BrainViewError, Cancelled
from brainview.core.names import shown
from brainview.core.paths import resources_dir
from brainview.maps.display import rule_for
from brainview.state.session import PRESENT
from brainview.state.stimuli import PAGE_JOB
from brainview.state.words import BACKENDS, NEAREST, REGIONS, SAY, SCORES, TRANSCRIPT, WORD_MAP, WordsState, box_iou

if TYPE_CHECKING:
    from brainview.app.controller import Controller


class WordsWiring:
    """Connects the words state with its page."""

    def __init__(self, c: Controller) -> None:
        self.c, self.page = c, c.window.decoding.words
        self.state = WordsState()
        c.session.parts["words"] = self.state
        c.undo.watch(self.state, {"region": "Choose region to edit", "factor": "Scale region",
                                  "beside": "Choose who speaks beside",
                                  "backend": "Choose language model"})
        self.turns: list[tuple[str, str, str]] = []
        self.rows: list[dict[str, Any]] = []
        self.job: Any = None
        self._details: dict[str, Any] = {}
        self._pixels: Any = None
        self._subject = ""
        self._stopped = False
        c.app.events.run.connect(self._on_run, check_nargs=False)
        c.app.events.stimulus.connect(self._on_stimulus, check_nargs=False)
        page = self.page
        page.chosen.connect(lambda name, value: setattr(self.state, name, value))
        page.ask_wanted.connect(lambda prompt: c.start(self.ask(prompt)))
        page.stop_wanted.connect(self.stop)
        page.word_wanted.connect(lambda a, b: c.start(self.word(a, b)))
        page.scores_wanted.connect(lambda: c.start(self.measure()))
        page.transcript_wanted.connect(self._save)
        page.nearest_wanted.connect(lambda: c.start(self.nearest()))
        page.other_run_wanted.connect(self._other_run)
        page.backend_wanted.connect(self._other_backend)
        self.state.events.backend.connect(lambda *_: self._on_backend(), check_nargs=False)
        self.state.events.method.connect(lambda v, *_: page.show_method(v), check_nargs=False)
        self.state.events.beside.connect(lambda *_: self._show_beside(), check_nargs=False)
        self.state.events.revealed.connect(lambda *_: self._show_picture(), check_nargs=False)
        self.state.events.factor.connect(lambda v, *_: page.show_factor(v), check_nargs=False)
        for name in self.state.settings():
            getattr(self.state.events, name).connect(lambda *_: c.touch(), check_nargs=False)
        page.show_talk([])

    @property
    def mine(self) -> bool:
        """Whether the open run is one that describes."""
        run = self.c.app.run
        return run is not None and str(run.card.get("system", "")) in self.page.systems

    def _brain(self) -> str:
        run, brain = self.c.app.run, self.c.session.brain_subject()
        return brain if run is not None and brain in run.subjects else str(run.subjects[0]) if run else ""

    def _on_run(self, *_: Any) -> None:
        self.rows = []
        self._forget()
        self._show_picture()
        if self.mine:
            self.c.start(self.open())

    def _forget(self) -> None:
        """Begin a new conversation."""
        self.turns = []
        self.page.show_talk([])
        self.page.voices.show_voices(())

    async def open(self) -> None:
        """Show what the run is, and its regions."""
        run = self.c.app.run
        assert run is not None
        self._subject = self._brain()
        regions = await self.c.session.ask(REGIONS, f"Regions of {self._subject}", run=run.path, subject=self._subject)
        if self.c.app.run is run:
            phantom = "PHANTOM: simulated brains. " if run.phantom else ""
            self.page.show_run(f"{phantom}Brain of {self._subject}, {run.name}.", regions)
            self.page.show_backend(self.state.backend, _missing())
            self.page.show_method(self.state.method)
            self.page.show_factor(self.state.factor)
            self._show_beside()
        self._on_stimulus()

    def _on_stimulus(self, *_: Any) -> None:
        self._forget()
        self._pixels, self._details = None, {}
        self.state.revealed = False
        self.page.picture.show_boxes([], [])
        self.page.show_nearest(None)
        self._show_picture()
        if self.mine and self.c.app.dataset is not None and self.c.app.stimulus >= 0:
            self.c.start(self._fetch(self.c.app.stimulus))

    async def _fetch(self, stimulus: int) -> None:
        import numpy as np

        assert self.c.app.dataset is not None
        found = await self.c.session.ask(PAGE_JOB, "Read stimulus", path=self.c.app.dataset.path,
                                         ids=np.array([stimulus], np.int64), size=256)
        if stimulus == self.c.app.stimulus:
            self._pixels, self._details = found["thumbs"][0], dict((found.get("details") or [{}])[0])
            self._show_picture()

    def _show_picture(self) -> None:
        self.page.picture.show_picture(self._pixels, self.state.revealed)
        self.c.window.strip.model.hide(self.c.app.stimulus if self.mine and not self.state.revealed else None)
        self._show_boxes()

    def _true(self) -> list[tuple[str, Any]]:
        return [(str(b["label"]), tuple(float(v) for v in b["box"])) for b in self._details.get("boxes", [])]

    def _show_boxes(self) -> None:
        last = self.rows[-1] if self.rows and self.rows[-1].get("stimulus") == self.c.app.stimulus else {}
        said = [tuple(b) for group in last.get("boxes", []) for b in group]
        true = self._true()
        self.page.picture.show_boxes(true, said)
        if said and true and self.state.revealed:
            best = [max((box_iou(s, t), name) for name, t in true) for s in said]
            told = [f"box {n}: IoU {v:.2f} with {shown(name, limit=40)}" for n, (v, name) in enumerate(best, 1)]
            self.page.ious.setText("; ".join(told))
        else:
            self.page.ious.setText("")

    async def ask(self, prompt: str) -> None:
        """Let every voice answer one prompt, the brain first; Stop keeps what was said."""
        run, stimulus = self.c.app.run, self.c.app.stimulus
        if not self.mine or run is None or stimulus < 0 or self.job is not None:
            return
        self.state.prompt, self._subject, self._stopped = prompt, self._brain(), False
        voices = self.state.voices()
        folder, subject = self.state.other(run.path)
        self.page.voices.show_voices(voices, subject if folder == run.path else f"{subject}, {Path(folder).name}")
        self.page.show_running(True)
        try:
            for voice in voices:
                if self._stopped or stimulus != self.c.app.stimulus or run is not self.c.app.run:
                    break
                await self._say(run.path, stimulus, prompt, voice)
        finally:
            self.job = None
            self.page.show_running(False)

    async def _say(self, run: str, stimulus: int, prompt: str, voice: str) -> None:
        history = [(p, a) for p, a, note in self.turns if not note] if voice == "brain" else []
        scale = {self.state.region: self.state.factor} if voice in ("edited", "control") else None
        subject = self._subject
        if voice == "other":
            run, subject = self.state.other(run)
        job = self.c.session.engine.submit(SAY, title=f"{subject}: {voice}", lane="live", arguments={
            "run": run, "subject": subject, "stimulus": stimulus, "prompt": prompt,
            "voice": "brain" if voice == "other" else voice, "backend": self.state.backend, "scale": scale,
            "history": history})
        self.job = job
        said = ""

        def stream() -> None:
            nonlocal said
            if job.status == "running" and job.done > 0 and not self._stopped:  # then its text is the engine's
                said = job.text
                self.page.voices.show_text(voice, said)

        job.changed.connect(stream)
        try:
            found = await job.result()
        except Cancelled:
            self._stopped = True
            self.page.voices.show_text(voice, f"{said} (stopped)")
            if voice == "brain":
                self.turns.append((prompt, said, "stopped"))
                self.page.show_talk(self.turns)
            return
        except BrainViewError as err:
            if voice not in ("other", "control"):  # another run may be gone, a control impossible
                raise
            self.page.voices.show_text(voice, f"({err})")  # the others still speak
            return
        finally:
            job.changed.disconnect(stream)
        if stimulus != self.c.app.stimulus:
            return
        if voice == "other":
            found = {**found, "voice": voice, "run": Path(run).name}
        self.page.voices.show_text(voice, found["text"])
        if voice == "brain":
            self.turns.append((prompt, found["text"], ""))
            self.page.show_talk(self.turns)
            self.rows.append(found)
            self._show_boxes()
        else:
            self.rows.insert(len(self.rows) - 1, found)

    def _on_backend(self) -> None:
        self.page.show_backend(self.state.backend, _missing())
        self._forget()

    def _other_backend(self) -> None:
        folder = QFileDialog.getExistingDirectory(self.c.window, "Folder of a language model", str(self.c.folder))
        self.state.backend = folder or self.state.backend
        self.page.show_backend(self.state.backend, _missing())

    def _show_beside(self) -> None:
        run = self.c.app.run
        if run is not None:
            self.page.show_beside([str(s) for s in run.subjects if s != self._subject], self.state.beside)

    def _other_run(self) -> None:
        folder = QFileDialog.getExistingDirectory(self.c.window, "Run that speaks beside", str(self.c.folder))
        if folder:
            self.c.start(self.beside_run(folder))
        else:
            self._show_beside()

    async def beside_run(self, folder: str) -> None:
        """Let another run speak beside this one: the same subject's where it has it, else its first."""
        found = await self.c.session.ask(PRESENT, f"Open {Path(folder).name}", run=folder)
        if str(found["card"].get("system", "")) not in self.page.systems:
            self._show_beside()
            raise BrainViewError("is no run that describes", where=folder,
                                 remedy="Choose a folder of brainview train brainx.")
        subjects = [str(s) for s in found["subjects"]]
        self.state.beside = f"{folder}|{self._subject if self._subject in subjects else subjects[0]}"

    async def nearest(self) -> None:
        """Show the captions of the pictures whose tokens are nearest to this brain's."""
        run, stimulus = self.c.app.run, self.c.app.stimulus
        if not self.mine or run is None or stimulus < 0:
            return
        found = await self.c.session.ask(NEAREST, f"Nearest captions of {self._brain()}", run=run.path,
                                         subject=self._brain(), stimulus=stimulus)
        if stimulus == self.c.app.stimulus:
            self.page.show_nearest(found)

    def stop(self) -> None:
        """Stop speaking."""
        self._stopped = True
        if self.job is not None:
            self.job.cancel()

    async def word(self, start: int, stop: int) -> None:
        """Draw how each voxel raises the probability of a word of the last answer."""
        run, stimulus = self.c.app.run, self.c.app.stimulus
        if not self.mine or run is None or not self.turns:
            return
        prompt, answer, _ = self.turns[-1]
        history = [(p, a) for p, a, note in self.turns[:-1] if not note]
        drawn = await self.c.session.ask(WORD_MAP, f'Voxels for "{answer[start:stop]}"', run=run.path,
                                         subject=self._subject, stimulus=stimulus, prompt=prompt, answer=answer,
                                         start=start, stop=stop, backend=self.state.backend,
                                         method=self.state.method, history=history)
        if stimulus == self.c.app.stimulus:
            await self._put(drawn)

    async def _put(self, drawn: Any) -> None:
        from brainview.maps.space import VolumeSpace
        from brainview.state.showing import TO_SURFACE, is_drawable

        on, root = drawn, drawn.space.root
        if isinstance(root, VolumeSpace) and root.world == "MNI152":
            on = await self.c.session.ask(TO_SURFACE, f"Put {drawn.name} on the cortex", map=drawn, mesh="fsaverage5")
        elif not is_drawable(drawn.space):
            on = await self.c.session.ask(TO_SURFACE, f"Put {drawn.name} on the cortex", map=drawn, mesh="own")
        with self.c.undo.paused():
            self.c.shower.original = drawn
            self.c.view.rule, self.c.view.map = rule_for(drawn), on

    async def measure(self) -> None:
        """Score every test picture beside all baselines; in the batch lane, with progress and Cancel."""
        run = self.c.app.run
        if self.mine and run is not None:
            found = await self.c.session.ask(SCORES, f"Measure {Path(run.path).name}", lane="batch", run=run.path,
                                             subject=self._brain(), backend=self.state.backend)
            if self.c.app.run is run:
                self.page.show_scores(found)

    def _save(self) -> None:
        run = self.c.app.run
        if run is None or not self.rows:
            return
        proposed = str(Path(self.c.folder) / "words.jsonl")
        path, _ = QFileDialog.getSaveFileName(self.c.window, "Save transcript", proposed, "JSON lines (*.jsonl)")
        if path:
            self.c.start(self.c.session.ask(TRANSCRIPT, f"Save {Path(path).name}", path=path, run=run.path,
                                            subject=self._subject, rows=list(self.rows)))


def _missing() -> list[str]:
    """Return which of our own language models are not in resources/."""
    return [name for name, _ in BACKENDS if not (resources_dir() / "models" / name / "card.json").is_file()]
