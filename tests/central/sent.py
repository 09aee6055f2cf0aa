"""Sends a whole record of a station to the centre, or a part of it, as its sender would."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import fields
from itertools import groupby
from pathlib import Path
from typing import Any

import apsw
import psycopg

from vitals.central import lanes, session_files, watermark
from vitals.central.lanes import AuditLine, Block, ChannelLine, SessionLine
from vitals.central.session_files import WaveLine
from vitals.export.list_facts import facts_of
from vitals.export.read import read_session
from vitals.store.connection import open_for_reading
from vitals.store.reader import Reader


def send(
    dsn: str,
    station: str,
    store: Path,
    *,
    to_n: int = 2**62,
    to_seq: int = 2**62,
    files: bool = True,
    facts: bool = True,
) -> str:
    """Everything of a record that is not there yet; returns the record's name.

    Args:
        dsn: of the station's role.
        station: its id.
        store: its record.
        to_n: rows of the audit trail up to this place.
        to_seq: values up to this counter.
        files: waveforms of closed sessions, too; a sender tells of their channels only then.
        facts: and with them what the list says of them.
    """
    source = open_for_reading(store)
    try:
        return asyncio.run(_send(dsn, station, source, store, to_n, to_seq, files, facts))
    finally:
        source.close()


async def _send(
    dsn: str,
    station: str,
    source: apsw.Connection,
    store: Path,
    to_n: int,
    to_seq: int,
    files: bool,
    facts: bool,
) -> str:
    (first,) = source.execute("SELECT hash FROM audit WHERE n = 1").fetchall()
    record = bytes(first[0]).hex()
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        marks = await watermark.read(connection, station, record)
        rows = _audit(source, marks.audit, to_n)
        if rows:
            names = ", ".join(one.name for one in fields(SessionLine))
            sessions = _lines(SessionLine, source, f"SELECT {names} FROM session")  # noqa: S608
            assert await lanes.send_audit(connection, station, record, marks.audit, rows, sessions)
        channels = _lines(
            ChannelLine,
            source,
            "SELECT channel_id, uuid, device, key, unit, kind, rate_hz, mdc, loinc"
            " FROM channel JOIN session USING (session_id)",
        )
        known_here = channels if files else [one for one in channels if one.kind != "wave"]
        await lanes.send_channels(connection, station, record, known_here)
        known = marks.numeric
        for block in _blocks(source, known, to_seq):
            await lanes.make_day(connection, block)
            assert await lanes.send_block(connection, station, record, known, block)
            known = block.seq[-1]
        for channel in channels if files else ():
            lines = _waves(source, channel.channel_id) if channel.kind == "wave" else []
            if lines:
                file = session_files.encode(station, record, channel, lines)
                await session_files.send_file(
                    connection, station, record, channel, len(lines), file
                )
        if facts and files:
            end = max((row.n for row in rows), default=marks.audit)
            assert await session_files.send_done(
                connection, station, record, marks.file, end, _facts(store)
            )
    return record


def _lines(kind: Any, source: apsw.Connection, sql: str, *values: int) -> list[Any]:
    return [kind(*row) for row in source.execute(sql, values)]


def _audit(source: apsw.Connection, after: int, to_n: int) -> Sequence[AuditLine]:
    return _lines(
        AuditLine,
        source,
        "SELECT n, seq, at_us, uuid, audit.room, actor, role, kind, command_id, body, prev, hash"
        " FROM audit LEFT JOIN session USING (session_id)"
        " WHERE n > ? AND n <= ? ORDER BY n",
        after,
        to_n,
    )


def _blocks(source: apsw.Connection, after: int, to_seq: int) -> Iterator[Block]:
    rows = source.execute(
        "SELECT seq, channel_id, at_us, value, quality, flags, device_at_us FROM numeric"
        " WHERE seq > ? AND seq <= ? ORDER BY seq",
        (after, to_seq),
    ).fetchall()
    for _, of_day in groupby(rows, key=lambda row: row[2] // lanes.DAY_US):
        day = list(of_day)
        for at in range(0, len(day), lanes.MOST):
            yield Block(*zip(*day[at : at + lanes.MOST], strict=True))


def _waves(source: apsw.Connection, channel: int) -> list[WaveLine]:
    return _lines(
        WaveLine,
        source,
        "SELECT seq, start_us, rate_hz, scale, offset, quality, data FROM wave"
        " WHERE channel_id = ? ORDER BY seq",
        channel,
    )


def _facts(store: Path) -> dict[str, dict[str, Any]]:
    reader = Reader(store)
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for record in reader.sessions():
        if record.session.ended_us is not None:
            data = read_session(reader, record, names=False, exported_us=0, waves=False)
            found[record.session.id] = session_files.facts_json(facts_of(data))
    return found
