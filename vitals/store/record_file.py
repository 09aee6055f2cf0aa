"""The file under the writer: opened when needed, again after an error, replaced after damage."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import apsw

from vitals.store.backlog import Entry
from vitals.store.claim import Claim
from vitals.store.commit import Committer
from vitals.store.connection import is_damage, open_for_writing
from vitals.store.reader import Reader
from vitals.store.rows import SessionRecord, StationRow, StoredAudit

_ANSWERS = 1_000
_MAY_GO_ON = (apsw.BusyError, apsw.LockedError, apsw.FullError)
"""After these the connection is as good as before."""


class RecordFile:
    """Owns the claim, the connection, and what must be told again to a new file."""

    def __init__(self, path: Path, key: bytes | None, now_us: Callable[[], int]) -> None:
        self.path = path
        self._key = key
        self._now_us = now_us
        self._claim: Claim | None = None
        self._connection: apsw.Connection | None = None
        self._committer: Committer | None = None
        self._damaged = False
        self._sessions: dict[str, SessionRecord] = {}
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
        if self._committer is not None:
            return self._committer
        if self._claim is None:
            self._claim = Claim(self.path)
        opened = open_for_writing(self.path, key=self._key, damaged=self._damaged)
        self._connection = opened.connection
        self._damaged = False
        committer = Committer(opened.connection, self._now_us)
        if opened.quarantined is not None:
            self.quarantined = opened.quarantined
            told = {"file": opened.quarantined.name, "sessions": sorted(self._sessions)}
            committer.start_anew(told, list(self._sessions.values()), self.station)
        if self.last_seq is None:
            self._learn()
        self._committer = committer
        return committer

    def _learn(self) -> None:
        reader = Reader(self.path, key=self._key)
        self.last_seq = reader.last_seq()
        self.answers = reader.answers(_ANSWERS)
        self.station = reader.station()
        self._sessions = {record.session.id: record for record in reader.open_sessions()}

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
        self._disconnect()
        if self._claim is not None:
            self._claim.release()
            self._claim = None

    def _disconnect(self) -> None:
        connection, self._connection, self._committer = self._connection, None, None
        if connection is not None:
            if self._damaged:  # keep the log apart from the file: both are evidence now
                connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            connection.close(True)  # what fails here has failed before, and was reported
