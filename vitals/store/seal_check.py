"""Checks all seals of a session in one reading of its samples.

The same bytes as in `vitals.store.seal`, in another order of work: there each seal reads its own
range of the counter, which in a clinic holds the samples of all rooms; here a session's samples
are read once, through the index by channel, and dealt out to its seals.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import apsw
import msgspec

from vitals.store.connection import select
from vitals.store.seal import Digest

_OF_SESSION = "WHERE channel_id IN (SELECT channel_id FROM channel WHERE session_id = ?)"
_NUMERICS = (
    "SELECT 'numeric', seq, channel_id, at_us, value, quality, flags, device_at_us"
    f" FROM numeric {_OF_SESSION} ORDER BY seq"  # noqa: S608
)
_WAVES = (
    "SELECT 'wave', seq, channel_id, start_us, rate_hz, n, scale, offset, quality, data"
    f" FROM wave {_OF_SESSION} ORDER BY seq"  # noqa: S608
)
_CHANNELS = (
    "SELECT 'channel', channel_id, device, key, unit, kind, rate_hz, mdc, loinc"
    " FROM channel WHERE session_id = ? ORDER BY channel_id"
)
_Row = tuple[Any, ...]

_exact = json.JSONEncoder(separators=(",", ":")).encode
_quick = msgspec.json.Encoder()


class Checked(NamedTuple):
    """What was found of a session.

    Attributes:
        digests: of each range that was asked for.
        between: rows before the end of the last range that no range covers.
        behind: rows after it.
    """

    digests: list[Digest]
    between: int
    behind: int


@dataclass(slots=True)
class _Range:
    """Lines of the numerics and waves in one range of the counter."""

    from_seq: int
    to_seq: int
    rows: int = 0
    used: set[int] = field(default_factory=set)
    lines: list[bytes] = field(default_factory=list)


def check(
    connection: apsw.Connection, session_id: int, ranges: Sequence[tuple[int, int]]
) -> Checked:
    """Digests of a session's samples in ranges (from_seq, to_seq) that grow and do not overlap."""
    parts = [_Range(*one) for one in ranges]
    outside = [0, 0]
    for sql, ready in ((_NUMERICS, _as_they_are), (_WAVES, _hashed)):
        for at, rows in _dealt(connection.execute(sql, (session_id,)), parts):
            if at is None:
                last = parts[-1].to_seq if parts else -1
                behind = sum(row[1] > last for row in rows)
                outside[0] += len(rows) - behind
                outside[1] += behind
                continue
            part = parts[at]
            part.rows += len(rows)
            part.used.update({row[2] for row in rows})
            part.lines.append(lines(ready(rows)))
    channels = {row[1]: row for row in select(connection, _CHANNELS, (session_id,))}
    return Checked([_digest(part, channels) for part in parts], *outside)


def _dealt(
    rows: Iterable[_Row], parts: Sequence[_Range]
) -> Iterator[tuple[int | None, list[_Row]]]:
    """Rows in order of the counter, in bunches: the number of their range, None outside of all."""
    at, bunch, outside = 0, list[_Row](), list[_Row]()
    for row in rows:
        seq = row[1]
        while at < len(parts) and seq > parts[at].to_seq:
            if bunch:
                yield at, bunch
                bunch = []
            at += 1
        if at < len(parts) and seq >= parts[at].from_seq:
            bunch.append(row)
        else:
            outside.append(row)
            if len(outside) == _BUNCH:
                yield None, outside
                outside = []
    if bunch:
        yield at, bunch
    if outside:
        yield None, outside


_BUNCH = 10_000


def _as_they_are(rows: list[_Row]) -> list[_Row]:
    return rows


def _hashed(rows: list[_Row]) -> list[_Row]:
    sha256 = hashlib.sha256
    return [(*row[:-1], sha256(row[-1]).hexdigest()) for row in rows]


def _digest(part: _Range, channels: dict[int, _Row]) -> Digest:
    total = hashlib.sha256()
    total.update(lines([row for number, row in channels.items() if number in part.used]))
    for text in part.lines:
        total.update(text)
    return Digest(part.rows, total.hexdigest())


def lines(rows: list[_Row]) -> bytes:
    """Rows as lines of JSON, byte for byte as `json` writes them.

    msgspec is ten times as quick and writes the same but for letters outside ASCII, and for
    numbers so small or large that they have an exponent.
    """
    values = {value for column in zip(*rows, strict=True) for value in _doubtful(column)}
    if all(map(_is_plain, values)):
        return _quick.encode_lines(rows)
    return b"".join(_exact(row).encode() + b"\n" for row in rows)


def _doubtful(column: Sequence[object]) -> Collection[object]:
    """The different values of a column, unless it is one of whole numbers."""
    return () if type(column[0]) is int and type(column[-1]) is int else set(column)


def _is_plain(value: object) -> bool:
    if isinstance(value, float):
        return value == 0 or 1e-4 <= abs(value) < 1e16
    return not isinstance(value, str) or value.isascii()
