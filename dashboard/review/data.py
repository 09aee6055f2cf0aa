"""What programs ask of one session: numerics, events, alarms, in pages, as JSON or CSV.

Values are the record's own, to the last digit, in the unit of their channel. Invalid ones are
among them, and say so. Runs in the figure process.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from dashboard.review import Rooms
from dashboard.review.held import held, told_to
from vitals.export.csv_files import number, text
from vitals.export.session_data import AlarmEpisode, Entry, NumericTrack, SessionData
from vitals.store.rows import QUALITIES

NUMERICS = (
    "at_us", "time", "device", "channel", "unit", "value", "quality", "flags", "device_at_us",
)  # fmt: skip
EVENTS = ("n", "at_us", "time", "kind", "text", "actor", "role", "details")
ALARMS = (
    "rule", "priority", "text", "from_us", "to_us", "heard_us", "acked_us", "acked_by",
)  # fmt: skip
"""Columns of the CSV forms."""


@dataclass(frozen=True, slots=True)
class Page:
    """Which rows are wanted, and how.

    Attributes:
        from_us: from then on, microseconds UTC; None for no limit.
        to_us: before then.
        offset: rows of the answer that are left out at its beginning.
        limit: rows at most.
        as_csv: CSV instead of JSON.
    """

    from_us: int | None
    to_us: int | None
    offset: int
    limit: int
    as_csv: bool

    def during(self, at_us: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of these times are meant."""
        low = -(2**62) if self.from_us is None else self.from_us
        high = 2**62 if self.to_us is None else self.to_us
        inside: NDArray[np.bool_] = (at_us >= low) & (at_us < high)
        return inside


def numerics(
    store: Path, uuid: str, channel: str, page: Page, *, rooms: Rooms = None
) -> bytes | None:
    """Values of a session in order of time, of one channel or (`""`) of all.

    Raises:
        StoreError: the record cannot be read at all.
    """
    found = held(store, uuid, rooms)
    if found is None:
        return None
    data = found.data
    tracks = [t for t in data.numerics if t.at_us.size and channel in ("", t.channel.key)]
    rows, total = _rows_of(tracks, page)
    if page.as_csv:
        return _csv(NUMERICS, (_numeric_cells(data, tracks[k], i) for k, i in rows))
    values = [_numeric(tracks[k], i) for k, i in rows]
    channels = {t.channel.key: t.channel for t in tracks}
    about = [
        {"key": c.key, "label": c.label, "unit": c.unit, "mdc": c.mdc, "loinc": c.loinc}
        for c in channels.values()
    ]
    return _json(data, page, total, channels=about, numerics=values)


def events(
    store: Path, uuid: str, kind: str, page: Page, *, names: bool, rooms: Rooms = None
) -> bytes | None:
    """The audit trail of a session, of one kind or (`""`) of all.

    Raises:
        StoreError: see `numerics`.
    """
    found = held(store, uuid, rooms)
    if found is None:
        return None
    entries = [entry for entry in told_to(found, names=names).entries if kind in ("", entry.kind)]
    inside = page.during(np.array([entry.at_us for entry in entries], dtype=np.int64))
    entries = [entry for entry, ok in zip(entries, inside.tolist(), strict=True) if ok]
    kept = entries[page.offset : page.offset + page.limit]
    if page.as_csv:
        return _csv(EVENTS, (_event_cells(found.data, entry) for entry in kept))
    told = [
        {
            "n": entry.n,
            "at_us": entry.at_us,
            "kind": entry.kind,
            "text": entry.text,
            "actor": entry.actor,
            "role": entry.role,
            "body": dict(entry.body),
        }
        for entry in kept
    ]
    return _json(found.data, page, len(entries), events=told)


def alarms(store: Path, uuid: str, page: Page, *, names: bool, rooms: Rooms = None) -> bytes | None:
    """The alarms of a session from their being met to their end, in order of their beginning.

    Raises:
        StoreError: see `numerics`.
    """
    found = held(store, uuid, rooms)
    if found is None:
        return None
    rang = list(told_to(found, names=names).alarms)
    inside = page.during(np.array([one.from_us for one in rang], dtype=np.int64))
    rang = [one for one, ok in zip(rang, inside.tolist(), strict=True) if ok]
    kept = rang[page.offset : page.offset + page.limit]
    if page.as_csv:
        return _csv(ALARMS, ([_cell(getattr(one, key)) for key in ALARMS] for one in kept))
    return _json(found.data, page, len(rang), alarms=[_alarm(one) for one in kept])


def _json(data: SessionData, page: Page, total: int, **what: Any) -> bytes:
    after = page.offset + page.limit
    body = {
        "session": data.session.id,
        "mode": data.session.mode,
        "total": total,
        "offset": page.offset,
        "next": after if after < total else None,
        "unreadable": list(data.unreadable),
        **what,
    }
    return orjson.dumps(body, default=_plain)


def _csv(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    stream = io.StringIO(newline="")
    out = csv.writer(stream)
    out.writerow(head)
    out.writerows(rows)
    return stream.getvalue().encode("utf-8", "replace")


# --- numerics ---------------------------------------------------------------------------------


def _rows_of(tracks: Sequence[NumericTrack], page: Page) -> tuple[list[tuple[int, int]], int]:
    """(track, index) of the rows of a page in order of time, and how many rows there are."""
    if not tracks:
        return [], 0
    at_us = np.concatenate([track.at_us for track in tracks])
    sizes = [track.at_us.size for track in tracks]
    track = np.repeat(np.arange(len(tracks)), sizes)
    index = np.concatenate([np.arange(size) for size in sizes])
    inside = np.flatnonzero(page.during(at_us))
    order = inside[np.lexsort((index[inside], track[inside], at_us[inside]))]
    kept = order[page.offset : page.offset + page.limit]
    return list(zip(track[kept].tolist(), index[kept].tolist(), strict=True)), int(inside.size)


def _numeric(track: NumericTrack, i: int) -> dict[str, Any]:
    value = float(track.value[i])
    return {
        "at_us": int(track.at_us[i]),
        "device": track.device,
        "channel": track.channel.key,
        "value": None if value != value else value,
        "quality": QUALITIES[int(track.quality[i])].value,
        "flags": [flag for flag in track.flags[i].split(",") if flag],
        "device_at_us": track.device_at_us[i],
    }


def _numeric_cells(data: SessionData, track: NumericTrack, i: int) -> list[str]:
    at_us, theirs = int(track.at_us[i]), track.device_at_us[i]
    return [
        str(at_us),
        data.iso(at_us),
        text(track.device),
        track.channel.key,
        track.channel.unit,
        number(float(track.value[i])),
        QUALITIES[int(track.quality[i])].value,
        text(track.flags[i]),
        "" if theirs is None else str(theirs),
    ]


# --- events -----------------------------------------------------------------------------------


def _event_cells(data: SessionData, entry: Entry) -> list[str]:
    words = [text(one) for one in (entry.kind, entry.text, entry.actor, entry.role)]
    details = orjson.dumps(dict(entry.body), default=_plain).decode()
    return [str(entry.n), str(entry.at_us), data.iso(entry.at_us), *words, details]


def _alarm(one: AlarmEpisode) -> dict[str, Any]:
    return {key: getattr(one, key) for key in ALARMS}


def _cell(value: Any) -> str:
    return "" if value is None else text(value) if isinstance(value, str) else str(value)


def _plain(value: Any) -> Any:
    return dict(value)
