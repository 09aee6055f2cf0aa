"""The expected course of a room's session, and how this patient's earlier ones went, as JSON.

Runs in the figure process, which reads the record; what it must know of the present session comes
with the call.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from dashboard.review import Rooms
from vitals import wire
from vitals.model import US, Quality
from vitals.session.expected import bands
from vitals.store.reader import Reader
from vitals.store.rows import QUALITIES, SessionRecord

EARLIER = 4
"""Of the patient's own sessions, the newest."""
MOST_READINGS = 60
"""Of one earlier session."""
FROM_MIN, TO_MIN = -30.0, 240.0
"""Minutes from the dose that are compared."""
LABEL = "expected course – not a limit"
_INVALID = QUALITIES.index(Quality.INVALID)


def course(store: Path, session: wire.SessionMsg | None, *, rooms: Rooms = None) -> bytes | None:
    """The course of one session: `{label, session, route, bands, earlier}`, encoded.

    `bands`: channel -> `minutes`, `low`, `mean`, `high`, none without a baseline. `earlier`: one
    entry a session, the newest first: `started_us`, `route` and `readings`, each
    [minutes from its dose, systolic, diastolic].

    Args:
        store: the record; one that does not exist yet has no earlier sessions.
        session: the room's open session; None answers None.
        rooms: rooms whose sessions the person may see, None for all.

    Raises:
        StoreError: the record cannot be read.
    """
    if session is None:
        return None
    found = bands(session.route, session.baseline)
    earlier = list(_earlier(Reader(store), session, rooms)) if store.exists() else []
    body = {
        "label": LABEL,
        "session": session.id,
        "route": session.route,
        "bands": {channel: asdict(band) for channel, band in found.items()},
        "earlier": earlier,
    }
    return orjson.dumps(body)


def _earlier(reader: Reader, session: wire.SessionMsg, rooms: Rooms) -> Iterator[dict[str, Any]]:
    with reader.at_one_moment() as record:
        known = [each for each in record.sessions() if _is_earlier(each, session, rooms)]
        for each in sorted(known, key=lambda each: -each.session.started_us)[:EARLIER]:
            readings = _readings(record, each)
            if readings:
                yield {
                    "started_us": each.session.started_us,
                    "route": each.session.route,
                    "readings": readings,
                }


def _is_earlier(record: SessionRecord, session: wire.SessionMsg, rooms: Rooms) -> bool:
    known = record.session
    return (
        known.subject_ref == session.subject_ref
        and known.id != session.id
        and known.dose_us is not None
        and known.started_us < (session.started_us or 0)
        and (rooms is None or known.room in rooms)
    )


def _readings(reader: Reader, record: SessionRecord) -> list[tuple[float, float, float]]:
    """[minutes from the dose, systolic, diastolic] of the readings about the dose."""
    uuid, dose_us = record.session.id, record.session.dose_us or 0
    systolic, diastolic = (reader.numerics(uuid, name) for name in ("nibp_sys", "nibp_dia"))
    below = {
        int(at): float(value)
        for at, value, quality in zip(
            diastolic.at_us, diastolic.value, diastolic.quality, strict=True
        )
        if quality != _INVALID and not np.isnan(value)
    }
    found = []
    for at, value, quality in zip(systolic.at_us, systolic.value, systolic.quality, strict=True):
        minute = (int(at) - dose_us) / (60 * US)
        if quality == _INVALID or np.isnan(value) or int(at) not in below:
            continue
        if FROM_MIN <= minute <= TO_MIN:
            found.append((round(minute, 2), float(value), below[int(at)]))
    return found[:MOST_READINGS]
