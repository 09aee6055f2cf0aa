"""Writes what simulated rooms went through into a record, as the station would have written it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from vitals import wire
from vitals.model import (
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
)
from vitals.record import Record
from vitals.room import Room


class PastRecord(Record):
    """A record whose present is that of what is written, not the computer's.

    Attributes:
        now_us: the time of what is being written, 0 = the computer's.
    """

    now_us = 0

    def _time(self) -> int:
        return self.now_us or super()._time()


class PastRoom:
    """One room's steps, kept until it is known whether they count."""

    def __init__(self, record: PastRecord, room: Room) -> None:
        self._record, self._room, self._profile = record, room.id, room.profile
        self._described: Mapping[str, Any] = room.setup.to_json()
        self._steps: list[tuple[Input, list[tuple[int, Output]]]] = []

    def on_step(self, item: Input, outputs: list[Output]) -> None:
        """Keeps an input and what the room made of it."""
        numbered = [(next(self._record.seq), output) for output in outputs]
        self._steps.append((item, numbered))

    def drop(self) -> None:
        """Forgets what was kept."""
        self._steps.clear()

    def write(self, on_closed: Callable[[bool], None] | None = None) -> None:
        """Writes what was kept.

        Args:
            on_closed: told of the commit of the session's end, by another thread.
        """
        session: str | None = None
        for item, outputs in self._steps:
            self._record.now_us = item.at_us
            before = session
            for _, output in outputs:
                if isinstance(output, SessionChange) and output.cause == "opened":
                    session = output.session.id
            self._input(item, before, outputs)
            for seq, output in outputs:
                if isinstance(output, SessionChange) and output.cause == "closed" and on_closed:
                    with self._record.together(on_closed):
                        self._output(seq, output, session)
                else:
                    self._output(seq, output, session)
                if isinstance(output, SessionChange) and output.cause == "closed":
                    session = None
        self._steps.clear()

    def _input(self, item: Input, session: str | None, outputs: list[tuple[int, Output]]) -> None:
        record, seq = self._record, item.seq
        match item.body:
            case Numeric() as numeric if session is not None:
                record.numeric(session, seq, numeric)
            case Notice() as notice:
                record.notice(seq, self._room, session, notice)
            case Link() as link:
                record.link(seq, self._room, session, link)
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
                record.event(seq, self._room, session, output)
            case _:
                pass
