"""The station in numbers, from what it tells its pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from dashboard.station_clock import StationClock
from vitals import wire

LINKS = ("connecting", "streaming", "silent", "lost")

Samples = list[tuple[dict[str, str], float]]
"""Labels and value of each."""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric; without samples it is left out.

    Attributes:
        kind: gauge or counter.
        text: what it is, one line.
    """

    name: str
    kind: str
    text: str
    samples: Samples = field(default_factory=list)


def of_station(state: wire.Snapshot, clock: StationClock, now_ns: int) -> Iterator[Family]:
    """Rooms, devices, alarms and the record.

    Args:
        state: the latest of everything.
        clock: the station's.
        now_ns: `boottime_ns`.
    """
    told = clock.reading(now_ns)
    yield from _rooms(state)
    yield from _devices(state, told)
    yield from _alarms(state)
    if clock.beat is not None:
        yield from _beat(clock.beat)


def _rooms(state: wire.Snapshot) -> Iterator[Family]:
    open_in: Samples = []
    owed: Samples = []
    for room in state.rooms:
        session = room.session
        is_open = session is not None and bool(session.id) and session.ended_us is None
        open_in.append(({"room": room.id}, is_open))
        overdue = sum(due.state in ("overdue", "missed") for due in room.due)
        owed.append(({"room": room.id}, overdue))
    yield Family("vitals_room_session_open", "gauge", "1 while a session is open.", open_in)
    yield Family("vitals_room_overdue", "gauge", "Readings and acts that are overdue.", owed)


def _devices(state: wire.Snapshot, told: wire.ClockMsg) -> Iterator[Family]:
    link: Samples = []
    rejected: Samples = []
    reconnects: Samples = []
    heard: Samples = []
    ages: Samples = []
    for room in state.rooms:
        for device in room.devices:
            at = {"room": room.id, "device": device.id, "driver": device.driver}
            link += [({**at, "state": state}, device.state == state) for state in LINKS]
            status = device.status
            rejected.append((at, max(device.rejected, status.rejected if status else 0)))
            if status is not None:
                reconnects.append((at, status.reconnects))
                if status.heard_us is not None and told.now_us:
                    heard.append((at, _age_s(status.heard_us, told)))
        if told.now_us:
            for numeric in room.numerics:
                named = {"room": room.id, "device": numeric.device, "channel": numeric.channel}
                ages.append((named, _age_s(numeric.at_us, told)))
    yield Family("vitals_device_link", "gauge", "1 for the state that the link is in.", link)
    yield Family(
        "vitals_device_heard_seconds", "gauge", "Real time since its last bytes, as told.", heard
    )
    yield Family(
        "vitals_device_rejected_frames_total", "counter", "Frames or lines refused.", rejected
    )
    yield Family("vitals_device_reconnects_total", "counter", "Connections made anew.", reconnects)
    yield Family("vitals_value_age_seconds", "gauge", "Real time since the newest value.", ages)


def _age_s(at_us: int, told: wire.ClockMsg) -> float:
    """Real seconds, whatever the speed of the station's clock."""
    return round(max(0, told.now_us - at_us) / 1e6 / (told.speed or 1.0), 3)


def _alarms(now: wire.Snapshot) -> Iterator[Family]:
    """By room, so that a total can be made of them; every priority and state is always there."""
    found: Counter[tuple[str, str, str]] = Counter()
    sounding: Counter[str] = Counter()
    for room in now.rooms:
        for alarm in room.alarms:
            if alarm.condition in ("active", "latched"):
                answered = "acknowledged" if alarm.acked_by else "unacknowledged"
                found[room.id, alarm.priority, answered] += 1
            sounding[room.id] += alarm.sounding
    rooms = [room.id for room in now.rooms]
    yield Family(
        "vitals_alarms",
        "gauge",
        "Alarms that are on, by priority and whether somebody has acknowledged them.",
        [
            (
                {"room": room, "priority": priority, "state": answered},
                found[room, priority, answered],
            )
            for room in rooms
            for priority in ("high", "medium", "low")
            for answered in ("unacknowledged", "acknowledged")
        ],
    )
    yield Family(
        "vitals_alarms_sounding",
        "gauge",
        "Alarms that sound.",
        [({"room": room}, sounding[room]) for room in rooms],
    )


def _beat(beat: wire.BeatMsg) -> Iterator[Family]:
    store = beat.store or wire.StoreMsg()
    known = beat.store is not None
    for name, kind, text, value, told in (
        ("station_recording", "gauge", "1 while the record is written.", beat.recording, True),
        (
            "station_late_seconds",
            "gauge",
            "Longest time in the last second from a sample to the end of its rules.",
            beat.late_ms / 1000,
            True,
        ),
        ("station_armed_pages", "gauge", "Pages with armed sound, anywhere.", beat.armed, True),
        ("store_queued_rows", "gauge", "Rows that wait to be committed.", store.queued, known),
        ("store_lag_seconds", "gauge", "How long the oldest has waited.", store.waiting_s, known),
        (
            "store_last_commit_seconds",
            "gauge",
            "Real time since the last commit.",
            store.committed_s,
            known,
        ),
        ("store_commit_seconds", "gauge", "How long the last commit took.", store.commit_s, known),
        ("store_commits_total", "counter", "Commits.", store.commits, known),
        ("store_shed_samples_total", "counter", "Samples given up.", store.shed, known),
        ("store_refused_rows_total", "counter", "Rows the tables refused.", store.refused, known),
        ("store_free_bytes", "gauge", "Free space on its disk.", store.free_bytes, known),
        ("store_log_bytes", "gauge", "Size of the write-ahead log.", store.log_bytes, known),
    ):
        samples: Samples = [] if value is None or not told else [({}, float(value))]
        yield Family(f"vitals_{name}", kind, text, samples)
