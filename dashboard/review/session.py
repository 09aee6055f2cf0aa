"""What review asks about one session, answered as JSON bytes. Runs in the figure process."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from dashboard.review import Rooms
from dashboard.review.answers import answers, honesty
from dashboard.review.course import outside, utc_offset_s
from dashboard.review.held import held, told_to
from dashboard.review.noted import noted
from dashboard.review.pressures import pressure_rows
from dashboard.review.ringing import ring_rows
from vitals.export.limits import limits_in_force, other_profiles, profile_of
from vitals.export.ring import rings
from vitals.export.session_data import DISCLAIMER, SessionData, WaveTrack
from vitals.model import US


def session(
    store: Path, uuid: str, *, names: bool = True, rooms: Rooms = None, stamp: str = ""
) -> bytes | None:
    """One session with all that its page says but the figure and the audit trail.

    `session`: its facts; `stamp`: what the figure and the trail are to be asked with, so that
    they tell the same moment; `unreadable`: sentences; `answers`, `honesty`, `pressures`,
    `noted`, `rings`, `waves`, `kinds` (rows of the audit trail of each kind).

    Args:
        store: the record.
        uuid: of the session.
        names: people by name, not by role and number.
        rooms: rooms whose sessions may be seen, None for all.
        stamp: see `dashboard.review.held.held`.

    Returns:
        None when there is none of that id.

    Raises:
        StoreError: the record cannot be read.
    """
    found = held(store, uuid, rooms, stamp)
    return None if found is None else orjson.dumps(_body(told_to(found, names=names), found.stamp))


def _body(data: SessionData, stamp: str) -> dict[str, Any]:
    profile = profile_of(data)
    limits = limits_in_force(data, profile)
    return {
        "session": facts(data),
        "stamp": stamp,
        "unreadable": [*data.unreadable, *_doubts(data)],
        "answers": answers(data),
        "honesty": honesty(data),
        "pressures": pressure_rows(data),
        "noted": noted(data),
        "rings": ring_rows(rings(data, profile, limits)),
        "waves": [_wave(track) for track in data.waves if track.blocks],
        "kinds": _kinds(data),
        "disclaimer": DISCLAIMER,
        "software": data.software,
        "head": data.head,
    }


def facts(data: SessionData) -> dict[str, Any]:
    """The session, and how its record stands."""
    about = data.session
    state = data.record.state
    return {
        **asdict(about),
        "utc_offset_s": utc_offset_s(data),
        "state": "recovered" if state == "closed" and about.resumed else state,
        "station": data.station,
        "recorded_to_us": data.to_us,
        "watermark": data.watermark,
        "gaps": [list(gap) for gap in data.gaps],
        "devices": [asdict(device) for device in data.devices],
    }


def _doubts(data: SessionData) -> list[str]:
    """What a reader must know of what is drawn, in sentences."""
    found = []
    lost = outside(data)
    if lost:
        found.append(f"{lost} values lie outside the time of the session and are not drawn.")
    profile = profile_of(data)
    if profile is None and data.record.profile_text:
        found.append("The alarm limits were recorded by another version and cannot be drawn.")
    others = other_profiles(data, profile)
    if profile is not None and others:
        found.append(
            f"Alarms were also judged under other limits ({', '.join(others)}) after a restart; "
            f"the limits drawn are those of {profile.version}, in force when it was opened."
        )
    if not data.numerics and not data.waves:
        found.append("No device has given a value in this session.")
    return found


def _wave(track: WaveTrack) -> dict[str, Any]:
    last = track.blocks[-1]
    return {
        "device": track.device,
        "channel": track.channel.key,
        "label": track.channel.label,
        "rate_hz": track.blocks[0].rate_hz,
        "from_us": track.blocks[0].start_us,
        "to_us": last.start_us + round(last.values.size / last.rate_hz * US),
    }


def _kinds(data: SessionData) -> dict[str, int]:
    counts: dict[str, int] = {}
    for entry in data.entries:
        counts[entry.kind] = counts.get(entry.kind, 0) + 1
    return dict(sorted(counts.items()))


def ready() -> None:
    """Does nothing: what it needs is loaded when the figure process finds it."""
