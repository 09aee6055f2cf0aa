"""After a restart: sessions that were open go on, with the gap marked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from vitals import messages
from vitals.errors import StoreError
from vitals.hub import Hub
from vitals.model import US, Resume, Session, SessionChange
from vitals.publisher import Publisher
from vitals.record import OpenSession, Record
from vitals.room import Room

log = logging.getLogger(__name__)

Samples = list[tuple[int, float]]


class Resuming:
    """Lets the rooms of a station go on with what was recorded.

    Args:
        rooms: by id.
        step: folds an input into a room, records and publishes what comes of it.
        profile_text: of the alarm profile in force, for a session that is ended here.
    """

    def __init__(
        self,
        rooms: Mapping[str, Room],
        step: Callable[[Room, Resume, int], object],
        record: Record,
        out: Publisher,
        hub: Hub,
        profile_text: str,
    ) -> None:
        self._rooms, self._step, self._record = rooms, step, record
        self._out, self._hub, self._profile_text = out, hub, profile_text

    def run(self, now_us: int) -> str:
        """Resumes what was open; why not, `""` when it is done."""
        try:
            sessions = self._record.open_sessions()
        except StoreError as error:
            return str(error)
        for found in sorted(sessions, key=lambda found: -found.session.started_us):
            room = self._rooms.get(found.session.room)
            if room is None:
                log.error("session %s is of an unknown room", found.session.id)
            elif room.session is not None:
                self._supersede(found.session, now_us)
            else:
                self._resume(room, found, now_us)
        return ""

    def _resume(self, room: Room, found: OpenSession, now_us: int) -> None:
        self._out.gaps[room.id] = [*found.gaps, (found.last_us, now_us)]
        resume = Resume(
            now_us,
            found.session,
            found.alarms,
            found.due,
            found.measured,
            tuple(found.readings),
            marks=found.corrected,
        )
        self._step(room, resume, now_us)
        self._out.whole(room)
        for mark in found.marks:
            self._out.mark(mark)
        self._out.mark(messages.mark(room.id, now_us, "resumed", "", ""))
        for channel, series in found.trends.items():
            samples = one_source(series, room.bed.sources.order(channel))
            self._hub.trend(room.id, channel).load(samples)
        for reading in found.readings:
            self._out.show(room, next(self._record.seq), reading)

    def _supersede(self, session: Session, now_us: int) -> None:
        """A room has one session; an older one that was never closed ends here, and says so."""
        log.error("session %s ends: a newer one is open in its room", session.id)
        ended = replace(session, ended_us=now_us, phase="CLOSED")
        change = SessionChange(now_us, ended, "superseded")
        self._record.session(next(self._record.seq), change, self._profile_text)


def one_source(series: Mapping[str, Samples], order: Iterable[str]) -> Samples:
    """One line of a channel: of each second the value of the most trusted device that spoke.

    Devices that the room no longer has (the session came from another room, or a monitor was
    taken out) are trusted least.
    """
    trusted = [*order, *series]
    seconds: dict[int, tuple[int, float]] = {}
    for device in dict.fromkeys(trusted):
        for at_us, value in series.get(device, ()):
            seconds.setdefault(at_us // US, (at_us, value))
    return sorted(seconds.values())
