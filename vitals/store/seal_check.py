"""Checks the seals of all sessions in one reading of the samples.

The same bytes as in `vitals.store.seal`, in another order of work. There each seal reads its own
range of the counter, in which lie the samples of all rooms; here the tables are read once from
end to end, as they lie in the file, and every sample is dealt out to the seal of its session.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import apsw
import msgspec

from vitals.store.connection import select
from vitals.store.seal import Digest

Range = tuple[int, int]
"""from_seq, to_seq of a seal."""

_NUMERICS = "SELECT seq, channel_id, at_us, value, quality, flags, device_at_us FROM numeric"
_WAVES = "SELECT seq, channel_id, start_us, rate_hz, n, scale, offset, quality, data FROM wave"
_WINDOW = " WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
_CHANNELS = (
    "SELECT session_id, channel_id, device, key, unit, kind, rate_hz, mdc, loinc"
    " FROM channel ORDER BY channel_id"
)
_ROWS = 20_000
"""Read at a time of each table."""
_FIRST, _LAST = -(2**63), 2**63 - 1
_Row = tuple[Any, ...]
_seq, _channel = itemgetter(0), itemgetter(1)

_exact = json.JSONEncoder(separators=(",", ":")).encode
_quick = msgspec.json.Encoder()


@dataclass(slots=True)
class Checked:
    """What was found of a session.

    Attributes:
        digests: of each range that was asked for.
        between: rows before the end of the last range that no range covers.
        behind: rows after it.
    """

    digests: list[Digest] = field(default_factory=list)
    between: int = 0
    behind: int = 0


def check(
    connection: apsw.Connection, ranges: Mapping[int, Sequence[Range]], after: int = _FIRST
) -> dict[int, Checked]:
    """Digests of samples by session_id, in ranges that grow and do not overlap.

    Samples of sessions that are not in `ranges`, and those up to `after`, are passed over.
    """
    channels: dict[int, dict[int, _Row]] = defaultdict(dict)
    for session_id, *channel in select(connection, _CHANNELS):
        channels[session_id][channel[0]] = tuple(channel)
    sessions = {key: _Session(found, channels[key]) for key, found in ranges.items()}
    owner = {
        number: sessions[key]
        for key, numbers in channels.items()
        if key in sessions
        for number in numbers
    }
    for high, numerics, waves in _windows(connection, after):
        for session, rows in _dealt(numerics, owner):
            session.take(rows, 0)
        for session, rows in _dealt(waves, owner):
            session.take(rows, 1)
        for session in sessions.values():
            session.pass_by(high)
    return {key: session.found for key, session in sessions.items()}


def _windows(connection: apsw.Connection, low: int) -> Iterator[tuple[int, list[_Row], list[_Row]]]:
    """(last counter, numerics, waves) behind a counter to the end; not many rows at a time."""
    while low < _LAST:
        high = _LAST
        numerics = select(connection, _NUMERICS + _WINDOW, (low, high, _ROWS))
        if len(numerics) == _ROWS:
            high = _seq(numerics[-1])
        waves = select(connection, _WAVES + _WINDOW, (low, high, _ROWS))
        if len(waves) == _ROWS:
            high = _seq(waves[-1])
            del numerics[bisect_right(numerics, high, key=_seq) :]
        yield high, numerics, waves
        low = high


def _dealt(
    rows: list[_Row], owner: Mapping[int, _Session]
) -> Iterator[tuple[_Session, list[_Row]]]:
    by_channel: dict[int, list[_Row]] = {number: [] for number in set(map(_channel, rows))}
    by_session: dict[int, tuple[_Session, list[_Row]]] = {}
    for number in by_channel:
        session = owner.get(number)
        if session is not None:
            _, here = by_session.setdefault(id(session), (session, []))
            by_channel[number] = here
    for row in rows:
        by_channel[row[1]].append(row)
    yield from by_session.values()


class _Session:
    """Deals the samples of one session out to its seals, as they come."""

    def __init__(self, ranges: Sequence[Range], channels: Mapping[int, _Row]) -> None:
        self.found = Checked()
        self._ranges = ranges
        self._channels = channels
        self._last = ranges[-1][1] if ranges else _FIRST
        self._begin()

    def _begin(self) -> None:
        self._rows = 0
        self._used: set[int] = set()
        self._text: tuple[list[bytes], list[bytes]] = ([], [])
        self._waiting: tuple[list[_Row], list[_Row]] = ([], [])

    def take(self, rows: list[_Row], table: int) -> None:
        """Rows of one table (0 numerics, 1 waves) in order, beyond those that came before."""
        self._waiting[table].extend(rows)

    def pass_by(self, high: int) -> None:
        """All rows up to a counter have come."""
        while any(self._waiting) or self._is_over(high):
            at = len(self.found.digests)
            if at == len(self._ranges):
                for waiting in self._waiting:
                    behind = sum(_seq(row) > self._last for row in waiting)
                    self.found.behind += behind
                    self.found.between += len(waiting) - behind
                    waiting.clear()
                return
            from_seq, to_seq = self._ranges[at]
            for table, waiting, text in zip(_TABLES, self._waiting, self._text, strict=True):
                end = bisect_right(waiting, to_seq, key=_seq)
                start = bisect_right(waiting, from_seq - 1, hi=end, key=_seq)
                self.found.between += start
                self._add(table, waiting[start:end], text)
                del waiting[:end]
            if not self._is_over(high):
                return
            self._close()

    def _is_over(self, high: int) -> bool:
        at = len(self.found.digests)
        return at < len(self._ranges) and self._ranges[at][1] <= high

    def _add(self, table: str, rows: list[_Row], text: list[bytes]) -> None:
        if rows:
            self._rows += len(rows)
            self._used.update(map(_channel, rows))
            text.append(lines(table, _hashed(rows) if table == "wave" else rows))

    def _close(self) -> None:
        total = hashlib.sha256()
        channels = [row for number, row in self._channels.items() if number in self._used]
        for part in (lines("channel", channels), *self._text[0], *self._text[1]):
            total.update(part)
        self.found.digests.append(Digest(self._rows, total.hexdigest()))
        waiting = self._waiting
        self._begin()
        self._waiting = waiting


def _hashed(rows: list[_Row]) -> list[_Row]:
    sha256 = hashlib.sha256
    return [(*row[:-1], sha256(row[-1]).hexdigest()) for row in rows]


def lines(table: str, rows: list[_Row]) -> bytes:
    """Rows of one table as lines of JSON, byte for byte as `json` writes them.

    msgspec is ten times as quick and writes the same but for letters outside ASCII, and for
    numbers so small or large that they have an exponent.
    """
    if not rows:
        return b""
    doubtful = {value for column in _DOUBTFUL[table] for value in map(itemgetter(column), rows)}
    if not all(map(_is_plain, doubtful)):
        return b"".join(_exact((table, *row)).encode() + b"\n" for row in rows)
    first = f'["{table}",'.encode()
    return first + _quick.encode_lines(rows)[1:].replace(b"\n[", b"\n" + first)


_TABLES = ("numeric", "wave")
_DOUBTFUL = {"numeric": (3, 5), "wave": (3, 5, 6), "channel": (1, 2, 3, 4, 5, 7)}
"""By table: value and flags; rate_hz, scale and offset; device, key, unit, kind, rate_hz, loinc."""


def _is_plain(value: object) -> bool:
    if isinstance(value, float):
        return value == 0 or 1e-4 <= abs(value) < 1e16
    return not isinstance(value, str) or value.isascii()
