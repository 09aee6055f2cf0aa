"""One session as every export sees it: plain, typed, read once (`vitals.export.read`).

Times are microseconds UTC by the station's clock, values in the unit of their channel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitals.channels import CHANNELS
from vitals.export import times
from vitals.export.coverage import Coverage
from vitals.model import Channel, Dose, Flag, Quality, Session, Waveform
from vitals.store.rows import QUALITIES, SessionRecord

INVALID = QUALITIES.index(Quality.INVALID)
QUESTIONABLE = QUALITIES.index(Quality.QUESTIONABLE)
DISCLAIMER = (
    "Staff aid, not a medical device. The monitors' own alarms and records are the primary ones."
)


@dataclass(frozen=True, slots=True)
class NumericTrack:
    """Values of one channel of one device in order of time; all columns have the same length.

    Attributes:
        device: its id, `""` for what a person entered.
        channel: what was measured.
        at_us: int64.
        value: float64, NaN where the device had no value.
        quality: uint8, index into `vitals.store.rows.QUALITIES`.
        flags: sorted, joined by commas.
        device_at_us: the device's own time, where it gave one.
    """

    device: str
    channel: Channel
    at_us: NDArray[np.int64]
    value: NDArray[np.float64]
    quality: NDArray[np.uint8]
    flags: tuple[str, ...]
    device_at_us: tuple[int | None, ...]

    @property
    def shown(self) -> NDArray[np.bool_]:
        """Which values may be shown at all: numbers that are not invalid."""
        found: NDArray[np.bool_] = ~np.isnan(self.value) & (self.quality != INVALID)
        return found

    @property
    def spacing_us(self) -> float:
        """Median time between two values; infinite for fewer than two."""
        return float(np.median(np.diff(self.at_us))) if self.at_us.size > 1 else float("inf")


@dataclass(frozen=True, slots=True)
class WaveTrack:
    """Blocks (about a second each) of one waveform of one device, in order of time."""

    device: str
    channel: Channel
    blocks: tuple[Waveform, ...]


@dataclass(frozen=True, slots=True)
class Pressure:
    """One blood pressure determination, or an attempt that failed.

    Attributes:
        at_us: when it was taken, of an attempt when it failed.
        device: the cuff, `""` for a reading entered by hand.
        sys: mmHg; None where the device gave none.
        dia: the same.
        map: the same.
        pulse: the cuff's own pulse rate.
        quality: the worst of its values.
        flags: of all its values.
        failure: why there is no reading, `""` when there is one.
    """

    at_us: int
    device: str
    sys: float | None = None
    dia: float | None = None
    map: float | None = None
    pulse: float | None = None
    quality: Quality = Quality.GOOD
    flags: frozenset[str] = frozenset()
    failure: str = ""

    @property
    def manual(self) -> bool:
        """Whether a person entered it."""
        return Flag.MANUAL in self.flags


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the audit trail: an alarm's change, an act, a mark, a score, a link.

    Attributes:
        n: its place in the chain.
        at_us: when.
        kind: as recorded.
        text: what it says, in words.
        actor: who, `""` for the program.
        role: that person's role, where it is known.
        body: all of it.
    """

    n: int
    at_us: int
    kind: str
    text: str
    actor: str
    role: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AlarmEpisode:
    """One alarm from its being met to its end.

    Attributes:
        rule: its id.
        priority: the highest that it had.
        text: message at that priority.
        risen_us: when it rose to it, None where it had it from the beginning.
        from_us: when it became active.
        to_us: when the condition ended, None if it had not.
        acked_us: when it was first acknowledged, None if never.
        acked_by: by whom.
        heard_us: when it first made itself heard, or would have but for an audio pause; None for
            one that was only shown: a low one, a first reading that waits for a second.
    """

    rule: str
    priority: str
    text: str
    from_us: int
    to_us: int | None = None
    acked_us: int | None = None
    acked_by: str = ""
    heard_us: int | None = None
    risen_us: int | None = None

    @property
    def waited_us(self) -> int | None:
        """How long it was heard before somebody acknowledged it, None if nobody has."""
        if self.acked_us is None:
            return None
        heard_us = self.from_us if self.heard_us is None else self.heard_us
        return max(0, self.acked_us - heard_us)


TRAIL = "audit"
"""Stands for the audit trail where a channel's key names what is lost."""


@dataclass(frozen=True, slots=True)
class Lost:
    """What a damaged record did not give back.

    Attributes:
        what: key of a channel, or `TRAIL`.
        from_us: beginning of the time in which there may have been more.
        to_us: its end.
    """

    what: str
    from_us: int
    to_us: int


@dataclass(frozen=True, slots=True)
class Device:
    """A device that was in the room or has said something, and the channels it can give."""

    id: str
    channels: tuple[str, ...]


def channel_of(key: str) -> Channel:
    """What is known of a channel; one of another version of this program has its key only."""
    endless = float("inf")
    return CHANNELS.get(key) or Channel(key, key, "1", 3, -endless, endless, None, None, None)


def doses(session: Session) -> tuple[Dose, ...]:
    """All that was given; of an older record the dose's time is all that is known."""
    if session.doses or session.dose_us is None:
        return session.doses
    return (Dose(1, "dose", session.dose_us, session.dose_us, ""),)


@dataclass(frozen=True, slots=True)
class SessionData:
    """Everything of one session.

    Attributes:
        record: its summary row, with the profile in force.
        station: the station's id.
        numerics: by device and channel.
        waves: the same.
        pressures: readings and failed attempts, in order of time.
        entries: the audit trail, without the record's own housekeeping.
        alarms: episodes in order of their beginning.
        devices: in order of their id.
        gaps: (from_us, to_us) in which the program was down.
        coverage: how much of the session was really measured.
        head: hash of the last audit row in the record when it was read, in hex.
        to_us: end of the session, of an open one the last thing recorded.
        named: whether people stand here by name.
        unreadable: what a damaged record did not give back, in sentences.
        software: name and version of this program.
        exported_us: when it was read.
        lost: the same as `unreadable`, for what has to tell "not known" from "not taken".
    """

    record: SessionRecord
    station: str
    numerics: tuple[NumericTrack, ...]
    waves: tuple[WaveTrack, ...]
    pressures: tuple[Pressure, ...]
    entries: tuple[Entry, ...]
    alarms: tuple[AlarmEpisode, ...]
    devices: tuple[Device, ...]
    gaps: tuple[tuple[int, int], ...]
    coverage: Coverage
    head: str
    to_us: int
    named: bool
    unreadable: tuple[str, ...]
    software: str
    exported_us: int
    lost: tuple[Lost, ...] = ()

    @property
    def session(self) -> Session:
        """The session's summary."""
        return self.record.session

    @property
    def zone(self) -> tzinfo:
        """The clinic's zone."""
        return times.zone(self.record.tz)

    @property
    def watermark(self) -> str:
        """`DEMO` or `TEST` for a session that is not a patient's, else `""`."""
        return "" if self.session.mode == "real" else self.session.mode.upper()

    def iso(self, at_us: int) -> str:
        """A time in the clinic's zone, with its offset."""
        return times.iso(at_us, self.zone)

    def facts(self) -> dict[str, str]:
        """What stands at the head of every export, ready to be printed."""
        session = self.session
        known = {
            "session": session.id,
            "subject": session.subject_ref,
            "station": self.station,
            "room": session.room,
            "route": session.route,
            "mode": session.mode,
            "state": self.record.state,
            "phase": session.phase,
            "started": self.iso(session.started_us),
            "dose": self.iso(session.dose_us) if session.dose_us is not None else "",
            "ended": self.iso(session.ended_us) if session.ended_us is not None else "",
            "recorded_to": self.iso(self.to_us),
            "restarts": str(session.resumed),
            "coverage": self.coverage.sentence(),
            "audit_head": self.head,
            "software": self.software,
            "exported": self.iso(self.exported_us),
            "people": "by name" if self.named else "by role and number",
            "disclaimer": DISCLAIMER,
        }
        known |= {f"unreadable_{n}": text for n, text in enumerate(self.unreadable, 1)}
        return known
