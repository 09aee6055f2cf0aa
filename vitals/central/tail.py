"""What a station's record has that the centre has not: read in one moment, the file closed again.

Values are committed in the order of their `seq` (`vitals.store.backlog`), audit rows in that of
their `n`: whoever has read up to one has missed nothing before it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw

from vitals.afterwards import KINDS as AFTERWARDS
from vitals.central.lanes import DAY_US, MOST, AuditLine, Block, ChannelLine, SessionLine
from vitals.central.session_files import WaveLine
from vitals.errors import StoreError
from vitals.store.connection import explain, open_for_reading, select
from vitals.store.rows import FORGOTTEN, SESSION_ROW

COUNTED = 200_000
"""Values that wait are counted up to here."""
_LOOKED_AT = 5_000
"""Audit rows in which closed sessions are looked for at a time."""

_AUDIT = (
    "SELECT audit.n, audit.seq, audit.at_us, session.uuid, audit.room, audit.actor, audit.role,"
    " audit.kind, audit.command_id, audit.body, audit.prev, audit.hash"
    " FROM audit LEFT JOIN session USING (session_id) WHERE audit.n > ? ORDER BY audit.n LIMIT ?"
)
_NUMERIC = (
    "SELECT seq, channel_id, at_us, value, quality, flags, device_at_us FROM numeric"
    " WHERE seq > ? ORDER BY seq LIMIT ?"
)
_CHANNEL = (
    "SELECT channel_id, session.uuid, device, key, unit, kind, rate_hz, mdc, loinc"
    " FROM channel JOIN session USING (session_id)"
)
_TOLD = (
    "uuid", "room", "subject_ref", "route", "mode", "phase", "started_us", "ended_us", "dose_us",
    "tz", "state", "resumed",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tail:
    """What is to be sent next, and how much there is of it.

    Attributes:
        record: its name, the hash of its first audit row; `""` while it has none.
        end_n: place of the last audit row.
        end_hash: of that row; None without one.
        hash_at: of the audit row that was asked about; None when there is none.
        audit: the next rows.
        sessions: as the last of those rows tell them.
        block: the next values, only when no audit rows are left; all of one day.
        channels: of those values.
        rows_behind: rows and values that wait, values counted up to `COUNTED`.
        oldest_us: time of the first of them; None when nothing waits.
    """

    record: str = ""
    end_n: int = 0
    end_hash: bytes | None = None
    hash_at: bytes | None = None
    audit: Sequence[AuditLine] = ()
    sessions: Sequence[SessionLine] = ()
    block: Block | None = None
    channels: Sequence[ChannelLine] = ()
    rows_behind: int = 0
    oldest_us: int | None = None


@dataclass(frozen=True, slots=True)
class Closed:
    """A session that was closed, or signed or added to since.

    Attributes:
        n: the audit row that says so.
        uuid: of the session; `""`: none up to `n`.
        last_seq: of its values.
        tz: its zone.
        waves: its channels with waveforms.
    """

    n: int
    uuid: str = ""
    last_seq: int = 0
    tz: str = ""
    waves: Sequence[ChannelLine] = field(default_factory=tuple)


def read(path: Path, audit_n: int, seq: int, *, most: int = MOST) -> Tail:
    """What comes behind an audit row and a value; nothing of a record that is not there yet.

    Raises:
        StoreError: the record cannot be read.
    """
    if not path.exists():
        return Tail()
    with _opened(path) as record:
        name = _name(record)
        if not name:
            return Tail()
        ((end_n, end_hash),) = select(record, "SELECT n, hash FROM audit ORDER BY n DESC LIMIT 1")
        asked = select(record, "SELECT hash FROM audit WHERE n = ?", (audit_n,))
        rows = [AuditLine(*row) for row in select(record, _AUDIT, (audit_n, most))]
        values = select(record, _NUMERIC, (seq, most if not rows else 1))
        ((waiting,),) = select(
            record,
            "SELECT count(*) FROM (SELECT 1 FROM numeric WHERE seq > ? LIMIT ?)",
            (seq, COUNTED),
        )
        block = _block(values) if values and not rows else None
        oldest = [row.at_us for row in rows[:1]] + [row[2] for row in values[:1]]
        return Tail(
            record=name,
            end_n=end_n,
            end_hash=end_hash,
            hash_at=asked[0][0] if asked else None,
            audit=rows,
            sessions=_sessions(record, rows),
            block=block,
            channels=_channels(record, block) if block else (),
            rows_behind=max(0, end_n - audit_n) + waiting,
            oldest_us=min(oldest, default=None),
        )


def closed(path: Path, name: str, after_n: int, to_n: int) -> Closed | None:
    """The next session to be filed, of those that rows after_n < n <= to_n tell; None: no row.

    Raises:
        StoreError: the record cannot be read, or is not the one of that name any more.
    """
    to_n = min(to_n, after_n + _LOOKED_AT)
    if to_n <= after_n:
        return None
    kinds = (*sorted(AFTERWARDS), FORGOTTEN)
    marks = ", ".join("?" * len(kinds))
    with _opened(path, name) as record:
        found = select(
            record,
            "SELECT n, uuid, tz FROM audit JOIN session USING (session_id)"  # noqa: S608 - marks
            " WHERE n > ? AND n <= ? AND session.state = 'closed' AND"
            f" (kind IN ({marks}) OR kind = ? AND seq IS NULL AND body ->> 'state' = 'closed')"
            " ORDER BY n LIMIT 1",
            (after_n, to_n, *kinds, SESSION_ROW),
        )
        if not found:
            return Closed(to_n)
        ((n, uuid, tz),) = found
        channels = [
            ChannelLine(*row)
            for row in select(record, f"{_CHANNEL} WHERE session.uuid = ? ORDER BY 1", (uuid,))
        ]
        ((last,),) = select(
            record,
            "SELECT coalesce(max(seq), 0) FROM numeric WHERE channel_id IN"
            " (SELECT channel_id FROM channel JOIN session USING (session_id) WHERE uuid = ?)",
            (uuid,),
        )
        return Closed(n, uuid, last, tz, [one for one in channels if one.kind == "wave"])


def waves(path: Path, name: str, channel: ChannelLine) -> list[WaveLine]:
    """All blocks of a waveform, in order.

    Raises:
        StoreError: the record cannot be read, or is not the one of that name any more.
    """
    with _opened(path, name) as record:
        return [
            WaveLine(*row)
            for row in select(
                record,
                "SELECT seq, start_us, rate_hz, scale, offset, quality, data FROM wave"
                " WHERE channel_id = ? ORDER BY seq",
                (channel.channel_id,),
            )
        ]


@contextmanager
def _opened(path: Path, name: str = "") -> Iterator[apsw.Connection]:
    """The file as it stands at one moment; of another name than expected it is refused."""
    connection = open_for_reading(path)
    try:
        connection.execute("BEGIN")
        if name and _name(connection) != name:
            raise StoreError(f"{path}: this is another record than a moment ago")
        yield connection
    except (apsw.Error, UnicodeDecodeError) as error:
        raise StoreError(explain(error, path)) from error
    finally:
        connection.close()


def _name(record: apsw.Connection) -> str:
    """Hash of the first audit row, `""` without one."""
    first = select(record, "SELECT hash FROM audit WHERE n = 1")
    return bytes(first[0][0]).hex() if first else ""


def _sessions(record: apsw.Connection, rows: Sequence[AuditLine]) -> list[SessionLine]:
    """Sessions as the last row of each tells it: a newer state has not been sent yet."""
    told: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row.kind == SESSION_ROW and row.seq is None:
            body = json.loads(row.body)
            told[body["uuid"]] = body
    return [
        SessionLine(
            *(body[name] for name in _TOLD),
            *select(
                record, "SELECT profile_text, config_text FROM session WHERE uuid = ?", (uuid,)
            )[0],
        )
        for uuid, body in told.items()
    ]


def _block(values: Sequence[tuple[Any, ...]]) -> Block:
    """The first values, as far as they are of the same day."""
    day = values[0][2] // DAY_US
    same = next((i for i, row in enumerate(values) if row[2] // DAY_US != day), len(values))
    return Block(*zip(*values[:same], strict=True))


def _channels(record: apsw.Connection, block: Block) -> list[ChannelLine]:
    used = sorted(set(block.channel_id))
    marks = ", ".join("?" * len(used))
    found = select(record, f"{_CHANNEL} WHERE channel_id IN ({marks})", used)
    return [ChannelLine(*row) for row in found]
