"""The sessions that somebody looks at, kept in the figure process: read once for a whole page.

A page asks for the facts, the figure and the tables of one session one after the other. Each
answer says with its `stamp` what it was made of; who asks on with that stamp is answered from the
same reading, so that all parts of a page tell one moment, also of a session that goes on.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from dashboard.review import Rooms
from vitals.errors import StoreError
from vitals.export.read import read_session
from vitals.export.salvage import is_broken
from vitals.export.session_data import SessionData
from vitals.export.unnamed import unnamed
from vitals.store.reader import Reader
from vitals.store.rows import SessionRecord

MOST_MOMENTS = 32
"""Moments whose stamp is known."""
MOST = 4
"""Readings that are kept; two hours with a pleth are about 5 MB."""


@dataclass(frozen=True, slots=True)
class Held:
    """A session as it was read.

    Attributes:
        data: all of it, people by name.
        stamp: another one as soon as anything was added.
    """

    data: SessionData
    stamp: str


_kept: OrderedDict[tuple[Path, str, str], Held] = OrderedDict()
"""By record, session and stamp; the one that was wanted last stands last."""
_asked: OrderedDict[tuple[Path, str, str], str] = OrderedDict()
"""By record, session and what somebody called a moment: the stamp of the reading that it became."""
_lock = Lock()


_nameless: OrderedDict[tuple[str, str], SessionData] = OrderedDict()
"""By session and stamp: who pages through a trail asks for the same one again and again."""


def told_to(found: Held, *, names: bool) -> SessionData:
    """The session with people by name, or with a role and a number for each.

    The number is that of the order in which they first occur in the session's audit trail, to
    which rows are only added: the same person has the same one in every answer of the session.
    """
    if names:
        return found.data
    key = (found.data.session.id, found.stamp)
    with _lock:
        known = _nameless.get(key)
    if known is None:
        known = unnamed(found.data)
        with _lock:
            _nameless[key] = known
            while len(_nameless) > MOST:
                _nameless.popitem(last=False)
    return known


def record_of(reader: Reader, uuid: str, rooms: Rooms) -> SessionRecord | None:
    """A session's summary row, None when there is none, or not for this person.

    Raises:
        StoreError: the record cannot be read.
    """
    record = reader.session(uuid)
    return record if record and (rooms is None or record.session.room in rooms) else None


def held(store: Path, uuid: str, rooms: Rooms = None, stamp: str = "") -> Held | None:
    """A session whole, from the last reading of it where that still is what is recorded.

    Args:
        store: the record.
        uuid: of the session.
        rooms: rooms whose sessions may be seen, None for all.
        stamp: of the reading that the caller has seen the rest of; `""` for what there is now. Any
            other word is a moment of the caller's own: what it is asked with first is read now, and
            whatever is asked with it then is answered from that reading, also while rows are added.

    Returns:
        None when there is no such session, or not for this person.

    Raises:
        StoreError: the record cannot be read at all; damaged places are told in the data.
    """
    if not store.exists():
        return None
    known = _of(store, uuid, stamp)
    if known is not None:
        return known if rooms is None or known.data.session.room in rooms else None
    reader = Reader(store)
    record = record_of(reader, uuid, rooms)
    if record is None:
        return None
    found = _stamp(reader, record, store)
    known = _of(store, uuid, found)
    if known is None:
        data = read_session(reader, record, names=True, exported_us=time.time_ns() // 1000)
        known = Held(data, found)
    with _lock:
        _kept[store, uuid, found] = known
        while len(_kept) > MOST:
            _kept.popitem(last=False)
        if stamp not in ("", found):
            _asked[store, uuid, stamp] = found
            while len(_asked) > MOST_MOMENTS:
                _asked.popitem(last=False)
    return known


def _of(store: Path, uuid: str, stamp: str) -> Held | None:
    with _lock:
        stamp = _asked.get((store, uuid, stamp), stamp)
        known = _kept.get((store, uuid, stamp))
        if known is not None:
            _kept.move_to_end((store, uuid, stamp))
        return known


def _stamp(reader: Reader, record: SessionRecord, store: Path) -> str:
    """Names what is recorded of a session; of a damaged record, the state of its file."""
    told: list[object] = [store.stat().st_ino, record]
    try:
        told += [reader.last_row(record.session.id), reader.counts(record.session.id)]
    except StoreError as error:
        if not is_broken(error):
            raise
        told += [store.stat().st_size, store.stat().st_mtime_ns]
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


def kept() -> int:
    """How many readings are kept now."""
    with _lock:
        return len(_kept)


def forget() -> None:
    """Drops what is kept."""
    with _lock:
        _kept.clear()
        _asked.clear()
        _nameless.clear()
