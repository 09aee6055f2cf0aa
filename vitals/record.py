"""What the station tells its record, and what it learns from it when it starts again.

A thin layer over `vitals.store`: the domain's types become audit rows here, and rows become the
state that a restarted station resumes from.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from vitals import wire
from vitals.answer import answered
from vitals.channels import NIBP
from vitals.clock import Clock, boot_id
from vitals.errors import StoreError
from vitals.folded import Folded
from vitals.model import (
    Alarm,
    AlarmChange,
    Bind,
    Command,
    Due,
    Event,
    Flag,
    Link,
    Notice,
    Numeric,
    Quality,
    Session,
    SessionChange,
    StoreState,
    Unbind,
    Waveform,
)
from vitals.room_setup import device_json
from vitals.session.baseline import READINGS, STREAMS
from vitals.session.evidence import kept
from vitals.store import keys
from vitals.store.anchor import Anchor
from vitals.store.pace import WriterSettings
from vitals.store.reader import Reader
from vitals.store.recording import Health
from vitals.store.rows import QUALITIES, AuditRow, SessionRecord, StationRow
from vitals.store.writer import Writer
from vitals.time_line import marks

TRENDS = ("hr", "pr", "spo2", "nibp_sys", "nibp_dia", "nibp_map", "pi", "rr")
_COLUMNS = (
    "id", "room", "subject_ref", "route", "started_us", "ended_us", "mode", "phase", "dose_us",
    "resumed",
)  # fmt: skip
_STATE = tuple(f.name for f in fields(Session) if f.name not in _COLUMNS)
"""Of a session, what its summary row has no column for."""
BY_HAND = frozenset({Flag.MANUAL})
CLAIMED = frozenset({Flag.CLAIMED})
_INVALID = QUALITIES.index(Quality.INVALID)


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session that was open when the station stopped, as far as it was recorded.

    Attributes:
        session: its last summary.
        last_us: time of the last thing recorded.
        alarms: the last state of each alarm.
        due: the last state of each owed reading.
        gaps: earlier gaps, (from_us, to_us).
        marks: the time line.
        trends: (at_us, value) by channel and device.
        readings: the newest blood pressure, and what was last entered by hand.
        measured: see `vitals.model.Resume`.
        corrected: marks as they were corrected last.
    """

    session: Session
    last_us: int
    alarms: tuple[Alarm, ...] = ()
    due: tuple[Due, ...] = ()
    gaps: list[tuple[int, int]] = field(default_factory=list)
    marks: list[wire.MarkMsg] = field(default_factory=list)
    trends: dict[str, dict[str, list[tuple[int, float]]]] = field(default_factory=dict)
    readings: list[Numeric] = field(default_factory=list)
    measured: tuple[Numeric, ...] = ()
    corrected: tuple[Event, ...] = ()


class Record:
    """The record of one station. Loop thread only, but for the writer's own callbacks."""

    def __init__(
        self,
        path: Path,
        station_id: str,
        config_text: str,
        settings: WriterSettings | None = None,
        *,
        key_source: str = "",
        anchor: Path | None = None,
        warn_also: Callable[[], str] = lambda: "",
    ) -> None:
        """Opens the record; one that is locked or on a full disk is tried again for ever.

        `key_source` says where the key of an encrypted record is; see `vitals.store.keys`.
        `anchor` is a file in a second place that gets the head of the audit chain.
        `warn_also` says what else is wrong around the record, in one sentence.

        Raises:
            StoreError: the file is another program's or a newer version's, or its key is away.
        """
        self._path = path
        self._station_id = station_id
        self._config_text = config_text
        self._now_us: Callable[[], int] | None = None
        self._on_state: Callable[[StoreState], None] | None = None
        self._key = keys.read(key_source) if key_source else keys.key_of(path)
        self._anchor = Anchor(anchor, self._end, self._time) if anchor is not None else None
        self._writer = Writer(
            path,
            key=self._key,
            key_source=key_source,
            now_us=self._time,
            on_state=self._told,
            settings=settings,
            warn_also=lambda: (self._anchor.trouble() if self._anchor else "") or warn_also(),
        )
        self._held: list[tuple[AuditRow, dict[str, Any]]] | None = None
        self.seq: Iterator[int] = itertools.count(self._writer.last_seq() + 1)
        """The station's one counter; it goes on behind what is recorded."""

    def health(self) -> Health:
        """How the record is doing."""
        return self._writer.health()

    def clock(self, speed: float) -> Clock:
        """The clock of this boot: the stored one, or a new one that is anchored and stored."""
        known, boot = self._writer.station, boot_id()
        same = known is not None and known.id == self._station_id and known.clock.speed == speed
        clock = known.clock if known and same and boot and known.boot_id == boot else None
        new = clock is None
        clock = clock or Clock.anchored_now(speed)
        self._now_us = clock.now_us
        if new:
            row = self._row(next(self.seq), clock.now_us(), "clock", None, "", {"boot": boot})
            self._put(row, station=StationRow(self._station_id, boot, clock))
        return clock

    def start(self, on_state: Callable[[StoreState], None]) -> None:
        """Starts to write; `on_state` is called from other threads."""
        self._on_state = on_state
        self._writer.start()
        if self._anchor is not None:
            self._anchor.start()

    def close(self) -> bool:
        """Commits and seals what there is; whether everything was committed."""
        whole = self._writer.close()
        if self._anchor is not None:
            self._anchor.close()
        return whole

    def _end(self) -> tuple[int, str]:
        return Reader(self._path, key=self._key).end()

    def stalled(self, now_mono: float) -> None:
        """Lets the writer notice that it hangs; it tells by `on_state`."""
        self._writer.stalled(now_mono)

    def _time(self) -> int:
        return self._now_us() if self._now_us else Clock.anchored_now().now_us()

    def _told(self, recording: bool, detail: str) -> None:
        if self._on_state is not None:
            self._on_state(StoreState(self._time(), recording, detail))

    # --- what happened ------------------------------------------------------------------------

    def numeric(self, session: str, seq: int, value: Numeric) -> None:
        """A value of a session."""
        self._writer.put_numeric(session, seq, value)

    def wave(self, session: str, seq: int, value: Waveform) -> None:
        """A waveform packet of a session."""
        self._writer.put_wave(session, seq, value)

    def notice(self, seq: int, room: str, session: str | None, notice: Notice) -> None:
        """A condition reported by a device."""
        body = {
            "device": notice.device,
            "code": notice.code,
            "active": notice.active,
            "detail": notice.detail,
        }
        self._put(self._row(seq, notice.at_us, "notice", session, room, body))

    def link(self, seq: int, room: str, session: str | None, link: Link) -> None:
        """State of the link to a device."""
        body = {
            "device": link.device,
            "state": link.state,
            "rejected": link.rejected,
            "detail": link.detail,
        }
        self._put(self._row(seq, link.at_us, "link", session, room, body))

    def placed(self, seq: int, room: str, session: str | None, body: Bind | Unbind) -> None:
        """A device has come into a room, or gone out of it."""
        if isinstance(body, Bind):
            row: tuple[str, str | None, str, dict[str, Any]]
            row = ("bind", session, room, {"device": device_json(body.device)})
        else:
            row = ("unbind", session, room, {"device": body.device})
        self._put(self._row(seq, body.at_us, *row))

    def alarm(self, seq: int, session: str | None, change: AlarmChange, profile: str) -> None:
        """A transition of an alarm, with the limit in force and the profile's version."""
        body = {
            "rule": change.after.rule,
            "cause": change.cause,
            "value": change.value,
            "limit": change.limit,
            "profile": profile,
            "before": _alarm_body(change.before),
            "after": _alarm_body(change.after),
        }
        room = change.after.room
        self._put(self._row(seq, change.at_us, "alarm", session, room, body, change.actor))

    def due(self, seq: int, session: str | None, due: Due) -> None:
        """A reading that became due, overdue, done or missed."""
        at_us = due.done_us if due.done_us is not None else self._time()
        self._put(self._row(seq, at_us, "due", session, due.room, asdict(due)))

    def event(self, seq: int, room: str, session: str | None, event: Event) -> None:
        """A mark or note."""
        row = self._row(seq, event.at_us, event.kind, session, room, event.body, event.actor)
        self._put(row)

    def session(
        self,
        seq: int,
        change: SessionChange,
        profile_text: str,
        gap: tuple[int, int] | None = None,
        room: Mapping[str, Any] | None = None,
    ) -> None:
        """A session was opened, closed, resumed, dosed or moved on; `room` as it is described."""
        session = change.session
        body = {
            **change.body,
            "cause": change.cause,
            "phase": session.phase,
            "state": {key: _plain(getattr(session, key)) for key in _STATE},
        }
        if gap is not None:
            body["gap"] = list(gap)
        if room is not None:
            body["room"] = dict(room)
        row = self._row(
            seq, change.at_us, "session_change", session.id, session.room, body, change.actor
        )
        if change.cause == "opened":
            tz = datetime.now().astimezone().strftime("%z")
            self._put(row, session=SessionRecord(session, tz, profile_text, self._config_text))
        else:
            self._put(row, session=session)
        if session.ended_us is not None and self._anchor is not None:
            self._anchor.soon()

    def command(
        self, seq: int, at_us: int, session: str | None, command: Command, result: wire.ResultMsg
    ) -> None:
        """What a person asked for, and the answer."""
        body = {
            "command": command.kind,
            "args": dict(command.args),
            "ok": result.ok,
            "error": result.error,
        }
        actor = command.actor
        row = AuditRow(
            seq, at_us, session, command.room, actor.name, actor.role, "command", body, command.id
        )
        self._put(row)

    def late(self, seq: int, at_us: int, session: str | None, room: str, input_seq: int) -> None:
        """An input was so late that the room took it at `at_us`; a replay must do the same."""
        self._put(self._row(seq, at_us, "late_input", session, room, {"input": input_seq}))

    def station_event(self, seq: int, at_us: int, body: Mapping[str, Any]) -> None:
        """Something about the station itself."""
        self._put(self._row(seq, at_us, "station_event", None, "", body))

    def web_event(self, seq: int, at_us: int, command: Command) -> None:
        """What the web tells of itself: who signed in, who could not; see docs/people.md."""
        body = {
            "event": "web",
            "command": command.kind,
            "told": dict(command.args),
            "ok": True,
            "error": "",
        }
        actor = command.actor
        self._put(
            AuditRow(
                seq, at_us, None, "", actor.name, actor.role, "station_event", body, command.id
            )
        )

    def afterwards(
        self, seq: int, at_us: int, session: str, command: Command, kind: str, body: dict[str, Any]
    ) -> None:
        """What was added to a session that is closed; see `vitals.afterwards`."""
        actor = command.actor
        self._put(
            AuditRow(
                seq, at_us, session, command.room, actor.name, actor.role, kind, body, command.id
            )
        )

    def reader(self) -> Reader:
        """For what is read beside the writing, never in the loop."""
        return Reader(self._path, key=self._key)

    def result_of(self, message: wire.CommandMsg) -> wire.ResultMsg | None:
        """The answer that a command got before, None if its id is new."""
        row = self._writer.result_of(message.id)
        return None if row is None else answered(row, message)

    @contextmanager
    def together(self, done: Callable[[bool], None]) -> Iterator[None]:
        """Rows put inside are answered as one: `done` follows the commit of the last."""
        self._held = []
        try:
            yield
        finally:
            held, self._held = self._held, None
            for row, extra in held[:-1]:
                self._writer.put_audit(row, **extra)
            for row, extra in held[-1:]:
                self._writer.put_audit(row, done, **extra)

    def _put(self, row: AuditRow, **extra: Any) -> None:
        if self._held is None:
            self._writer.put_audit(row, **extra)
        else:
            self._held.append((row, extra))

    @staticmethod
    def _row(
        seq: int,
        at_us: int,
        kind: str,
        session: str | None,
        room: str,
        body: Mapping[str, Any],
        actor: str = "",
    ) -> AuditRow:
        return AuditRow(seq, at_us, session, room, actor, "", kind, dict(body))

    # --- what was going on --------------------------------------------------------------------

    def open_sessions(self) -> list[OpenSession]:
        """Sessions to resume.

        Raises:
            StoreError: the record is there and cannot be read.
        """
        if not self._path.exists():
            return []
        reader = Reader(self._path, key=self._key)
        return [_open_session(reader, record.session) for record in reader.open_sessions()]


def _plain(value: Any) -> Any:
    """An attribute of a session as the record keeps it."""
    if isinstance(value, tuple):
        return [asdict(each) for each in value]
    return value


def _alarm_body(alarm: Alarm) -> dict[str, Any]:
    return {**asdict(alarm), "priority": alarm.priority.value}


def _open_session(reader: Reader, session: Session) -> OpenSession:
    rows = reader.audit(session.id)
    first = next((row.room for row in rows if row.kind == "session_change"), session.room)
    folded = Folded(replace(session, room=first))
    for row in rows:
        folded.take(row)
    trends: dict[str, dict[str, list[tuple[int, float]]]] = {}
    readings: list[Numeric] = []
    taken = (row for row in rows if row.kind == "reading" and "device" in row.body)
    claimed = {(row.body["device"], row.at_us) for row in taken}
    last_us = max((row.at_us for row in rows), default=session.started_us)
    for channel in TRENDS:
        series = reader.numerics(session.id, channel)
        valid = ~np.isnan(series.value) & (series.quality != _INVALID)
        if series.at_us.size:
            last_us = max(last_us, int(series.at_us[-1]))
        at_us, value = series.at_us[valid].tolist(), series.value[valid].tolist()
        devices = [device for device, ok in zip(series.device, valid, strict=True) if ok]
        by_device = trends.setdefault(channel, {})
        for device, *sample in zip(devices, at_us, value, strict=True):
            by_device.setdefault(device, []).append((sample[0], sample[1]))
        if channel in NIBP and at_us:
            device = devices[-1]
            quality = QUALITIES[int(series.quality[valid][-1])]
            flags = CLAIMED if (device, at_us[-1]) in claimed else frozenset()
            flags = flags if device else BY_HAND
            readings.append(Numeric(device, channel, at_us[-1], value[-1], quality, flags))
        elif "" in by_device:
            entered_us, entered = by_device[""][-1]
            readings.append(Numeric("", channel, entered_us, entered, flags=BY_HAND))
    return OpenSession(
        replace(folded.session, resumed=session.resumed),
        last_us,
        tuple(folded.alarms.values()),
        tuple(folded.due.values()),
        folded.gaps,
        marks(rows, session),
        trends,
        readings,
        measured(reader, folded.session),
        tuple(folded.marks.values()),
    )


def measured(reader: Reader, session: Session, to_us: int | None = None) -> tuple[Numeric, ...]:
    """What baseline, gate and discharge are judged on, as recorded; see `evidence.kept`."""
    found: list[Numeric] = []
    for channel in (*READINGS, *STREAMS):
        series = reader.numerics(session.id, channel, to_us=to_us)
        valid = ~np.isnan(series.value) & (series.quality != _INVALID)
        for i in np.flatnonzero(valid).tolist():
            quality = QUALITIES[int(series.quality[i])]
            at_us, value = int(series.at_us[i]), float(series.value[i])
            found.append(Numeric(series.device[i], channel, at_us, value, quality))
    return tuple(numeric for numeric in found if kept(numeric, session.dose_us))


__all__ = ["OpenSession", "Record", "StoreError"]
