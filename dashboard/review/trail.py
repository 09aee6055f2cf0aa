"""The audit trail of a session, page by page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from dashboard.review import Rooms
from dashboard.review.held import held, told_to
from vitals.export.session_data import Entry

PAGE, MOST = 100, 1000
"""Rows of a page, and the most that may be asked for."""


def trail(
    store: Path,
    uuid: str,
    offset: int = 0,
    limit: int = PAGE,
    *,
    kind: str = "",
    q: str = "",
    names: bool = True,
    rooms: Rooms = None,
    stamp: str = "",
) -> bytes | None:
    """`{"rows": [...], "total", "offset"}`: rows of the trail in the order of recording.

    Args:
        store: the record.
        uuid: of the session.
        offset: rows that are passed over.
        limit: rows that are given at most.
        kind: only rows of this kind, `""` for all.
        q: only rows in which these words occur, whatever their case.
        names: people by name, not by role and number.
        rooms: rooms whose sessions may be seen, None for all.
        stamp: see `dashboard.review.held.held`.

    Returns:
        None when there is no such session.

    Raises:
        StoreError: the record cannot be read.
    """
    found = held(store, uuid, rooms, stamp)
    if found is None:
        return None
    words = q.casefold().split()
    rows = [
        entry
        for entry in told_to(found, names=names).entries
        if kind in ("", entry.kind) and _has(entry, words)
    ]
    chosen = rows[offset : offset + limit]
    body = {"rows": [_row(entry) for entry in chosen], "total": len(rows), "offset": offset}
    return orjson.dumps(body)


def _has(entry: Entry, words: list[str]) -> bool:
    text = f"{entry.kind.replace('_', ' ')} {entry.text} {entry.actor} {entry.role}".casefold()
    return all(word in text for word in words)


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "n": entry.n,
        "at_us": entry.at_us,
        "kind": entry.kind,
        "text": entry.text,
        "actor": entry.actor,
        "role": entry.role,
    }
