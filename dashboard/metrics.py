"""What `/metrics` says, in Prometheus' text format: rooms, devices, alarms, record, web.

Names of rooms, devices and channels are in it, nothing of a patient: no pseudonym, no value.
docs/metrics.md explains each of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dashboard.diary import Diary
from dashboard.limits import Limits
from dashboard.live import Live
from dashboard.metrics_station import Family, of_station
from dashboard.station_clock import StationClock
from dashboard.worker import Worker
from vitals import __version__
from vitals.follower import Source
from vitals.hub import Hub

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the numbers come from.

    Attributes:
        build: hash of the pages.
    """

    hub: Hub
    follower: Source
    clock: StationClock
    live: Live
    worker: Worker
    diary: Diary
    limits: Limits
    build: str


def render(sources: Sources, now_ns: int) -> str:
    """The page that Prometheus reads; `now_ns` is `boottime_ns`."""
    # of the rooms of one station; thousands of a centre are asked for by other means
    rooms = frozenset[str]() if sources.live.central else None
    station = of_station(sources.hub.snapshot(rooms), sources.clock, now_ns)
    families = [*_web(sources, now_ns), *station, *sources.live.families(), *_process()]
    return "".join(_lines(families))


def _web(s: Sources, now_ns: int) -> Iterator[Family]:
    built = {"version": __version__, "build": s.build}
    yield Family("vitals_web_build_info", "gauge", "Version and hash of the pages.", [(built, 1)])
    counts = s.live.counts
    for name, kind, text, value in (
        ("live_clients", "gauge", "Pages that are connected.", s.live.clients),
        ("live_armed", "gauge", "Of these, with armed sound.", s.live.armed),
        ("live_queued_messages", "gauge", "Messages that wait for pages.", s.live.queued),
        ("live_frames_total", "counter", "Frames sent to pages.", counts["frames"]),
        ("live_bytes_total", "counter", "Bytes sent, before deflate.", counts["bytes"]),
        ("dropped_messages_total", "counter", "Messages slow pages missed.", s.live.dropped),
        ("commands_ok_total", "counter", "Commands done.", counts["commands_ok"]),
        ("commands_refused_total", "counter", "Commands refused.", counts["commands_refused"]),
        (
            "commands_unanswered_total",
            "counter",
            "Commands the station did not answer.",
            counts["commands_unanswered"],
        ),
        ("station_link", "gauge", "1 while the station is heard.", s.hub.link == "live"),
        ("station_age_seconds", "gauge", "Real time since its last beat.", s.clock.age_s(now_ns)),
        ("feed_ignored_total", "counter", "Messages of unknown type.", s.follower.ignored),
        ("worker_up", "gauge", "1 while the figure process runs.", bool(s.worker.pids)),
        ("worker_queued_calls", "gauge", "Calls that wait for it.", s.worker.under_way),
        ("worker_calls_total", "counter", "Figures and reviews built.", s.worker.calls),
        ("worker_restarts_total", "counter", "Figure process started anew.", s.worker.restarts),
        ("requests_limited_total", "counter", "Requests that came too soon.", s.limits.refused),
        ("notes_queued", "gauge", "Reads and exports not handed over yet.", s.diary.waiting),
        ("notes_recorded_total", "counter", "Events of the web recorded.", s.diary.told),
        ("notes_lost_total", "counter", "Reads and exports lost.", s.diary.lost),
    ):
        yield Family(f"vitals_web_{name}", kind, text, [] if value is None else [({}, value)])


def _process() -> Iterator[Family]:
    """The web process itself, by the names that every Prometheus library uses."""
    used = os.times()
    for name, kind, text, value in (
        (
            "process_cpu_seconds_total",
            "counter",
            "CPU time of the web process.",
            used.user + used.system,
        ),
        ("process_resident_memory_bytes", "gauge", "Its memory.", _proc(_resident)),
        ("process_open_fds", "gauge", "Its open files and sockets.", _proc(_open_files)),
    ):
        yield Family(name, kind, text, [] if value is None else [({}, value)])


def _proc(read: Callable[[], float]) -> float | None:
    """A number that only some systems tell."""
    try:
        return read()
    except OSError:
        return None


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return float(pages * os.sysconf("SC_PAGE_SIZE"))


def _open_files() -> float:
    return float(len(os.listdir("/proc/self/fd")))


def _lines(families: Iterable[Family]) -> Iterator[str]:
    for family in families:
        if not family.samples:
            continue
        yield f"# HELP {family.name} {family.text}\n# TYPE {family.name} {family.kind}\n"
        for labels, value in family.samples:
            named = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
            yield f"{family.name}{{{named}}} " if named else f"{family.name} "
            yield f"{float(value)!r}\n".replace(".0\n", "\n")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
