"""A session that was read with people's names, without them: the same as reading it so. Pure."""

from __future__ import annotations

from dataclasses import replace

from vitals.export.folding import coverage_of, episodes, folded
from vitals.export.people import People
from vitals.export.pressures import determinations
from vitals.export.session_data import Entry, SessionData
from vitals.export.wording import describe
from vitals.store.rows import StoredAudit


def unnamed(data: SessionData) -> SessionData:
    """The session with a role and a number for each person."""
    if not data.named:
        return data
    rows = [_row(entry, data.session.id) for entry in data.entries]
    people = People(rows)
    rows = [people.hide(row) for row in rows]
    entries = tuple(
        replace(entry, text=describe(row.kind, row.body), actor=row.actor, body=row.body)
        for entry, row in zip(data.entries, rows, strict=True)
    )
    session = folded(data.session, rows)
    pressures = determinations(data.numerics, entries)
    return replace(
        data,
        record=replace(data.record, session=session),
        entries=entries,
        pressures=pressures,
        alarms=episodes(entries),
        coverage=coverage_of(
            session, data.to_us, entries, data.numerics, data.waves, pressures, rows, data.lost
        ),
        named=False,
    )


def _row(entry: Entry, session: str) -> StoredAudit:
    body = dict(entry.body)
    told = (entry.n, None, entry.at_us, session, "", entry.actor, entry.role, entry.kind, body)
    return StoredAudit(*told, None, b"")
