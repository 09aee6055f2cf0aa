"""What review asks of the record, answered as JSON bytes. Runs in the figure process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import plotly.io as pio

from dashboard.figures import CHARTED, Chart, Limit, Series, session_figure
from dashboard.review import Rooms
from vitals.alarms import profile
from vitals.errors import ConfigError
from vitals.model import Quality, Session
from vitals.store.reader import Reader
from vitals.store.rows import QUALITIES, SessionRecord, StoredAudit

MOST_ROWS = 500
"""Rows of a session's table."""
MARKED = {"dose": "dose", "resumed": "resumed"}
_INVALID = QUALITIES.index(Quality.INVALID)


def sessions(store: Path, *, rooms: Rooms = None) -> bytes | None:
    """All sessions, newest first: `{"sessions": [...]}`. None of them before the first record.

    Raises:
        StoreError: the record cannot be read.
    """
    found = Reader(store).sessions() if store.exists() else []
    found = [record for record in found if rooms is None or record.session.room in rooms]
    return orjson.dumps({"sessions": [_facts(record) for record in reversed(found)]})


def session(store: Path, uuid: str, *, rooms: Rooms = None) -> bytes | None:
    """One session with its table of events, None when there is none of that id.

    Raises:
        StoreError: see `sessions`.
    """
    record = _record(store, uuid, rooms)
    if record is None:
        return None
    rows = [row for row in Reader(store).audit(uuid) if row.kind in _WORDS]
    table = [
        {"at_us": row.at_us, "kind": row.kind, "text": describe(row), "actor": row.actor}
        for row in rows[:MOST_ROWS]
    ]
    return orjson.dumps({"session": _facts(record), "audit": table, "audit_total": len(rows)})


def figure(store: Path, uuid: str, *, rooms: Rooms = None) -> bytes | None:
    """The figure of a session as Plotly JSON, None when there is none of that id.

    Raises:
        StoreError: see `sessions`.
    """
    record = _record(store, uuid, rooms)
    if record is None:
        return None
    text: str = pio.to_json(session_figure(_chart(Reader(store), record)), engine="orjson")
    return text.encode()


def describe(row: StoredAudit) -> str:
    """An audit row in words."""
    return _WORDS[row.kind](row.body) if row.kind in _WORDS else ""


def _join(*parts: Any) -> str:
    return " ".join(str(part) for part in parts if part)


def _alarm_words(body: dict[str, Any]) -> str:
    before, after = body.get("before", {}), body.get("after", {})
    change = f"{before.get('condition')} → {after.get('condition')}"
    who = after.get("acked_by") if after.get("acked_by") != before.get("acked_by") else ""
    return _join(
        after.get("text") or before.get("text") or body.get("rule"),
        f"({after.get('priority')})",
        change if before.get("condition") != after.get("condition") else body.get("cause"),
        f"acknowledged by {who}" if who else "",
    )


def _notice_words(body: dict[str, Any]) -> str:
    code = str(body.get("code", "")).replace("_", " ")
    ended = "" if body.get("active", True) else "ended"
    return _join(body.get("device"), code, ended, body.get("detail"))


_WORDS: dict[str, Callable[[dict[str, Any]], str]] = {
    "alarm": _alarm_words,
    "session_change": lambda body: _join(body.get("cause"), body.get("phase"), body.get("reason")),
    "mark": lambda body: str(body.get("text", "")),
    "due": lambda body: f"{body.get('label') or body.get('what')}: {body.get('state')}",
    "command": lambda body: (
        f"{body.get('command')}: {'done' if body.get('ok') else body.get('error')}"
    ),
    "link": lambda body: _join(body.get("device"), body.get("state"), body.get("detail")),
    "notice": _notice_words,
}
"""Kinds of audit rows that the table of a session shows, and how each is put in words."""


def _facts(record: SessionRecord) -> dict[str, Any]:
    """The session, and the seconds by which the clinic's clock was ahead of UTC."""
    return {
        **asdict(record.session),
        "utc_offset_s": _offset_s(record.tz, record.session),
    }


def _record(store: Path, uuid: str, rooms: Rooms) -> SessionRecord | None:
    found = Reader(store).session(uuid) if store.exists() else None
    return found if found and (rooms is None or found.session.room in rooms) else None


def _chart(reader: Reader, record: SessionRecord) -> Chart:
    found = record.session
    series = [s for channel in CHARTED if (s := _series(reader, found.id, channel)).at_us.size]
    rows = reader.audit(found.id)
    ends = [int(s.at_us[-1]) for s in series] + [row.at_us for row in rows]
    to_us = found.ended_us or max(ends, default=found.started_us)
    return Chart(
        from_us=found.started_us,
        to_us=max(to_us, found.started_us + 60_000_000),
        utc_offset_s=_offset_s(record.tz, found),
        series=series,
        limits=list(_limits(record.profile_text)),
        marks=[mark for row in rows if (mark := _mark(row)) is not None],
        gaps=[(a, b) for row in rows if row.kind == "session_change" for a, b in _gap(row)],
        alarms=list(_alarms(rows, to_us)),
    )


def _series(reader: Reader, uuid: str, channel: str) -> Series:
    found = reader.numerics(uuid, channel)
    kept = (found.quality != _INVALID) & ~np.isnan(found.value)
    if channel == "pr":
        kept &= _main_device(found.device, kept)
    return Series(channel, found.at_us[kept], found.value[kept])


def _main_device(devices: tuple[str, ...], kept: np.ndarray[Any, Any]) -> Any:
    """The values of the device that gave most: a cuff's pulse rate is not part of the line."""
    names = np.array(devices, dtype=object)
    if not kept.any():
        return kept
    known, counts = np.unique(names[kept].astype(str), return_counts=True)
    return names == known[counts.argmax()]


def _limits(text: str) -> Iterator[Limit]:
    if not text:
        return
    try:
        rules = profile.parse(text, Path("the profile in the record")).rules
    except ConfigError:  # of a version whose profiles had another form: a figure without lines
        return
    for rule in rules:
        for level in rule.levels:
            if rule.side != "technical" and level.limit is not None:
                yield Limit(rule.channel, level.priority.value, level.limit)


def _mark(row: StoredAudit) -> tuple[int, str] | None:
    if row.kind == "mark":
        text = str(row.body.get("text", ""))
        return row.at_us, text if len(text) <= 24 else text[:23] + "…"
    if row.kind == "session_change" and row.body.get("cause") in MARKED:
        return row.at_us, MARKED[row.body["cause"]]
    return None


def _gap(row: StoredAudit) -> list[tuple[int, int]]:
    gap = row.body.get("gap")
    return [(int(gap[0]), int(gap[1]))] if gap else []


def _alarms(rows: list[StoredAudit], end_us: int) -> Iterator[tuple[int, int, str, str]]:
    """From each alarm's becoming active to its end, by rule."""
    since: dict[str, tuple[int, str, str]] = {}
    for row in rows:
        if row.kind != "alarm":
            continue
        rule, after = str(row.body.get("rule")), row.body.get("after", {})
        running = since.pop(rule, None)
        if running is not None:
            yield running[0], row.at_us, running[1], running[2]
        if after.get("condition") == "active":
            since[rule] = (row.at_us, str(after.get("priority")), str(after.get("text")))
    for from_us, priority, text in since.values():
        yield from_us, end_us, priority, text


def _offset_s(tz: str, session: Session) -> int:
    """Seconds of the clinic's clock from UTC; `tz` is like +0200, else this computer's own."""
    if len(tz) == 5 and tz[0] in "+-" and tz[1:].isdigit():
        seconds = int(tz[1:3]) * 3600 + int(tz[3:]) * 60
        return -seconds if tz[0] == "-" else seconds
    local = datetime.fromtimestamp(session.started_us / 1e6, UTC).astimezone()
    offset = local.utcoffset()
    return int(offset.total_seconds()) if offset else 0
