"""The samples of one session at the centre, and whether they fit the seals of its chain.

The bytes of a seal are those of `vitals.store.seal`: lines of the channels that occur, of the
values, of the waveforms.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from vitals.central import session_files
from vitals.store.retention import DAY_US
from vitals.store.rows import FORGOTTEN
from vitals.store.seal_check import lines

if TYPE_CHECKING:
    from psycopg import Connection

_Row = tuple[Any, ...]
FARTHEST_US = 30 * DAY_US
"""A sample's own time is never farther from its session: it bounds which days are looked at."""
_AROUND = 100_000
"""And its counter never farther from those of the session's audit rows and seals."""
_NEVER = 2**62
_CHANNELS = """
SELECT channel_id, device, key, unit, kind, rate_hz, mdc, loinc FROM kap.channel
WHERE station = %s AND record = %s AND session = %s ORDER BY channel_id
"""
_NUMERICS = """
SELECT u.seq, u.channel_id, u.at_us, u.value, u.quality::int, coalesce(u.flags, ''), u.device_at_us
FROM kap.block b
CROSS JOIN LATERAL unnest(b.seq, b.channel_id, b.at_us, b.value, b.quality, b.flags,
    b.device_at_us) AS u(seq, channel_id, at_us, value, quality, flags, device_at_us)
WHERE b.station = %s AND b.record = %s AND u.channel_id = ANY(%s)
    AND b.last_seq BETWEEN %s AND %s AND b.first_us BETWEEN %s AND %s
ORDER BY 1
"""
_FILES = """
SELECT channel_id, parquet, sha256 FROM kap.file
WHERE station = %s AND record = %s AND session = %s
"""


class Span(NamedTuple):
    """Where a session lies.

    Attributes:
        started_us: its start.
        ended_us: its end, None while it is open.
        first: the lowest counter of its audit rows and seals.
        last: the highest.
    """

    started_us: int
    ended_us: int | None
    first: int
    last: int


class Retired(NamedTuple):
    """What retention has deleted: everything that lay before these times; 0 for nothing."""

    values_us: int
    waves_us: int


@dataclass(frozen=True, slots=True)
class Samples:
    """What is here of one session.

    Attributes:
        uuid: of the session.
        span: where it lies.
        channels: rows (channel_id, device, key, unit, kind, rate_hz, mdc, loinc).
        numerics: rows (seq, channel_id, at_us, value, quality, flags, device_at_us) by seq.
        waves: rows (seq, channel_id, start_us, rate_hz, n, scale, offset, quality, SHA-256) by seq.
        without: channels whose waveforms are not here.
        files: channels whose waveforms are here.
        spoilt: what is wrong with a file, in words.
    """

    uuid: str
    span: Span
    channels: list[_Row]
    numerics: list[_Row]
    waves: list[_Row]
    without: int
    files: int = 0
    spoilt: str = ""


@dataclass(slots=True)
class Counts:
    """What came of one session."""

    broken: str = ""
    sealed: int = 0
    unsealed: int = 0
    waiting: int = 0
    retired: int = 0

    @property
    def sums(self) -> tuple[int, int, int, int]:
        """In the order of `verify_copy.Checked`."""
        return self.sealed, self.unsealed, self.waiting, self.retired


def read_samples(
    connection: Connection[Any],
    station: str,
    record: str,
    uuid: str,
    span: Span,
) -> Samples:
    """Reads all that is here of one session.

    Raises:
        CentralError: there are waveforms, and pyarrow is not installed, or they cannot be read.
    """
    where = (station, record, uuid)
    channels = connection.execute(_CHANNELS, where).fetchall()
    within = (
        span.first - _AROUND,
        _NEVER if span.ended_us is None else span.last + _AROUND,
        span.started_us - FARTHEST_US,
        _NEVER if span.ended_us is None else span.ended_us + FARTHEST_US,
    )
    ids = [row[0] for row in channels]
    numerics = connection.execute(_NUMERICS, (station, record, ids, *within)).fetchall()
    waves: list[_Row] = []
    spoilt = ""
    missing = {row[0] for row in channels if row[4] == "wave"}
    files = connection.execute(_FILES, where).fetchall()
    for channel, parquet, sha256 in files:
        missing.discard(channel)
        if hashlib.sha256(parquet).digest() != bytes(sha256):
            spoilt = f"session {uuid}: the waveforms of channel {channel} were changed"
            continue
        waves += _unpacked(channel, parquet)
    waves.sort(key=itemgetter(0))
    return Samples(uuid, span, channels, numerics, waves, len(missing), len(files), spoilt)


def _unpacked(channel: int, file: bytes) -> list[_Row]:
    return [
        (
            *(one.seq, channel, one.start_us, one.rate_hz, one.n, one.scale, one.offset),
            *(one.quality, hashlib.sha256(one.data).hexdigest()),
        )
        for one in session_files.decode(file)
    ]


def check_seals(
    samples: Samples,
    told: Sequence[tuple[str, int, int, str]],
    seq: int,
    retired: Retired,
    *,
    filed: bool,
) -> Counts:
    """Holds samples against the seals of their session.

    Args:
        samples: of the session.
        told: (kind, n, at_us, body) of its rows that seal, in order.
        seq: the last counter of a value that is here, of any session.
        retired: what was deleted because of its age.
        filed: whether its station has sent all waveforms of it. It does when the session is
            closed; before, not even their channels are known here.
    """
    if samples.spoilt:
        return Counts(samples.spoilt)
    for one, other in zip(samples.numerics, samples.numerics[1:], strict=False):
        if one[0] == other[0]:
            return Counts(f"session {samples.uuid}: value {one[0]} is here twice")
    sealing = [(kind, _Seal(n, at_us, json.loads(body))) for kind, n, at_us, body in told]
    seals = [seal for kind, seal in sealing if kind != FORGOTTEN]
    owed = bool(samples.without) or not (filed or samples.files)
    found = _against(samples, seals, seq, retired, owed)
    if (found.broken or found.waiting) and len(seals) < len(sealing):
        # The station has forgotten samples: its last such row seals what it has left of them.
        last = max(place for place, (kind, _) in enumerate(sealing) if kind == FORGOTTEN)
        rest_of = [seal for _, seal in sealing[last:]]
        rest = _against(_without_waves(samples), rest_of, seq, retired, False)
        if not rest.broken:
            rest.retired += max(0, sum(seal.rows for seal in seals) - rest.sealed)
            return rest
    return found


class _Seal:
    def __init__(self, n: int, at_us: int, body: dict[str, Any]) -> None:
        self.n, self.at_us = n, at_us
        self.first, self.last = int(body["from_seq"]), int(body["to_seq"])
        self.rows, self.sha256 = int(body["rows"]), str(body["sha256"])


def _without_waves(samples: Samples) -> Samples:
    return replace(samples, waves=[], without=0)


def _against(
    samples: Samples, seals: Sequence[_Seal], seq: int, retired: Retired, owed: bool
) -> Counts:
    counts = Counts()
    covered = 0
    for seal in seals:
        numerics = [row for row in samples.numerics if seal.first <= row[0] <= seal.last]
        waves = [row for row in samples.waves if seal.first <= row[0] <= seal.last]
        covered += len(numerics)
        here = len(numerics) + len(waves)
        if here == seal.rows and _digest(samples.channels, numerics, waves) == seal.sha256:
            counts.sealed += seal.rows
        elif here < seal.rows and _was_retired(samples, seal, retired):
            counts.retired += seal.rows
        elif here < seal.rows and (owed or seal.last > seq):
            counts.waiting += seal.rows
        else:
            counts.broken = (
                f"session {samples.uuid}: samples {seal.first} to {seal.last} are not those that "
                f"audit row {seal.n} has sealed: {here} of {seal.rows} are here"
            )
            return counts
    last = max((seal.last for seal in seals), default=0)
    counts.unsealed = sum(row[0] > last for row in samples.numerics)
    if covered + counts.unsealed != len(samples.numerics):
        counts.broken = f"session {samples.uuid}: there are values between those that were sealed"
    return counts


def _was_retired(samples: Samples, seal: _Seal, retired: Retired) -> bool:
    """Whether its time explains that samples of a seal are not here."""
    if samples.span.started_us < retired.values_us and seal.at_us < retired.values_us + DAY_US:
        return True
    ended_us = samples.span.ended_us
    return bool(samples.without and ended_us is not None and ended_us < retired.waves_us)


def _digest(channels: list[_Row], numerics: list[_Row], waves: list[_Row]) -> str:
    used = {row[1] for row in (*numerics, *waves)}
    total = hashlib.sha256(lines("channel", [row for row in channels if row[0] in used]))
    total.update(lines("numeric", numerics))
    total.update(lines("wave", waves))
    return total.hexdigest()
