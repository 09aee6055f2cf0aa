"""What was added to a session when it was closed, and what there is to be corrected.

Runs in the figure process and answers as JSON bytes. None of it needs the session's samples.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from dashboard.review import Rooms
from dashboard.review.held import held, record_of, told_to
from vitals.afterwards import ADDENDUM, KINDS, MOST_COMMENT, MOST_TEXT, SIGNATURE, STATEMENTS
from vitals.export.added import additions
from vitals.export.session_data import Entry
from vitals.export.wording import describe
from vitals.store.intact import Chain, Place, check
from vitals.store.reader import Reader
from vitals.store.rows import StoredAudit
from vitals.time_line import CHANGES, MARKS

CORRECTABLE = frozenset({*MARKS, ADDENDUM})
"""Kinds of rows that an addendum may name as what it corrects, beside changes of the session."""
MOST_CORRECTABLE = 300
"""Rows that are offered; any other is named by its number."""


def addenda(store: Path, uuid: str, *, names: bool = True, rooms: Rooms = None) -> bytes | None:
    """Addenda and signatures in order, None when there is no such session.

    Args:
        store: the record.
        uuid: of the session.
        names: people by name; else by role and number, as everywhere in the session.
        rooms: rooms whose sessions may be seen, None for all.

    Raises:
        StoreError: the record cannot be read.
    """
    if not store.exists():
        return None
    with Reader(store).at_one_moment() as reader:
        record = record_of(reader, uuid, rooms)
        if record is None:
            return None
        rows = reader.audit_by_kind(uuid, {"session_change", *CORRECTABLE, *KINDS})
    entries = {row.n: _entry(row) for row in rows}
    if not names:
        whole = held(store, uuid, rooms)  # who is who is told by the whole trail
        hidden = told_to(whole, names=False).entries if whole else ()
        entries = {entry.n: entry for entry in hidden if entry.n in entries}
    found = additions(entries.values())
    offered = [entry for entry in entries.values() if _correctable(entry)]
    body: dict[str, Any] = {
        "closed": record.session.ended_us is not None,
        "additions": [
            {
                **asdict(one),
                "authenticated": one.authenticated,
                "corrected": entries[one.corrects].text if one.corrects in entries else "",
            }
            for one in found
        ],
        "last_n": found[-1].n if found else 0,
        "signed_n": max((one.n for one in found if one.kind == SIGNATURE), default=0),
        "statements": [{"key": key, "text": text} for key, text in STATEMENTS.items()],
        "correctable": [
            {"n": entry.n, "at_us": entry.at_us, "text": entry.text}
            for entry in offered[-MOST_CORRECTABLE:]
        ],
        "most_text": MOST_TEXT,
        "most_comment": MOST_COMMENT,
    }
    return orjson.dumps(body)


def intact(
    store: Path,
    uuid: str,
    to_n: int | None,
    seals: int,
    row: int,
    *,
    rooms: Rooms = None,
    chain: Chain | None = None,
) -> bytes | None:
    """A piece of the check of a session, None when there is no such session.

    Args:
        store: the record.
        uuid: of the session.
        to_n: row of the chain up to which it is checked, None for the last signature, or without
            one for the session's last row.
        seals: where the last piece ended.
        row: the same.
        rooms: rooms whose sessions may be seen, None for all.
        chain: where the chain is whole, if the record has only a part of it.

    Raises:
        StoreError: the record cannot be read.
    """
    reader = Reader(store)
    if not store.exists() or record_of(reader, uuid, rooms) is None:
        return None
    if to_n is None:
        signed: Iterable[StoredAudit] = reader.audit_by_kind(uuid, {SIGNATURE})
        to_n = max((one.n for one in signed), default=0) or reader.last_row(uuid)
    found = check(store, uuid, to_n, Place(seals, row), chain=chain)
    if found is None:
        return None
    return orjson.dumps({**asdict(found), "to_n": to_n})


def _entry(row: StoredAudit) -> Entry:
    text = describe(row.kind, row.body)
    return Entry(row.n, row.at_us, row.kind, text, row.actor, row.role, row.body)


def _correctable(entry: Entry) -> bool:
    return entry.kind in CORRECTABLE or entry.body.get("cause") in CHANGES
