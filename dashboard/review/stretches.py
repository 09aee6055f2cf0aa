"""The strips above a session's figure: phases, alarms, rules off, which device gave what when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from dashboard.chart import Bar, Strip
from dashboard.looks import LOOKS
from vitals.channels import NIBP
from vitals.export import times
from vitals.export.coverage import Span, lasting
from vitals.export.limits import rules_off
from vitals.export.ring import Ring
from vitals.export.session_data import Entry, NumericTrack, SessionData
from vitals.model import US, Priority

STREAM_US = 15 * US
"""Values of a device that come more seldom than this are told one by one."""
JOINED_US = 60 * US
"""A shorter pause of a device does not end its stretch; the line shows it."""
CUFF_US = 3600 * US
"""The same of a cuff, which speaks only when it has measured."""
MOST_BARS = 300
"""Of one strip; beyond it, longer pauses are joined."""
_GROUPS = (
    ("SpO₂ from", ("spo2",), JOINED_US),
    ("HR from", ("hr",), JOINED_US),
    ("PR from", ("pr",), JOINED_US),
    ("RR from", ("rr",), JOINED_US),
    ("BP from", NIBP, CUFF_US),
    ("Pleth from", ("pleth",), JOINED_US),
)
_PHASES = {
    "CHECK_IN": "Check-in", "BASELINE": "Baseline", "GATE": "Pre-dose check", "DOSING": "Dosing",
    "ONSET_PEAK": "Onset / peak", "DESCENT": "Descent", "RECOVERY": "Recovery",
    "DISCHARGE_CHECK": "Discharge check", "ABORTED": "Aborted", "EMERGENCY": "EMERGENCY",
}  # fmt: skip
_BY_HAND = "by hand"


def strips(data: SessionData, found: Iterable[Ring], to_us: int) -> list[Strip]:
    """The strips of a session, without those that would be empty.

    Args:
        data: the session.
        found: its alarms.
        to_us: end of the figure.
    """
    # what is worst is drawn over the others
    alarms = sorted(found, key=lambda ring: (_rank(ring.priority), ring.shown_us))
    rows = [
        Strip("Phase", list(_phases(data, to_us))),
        Strip("Alarms", [_alarm(data, ring, to_us) for ring in alarms if not ring.technical]),
        Strip("Technical", [_alarm(data, ring, to_us) for ring in alarms if ring.technical]),
        Strip("Rules off", list(_off(data, to_us))),
        *(Strip(name, list(_devices(data, keys, pause))) for name, keys, pause in _GROUPS),
    ]
    return [strip for strip in rows if strip.bars]


def _rank(priority: str) -> int:
    return Priority(priority).rank if priority in list(Priority) else 0


def runs(track: NumericTrack) -> bool:
    """Whether a device gave a vital all the time; a cuff's pulse rate comes with its readings."""
    streams = track.channel.rate_hz is not None and track.spacing_us <= STREAM_US
    return bool(track.device) and streams


def phases(entries: Iterable[Entry], to_us: int) -> list[tuple[str, int, int]]:
    """(phase, from_us, to_us) in order of time."""
    found: list[tuple[str, int, int]] = []
    for entry in entries:
        phase = entry.body.get("phase")
        if entry.kind != "session_change" or not isinstance(phase, str):
            continue
        if found and found[-1][0] == phase:
            continue
        at_us = max(entry.at_us, found[-1][1]) if found else entry.at_us
        if found:
            found[-1] = (found[-1][0], found[-1][1], at_us)
        found.append((phase, at_us, max(at_us, to_us)))
    return [each for each in found if each[2] > each[1] and each[0] != "CLOSED"]


def _phases(data: SessionData, to_us: int) -> Iterator[Bar]:
    for number, (phase, from_us, until_us) in enumerate(phases(data.entries, to_us)):
        words = _PHASES.get(phase, phase)
        look = "emergency" if phase == "EMERGENCY" else ("even", "odd")[number % 2]
        yield Bar(from_us, until_us, words, look, _said(data, words, from_us, until_us))


def _alarm(data: SessionData, ring: Ring, to_us: int) -> Bar:
    """From its being shown until its condition was over, whoever had seen to it by then."""
    until_us = to_us if ring.over_us is None else ring.over_us
    words = f"{ring.priority.upper()}: {ring.text}"
    if ring.acked_by and ring.answered_us is not None:
        words += f", acknowledged by {ring.acked_by} after {lasting(ring.answered_us)}"
    look = ring.priority if ring.priority in LOOKS else "low"
    return Bar(ring.shown_us, until_us, "", look, _said(data, words, ring.shown_us, until_us))


def _off(data: SessionData, to_us: int) -> Iterator[Bar]:
    for one in rules_off(data.entries, to_us):
        by = f" by {one.by}" if one.by else ""
        why = f": {one.reason}" if one.reason else ""
        words = f"{one.rule} {one.state}{by}{why}"
        said = _said(data, words, one.from_us, one.to_us)
        yield Bar(one.from_us, one.to_us, one.rule, "off", said)


def _devices(data: SessionData, keys: tuple[str, ...], pause_us: int) -> Iterator[Bar]:
    """Which device gave a vital when; where several did at once, the later one lies above."""
    times_of: dict[str, list[np.ndarray]] = {}
    for track in data.numerics:
        wanted = track.channel.key in keys and (keys == NIBP or runs(track))
        if wanted and track.shown.any():
            times_of.setdefault(track.device, []).append(track.at_us[track.shown])
    for wave in data.waves:
        if wave.channel.key in keys:
            starts = np.array([block.start_us for block in wave.blocks], dtype=np.int64)
            times_of.setdefault(wave.device, []).append(starts)
    bars = []
    for device, found in times_of.items():
        at_us = np.unique(np.concatenate(found))
        for from_us, until_us in joined(at_us, pause_us):
            name = device or _BY_HAND
            said = _said(data, f"from {name}", from_us, until_us)
            bars.append(Bar(from_us, max(until_us, from_us + US), name, "device", said))
    yield from sorted(bars, key=lambda bar: bar.from_us)


def joined(at_us: np.ndarray, pause_us: int) -> list[Span]:
    """Stretches of times that lie no further apart than a pause; at most `MOST_BARS`."""
    while True:
        breaks = np.flatnonzero(np.diff(at_us) > pause_us)
        if breaks.size < MOST_BARS:
            break
        pause_us *= 4
    first = at_us[np.concatenate(([0], breaks + 1))]
    last = at_us[np.concatenate((breaks, [at_us.size - 1]))]
    return list(zip(first.tolist(), last.tolist(), strict=True))


def _said(data: SessionData, words: str, from_us: int, to_us: int) -> str:
    start, end = (times.moment(at_us, data.zone).strftime("%H:%M:%S") for at_us in (from_us, to_us))
    return f"{words}, {start} to {end} ({lasting(to_us - from_us)})"
