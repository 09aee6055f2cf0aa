"""The web process in numbers, in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Iterator

from dashboard.live import Live
from dashboard.station_clock import StationClock
from dashboard.worker import Worker
from vitals import __version__
from vitals.follower import Follower
from vitals.hub import Hub

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_Row = tuple[str, str, str, float | None]
"""Name, type, help, value; a row without a value is left out."""


def render(
    hub: Hub,
    follower: Follower,
    live: Live,
    clock: StationClock,
    worker: Worker,
    build: str,
    now_ns: int,
) -> str:
    """The page that Prometheus reads; `now_ns` is `boottime_ns`."""
    counts, beat = live.counts, clock.beat
    rows: tuple[_Row, ...] = (
        ("live_clients", "gauge", "Pages that are connected.", live.clients),
        ("live_armed", "gauge", "Of these, with armed sound.", live.armed),
        ("live_frames_total", "counter", "Frames sent to pages.", counts["frames"]),
        ("live_bytes_total", "counter", "Bytes sent, before deflate.", counts["bytes"]),
        ("dropped_messages_total", "counter", "Messages slow pages missed.", live.dropped),
        ("commands_ok_total", "counter", "Commands done.", counts["commands_ok"]),
        ("commands_refused_total", "counter", "Commands refused.", counts["commands_refused"]),
        (
            "commands_unanswered_total",
            "counter",
            "Commands the station did not answer.",
            counts["commands_unanswered"],
        ),
        ("station_link", "gauge", "1 while the station is heard.", hub.link == "live"),
        ("station_age_seconds", "gauge", "Real time since its last beat.", clock.age_s(now_ns)),
        (
            "station_recording",
            "gauge",
            "1 while the station records.",
            None if beat is None else beat.recording,
        ),
        ("feed_ignored_total", "counter", "Messages of unknown type.", follower.ignored),
        ("worker_calls_total", "counter", "Figures and reviews built.", worker.calls),
        ("worker_restarts_total", "counter", "Figure process started anew.", worker.restarts),
    )
    return "".join(_lines(rows, build))


def _lines(rows: tuple[_Row, ...], build: str) -> Iterator[str]:
    yield "# HELP vitals_web_build_info Version and hash of the pages.\n"
    yield "# TYPE vitals_web_build_info gauge\n"
    yield f'vitals_web_build_info{{version="{__version__}",build="{build}"}} 1\n'
    for name, kind, text, value in rows:
        if value is None:
            continue
        yield f"# HELP vitals_web_{name} {text}\n# TYPE vitals_web_{name} {kind}\n"
        yield f"vitals_web_{name} {float(value):g}\n"
