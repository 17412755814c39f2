"""``brainview benchmark attribution --live``: see :mod:`brainview.app.benchmark_live`."""

from __future__ import annotations

from typing import Any

from brainview.cli.terminal import table


def live_text(figures: dict[str, Any]) -> str:
    """Return the figures as text."""
    from brainview.app.benchmark_live import PREVIEW

    def spread(s: dict[str, float] | None, digits: int = 2) -> str:
        return "–" if s is None else f"{s['median']:.{digits}f} ({s['p95']:.{digits}f}, {s['max']:.{digits}f})"

    def words(met: bool) -> str:
        return "met" if met else "MISSED"

    p, m, s = figures["pixels"], figures["moves"], figures["superseded"]
    rows = [["event to pixels, ms", spread(p["wall_ms"], 1), spread(p["cpu_ms"], 1), f"{p['goal_ms']:g}",
             words(p["met"])],
            ["the same picture painted again, ms", spread(p["bare_wall_ms"], 1), spread(p["bare_cpu_ms"], 1), "", ""]]
    rows += [[f"layer {f['layer']}{' (default)' if f['default'] else ''}: preview, s", spread(f["preview_s"]), "",
              f"{PREVIEW:g}", ""] for f in figures["finals"]]
    rows += [[f"layer {f['layer']}{' (default)' if f['default'] else ''}: final, s", spread(f["final_s"]),
              spread(f["worker_cpu_s"]), f"{f['goal_s']:g}", words(f["met"])] for f in figures["finals"]]
    grown, threads = m["grown_mib"], m["grown_threads"]
    right = ("right" if m["right_map"] else "WRONG") + f" (off by {m['off']:.1e} of its highest token)"
    lines = [f"{figures['canvas']}, {figures['run']}; {figures['cores']} cores, load {figures['load_before']:.1f} "
             f"before and {figures['load_after']:.1f} after (idle would be 0)",
             table(rows, ["what", "wall: median (95 %, worst)", "CPU: median (95 %, worst)", "asked", ""]),
             f"drawn while the slider moved: {', '.join(p['drawn'])}",
             f"superseded: {s['stopped']} of {s['requests']} running requests stopped, after {spread(s['seconds'])} s",
             f"{m['moves']} random moves in {m['seconds']:.1f} s: {m['requests']} requests, "
             f"{m['superseded']} superseded; "
             f"final map {m['final_after_s']:.1f} s after the last, {right}; {len(m['errors'])} errors; "
             f"longest hold of the loop {m['loop_lag_ms']:.0f} ms (paints are in it)",
             f"grown: window {grown['window_mib']:+.0f} MiB, {threads['window_threads']:+.0f} threads; workers "
             f"{grown['workers_mib']:+.0f} MiB, {threads['workers_threads']:+.0f} threads: {words(m['met'])}",
             *[f"error: {e}" for e in m["errors"]]]
    return "\n".join(lines)
