"""Writes simulated visits into a record of their own, as the station would have written them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from simulators.past_record import PastRecord, PastRoom
from simulators.visit import DEVICES, ROOM
from vitals.alarms.profile import Profile
from vitals.errors import StoreError
from vitals.model import US, Input, Output, StoreState
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
        self._today = today
        self._record = PastRecord(path, _STATION, "")
        self._record.clock(1.0)
        self._trouble = "the disk does not answer"
        self._record.start(self._told)
        self._room = PastRoom(self._record, Room(ROOM, DEVICES, profile, mode="test"))

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
        self._room.on_step(item, outputs)

    def drop(self) -> None:
        """Forgets the visit since the last `write` or `drop`."""
        self._room.drop()

    def write(self) -> None:
        """Writes that visit and waits until it is committed.

        Raises:
            StoreError: it could not be.
        """
        answered, answers = threading.Event(), list[bool]()

        def told(committed: bool) -> None:
            answers.append(committed)
            answered.set()

        self._room.write(told)
        if not answered.wait(_COMMIT_S) or not answers[0]:
            raise self._failed()

    def _told(self, state: StoreState) -> None:
        if not state.recording:
            self._trouble = state.detail

    def _failed(self) -> StoreError:
        return StoreError(f"the cohort could not be recorded: {self._trouble}")
