"""Stores a batch in one transaction: everything of it, or nothing.

What the tables refuse for good (a session that was never opened, a counter that another row
has) must not keep the rest from being stored: it is set aside, told in an audit row of kind
`refused`, and answered False.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import apsw

from vitals.store import facts, rows
from vitals.store.audit import append, canonical
from vitals.store.backlog import Batch, Entry, Sample
from vitals.store.rows import SessionRecord, StationRow
from vitals.store.samples import Refused, Samples
from vitals.store.seal import Sealer

_TOLD_SAMPLES = 20
_REFUSALS = (
    apsw.ConstraintError,
    apsw.MismatchError,
    apsw.TooBigError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)
_Step = tuple[list[Entry | Sample], Callable[[], int]]


@dataclass(slots=True)
class Outcome:
    """What came of a batch that was committed.

    Attributes:
        refused: items set aside, each with the reason.
        repeated: rows that the file had already.
    """

    refused: list[tuple[Entry | Sample, str]] = field(default_factory=list)
    repeated: int = 0


class Committer:
    """Everything that one connection knows about the file between its transactions."""

    def __init__(self, connection: apsw.Connection, now_us: Callable[[], int]) -> None:
        self._connection = connection
        self._now_us = now_us
        self._sealer = Sealer(connection)
        self._samples = Samples(connection, self._sealer)

    @property
    def unsealed(self) -> Collection[str]:
        """Sessions with committed samples that no seal covers yet."""
        return self._sealer.open.keys()

    def commit(self, batch: Batch, seal_now: Collection[str] = ()) -> Outcome:
        """Stores a batch, and seals the sessions of `seal_now` and those that it closes.

        Raises:
            apsw.Error: nothing was stored; the same batch can be tried again.
        """
        try:
            return self._transaction(batch, seal_now, self._whole)
        except _REFUSALS:
            return self._transaction(batch, seal_now, self._one_by_one)

    def start_anew(
        self,
        told: dict[str, Any],
        sessions: Collection[SessionRecord],
        station: StationRow | None,
    ) -> None:
        """Makes a new file, in place of a damaged one that was set aside, go on with sessions."""

        def work() -> None:
            self._own(rows.QUARANTINE, told)
            for record in sessions:
                self._put_session(record, self._now_us())
            if station is not None:
                self._put_station(station, self._now_us())

        self._atomically(work)

    def _transaction(
        self,
        batch: Batch,
        seal_now: Collection[str],
        put: Callable[[Batch, Outcome], None],
    ) -> Outcome:
        outcome = Outcome()
        before = self._sealer.snapshot()

        def work() -> None:
            for uuid, shed in batch.shed.items():
                self._own(rows.SHED, {"session": uuid, **shed.told()})
            put(batch, outcome)
            if outcome.refused:
                self._own(rows.REFUSED, _told(outcome.refused))
            closed = {
                entry.session.session.id
                for entry in batch.entries
                if entry.session is not None and entry.session.state == "closed"
            }
            due = sorted(self._sealer.open.keys() & closed.union(seal_now))
            self._sealer.seal(
                [(uuid, *self._samples.session(uuid)) for uuid in due], self._now_us()
            )

        try:
            self._atomically(work)
        except BaseException:
            self._sealer.restore(before)
            self._samples.forget()
            raise
        return outcome

    def _atomically(self, work: Callable[[], None]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            work()
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _whole(self, batch: Batch, outcome: Outcome) -> None:
        for entry in batch.entries:
            outcome.repeated += self._put_entry(entry)
        outcome.repeated += self._samples.put(batch.samples)

    def _one_by_one(self, batch: Batch, outcome: Outcome) -> None:
        items: list[Entry | Sample] = [*batch.entries, *batch.samples]
        for item in items:
            before = self._sealer.snapshot()
            try:
                with self._connection:  # a savepoint
                    outcome.repeated += (
                        self._put_entry(item)
                        if isinstance(item, Entry)
                        else self._samples.put([item])
                    )
            except _REFUSALS as error:
                self._sealer.restore(before)
                self._samples.forget()
                outcome.refused.append((item, str(error)))

    def _put_entry(self, entry: Entry) -> int:
        if self._is_repeated(entry):
            return 1
        row, session_id = entry.row, None
        if entry.session is not None:
            self._put_session(entry.session, row.at_us)
        if entry.station is not None:
            self._put_station(entry.station, row.at_us)
        if row.session is not None:
            session_id, _ = self._samples.session(row.session)
        append(
            self._connection,
            kind=row.kind,
            at_us=row.at_us,
            body=entry.body,
            session_id=session_id,
            session=row.session,
            seq=row.seq,
            room=row.room,
            actor=row.actor,
            role=row.role,
            command_id=row.command_id,
        )
        return 0

    def _put_session(self, record: SessionRecord, at_us: int) -> None:
        uuid, room = record.session.id, record.session.room
        session_id = facts.put_session(self._connection, record)
        append(
            self._connection,
            kind=rows.SESSION_ROW,
            at_us=at_us,
            body=facts.of_session(self._connection, session_id),
            session_id=session_id,
            session=uuid,
            room=room,
        )

    def _put_station(self, station: StationRow, at_us: int) -> None:
        facts.put_station(self._connection, station)
        append(
            self._connection,
            kind=rows.STATION_ROW,
            at_us=at_us,
            body=facts.of_station(self._connection, station.id),
        )

    def _is_repeated(self, entry: Entry) -> bool:
        row = entry.row
        for column, key in (("seq", row.seq), ("command_id", row.command_id)):
            found = self._connection.execute(
                f"SELECT kind, body FROM audit WHERE {column} = ?",  # noqa: S608 - one of two
                (key,),
            ).fetchone()
            if found == (row.kind, entry.body):
                return True
            if found:
                raise Refused(f"another row has the {column} {key} already")
        return False

    def _own(self, kind: str, body: dict[str, Any]) -> None:
        append(self._connection, kind=kind, at_us=self._now_us(), body=canonical(body))


def _told(refused: list[tuple[Entry | Sample, str]]) -> dict[str, Any]:
    """Body of a `refused` row: audit rows in full, of samples the first ones and a count."""
    entries, samples = [], []
    names = ("session", "room", "actor", "role", "kind", "command_id")
    for item, reason in refused:
        told = {"reason": reason, "seq": item.seq, "at_us": item.at_us}
        if isinstance(item, Entry):
            told |= {name: getattr(item.row, name) for name in names}
            entries.append({**told, "body": json.loads(item.body)})
        else:
            samples.append({**told, "session": item.session, "value": repr(item.value)})
    more = max(len(samples) - _TOLD_SAMPLES, 0)
    return {"rows": entries, "samples": samples[:_TOLD_SAMPLES], "more": more}
