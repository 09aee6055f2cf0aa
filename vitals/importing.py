"""Makes a session of a recording: folded through a room, as the station would have, all at once.

The record gets the very rows that a station would have written at those times, so that review,
exports and what-if know no difference; its opening says that it is an import, and of what. All of
it is one transaction: a session is there whole, or not at all.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from vitals import wire
from vitals.alarms.profile import Profile
from vitals.errors import StoreError, VitalsError
from vitals.model import (
    US,
    Actor,
    AlarmChange,
    Command,
    Due,
    Event,
    Input,
    Link,
    Mode,
    Numeric,
    Output,
    Priority,
    Result,
    RoomDevice,
    SessionChange,
    Tick,
    Waveform,
)
from vitals.record import Record
from vitals.recordings.playing import RecordedDevice, devices, moments
from vitals.recordings.recording import Recording
from vitals.replay import IMPORTED
from vitals.room import Room
from vitals.session.care import Care
from vitals.store.claim import Claim
from vitals.store.connection import open_for_reading
from vitals.store.pace import WriterSettings
from vitals.store.reader import Reader
from vitals.store.rows import AuditRow, SessionRecord

ROOM = "import"
OPEN = "open_session"
OVER = "the recording is over"
_STATION = "import"
_TICK_US = 10 * US
_AFTER_US = US
_PATIENCE_S = 10.0
"""A disk that does not take it by then never will."""
_ALL_AT_ONCE = WriterSettings(
    group_s=1e9, seal_s=1e9, most_rows=1_000_000_000, batch_rows=1_000_000_000
)


_Put = Callable[["_PastRecord"], None]
_Row = tuple[int, _Put]
"""The record's present, and what it is told then."""


class ImportRefused(VitalsError):
    """A recording that cannot become a session, in one sentence."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a person wants to be made of a recording.

    Attributes:
        profile: limits that it is judged by.
        care: routes, schedule and marks.
        actor: who imports.
        subject: pseudonym.
        route: of the dose.
        dose_us: when it was given, None = not known.
        mode: test unless it is a real patient's.
        room: the session's room.
        again: the same file may be there already.
    """

    profile: Profile
    care: Care
    actor: Actor
    subject: str
    route: str
    dose_us: int | None = None
    mode: Mode = "test"
    room: str = ROOM
    again: bool = False


@dataclass(frozen=True, slots=True)
class Imported:
    """What has come of it.

    Attributes:
        session: the new session's id.
        values: numbers recorded.
        packets: waveform packets recorded.
        alarms: how often a condition was met, by priority.
    """

    session: str
    values: int
    packets: int
    alarms: Counter[str]


def import_recording(
    recording: Recording, store: Path, plan: Plan, tell: Callable[[str], None] = lambda _: None
) -> Imported:
    """Puts a recording into a record as a closed session.

    Raises:
        ImportRefused: the room would not have it: pseudonym, route or dose do not fit.
        RecordInUse: a station writes this record.
        StoreError: it is there already, or the record cannot be written.
    """
    if not store.absolute().parent.is_dir():
        raise StoreError(f"{store}: there is no folder {store.parent}; make it, or name another")
    Claim(store).release()
    command, last_seq = _known(recording, store, plan)
    folding = _Folding(recording, plan, command, last_seq, tell)
    done = folding.run()
    tell("writing")
    _write(store, folding.rows, last_seq, folding.tz)
    return done


def _write(store: Path, rows: list[_Row], last_seq: int, tz: str) -> None:
    record = _PastRecord(store, _STATION, "", settings=_ALL_AT_ONCE)
    if next(record.seq) != last_seq + 1:
        record.close(0.0)
        raise StoreError(f"{store}: somebody has written this record meanwhile; try again")
    record.tz = tz
    for record.now_us, put in rows:
        put(record)
    if not record.close(_PATIENCE_S):
        why = record.trouble() or "the disk does not take it"
        raise StoreError(f"{store}: nothing was imported, as it could not be written ({why})")


def _known(recording: Recording, store: Path, plan: Plan) -> tuple[str, int]:
    """The id of the opening, by which the same file is known again, and the record's counter.

    Raises:
        StoreError: it is there already, or the record is damaged.
    """
    base = f"import {recording.source.sha256}"
    if not store.exists():
        return f"{base} 1", 0
    connection = open_for_reading(store)
    try:
        if connection.execute("PRAGMA quick_check(1)").get != "ok":
            raise StoreError(f"{store}: the record is damaged; import into another one (--store)")
    finally:
        connection.close()
    reader = Reader(store)
    times = 1
    while (first := reader.result_of(f"{base} {times}")) is not None:
        if not plan.again:
            raise StoreError(
                f"{recording.source.file} was imported already (by {first.actor or 'somebody'}, as "
                f"{first.body['args'].get('subject_ref')}); give --again to import it once more"
            )
        times += 1
    return f"{base} {times}", reader.last_seq()


class _PastRecord(Record):
    """A record whose present is the recording's; nothing is written before it is closed."""

    now_us = 0
    tz = ""

    def _time(self) -> int:
        return self.now_us or super()._time()

    def _put(self, row: AuditRow, **extra: Any) -> None:
        session = extra.get("session")
        if isinstance(session, SessionRecord):
            extra["session"] = replace(session, tz=self.tz)
        super()._put(row, **extra)

    def close(self, timeout_s: float = 5.0) -> bool:
        """Commits all of it."""
        return self._writer.close(timeout_s) and not self._writer.health().refused

    def trouble(self) -> str:
        """Why it could not be written."""
        return self._writer.health().detail


class _Folding:
    """One recording on its way through a room."""

    def __init__(
        self,
        recording: Recording,
        plan: Plan,
        command: str,
        last_seq: int,
        tell: Callable[[str], None],
    ) -> None:
        self._recording, self._plan = recording, plan
        self._tell = tell
        self._open_id = command
        self._seq = itertools.count(last_seq + 1)
        self._session = ""
        self._acts = self._values = self._packets = 0
        self._alarms = Counter[str]()
        self._now_us = 0
        self.rows: list[_Row] = []
        """What is to be written, in order."""
        self.room = Room(
            plan.room,
            [_room_device(device, n) for n, device in enumerate(devices(recording))],
            plan.profile,
            mode=plan.mode,
            auto_nibp=False,
            care=plan.care,
        )
        facts = recording.facts
        first, last = recording.from_us, recording.to_us
        self._from_us = first if facts.from_us is None else min(first, facts.from_us)
        self._to_us = max(last + _AFTER_US, facts.to_us or 0)
        self.tz = facts.tz or _local_tz(first)
        """The clinic's offset from UTC."""

    def run(self) -> Imported:
        """Folds all of it."""
        plan = self._plan
        if plan.dose_us is not None and not self._from_us <= plan.dose_us <= self._to_us:
            raise ImportRefused(
                "the dose cannot be before the recording begins or after it ends; see --dose-at"
            )
        self._open()
        minute = 0
        for at_us, body in self._everything():
            if (at_us - self._from_us) // (60 * US) > minute:
                minute = (at_us - self._from_us) // (60 * US)
                self._tell(f"minute {minute}")
            self._take(at_us, body)
        self._take(self._to_us, Tick(self._to_us))
        unseen = any(a.priority is Priority.HIGH and not a.acked_by for a in self.room.alarms)
        self._act(self._to_us, "close_session", {"reason": OVER} if unseen else {})
        return Imported(self._session, self._values, self._packets, self._alarms)

    def _everything(self) -> Iterator[tuple[int, Any]]:
        """Recording, ticks, dose and remarks, in order of time."""
        ticks = ((t, Tick(t)) for t in range(self._from_us, self._to_us, _TICK_US))
        acts: list[tuple[int, tuple[str, dict[str, Any]]]] = [
            (min(max(remark.at_us, self._from_us), self._to_us), ("mark", {"text": words}))
            for remark in self._recording.remarks
            if (words := _words(remark.text))
        ]
        if self._plan.dose_us is not None:
            acts.append((self._plan.dose_us, ("dose", {})))
        acts.sort(key=lambda act: act[0])
        return heapq.merge(moments(self._recording), ticks, acts, key=lambda one: one[0])

    def _take(self, at_us: int, body: Any) -> None:
        self._now_us = at_us
        session, room = self._session, self._plan.room
        match body:
            case tuple():
                self._act(at_us, *body)
            case Waveform():
                seq = next(self._seq)
                self._put(lambda record: record.wave(session, seq, body))
                self._packets += 1
            case _:
                seq = next(self._seq)
                outputs = self.room.step(Input(seq, at_us, body))
                if isinstance(body, Numeric):
                    self._put(lambda record: record.numeric(session, seq, body))
                    self._values += 1
                elif isinstance(body, Link):
                    self._put(lambda record: record.link(seq, room, session, body))
                self._outputs(outputs)

    def _put(self, put: _Put) -> None:
        self.rows.append((self._now_us, put))

    def _open(self) -> None:
        source = self._recording.source
        plan = self._plan
        args = {
            "subject_ref": plan.subject,
            "route": plan.route,
            "file": source.file,
            "sha256": source.sha256,
        }
        self._act(self._from_us, OPEN, args)
        body = {
            "text": f"imported from {source.file}",
            "file": source.file,
            "sha256": source.sha256,
            "reader": source.reader,
            "mapping": source.mapping,
            "left_out": [[one.name, one.why] for one in self._recording.left_out],
            "notes": list(self._recording.notes),
        }
        event = Event(self._from_us, IMPORTED, body, plan.actor.name)
        seq, session = next(self._seq), self._session
        self._put(lambda record: record.event(seq, plan.room, session, event))

    def _act(self, at_us: int, kind: str, args: dict[str, Any]) -> None:
        plan, self._now_us = self._plan, at_us
        self._acts += 1
        first = kind == OPEN
        ident = self._open_id if first else f"{self._open_id} {self._acts}"
        command = Command(ident, plan.actor, kind, plan.room, args)
        seq, session = next(self._seq), None if first else self._session
        outputs = self.room.step(Input(seq, at_us, command))
        result = next(output for output in outputs if isinstance(output, Result))
        if not result.ok:
            raise ImportRefused(f"{kind.replace('_', ' ')}: {result.error}")
        message = wire.ResultMsg(id=result.id, ok=result.ok, error=result.error)
        self._put(lambda record: record.command(seq, at_us, session, command, message))
        self._outputs(outputs)

    def _outputs(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            put = self._written(output, next(self._seq))
            if put is not None:
                self._put(put)

    def _written(self, output: Output, seq: int) -> _Put | None:
        """How the record hears of what the room has said."""
        plan = self._plan
        match output:
            case AlarmChange():
                if output.before.condition != "active" and output.after.condition == "active":
                    self._alarms[output.after.priority.value] += 1
                session, version = self._session, plan.profile.version
                return lambda record: record.alarm(seq, session, output, version)
            case Due():
                session = self._session
                return lambda record: record.due(seq, session, output)
            case SessionChange(cause="opened"):
                self._session = output.session.id
                said = {IMPORTED: self._recording.source.file}
                change = replace(output, body={**output.body, **said})
                setup = self.room.setup.to_json()
                return lambda record: record.session(seq, change, plan.profile.text, room=setup)
            case SessionChange():
                return lambda record: record.session(seq, output, plan.profile.text)
            case Event():
                session = self._session
                return lambda record: record.event(seq, plan.room, session, output)
            case _:
                return None


def _room_device(device: RecordedDevice, rank: int) -> RoomDevice:
    return RoomDevice(
        device.id, device.channels, frozenset(), device.spot, device.period_s, rank, "unknown"
    )


def _words(text: str) -> str:
    """A text as a mark has it."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= 200 else f"{line[:199]}…"


def _local_tz(at_us: int) -> str:
    """The offset of this computer's zone at that time."""
    return datetime.fromtimestamp(at_us / US).astimezone().strftime("%z")
