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
from collections.abc import Callable, Iterator, Mapping, Sequence
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


def nobody(share: float) -> None:
    """Is told how far it is, and passes it over."""


def check(
    connection: apsw.Connection,
    ranges: Mapping[int, Sequence[Range]],
    after: int = _FIRST,
    to: int = _LAST,
    tell: Callable[[float], None] = nobody,
) -> dict[int, list[Digest]]:
    """Digests of samples by session_id.

    Args:
        connection: to the record.
        ranges: of each session; they grow and do not overlap. Other samples are passed over.
        after: so are those up to this counter.
        to: and those beyond this one.
        tell: is given now and then which part of these counters was read, 0 to 1.
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
    coming = sorted((one for one in sessions.values() if one.ranges), key=_begins, reverse=True)
    going: list[_Session] = []
    for high, *tables in _windows(connection, after, to):
        while coming and _begins(coming[-1]) <= high:
            going.append(coming.pop())
        for table, rows in enumerate(tables):
            _deal(rows, owner, table)
        going = [session for session in going if session.pass_by(high)]
        tell((high - after) / max(1, to - after))
    return {key: session.digests for key, session in sessions.items()}


def _windows(
    connection: apsw.Connection, low: int, to: int
) -> Iterator[tuple[int, list[_Row], list[_Row]]]:
    """(last counter, numerics, waves) from end to end; not many rows at a time."""
    while low < to:
        high = to
        numerics = select(connection, _NUMERICS + _WINDOW, (low, high, _ROWS))
        if len(numerics) == _ROWS:
            high = _seq(numerics[-1])
        waves = select(connection, _WAVES + _WINDOW, (low, high, _ROWS))
        if len(waves) == _ROWS:
            high = _seq(waves[-1])
            del numerics[bisect_right(numerics, high, key=_seq) :]
        yield high, numerics, waves
        low = high


def _deal(rows: list[_Row], owner: Mapping[int, _Session], table: int) -> None:
    """Gives each session its rows of one table (0 numerics, 1 waves), in order."""
    nobodys: list[_Row] = []
    by_channel = {
        number: owner[number].waiting[table] if number in owner else nobodys
        for number in set(map(_channel, rows))
    }
    for row in rows:
        by_channel[row[1]].append(row)


class _Session:
    """Deals the samples of one session out to its seals, as they come."""

    def __init__(self, ranges: Sequence[Range], channels: Mapping[int, _Row]) -> None:
        self.ranges = ranges
        self.digests: list[Digest] = []
        self.waiting: tuple[list[_Row], list[_Row]] = ([], [])
        self._channels = channels
        self._begin()

    def _begin(self) -> None:
        self._rows = 0
        self._used: set[int] = set()
        self._text: tuple[list[bytes], list[bytes]] = ([], [])

    def pass_by(self, high: int) -> bool:
        """All rows up to a counter have come; whether more are of use."""
        while len(self.digests) < len(self.ranges):
            from_seq, to_seq = self.ranges[len(self.digests)]
            for table, waiting, text in zip(_TABLES, self.waiting, self._text, strict=True):
                start = bisect_right(waiting, from_seq - 1, key=_seq)
                end = bisect_right(waiting, to_seq, key=_seq)
                self._add(table, waiting[start:end], text)
                del waiting[:end]
            if to_seq > high:
                break
            self._close()
        for waiting in self.waiting:
            waiting.clear()
        return len(self.digests) < len(self.ranges)

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
        self.digests.append(Digest(self._rows, total.hexdigest()))
        self._begin()


def _begins(session: _Session) -> int:
    return session.ranges[0][0]


def _hashed(rows: list[_Row]) -> list[_Row]:
    sha256 = hashlib.sha256
    return [(*row[:-1], sha256(row[-1]).hexdigest()) for row in rows]


def lines(table: str, rows: list[_Row]) -> bytes:
    """Rows of one table as lines of JSON, byte for byte as `json` writes them.

    msgspec is ten times as quick and writes the same but for DEL, letters outside ASCII, and
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
    return not isinstance(value, str) or (value.isascii() and "\x7f" not in value)
