"""The list of all sessions, each with its answers; made in the figure process.

What a closed session says is worked out once, and again when its audit trail has grown. This is
done in slices, the newest session first, so that no request waits: the answer says how many are
still to come, and the page asks again. Of a session that goes on the answers are those of a few
seconds ago.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import orjson

from dashboard.review import Rooms
from dashboard.review.index_file import IndexFile
from dashboard.review.index_query import Question
from dashboard.review.index_record import DAMAGED, look
from dashboard.review.index_table import Table
from vitals.errors import StoreError
from vitals.export.list_facts import facts_in as _facts
from vitals.store import keys
from vitals.store.reader import Reader

SLICE_S = 0.1
"""So long one request works sessions out; the last of them may run over it."""
REFRESH_S = 10.0
"""A session that goes on is worked out again after this."""
_MOST = 50
"""Sessions of one slice."""

log = logging.getLogger(__name__)
_open: dict[Path, Index] = {}


def listed(store: Path, question: Question, *, rooms: Rooms = None) -> bytes:
    """The sessions that are asked for: `{sessions, total, pending, facets, unreadable}`.

    Args:
        store: the record.
        question: what is asked.
        rooms: rooms whose sessions may be seen, None for all.

    Raises:
        StoreError: the record cannot be read.
    """
    if not store.exists():
        table = Table()
        try:
            return orjson.dumps({**table.answer(question, rooms), "unreadable": []})
        finally:
            table.close()
    return orjson.dumps(_index(store).answer(question, rooms))


def forget() -> None:
    """Gives up what is held in memory."""
    while _open:
        _open.popitem()[1].close()


def _index(store: Path) -> Index:
    found = _open.get(store)
    if found is None:
        forget()
        found = _open[store] = Index(store)
    return found


class Index:
    """The list of one record.

    Args:
        store: the record.
        key: under which it is encrypted, and its index with it; None where it is plain, or its
            key is named beside it.
        slice_s: how long one request works sessions out.
    """

    def __init__(self, store: Path, key: bytes | None = None, slice_s: float = SLICE_S) -> None:
        self._store = store
        self._key = keys.key_of(store) if key is None else key
        self._slice_s = slice_s
        self._table = Table()
        self._file = IndexFile(store, self._key)
        self._mark = self._file.load(self._table)
        self._lost = ""
        self._changed: set[str] = set()
        self._worked_at: dict[str, float] = {}

    def close(self) -> None:
        """Gives the memory back."""
        self._table.close()

    def answer(self, question: Question, rooms: Rooms) -> dict[str, Any]:
        """What is asked, after a look at the record and a slice of what is owed.

        Raises:
            StoreError: the record cannot be read.
        """
        self._look()
        self._work()
        worth = self._changed and self._mark != DAMAGED
        if worth and self._file.save(self._table, self._changed, self._mark):
            self._changed.clear()
        unreadable = [self._lost] if self._lost else []
        return {**self._table.answer(question, rooms), "unreadable": unreadable}

    def _look(self) -> None:
        seen = look(self._store, self._mark, self._key)
        if seen.anew:
            self._table.clear()
            self._changed.clear()
            self._lost = seen.lost
        self._table.grown(seen.heads)
        self._changed |= {head.uuid for head in seen.heads}
        self._mark = seen.mark

    def _work(self) -> None:
        began = time.monotonic()
        fresh = {uuid for uuid, at in self._worked_at.items() if began - at < REFRESH_S}
        reader = Reader(self._store, key=self._key)
        for uuid in self._table.owed(_MOST, fresh):
            try:
                facts = _facts(reader, uuid)
            except StoreError as error:  # it is locked, or its disk fails: the next request tries
                log.warning("no facts of session %s now: %s", uuid, error)
                return
            self._table.worked_out(uuid, facts)
            self._changed.add(uuid)
            now = time.monotonic()
            self._worked_at[uuid] = now
            if now - began >= self._slice_s:
                return
