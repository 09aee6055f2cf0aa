"""Sessions of one pseudonym beside each other: courses from the dose on, and their answers.

Runs in the figure process. Only sessions of the same mode are put together: nothing simulated
stands beside a patient's. A session that is closed is worked out once for as long as nothing is
added to it.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import orjson

from dashboard.review import Rooms
from dashboard.review.course import utc_offset_s
from dashboard.review.held import record_of
from vitals.export.read import read_session
from vitals.export.session_data import SessionData, doses
from vitals.export.summary import Reading, summarise
from vitals.model import US
from vitals.store.reader import Reader
from vitals.store.rows import SessionRecord

MOST = 8
"""Sessions beside each other, that which is looked at among them."""
WIDTH_US = 60 * US
"""Of each stretch of a course of which the lowest and the highest value are kept."""
BEFORE_US, AFTER_US = 60 * 60 * US, 8 * 3600 * US
"""A course is shown from so long before the dose to so long after it."""
_READ = frozenset({"spo2", "nibp_sys", "nibp_dia"})
_KEPT = 64
_Facts = dict[str, Any]

_kept: OrderedDict[tuple[Path, str], tuple[int, _Facts]] = OrderedDict()
_lock = Lock()


def across(store: Path, uuid: str, *, rooms: Rooms = None) -> bytes | None:
    """Sessions of the pseudonym of one, newest first, None when there is no such session.

    Raises:
        StoreError: the record cannot be read.
    """
    if not store.exists():
        return None
    with Reader(store).at_one_moment() as reader:
        record = record_of(reader, uuid, rooms)
        if record is None:
            return None
        subject = record.session.subject_ref
        alike = reader.of_subject(subject, record.session.mode) if subject else []
        seen = [(one, at_us) for one, room, at_us in alike if rooms is None or room in rooms]
        others = [one for one, _ in seen if one != uuid][: MOST - 1]
        shown = [one for one, _ in seen if one == uuid or one in others] or [uuid]
        known = [(one, *_known(store, reader, one)) for one in shown]
    sessions = [facts or _worked_out(store, one, last_n) for one, last_n, facts in known]
    return told(subject, record.session.mode, uuid, len(seen), sessions)


def told(subject: str, mode: str, this: str, total: int, sessions: Sequence[_Facts]) -> bytes:
    """The answer."""
    return orjson.dumps(
        {
            "subject_ref": subject,
            "mode": mode,
            "this": this,
            "total": max(total, 1),
            "sessions": sessions,
        }
    )


def facts_of(store: Path, uuid: str) -> dict[str, Any]:
    """What the answer says of one session of a record.

    Raises:
        StoreError: the record cannot be read.
    """
    last_n, facts = _known(store, Reader(store), uuid)
    return facts or _worked_out(store, uuid, last_n)


def _known(store: Path, reader: Reader, uuid: str) -> tuple[int, _Facts | None]:
    """The last row of a session, and what was worked out up to it."""
    last_n = reader.last_row(uuid)
    with _lock:
        kept = _kept.get((store, uuid))
        if kept is None or kept[0] != last_n:
            return last_n, None
        _kept.move_to_end((store, uuid))
        return last_n, kept[1]


def _worked_out(store: Path, uuid: str, last_n: int) -> _Facts:
    reader = Reader(store)
    record = reader.session(uuid)
    if record is None:  # a session is never deleted
        raise LookupError(uuid)
    facts = _facts(reader, record)
    if record.session.ended_us is not None:
        with _lock:
            _kept[store, uuid] = (last_n, facts)
            while len(_kept) > _KEPT:
                _kept.popitem(last=False)
    return facts


def _facts(reader: Reader, record: SessionRecord) -> _Facts:
    data = read_session(reader, record, names=True, exported_us=0, waves=False, only=_READ)
    found = summarise(data)
    session, cover = data.session, data.coverage.of("spo2")
    lowest, zero_us = found.spo2, _zero_us(data)
    return {
        "id": session.id,
        "room": session.room,
        "route": session.route,
        "mode": session.mode,
        "started_us": session.started_us,
        "ended_us": session.ended_us,
        "dose_us": session.dose_us,
        "utc_offset_s": utc_offset_s(data),
        "doses": [
            {"kind": dose.kind, "drug": dose.drug, "mg": dose.mg, "mg_kg": _per_kg(data, dose.mg)}
            for dose in doses(session)
        ],
        "baseline": _baseline(data, found.before),
        "peak": _pressure(found.peak),
        "spo2": (
            {"value": lowest.value, "minute": lowest.minute, "questionable": lowest.questionable}
            if lowest
            else None
        ),
        "alarms": dict(found.alarms),
        "coverage": None if cover is None or cover.share is None else _percent(cover.share),
        "unreadable": list(data.unreadable),
        "course": {
            "sys": _pressures(data, zero_us),
            "spo2": _stretches(reader, session.id, "spo2", zero_us),
            "pr": _stretches(reader, session.id, "pr", zero_us),
        },
    }


def _zero_us(data: SessionData) -> int:
    """What minutes are counted from: the dose, without one the beginning."""
    dose_us = data.session.dose_us
    return data.session.started_us if dose_us is None else dose_us


def _stretches(reader: Reader, uuid: str, channel: str, zero_us: int) -> list[list[float]]:
    """[minute, lowest, highest, mean] of the device that gave most; without values no minute."""
    from_us = zero_us - BEFORE_US
    first = -BEFORE_US // WIDTH_US
    by_device: dict[str, list[list[float]]] = {}
    for device, bucket, *values, mean in reader.extremes(uuid, channel, from_us, WIDTH_US):
        if bucket * WIDTH_US < BEFORE_US + AFTER_US:
            by_device.setdefault(device, []).append([first + bucket, *values, round(mean, 1)])
    return max(by_device.values(), key=len, default=[])


def _pressures(data: SessionData, zero_us: int) -> list[list[float]]:
    """[minute, systolic] of each reading."""
    return [
        [round((one.at_us - zero_us) / 60 / US, 2), one.sys]
        for one in data.pressures
        if one.sys is not None and not one.failure and -BEFORE_US <= one.at_us - zero_us < AFTER_US
    ]


def _pressure(reading: Reading | None) -> dict[str, float | None] | None:
    if reading is None:
        return None
    one = reading.pressure
    return {"sys": one.sys, "dia": one.dia, "minute": reading.minute}


def _baseline(data: SessionData, before: Reading | None) -> dict[str, float | None] | None:
    """Frozen at the dose; without that the last reading before it."""
    frozen = data.session.baseline
    if "nibp_sys" in frozen:
        return {"sys": frozen["nibp_sys"], "dia": frozen.get("nibp_dia"), "minute": None}
    return _pressure(before)


def _per_kg(data: SessionData, mg: float | None) -> float | None:
    weight = data.session.checkin.get("weight_kg")
    if mg is None or isinstance(weight, bool) or not isinstance(weight, (int, float)):
        return None
    return round(mg / weight, 3) if weight > 0 else None


def _percent(share: float) -> float:
    """Never rounded up to a whole that it is not."""
    return math.floor(share * 1000) / 10
