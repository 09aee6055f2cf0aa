"""What the audit trail of a session says of it, folded: state, episodes of alarms, coverage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from vitals.channels import NIBP
from vitals.export.coverage import Coverage, Span, Stream, measure
from vitals.export.session_data import (
    QUESTIONABLE,
    TRAIL,
    AlarmEpisode,
    Device,
    Entry,
    Lost,
    NumericTrack,
    Pressure,
    WaveTrack,
    channel_of,
)
from vitals.model import US, Dose, Due, Priority, Quality, Session
from vitals.store.rows import FORGOTTEN
from vitals.store.rows import StoredAudit as Row

_STREAMING_US = 15 * US
"""A cuff's pulse rate that comes more seldom belongs to its determinations."""


def folded(session: Session, rows: Iterable[Row]) -> Session:
    """The session with what its summary row has no column for."""
    known = {one.name for one in fields(Session)}
    for row in rows:
        state = row.body.get("state") if row.kind == "session_change" else None
        if isinstance(state, Mapping):
            facts = {key: value for key, value in state.items() if key in known}
            if "doses" in facts:
                facts["doses"] = tuple(Dose(**dose) for dose in facts["doses"])
            session = replace(session, **facts)
    return session


def downtimes(entries: Iterable[Entry]) -> Iterable[Span]:
    """When the program was not running."""
    for entry in entries:
        gap = entry.body.get("gap")
        if entry.kind == "session_change" and isinstance(gap, list) and len(gap) == 2:
            yield int(gap[0]), int(gap[1])


def _setups(rows: Iterable[Row]) -> Iterable[Mapping[str, Any]]:
    """Devices of the room as it was described, the latest description last."""
    for row in rows:
        room = row.body.get("room") if row.kind == "session_change" else None
        if isinstance(room, Mapping):
            yield from room.get("devices", ())


def devices_of(rows: Iterable[Row], channels: Iterable[tuple[str, str]]) -> tuple[Device, ...]:
    """Devices of the room, and whatever else has given a value."""
    found: dict[str, set[str]] = {str(d["id"]): set(d["channels"]) for d in _setups(rows)}
    for device, key in channels:
        found.setdefault(device, set()).add(key)
    return tuple(Device(device, tuple(sorted(keys))) for device, keys in sorted(found.items()))


def episodes(entries: Iterable[Entry]) -> tuple[AlarmEpisode, ...]:
    """Alarms from their being met to their end, in order of their beginning."""
    running: dict[str, AlarmEpisode] = {}
    ended: list[AlarmEpisode] = []
    for entry in entries:
        after = entry.body.get("after")
        if entry.kind != "alarm" or not isinstance(after, Mapping):
            continue
        rule = str(entry.body.get("rule"))
        here = running.pop(rule, None)
        condition = after.get("condition")
        if condition not in ("active", "latched"):
            if here is not None:
                ended.append(here if here.to_us is not None else replace(here, to_us=entry.at_us))
            continue
        priority, text = str(after.get("priority")), str(after.get("text"))
        if here is None:
            here = AlarmEpisode(rule, priority, text, entry.at_us)
        elif _rank(priority) > _rank(here.priority):
            here = replace(here, priority=priority, text=text, risen_us=entry.at_us)
        if here.heard_us is None and here.acked_us is None and _heard(after):
            here = replace(here, heard_us=entry.at_us)
        if after.get("acked_by") and here.acked_us is None:
            by = str(after["acked_by"])
            here = replace(here, acked_us=int(after.get("acked_us") or entry.at_us), acked_by=by)
        if condition == "active":  # perhaps met again: it has not ended
            here = replace(here, to_us=None)
        elif here.to_us is None:  # latched: shown on, and its condition is over
            here = replace(here, to_us=entry.at_us)
        running[rule] = here
    return tuple(sorted([*ended, *running.values()], key=lambda one: (one.from_us, one.rule)))


def _heard(after: Mapping[str, Any]) -> bool:
    """Whether a state calls somebody; one whose audio was paused then does, too."""
    audible = {"active": Priority.MEDIUM, "latched": Priority.HIGH}[after["condition"]]
    return (
        _rank(str(after.get("priority"))) >= audible.rank
        and not after.get("silent")
        and after.get("rule_state", "enabled") == "enabled"
    )


def _rank(priority: str) -> int:
    return Priority(priority).rank if priority in list(Priority) else -1


def _off(entries: Iterable[Entry], to_us: int) -> list[Span]:
    """Off the monitor, each time until the patient was back or the time for it ran out."""
    spans: list[Span] = []
    for entry in entries:
        state = entry.body.get("state") if entry.kind == "session_change" else None
        if not isinstance(state, Mapping):
            continue
        since_us, until_us = state.get("off_since_us"), state.get("off_until_us")
        here = spans[-1] if spans else None
        if since_us is not None:
            span = (int(since_us), int(until_us if until_us is not None else to_us))
            if here is not None and here[0] == span[0]:
                spans.pop()
            spans.append(span)
        elif here is not None and here[1] > entry.at_us:
            spans[-1] = (here[0], entry.at_us)
    return spans


_WAVES_HZ = 10.0
"""A channel as fast as this is a waveform."""


def coverage_of(
    session: Session,
    to_us: int,
    entries: Iterable[Entry],
    numerics: Iterable[NumericTrack],
    waves: Iterable[WaveTrack],
    pressures: Iterable[Pressure],
    rows: Iterable[Row],
    lost: Iterable[Lost] = (),
) -> Coverage:
    """How much of the session was measured; of what is lost nobody knows whether it was."""
    holes: dict[str, list[Span]] = {}
    for hole in lost:
        holes.setdefault(hole.what, []).append((hole.from_us, hole.to_us))
    setups = {str(d["id"]): d for d in _setups(rows)}
    cuffs = {track.device for track in numerics if track.channel.key in NIBP}
    cuffs |= {device for device, d in setups.items() if NIBP[0] in d["channels"]}
    streams = [
        Stream(
            track.channel.key,
            track.at_us,
            track.shown,
            track.quality == QUESTIONABLE,
            float(setups.get(track.device, {}).get("period_s", 1.0)),
        )
        for track in numerics
        if track.channel.rate_hz is not None
        and track.device  # what people enter is no stream
        and track.channel.key != "cuff"
        and not setups.get(track.device, {}).get("spot", False)
        and not (track.device in cuffs and track.spacing_us > _STREAMING_US)
    ]
    for wave in waves:
        qualities = np.array([block.quality.value for block in wave.blocks])
        streams.append(
            Stream(
                wave.channel.key,
                np.array([block.start_us for block in wave.blocks], dtype=np.int64),
                qualities != Quality.INVALID.value,
                qualities == Quality.QUESTIONABLE.value,
            )
        )
    expected = [
        key
        for device, d in setups.items()
        for key in d["channels"]
        if not d.get("spot", False)
        and channel_of(key).rate_hz is not None
        and key != "cuff"
        and not (device in cuffs and key == "pr")
    ]
    forgotten = {entry.body.get("what") for entry in entries if entry.kind == FORGOTTEN}
    if "all" in forgotten:  # that nothing is there says nothing of what was
        streams, expected = [], []
    elif forgotten:
        expected = [key for key in expected if (channel_of(key).rate_hz or 0) < _WAVES_HZ]
    end_us = session.finished_us or to_us
    pressures = list(pressures)
    return measure(
        streams,
        _due(entries),
        session.started_us,
        max(end_us, session.started_us),
        expected=tuple(dict.fromkeys(expected)),
        off=_off(entries, to_us),
        attempts=len(pressures),
        failed=sum(bool(one.failure) for one in pressures),
        deleted="all" in forgotten,
        lost=holes,
        torn=TRAIL in holes,
    )


def _due(entries: Iterable[Entry]) -> list[Due]:
    known = {one.name for one in fields(Due)}
    last: dict[str, Due] = {}
    for entry in entries:
        if entry.kind == "due":
            facts = {key: value for key, value in entry.body.items() if key in known}
            due = Due(**facts)
            last[due.what] = due
    return list(last.values())
