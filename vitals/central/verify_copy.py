"""Checks that what the centre has of a station is what that station has recorded.

The same proof as `vitals sessions verify` gives of the file, from the rows in PostgreSQL: the chain
of each record from its first row, the end of it that the station has named last, the sessions'
summaries against the facts in the chain, and the samples against their seals. A seal covers the
waveforms of its time too, which come when the session is closed: until then it waits.

Nothing is locked, and no transaction is longer than the reading of one session: the tables that
live pages are read from must not grow meanwhile.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vitals.central.samples_copy import Retired, Span, check_seals, read_samples
from vitals.errors import CentralError
from vitals.store.audit import GENESIS, canonical, row_hash
from vitals.store.rows import FORGOTTEN, SEAL, SESSION_ROW

if TYPE_CHECKING:
    from psycopg import Connection

_AT_A_TIME = 2000
_CHAIN = (
    "n", "prev", "hash", "seq", "at_us", "session", "room", "actor", "role", "kind", "body",
    "command_id",
)  # fmt: skip
_SUMMARY = (
    "uuid", "room", "subject_ref", "route", "mode", "phase", "started_us", "ended_us", "dose_us",
    "tz", "state", "resumed", "profile_text", "config_text",
)  # fmt: skip
_RECORDS = """
SELECT r.station, r.record, coalesce(l.head_n, 0), l.head,
    coalesce((SELECT n FROM kap.watermark w WHERE w.station = r.station AND w.record = r.record
        AND w.lane = 'numeric'), 0),
    coalesce((SELECT n FROM kap.watermark w WHERE w.station = r.station AND w.record = r.record
        AND w.lane = 'file'), 0)
FROM (SELECT DISTINCT station, record FROM kap.watermark) r
LEFT JOIN kap.latest l ON l.station = r.station AND l.record = r.record
WHERE %(station)s::text IS NULL OR r.station = %(station)s
ORDER BY 1, 2
"""
_TOTAL = """
SELECT coalesce(sum(cardinality(seq)), 0) FROM kap.block
WHERE station = %s AND record = %s AND last_seq <= %s
"""


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of one record of one station.

    Attributes:
        station: whose it is.
        record: the hash of its first row.
        broken: its first broken place in one sentence, `""` when all is well.
        head: hash of the last row of its chain here, in hex.
        audit_rows: rows of the chain here.
        behind: rows of the chain that the station has named and that are not here yet.
        sealed: samples that fit their seals.
        unsealed: values that no seal covers yet.
        waiting: samples under seals that cannot be computed yet: some of them are not here.
        retired: samples under seals that cannot be computed any more: they were deleted.
        skipped: sessions whose samples were not looked at, as they are older.
    """

    station: str
    record: str
    broken: str = ""
    head: str = ""
    audit_rows: int = 0
    behind: int = 0
    sealed: int = 0
    unsealed: int = 0
    waiting: int = 0
    retired: int = 0
    skipped: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing broken was found."""
        return not self.broken

    @property
    def sentence(self) -> str:
        """All of it, for a person."""
        whose = f"{self.station}, record {self.record[:8]}"
        if self.broken:
            return f"{whose}: {self.broken}"
        parts = [
            f"{self.audit_rows} audit rows and {self.sealed} sealed samples are as recorded",
            *(f"{count} {what}" for count, what in self._open() if count),
        ]
        return f"{whose}: {'; '.join(parts)}. Head {self.head}"

    def _open(self) -> tuple[tuple[int, str], ...]:
        return (
            (self.behind, "audit rows are not here yet"),
            (self.unsealed, "values are not sealed yet"),
            (self.waiting, "sealed samples wait for values or waveforms that are not here yet"),
            (self.retired, "sealed samples were deleted because of their age, or forgotten"),
            (self.skipped, "older sessions were not looked at"),
        )


class _Broken(Exception):
    """The first broken place; says which."""


@dataclass(slots=True)
class _Chain:
    """What the chain tells, gathered while it is read."""

    n: int = 0
    head: bytes = GENESIS
    seals: dict[str, list[tuple[str, int, int, str]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    """Session -> (kind, n, at_us, body) of what seals its samples."""
    summaries: dict[str, str] = field(default_factory=dict)
    """Session -> the facts of its row, as told last."""
    counters: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Session -> the lowest and the highest counter that its rows name."""
    closed: dict[str, int] = field(default_factory=dict)
    """Session -> the row that closes it."""

    def counter(self, session: str, *named: int) -> None:
        """Takes note of counters that a row of a session names."""
        self.counters[session] = (
            min(*named, *self.counters.get(session, named)),
            max(*named, *self.counters.get(session, named)),
        )


def verify(
    connection: Connection[Any], station: str | None = None, *, since_us: int = 0
) -> Iterator[Checked]:
    """Checks all records, or those of one station; a viewer's role will do.

    Args:
        connection: each statement a transaction of its own.
        station: its id.
        since_us: the samples of sessions that ended before this are not looked at; chains always
            are, from their first row.

    Raises:
        CentralError: nothing has come of that station yet, or there are waveforms, and pyarrow
            is not installed.
    """
    found = connection.execute(_RECORDS, {"station": station}).fetchall()
    if station is not None and not found:
        raise CentralError(
            f"nothing has come of station {station!r}; `vitals central status` shows all"
        )
    retired = _retired(connection)
    for whose, record, head_n, head, seq, file_n in found:
        one = _Record(connection, whose, record, retired, file_n)
        yield one.check(head_n, head, seq, since_us)


def _retired(connection: Connection[Any]) -> Retired:
    before = dict(
        connection.execute("SELECT what, max(before_us) FROM kap.retired GROUP BY what").fetchall()
    )
    return Retired(before.get("values", 0), before.get("waves", 0))


class _Record:
    def __init__(
        self,
        connection: Connection[Any],
        station: str,
        record: str,
        retired: Retired,
        file_n: int,
    ) -> None:
        self._connection, self._retired, self._file_n = connection, retired, file_n
        self._station, self._record = station, record

    def check(self, head_n: int, head: bytes | None, seq: int, since_us: int) -> Checked:
        """Checks it.

        Args:
            head_n: place of the last row of the chain that the station has named, 0 for none.
            head: its hash.
            seq: the last counter of a value that is here.
            since_us: see `verify`.
        """
        chain = _Chain()
        try:
            self._read(chain, head_n, head)
            behind = max(0, head_n - chain.n)
            told = self._sessions(chain, behind)
            counts = self._samples(chain, told, seq, since_us)
        except _Broken as error:
            return Checked(self._station, self._record, str(error), chain.head.hex(), chain.n)
        return Checked(self._station, self._record, "", chain.head.hex(), chain.n, behind, *counts)

    def _read(self, chain: _Chain, head_n: int, head: bytes | None) -> None:
        with self._connection.transaction(), self._connection.cursor("chain") as rows:
            rows.itersize = _AT_A_TIME
            rows.execute(
                f"SELECT {', '.join(_CHAIN)} FROM kap.audit"  # noqa: S608 - our own
                " WHERE station = %s AND record = %s ORDER BY n",
                (self._station, self._record),
            )
            for row in rows:
                fields = dict(zip(_CHAIN, row, strict=True))
                _link(chain, fields)
                if chain.n == 1 and chain.head.hex() != self._record:
                    raise _Broken("its first row is not the one that the record is named by")
                if chain.n == head_n and head is not None and chain.head != bytes(head):
                    raise _Broken(
                        f"audit row {head_n} is another one at the station: what is here, or the "
                        "record there, was written anew"
                    )

    def _sessions(self, chain: _Chain, behind: int) -> Mapping[str, Span]:
        """Session -> where it lies; their rows must be what the chain tells when it is all here."""
        found: dict[str, Span] = {}
        rows = self._connection.execute(
            f"SELECT {', '.join(_SUMMARY)}, (SELECT max(n) FROM kap.audit"  # noqa: S608 - our own
            " WHERE station = s.station AND record = s.record)"
            " FROM kap.session s WHERE station = %s AND record = %s",
            (self._station, self._record),
        )
        for *row, end in rows:
            facts = dict(zip(_SUMMARY, row, strict=True))
            uuid = facts["uuid"]
            counters = chain.counters.get(uuid, (0, 2**62))
            found[uuid] = Span(facts["started_us"], facts["ended_us"], *counters)
            for name in ("profile_text", "config_text"):
                text = facts.pop(name).encode()
                facts[name.replace("text", "sha256")] = hashlib.sha256(text).hexdigest()
            changed = chain.summaries.get(uuid) != canonical(facts)
            if changed and not behind and end == chain.n:  # else it may have changed since
                raise _Broken(f"the row of session {uuid} is not what the audit trail says")
        for uuid in sorted(chain.summaries.keys() - found.keys()):
            raise _Broken(f"session {uuid} is in the audit trail, and its row is missing")
        return found

    def _samples(
        self, chain: _Chain, told: Mapping[str, Span], seq: int, since_us: int
    ) -> tuple[int, int, int, int, int]:
        sums = [0, 0, 0, 0]
        seen = skipped = 0
        before = self._total(seq)
        for uuid, span in sorted(told.items(), key=lambda one: one[1].started_us):
            if span.ended_us is not None and span.ended_us < since_us:
                skipped += 1
                continue
            samples = read_samples(self._connection, self._station, self._record, uuid, span)
            filed = 0 < chain.closed.get(uuid, 0) <= self._file_n
            counts = check_seals(samples, chain.seals[uuid], seq, self._retired, filed=filed)
            if counts.broken:
                raise _Broken(counts.broken)
            seen += sum(row[0] <= seq for row in samples.numerics)
            for place, count in enumerate(counts.sums):
                sums[place] += count
        if not skipped and seen != before == self._total(seq):
            raise _Broken(f"{before - seen} values belong to none of its sessions, or lie far off")
        return sums[0], sums[1], sums[2], sums[3], skipped

    def _total(self, seq: int) -> int:
        row = self._connection.execute(_TOTAL, (self._station, self._record, seq)).fetchone()
        return 0 if row is None else int(row[0])


def _link(chain: _Chain, fields: dict[str, Any]) -> None:
    """Takes the next row of the chain."""
    n, kind, body, uuid = (fields[name] for name in ("n", "kind", "body", "session"))
    if n != chain.n + 1:
        raise _Broken(f"audit row {chain.n + 1} is missing")
    if fields["prev"] != chain.head:
        raise _Broken(f"audit row {n} ({kind}) does not follow the row before it")
    stored = fields.pop("hash")
    if row_hash(**fields) != stored:
        raise _Broken(f"audit row {n} ({kind}) was changed after it was recorded")
    chain.n, chain.head = n, stored
    if uuid is not None and fields["seq"] is not None:
        chain.counter(uuid, fields["seq"])
    elif uuid is not None:
        if kind in (SEAL, FORGOTTEN):
            chain.seals[uuid].append((kind, n, fields["at_us"], body))
            seal = json.loads(body)
            chain.counter(uuid, seal["from_seq"], seal["to_seq"])
        elif kind == SESSION_ROW:
            chain.summaries[uuid] = body
            if json.loads(body)["state"] == "closed":
                chain.closed.setdefault(uuid, n)
