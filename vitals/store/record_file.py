"""The file under the writer: opened when needed, again after an error, replaced after damage."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw

from vitals.errors import StoreError
from vitals.store import facts, keys
from vitals.store.backlog import Entry
from vitals.store.claim import Claim
from vitals.store.commit import Committer
from vitals.store.connection import (
    RecordUnavailable,
    is_damage,
    open_for_reading,
    open_for_writing,
    select,
)
from vitals.store.probe import Probe
from vitals.store.reader import Reader
from vitals.store.rows import SessionRecord, StationRow, StoredAudit

_log = logging.getLogger(__name__)
_ANSWERS = 1_000
_MAY_GO_ON = (apsw.BusyError, apsw.LockedError, apsw.FullError)
"""After these the connection is as good as before."""


class RecordFile:
    """Owns the claim, the connection, and what must be told again to a new file."""

    def __init__(
        self,
        path: Path,
        key: bytes | None,
        now_us: Callable[[], int],
        probe: Probe,
        key_source: str = "",
    ) -> None:
        self.path = path
        self._probe = probe
        self._key = key
        self._key_source = key_source
        self._now_us = now_us
        self._claim: Claim | None = None
        self._connection: apsw.Connection | None = None
        self._committer: Committer | None = None
        self._damaged = False
        self._disk: int | None = None
        self._sessions: dict[str, SessionRecord] = {}
        self._to_tell: dict[str, Any] | None = None
        self.quarantined: Path | None = None
        """Where a damaged file was set aside last."""
        self.last_seq: int | None = None
        """Highest counter in the file when it was first opened; None before."""
        self.answers: list[StoredAudit] = []
        """The latest rows that answered commands, at that time."""
        self.station: StationRow | None = None
        """The station's clock as last stored."""

    def open(self) -> Committer:
        """The way into the file; opens it if it is not open.

        Raises:
            StoreError: it cannot be opened (`RecordUnavailable`: not now).
            InstallError: this SQLite must not be used.
            apsw.Error: it was opened and then failed.
        """
        self._look_for_the_disk()
        self._hold()
        if self._committer is not None:
            self._probe.check()
            self._probe.look()
            return self._committer
        deleted = self.last_seq is not None and not self.path.exists()
        opened = open_for_writing(self.path, key=self._key, damaged=self._damaged)
        self._connection = opened.connection
        self._name_key()
        was_damaged, self._damaged = self._damaged, False
        try:
            self._probe.opened()
            if opened.quarantined is not None:
                self._set_aside(opened.quarantined)
            elif was_damaged or deleted:  # there is nothing to set aside
                self._to_tell = {"file": "", "sessions": sorted(self._sessions)}
            committer = Committer(opened.connection, self._now_us)
            if self._to_tell is not None:
                committer.start_anew(self._to_tell, list(self._sessions.values()), self.station)
                self._to_tell = None
            if self.last_seq is None:
                self._learn()
            self._recognise(opened.connection)
        except BaseException:
            self._disconnect()
            raise
        self._disk = _disk_of(self.path.parent)
        self._committer = committer
        return committer

    def _look_for_the_disk(self) -> None:
        """A disk that was taken away leaves an empty folder, where no second record may begin.

        Raises:
            RecordUnavailable: everything waits until it is back.
        """
        away = self._disk is not None and not self.path.exists()
        if away and _disk_of(self.path.parent) != self._disk:
            self._damaged = False
            raise RecordUnavailable(f"{self.path}: the record's disk is away; connect it again")

    def _hold(self) -> None:
        """Takes the claim, again where its file was deleted.

        Raises:
            RecordInUse: another station has it meanwhile.
        """
        if self._claim is not None and not self._claim.is_held:
            _log.warning("%s.lock was deleted or replaced; it is made again", self.path)
            self._claim.release()
            self._claim = None
        if self._claim is None:
            self._claim = Claim(self.path)

    def _recognise(self, connection: apsw.Connection) -> None:
        """A file that was opened again is the one that was written, if it knows what is open.

        Raises:
            apsw.CorruptError: it does not: another record, or an older copy.
        """
        known = {uuid for (uuid,) in select(connection, "SELECT uuid FROM session")}
        if not self._sessions.keys() <= known:
            raise apsw.CorruptError("another file has taken its place")

    def _name_key(self) -> None:
        if not self._key_source:
            return
        try:
            keys.remember(self.path, self._key_source)
        except OSError as error:  # a full disk, say: the next opening tries again
            _log.warning("where the record's key is could not be noted beside it: %s", error)

    def _set_aside(self, damaged: Path) -> None:
        if self.last_seq is None:
            self._salvage(damaged)
        self.quarantined = damaged
        self._to_tell = {"file": damaged.name, "sessions": sorted(self._sessions)}

    def _salvage(self, damaged: Path) -> None:
        """Lets what is open go on in the new file, if two places of the old one agree on it."""
        try:
            connection = open_for_reading(damaged, key=self._key)
            try:
                both = (facts.of_sessions(connection), facts.of_stations(connection))
            finally:
                connection.close()
            sound = [
                json.loads(text)
                for told, stands in both
                for key, text in stands.items()
                if text == told.get(key)
            ]
            names = {fact.get("uuid", fact.get("id")) for fact in sound}
            self._remember(Reader(damaged, key=self._key), names.__contains__)
        except (StoreError, apsw.Error, ValueError, LookupError, TypeError) as error:
            _log.warning("nothing could be read from the damaged record", exc_info=error)

    def _learn(self) -> None:
        reader = Reader(self.path, key=self._key)
        self.answers = reader.answers(_ANSWERS)
        self._remember(reader)
        self.last_seq = reader.last_seq()
        if self.quarantined is not None:  # nobody knows the numbers in the old file for sure
            self.last_seq = time.time_ns() // 1000

    def _remember(self, reader: Reader, sound: Callable[[str], bool] = bool) -> None:
        for record in reader.open_sessions():
            if sound(record.session.id):
                self._sessions[record.session.id] = record
        station = reader.station()
        if station is not None and sound(station.id):
            self.station = station

    def stored(self, entries: Iterable[Entry]) -> None:
        """Remembers what a new file would have to be told."""
        for entry in entries:
            self.station = entry.station or self.station
            if entry.session is None:
                continue
            uuid, record = entry.session.session.id, entry.session
            if record.state == "closed":
                self._sessions.pop(uuid, None)
                continue
            before = self._sessions.get(uuid, record)
            self._sessions[uuid] = replace(
                record,
                tz=record.tz or before.tz,
                profile_text=record.profile_text or before.profile_text,
                config_text=record.config_text or before.config_text,
            )

    def failed(self, error: Exception) -> None:
        """Lets go of a connection that an error has made doubtful."""
        self._damaged = self._damaged or is_damage(error)
        if not isinstance(error, _MAY_GO_ON):
            self._disconnect()

    def close(self) -> None:
        """Folds the log into the file and gives it up."""
        self._probe.close()
        self._disconnect()
        if self._claim is not None:
            self._claim.release()
            self._claim = None

    def _disconnect(self) -> None:
        connection, self._connection, self._committer = self._connection, None, None
        if connection is not None:
            if self._damaged:  # keep the log apart from the file: both are evidence now
                connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            try:
                connection.close(True)
            except apsw.Error:  # it has failed before, and that was reported; the thread goes on
                _log.debug("the record could not be closed in order", exc_info=True)


def _disk_of(folder: Path) -> int:
    """Tells one disk from another; -1 for a folder that is not there."""
    try:
        return os.stat(folder).st_dev
    except OSError:
        return -1
