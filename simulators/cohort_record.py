"""Writes simulated visits into a record of their own, as the station would have written them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from simulators.visit import DEVICES, ROOM
from vitals import wire
from vitals.alarms.profile import Profile
from vitals.errors import StoreError
from vitals.model import (
    US,
    AlarmChange,
    Audience,
    Command,
    Due,
    Event,
    Input,
    Link,
    Notice,
    Numeric,
    Output,
    Result,
    SessionChange,
    StoreState,
)
from vitals.record import Record
from vitals.room import Room

HOURS_UTC = (8, 11, 14)
"""When the visits of a day begin."""
_STATION = "cohort"
_COMMIT_S = 60.0
"""A visit that is not committed by then never will be."""


class CohortRecord:
    """A record for simulated visits; use it as a context."""

    def __init__(self, path: Path, profile: Profile, today: date) -> None:
        """Makes the record; the visits were on the days before `today`.

        Raises:
            StoreError: there is a file already, or none can be made there.
        """
        if path.exists():
            raise StoreError(
                f"{path}: there is a file already, and a cohort gets a record of its own; "
                "name a new file"
            )
        if not path.absolute().parent.is_dir():
            raise StoreError(f"{path}: there is no such folder; make it, or name another")
        self._path, self._profile, self._today = path, profile, today
        self._described = Room(ROOM, DEVICES, profile, mode="test").setup.to_json()
        self._record = _PastRecord(path, _STATION, "")
        self._record.clock(1.0)
        self._trouble = "the disk does not answer"
        self._record.start(self._told)
        self._steps: list[tuple[Input, list[tuple[int, Output]]]] = []

    def __enter__(self) -> CohortRecord:
        return self

    def __exit__(self, *exception: object) -> None:
        if not self._record.close() and exception[0] is None:
            raise self._failed()

    @property
    def seqs(self) -> Iterator[int]:
        """Numbers for the inputs of all visits."""
        return self._record.seq

    def starts(self, count: int) -> list[int]:
        """Beginnings of so many visits on the days before today, in order."""
        days = -(-count // len(HOURS_UTC))
        first = datetime.combine(self._today - timedelta(days=days), time(tzinfo=UTC))
        each = (
            first + timedelta(days=n // len(HOURS_UTC), hours=HOURS_UTC[n % len(HOURS_UTC)])
            for n in range(count)
        )
        return [round(at.timestamp()) * US for at in each]

    def on_step(self, item: Input, outputs: list[Output]) -> None:
        """Keeps what happened until it is known whether the visit counts."""
        self._steps.append((item, [(next(self._record.seq), output) for output in outputs]))

    def drop(self) -> None:
        """Forgets the visit since the last `write` or `drop`."""
        self._steps.clear()

    def write(self) -> None:
        """Writes that visit and waits until it is committed.

        Raises:
            StoreError: it could not be.
        """
        answered, answers = threading.Event(), list[bool]()

        def told(committed: bool) -> None:
            answers.append(committed)
            answered.set()

        session: str | None = None
        for item, outputs in self._steps:
            self._record.now_us = item.at_us
            before = session
            for _, output in outputs:
                if isinstance(output, SessionChange) and output.cause == "opened":
                    session = output.session.id
            self._input(item, before, outputs)
            for seq, output in outputs:
                if isinstance(output, SessionChange) and output.cause == "closed":
                    with self._record.together(told):
                        self._output(seq, output, session)
                    session = None
                else:
                    self._output(seq, output, session)
        self._steps.clear()
        if not answered.wait(_COMMIT_S) or not answers[0]:
            raise self._failed()

    def _input(self, item: Input, session: str | None, outputs: list[tuple[int, Output]]) -> None:
        record, seq = self._record, item.seq
        match item.body:
            case Numeric() as numeric if session is not None:
                record.numeric(session, seq, numeric)
            case Notice() as notice:
                record.notice(seq, ROOM, session, notice)
            case Link() as link:
                record.link(seq, ROOM, session, link)
            case Audience() as audience:
                body = {"event": "audience", "armed": audience.armed}
                record.station_event(seq, item.at_us, body)
            case Command() as command:
                result = next(o for _, o in outputs if isinstance(o, Result))
                message = wire.ResultMsg(id=result.id, ok=result.ok, error=result.error)
                record.command(seq, item.at_us, session, command, message)
            case _:
                pass

    def _output(self, seq: int, output: Output, session: str | None) -> None:
        record = self._record
        match output:
            case AlarmChange():
                record.alarm(seq, session, output, self._profile.version)
            case Due():
                record.due(seq, session, output)
            case SessionChange():
                room = self._described if output.cause == "opened" else None
                record.session(seq, output, self._profile.text, room=room)
            case Event():
                record.event(seq, ROOM, session, output)
            case _:
                pass

    def _told(self, state: StoreState) -> None:
        if not state.recording:
            self._trouble = state.detail

    def _failed(self) -> StoreError:
        return StoreError(f"the cohort could not be recorded: {self._trouble}")


class _PastRecord(Record):
    """A record whose present is the visit's, not the computer's."""

    now_us = 0

    def _time(self) -> int:
        return self.now_us or super()._time()
