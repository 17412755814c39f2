"""The wiring of the attention section: an attention-head run and a chosen stimulus -> a job -> the picture."""

from __future__ import annotations

from typing import Any

from brainview.app.controller import Controller
from brainview.app.wiring_strip import Once
from brainview.core.errors import BrainViewError
from brainview.state.attended import ATTENTION, Attended


class AttendedWiring:
    """Connects the section of one window; it is seen only while a run with the attention head is open."""

    def __init__(self, controller: Controller) -> None:
        self.c, self.app, self.panel = controller, controller.app, controller.window.encoding
        self.have: Attended | None = None
        self.region, self.hint = "", ""
        self._asked: tuple[str, str, int] | None = None
        self.refresh = Once(controller.window, self._show)
        self.panel.attended.region_chosen.connect(self._choose)
        for name in ("run", "prediction"):
            getattr(self.app.events, name).connect(self._look, check_nargs=False)
        self._look()

    @property
    def able(self) -> bool:
        """Whether the open run has an attention head."""
        run = self.app.run
        return run is not None and (run.card.get("config") or {}).get("head") == "attention"

    def _choose(self, region: str) -> None:
        self.region = region
        self.refresh()

    def _look(self, *_: Any) -> None:
        self.panel.attended_section.setVisible(self.able)
        run, prediction = self.app.run, self.app.prediction
        if not self.able or run is None or prediction is None or prediction.brain not in run.subjects:
            self.have, self._asked, self.hint = None, None, "Choose a stimulus to see where each region looks in it."
            self.refresh()
            return
        key = (run.path, prediction.brain, prediction.stimulus)
        if key != self._asked:
            self._asked, self.have, self.hint = key, None, "Looking…"
            self.c.start(self._fetch(key))
        self.refresh()

    async def _fetch(self, key: tuple[str, str, int]) -> None:
        run, brain, stimulus = key
        try:
            answer = await self.c.session.ask(ATTENTION, f"Attention of {brain}, stimulus {stimulus}", run=run,
                                              subject=brain, stimulus=stimulus)
            found, hint = Attended.from_job(brain, stimulus, answer), ""
        except BrainViewError as err:
            found, hint = None, str(err)
        if key == self._asked:
            self.have, self.hint = found, hint
            self.refresh()

    def _show(self) -> None:
        if self.have is not None and self.region not in self.have.regions:
            self.region = self.have.regions[0]
        self.panel.attended.show_attended(self.have, self.region, self.hint)
