"""The verb `benchmark viewer` prints our rows and the peer's, which have a column of their own."""

from brainview.app import benchmark_viewer
from brainview.cli.main import main


def test_rows_of_the_peer_stand_in_the_same_table(monkeypatch, capsys):
    asked = []

    def run(rounds, mesh, *, peer_python, context):
        asked.append((rounds, mesh))
        return {"rows": [{"what": "limits", "canvas": "off screen", "cpu_ms": 10.0, "ratio": 1.01},
                         {"what": "limits", "canvas": "MNE Brain", "cpu_ms": 40.0, "ratio": None, "ours_by_mne": 0.25}],
                "goal": 1.2, "met": True, "notes": []}

    monkeypatch.setattr(benchmark_viewer, "run", run)
    assert main(["benchmark", "viewer", "--rounds", "7"]) == 0 and asked == [(7, "fsaverage5")]
    out = capsys.readouterr().out
    assert "ours_by_mne" in out and "0.25" in out and "met" in out
