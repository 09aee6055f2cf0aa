"""Puts an existing record under a key, or under another one.

A copy is made, checked against the record row for row, and put in its place in one step. The old
file stays beside it until somebody deletes it: before that the new key should have been tried, and
put away where it cannot be lost.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import apsw

from vitals.errors import StoreError
from vitals.store import key_mark, keys
from vitals.store.claim import Claim
from vitals.store.connection import (
    SUFFIXES,
    connect,
    explain,
    make_private,
    open_for_reading,
    open_for_writing,
    sync_folder,
)
from vitals.store.verify import Verification, verify


class Rekeyed(NamedTuple):
    """What was done: the file as it was before, and the check of the new one."""

    old: Path
    found: Verification


def rekey(record: Path, source: str, *, key: bytes | None = None) -> Rekeyed:
    """Puts a record under the key that `source` names; the station must be stopped.

    Args:
        record: the file.
        source: where the new key is; see `vitals.store.keys`.
        key: the present key, None for a plain record, or for one whose key is named beside it.

    Raises:
        RecordInUse: a station writes it.
        StoreError: it is damaged, its key or the new one is away, or the disk is full; nothing
            was changed.
    """
    if not record.is_file():
        raise StoreError(f"{record}: there is no such record; check the path")
    new = keys.read(source)
    key = keys.key_of(record) if key is None else key
    if new == key:
        raise StoreError(f"{record}: this is its key already; make another with `vitals key new`")
    claim = Claim(record)
    try:
        return _rekey(record, key, new, source)
    finally:
        claim.release()


def _rekey(record: Path, key: bytes | None, new: bytes, source: str) -> Rekeyed:
    before = verify(record, key=key)
    if not before.ok:
        raise StoreError(f"{before.broken}; its key was not changed")
    open_for_writing(record, key=key).connection.close()  # folds its log into it
    if any(Path(f"{record}{suffix}").exists() for suffix in SUFFIXES[1:2]):
        raise StoreError(f"{record}: another program has the record open; close it")
    fresh = record.with_name(f"{record.name}.rekeyed")
    try:
        found = _copied(record, key, fresh, new)
        if found != (before.ok, before.head, before.audit_rows, before.sealed, before.unsealed):
            raise StoreError(f"{record}: the copy under the new key differs; check the disk")
        old = record.with_name(f"{record.name}.before-key.{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
        _at_the_disk(record, lambda: os.link(record, old))
        _at_the_disk(record, lambda: keys.follow(record, old))
        _at_the_disk(record, lambda: keys.remember(record, source))
        _at_the_disk(record, lambda: key_mark.forget(record))
        _at_the_disk(record, lambda: fresh.replace(record))
        key_mark.leave(record, new)
    finally:
        for suffix in SUFFIXES:
            Path(f"{fresh}{suffix}").unlink(missing_ok=True)
    sync_folder(record.parent)
    # The list of sessions that the pages keep beside the record is made anew, under the new key.
    Path(f"{record}.index").unlink(missing_ok=True)
    return Rekeyed(old, verify(record, key=new))


def _copied(
    record: Path, key: bytes | None, fresh: Path, new: bytes
) -> tuple[bool, str, int, int, int]:
    for suffix in SUFFIXES:
        Path(f"{fresh}{suffix}").unlink(missing_ok=True)  # of an attempt that was cut short
    try:
        make_private(fresh)
        with closing(open_for_reading(record, key=key)) as connection:
            connection.execute("VACUUM INTO ?", (str(fresh),))
        with closing(connect(fresh, key, apsw.SQLITE_OPEN_READWRITE)) as connection:
            connection.pragma("cipher", "chacha20")
            connection.pragma("rekey", f"raw:{new.hex()}")
        handle = os.open(fresh, os.O_RDWR)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except (apsw.Error, OSError) as error:
        # Without the chain of errors: a driver's own words may name what it was given.
        raise StoreError(explain(error, record)) from None
    found = verify(fresh, key=new)
    return found.ok, found.head, found.audit_rows, found.sealed, found.unsealed


def _at_the_disk(record: Path, act: Callable[[], object]) -> None:
    try:
        act()
    except OSError as error:
        raise StoreError(
            f"{record}: its key was not changed, the disk refuses it ({error.strerror})"
        ) from error
