"""Project files keep their promises; the journal survives a kill."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from brainview.core.errors import FormatError
from brainview.state import project
from brainview.state.app import AppState, RoiKey, Source
from brainview.state.journal import DELAY, Journal, forget, lost_sessions


def chosen() -> AppState:
    return AppState(source=Source("file", path="/x/map.nii.gz", index=2), theme="light", stimulus=5,
                    rois=(RoiKey("left", "streams", "early"),), roi_sort="name")


def test_round_trip(tmp_path):
    path = project.save(tmp_path / "study", project.describe(chosen()))
    assert path.name == "study.brainview"
    stored = project.load(path)
    again = AppState()
    project.restore_app(again, stored["app"])
    assert (again.theme, again.stimulus, again.rois, again.roi_sort) == ("light", 5, chosen().rois, "name")
    assert project.stored_source(stored["app"]) == chosen().source


def test_view_round_trip():
    from brainview.state.view import ViewState

    view = ViewState(surface="pial", outlines=("streams",))
    stored = json.loads(json.dumps(project.describe(AppState(), view)))["view"]
    other = ViewState()
    other.apply(stored)
    assert other.settings() == view.settings() != ViewState().settings()


def test_one_older_version_is_kept(tmp_path):
    path = tmp_path / "a.brainview"
    for stimulus in (1, 2, 3):
        project.save(path, project.describe(AppState(stimulus=stimulus)))
    assert project.load(path)["app"]["stimulus"] == 3
    assert json.loads(project.previous(path).read_text())["app"]["stimulus"] == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.brainview", "a.brainview~"]


@pytest.mark.parametrize("content", ["{}", "[]", '{"format": "brainview-project", "version": 99}', "not json",
                                     '{"format": "brainview-project", "version": 1, "app": 3, "view": {}}',
                                     '{"format": "brainview-project", "version": true}'])
def test_what_is_no_project_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "x.brainview"
    path.write_text(content)
    with pytest.raises(FormatError) as caught:
        project.load(path)
    assert "\n" not in str(caught.value)


def test_wrong_kinds_inside_are_refused():
    with pytest.raises(FormatError, match="what is drawn"):
        project.stored_source({"source": {"kind": "telepathy"}})
    with pytest.raises(FormatError, match="regions"):
        project.restore_app(AppState(), {"rois": [["left"]]})


class Loop:
    """Collects what is to be called later."""

    def __init__(self):
        self.calls = []

    def call_later(self, seconds, function):
        self.calls.append((seconds, function))
        return self

    def cancel(self):
        pass


def test_a_burst_of_changes_is_written_once_and_in_time(tmp_path):
    loop = Loop()
    state = AppState()
    journal = Journal(lambda: project.describe(state), loop.call_later, tmp_path)
    for state.stimulus in range(5):
        journal.touch()
    assert len(loop.calls) == 1 and loop.calls[0][0] == DELAY <= 2
    loop.calls[0][1]()
    assert json.loads(journal.path.read_text())["app"]["stimulus"] == 4
    assert lost_sessions(tmp_path) == []  # this window still lives
    journal.close()
    assert list(tmp_path.iterdir()) == []


CHILD = """
import sys, time
from pathlib import Path
from brainview.state import project
from brainview.state.app import AppState
from brainview.state.journal import Journal
import threading
class Timer:
    def __init__(s, seconds, f): s.t = threading.Timer(seconds, f); s.t.daemon = True; s.t.start()
    def cancel(s): s.t.cancel()
state = AppState()
journal = Journal(lambda: project.describe(state), Timer, Path(sys.argv[1]))
state.stimulus = 41
journal.touch()
print("changed", flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(os.name == "nt", reason="kill -9 is POSIX")
def test_a_killed_session_is_offered_back(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "changed\n"
    time.sleep(2.0)
    assert lost_sessions(tmp_path) == []
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    lost = lost_sessions(tmp_path)
    assert [e.project["app"]["stimulus"] for e in lost] == [41] and lost[0].title == "nothing"
    forget(lost[0].path)
    assert lost_sessions(tmp_path) == [] and list(tmp_path.iterdir()) == []


def test_a_damaged_journal_is_removed_quietly(tmp_path):
    (tmp_path / "session-1-1.lock").write_bytes(b"")
    (tmp_path / "session-1-1.json").write_text("{cut")
    assert lost_sessions(tmp_path) == [] and list(tmp_path.iterdir()) == []
