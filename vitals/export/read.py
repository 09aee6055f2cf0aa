"""Reads one session from the record, all of it at one moment, around damaged places."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from vitals import __version__
from vitals.channels import CHANNELS
from vitals.export import times
from vitals.export.coverage import lasting
from vitals.export.folding import coverage_of, devices_of, downtimes, episodes, folded
from vitals.export.people import People
from vitals.export.pressures import determinations
from vitals.export.salvage import is_broken, salvage
from vitals.export.session_data import (
    INVALID,
    TRAIL,
    Entry,
    Lost,
    NumericTrack,
    SessionData,
    WaveTrack,
    channel_of,
)
from vitals.export.wording import describe
from vitals.model import US, Session, Waveform
from vitals.store.reader import Reader
from vitals.store.rows import (
    FORGOTTEN,
    SEAL,
    SESSION_ROW,
    STATION_ROW,
    NumericSeries,
    SessionRecord,
)
from vitals.store.rows import StoredAudit as Row

SOFTWARE = f"kap-vitals {__version__}"
_HOUSEKEEPING = frozenset({SEAL, SESSION_ROW, STATION_ROW})
_LEAST_US = US
"""A second is given up around a damaged place."""
_EDGE_US = 86_400 * US
_ROWS = 2**31
_LAST_US = 2**53
"""Beyond the year 2255: damaged bytes, not a time."""


def read_session(
    reader: Reader,
    record: SessionRecord,
    *,
    names: bool,
    exported_us: int,
    tell: Callable[[str], None] = lambda _: None,
    waves: bool = True,
    only: Collection[str] | None = None,
) -> SessionData:
    """Everything of one session.

    Args:
        reader: of the record.
        record: the session.
        names: whether people are to stand there by name, not by role and number.
        exported_us: now.
        tell: is told what is being read.
        waves: False leaves the waveforms out, and their coverage with them.
        only: channels to be read, None for all; the coverage of the others is then meaningless.

    Raises:
        StoreError: the record cannot be used; damaged places are told in the result instead.
    """
    with reader.at_one_moment() as held:
        reading = _Reading(held, record, tell, exported_us)
        return reading.session(names, exported_us, waves=waves, only=only)


class _Reading:
    def __init__(
        self, reader: Reader, record: SessionRecord, tell: Callable[[str], None], now_us: int
    ) -> None:
        self._now_us = now_us
        self._reader = reader
        self._record = record
        self._uuid = record.session.id
        self._zone = times.zone(record.tz)
        self._tell = tell
        self._lost: list[str] = []
        self._holes: list[Lost] = []

    def _gone(self, row: Row) -> str:
        """What is missing here because its time was over must not look as if it had never been."""
        what = "waveforms" if row.body.get("what") == "waves" else "vital signs and waveforms"
        at = times.moment(row.at_us, self._zone)
        return (
            f"The {what} of this session were deleted on {at:%Y-%m-%d}: what was measured is no "
            "longer kept."
        )

    def session(
        self, names: bool, exported_us: int, *, waves: bool, only: Collection[str] | None
    ) -> SessionData:
        self._tell("the audit trail")
        self._lost += self._notes()
        rows = self._trail()
        self._rows = rows
        self._lost += map(self._gone, (row for row in rows if row.kind == FORGOTTEN))
        channels = self._channels()
        found = {key for _, key in channels if only is None or key in only}
        keys = [*(key for key in CHANNELS if key in found), *sorted(found - CHANNELS.keys())]
        numerics = tuple(track for key in keys for track in self._numerics(key))
        blocks = tuple(track for key in keys if waves for track in self._waves(key))
        people = People(rows)
        roles = {row.n: row.role or people.role(row.actor) for row in rows}
        rows = rows if names else [people.hide(row) for row in rows]
        entries = tuple(_entry(row, roles[row.n]) for row in rows if row.kind not in _HOUSEKEEPING)
        session = folded(self._record.session, rows)
        record = replace(self._record, session=session)
        pressures = determinations(numerics, entries)
        to_us = self._end(session, entries, numerics, blocks)
        devices = devices_of(rows, channels)
        head = self._or(self._reader.head, "", "the head of the audit chain")
        station = self._or(self._reader.station, None, "which station it was")
        return SessionData(
            record=record,
            station=station.id if station else "",
            numerics=numerics,
            waves=blocks,
            pressures=pressures,
            entries=entries,
            alarms=episodes(entries),
            devices=devices,
            gaps=tuple(downtimes(entries)),
            coverage=coverage_of(
                session, to_us, entries, numerics, blocks, pressures, rows, self._holes
            ),
            head=head,
            to_us=to_us,
            named=names,
            unreadable=tuple(self._lost),
            software=SOFTWARE,
            exported_us=exported_us,
            lost=tuple(self._holes),
        )

    def _channels(self) -> list[tuple[str, str]]:
        known = len(self._lost)
        ask = self._reader.channels
        found: list[tuple[str, str]] = self._or(ask, [], "which channels were recorded", self._uuid)
        if len(self._lost) > known:
            self._holes += [Lost(key, 0, _LAST_US) for key in CHANNELS]
        return found

    def _notes(self) -> list[str]:
        try:
            return self._reader.notes()
        except Exception as error:
            if not is_broken(error):
                raise
            return []  # a copy is never damaged for long; of a record the rest says what is lost

    def _or(self, ask: Callable[..., Any], otherwise: Any, what: str, *args: Any) -> Any:
        try:
            return ask(*args)
        except Exception as error:
            if not is_broken(error):
                raise
            self._lost.append(f"The record is damaged: {what} cannot be read.")
            return otherwise

    def _trail(self) -> list[Row]:
        def part(low: int, high: int) -> list[Row]:
            return self._reader.audit(self._uuid, low, high)

        found, lost = salvage(part, 0, _ROWS, 1)
        if lost:
            first, end = lost[0][0], lost[-1][1]
            where = (
                f"from row {max(1, first)} on" if end == _ROWS else f"in rows {first} to {end - 1}"
            )
            self._lost.append(f"The record is damaged: the audit trail {where} cannot be read.")
            self._holes.append(Lost(TRAIL, 0, _LAST_US))  # rows have a number there, no time
        rows = [row for part in found for row in part]
        kept = [row for row in rows if 0 <= row.at_us < _LAST_US]
        if len(kept) < len(rows):
            self._lost.append(f"{len(rows) - len(kept)} rows of the audit trail have no real time.")
        return kept

    def _numerics(self, key: str) -> Iterable[NumericTrack]:
        self._tell(key)
        parts = self._parts(
            key, lambda low, high: self._reader.numerics(self._uuid, key, low, high)
        )
        series = _joined([part for part in parts if part.at_us.size])
        if series is None:
            return
        names = np.array(series.device, dtype=object)
        timed = (series.at_us >= 0) & (series.at_us < _LAST_US)
        if not timed.all():
            self._lost.append(f"{np.count_nonzero(~timed)} values of {key} have no real time.")
        for device in sorted({name for name, ok in zip(names, timed, strict=True) if ok}):
            of = np.flatnonzero((names == device) & timed)
            yield NumericTrack(
                device,
                channel_of(key),
                series.at_us[of],
                series.value[of],
                np.minimum(series.quality[of], INVALID),
                tuple(series.flags[i] for i in of.tolist()),
                tuple(series.device_at_us[i] for i in of.tolist()),
            )

    def _waves(self, key: str) -> Iterable[WaveTrack]:
        parts = self._parts(key, lambda low, high: self._reader.waves(self._uuid, key, low, high))
        by_device: dict[str, list[Waveform]] = {}
        for block in (block for part in parts for block in part):
            if not (0 <= block.start_us < _LAST_US and block.rate_hz > 0):
                self._lost.append(f"A block of {key} has no real time.")
                continue
            by_device.setdefault(block.device, []).append(block)
        for device, blocks in sorted(by_device.items()):
            yield WaveTrack(device, channel_of(key), tuple(blocks))

    def _parts(self, key: str, read: Callable[[int | None, int | None], Any]) -> list[Any]:
        try:
            return [read(None, None)]
        except Exception as error:
            if not is_broken(error):
                raise
        session = self._record.session
        ends = [row.at_us for row in self._rows]
        end_us = session.ended_us or max(ends, default=session.started_us)
        low, high = session.started_us - _EDGE_US, end_us + _EDGE_US
        found, lost = salvage(read, low, high, _LEAST_US)
        # beyond its ends only strays were looked for: nothing of the session is lost there
        until_us = session.ended_us or min(high, max(end_us, self._now_us))
        inside = [(max(a, session.started_us), min(b, until_us)) for a, b in lost]
        lost = [(a, b) for a, b in inside if a < b] or lost
        self._holes += [Lost(key, from_us, to_us) for from_us, to_us in lost]
        if lost:
            first, last = (times.iso(t, self._zone) for t in (lost[0][0], lost[-1][1]))
            total = lasting(sum(end - start for start, end in lost))
            self._lost.append(
                f"The record is damaged: {channel_of(key).label} in {total} between {first} and "
                f"{last} cannot be read."
            )
        return found

    def _end(
        self,
        session: Session,
        entries: Iterable[Entry],
        numerics: Iterable[NumericTrack],
        waves: Iterable[WaveTrack],
    ) -> int:
        if session.ended_us is not None:
            return session.ended_us
        ends = [session.started_us, *(entry.at_us for entry in entries)]
        ends += [int(track.at_us[-1]) for track in numerics]
        ends += [track.blocks[-1].start_us for track in waves]
        return max(ends)


def _joined(parts: list[NumericSeries]) -> NumericSeries | None:
    if not parts:
        return None
    return NumericSeries(
        np.concatenate([part.at_us for part in parts]),
        np.concatenate([part.value for part in parts]),
        np.concatenate([part.quality for part in parts]),
        tuple(device for part in parts for device in part.device),
        tuple(flags for part in parts for flags in part.flags),
        tuple(at_us for part in parts for at_us in part.device_at_us),
    )


def _entry(row: Row, role: str) -> Entry:
    return Entry(
        row.n, row.at_us, row.kind, describe(row.kind, row.body), row.actor, role, row.body
    )
