"""How an answer leaves the figure process: compressed, and with a tag where nothing has changed.

Compressing there costs the web process nothing, and less has to be handed over.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dashboard.review import Rooms
from vitals import __version__
from vitals.errors import StoreError
from vitals.export.salvage import is_broken
from vitals.store.reader import Reader

WORTH_BYTES = 1024
"""Shorter answers are not compressed."""
WORTH = ("application/json", "text/")
"""What is worth compressing at all."""
LEVEL = 5


@dataclass(frozen=True, slots=True)
class How:
    """What the caller takes.

    Attributes:
        gzip: compressed answers.
        media_type: of the answer.
        session: uuid of the session that the answer depends on alone, `""` for more than one.
        known: tags of the answers that the caller has, as in `If-None-Match`.
        names: whether people stand in the answer by name.
    """

    gzip: bool
    media_type: str
    session: str = ""
    known: str = ""
    names: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """An answer.

    Attributes:
        status: 200, 304 (the caller has it), 404 (there is nothing of that name).
    """

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def make(
    how: How,
    build: Callable[..., bytes | None],
    store: Path,
    args: tuple[Any, ...],
    named: Mapping[str, Any],
) -> Made:
    """What `build(store, *args, **named)` answers, or that it would be what the caller has."""
    headers = {"Vary": "Accept-Encoding, Accept"}
    tag = tag_of(store, how, named.get("rooms")) if how.session else ""
    if tag:
        headers["ETag"] = tag
        if _has(how.known, tag):
            return Made(304, b"", headers)
    body = build(store, *args, **named)
    if body is None:
        return Made(404)
    if how.gzip and how.media_type.startswith(WORTH) and len(body) >= WORTH_BYTES:
        body = gzip.compress(body, LEVEL, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return Made(200, body, headers)


def tag_of(store: Path, how: How, rooms: Rooms) -> str:
    """Stays the same as long as nothing is added to a session; `""` if there is no such one.

    Of a damaged record nobody can say so: its answers have no tag.
    """
    reader = Reader(store)
    record = reader.session(how.session) if store.exists() else None
    if record is None or not (rooms is None or record.session.room in rooms):
        return ""
    told = [__version__, how.media_type, how.names, record]
    try:
        told += [reader.last_row(record.session.id), reader.counts(record.session.id)]
    except StoreError as error:
        if is_broken(error):
            return ""
        raise
    return f'W/"{hashlib.sha256(repr(told).encode()).hexdigest()[:24]}"'


def _has(known: str, tag: str) -> bool:
    tags = [each.strip().removeprefix("W/") for each in known.split(",")]
    return "*" in tags or tag.removeprefix("W/") in tags
