"""Tells whether a key is the record's own, without the record.

A damaged first page of an encrypted record looks like a wrong key. So `<record>.key-mark` keeps a
one-way mark of the key that opened the record last: with the right key the file is damaged and can
be set aside, with another one it is left alone. The mark gives nothing of the key away.
"""

from __future__ import annotations

import hmac
import logging
import os
from pathlib import Path

_log = logging.getLogger(__name__)
_TEXT = b"kap-vitals: this key opens the record"


def leave(record: Path, key: bytes) -> None:
    """Notes that the key has just opened the record; where it cannot be noted, it is not."""
    if fits(record, key):
        return
    try:
        handle = os.open(_path(record), os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        try:
            os.write(handle, _mark(key))
        finally:
            os.close(handle)
    except OSError as error:  # a full disk, say: damage is then told as a wrong key, as before
        _log.debug("the mark of the key was not written: %s", error)


def forget(record: Path) -> None:
    """Before another file takes the record's place: its key must not be taken for this one's.

    Raises:
        OSError: the mark is there and cannot be taken away.
    """
    _path(record).unlink(missing_ok=True)


def fits(record: Path, key: bytes) -> bool:
    """Whether this key has opened the record before."""
    try:
        known = _path(record).read_bytes()
    except OSError:
        return False
    return hmac.compare_digest(known, _mark(key))


def _path(record: Path) -> Path:
    return Path(f"{record}.key-mark")


def _mark(key: bytes) -> bytes:
    return hmac.digest(key, _TEXT, "sha256").hex().encode()
