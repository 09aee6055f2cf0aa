"""When the writer commits, tries again and seals. Pure: the time is an argument."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WriterSettings:
    """Times in real seconds, sizes in rows and bytes.

    Attributes:
        group_s: samples are committed at the latest after this.
        stall_s: "not recording" when something has waited this long; pages must say so within
            2 s, and an attempt on a locked file takes 0.2 s of that.
        seal_s: samples get a seal at the latest after this.
        first_retry_s: pause after a first failure; it doubles up to `last_retry_s`.
        last_retry_s: longest pause between two attempts.
        most_rows: kept in RAM; beyond it waveforms are given up, then numerics, oldest first.
            16 rooms with three numerics and four pleth packets a second fill it in 29 minutes.
        batch_rows: most rows in one transaction.
        least_free: warn when the disk has less free space.
        most_log: warn when the write-ahead log is larger.
        look_s: how often both are measured.
        check_s: how often the whole file is read again; see `vitals.store.probe`.
        reserve_bytes: kept free beside the record for a full disk; see `vitals.store.reserve`.
    """

    group_s: float = 1.0
    stall_s: float = 1.7
    seal_s: float = 60.0
    first_retry_s: float = 0.05
    last_retry_s: float = 1.0
    most_rows: int = 200_000
    batch_rows: int = 5_000
    least_free: int = 1_000_000_000
    most_log: int = 64 * 1024 * 1024
    look_s: float = 10.0
    check_s: float = 60.0
    reserve_bytes: int = 0


class Pace:
    """Everything that decides when the writer's thread wakes up."""

    def __init__(self, settings: WriterSettings) -> None:
        self._settings = settings
        self._failures = 0
        self._retry_at: float | None = None
        self._seal_at: dict[str, float] = {}
        self.failing_since: float | None = None
        """When the present row of failures began, None when the last attempt went well."""

    def failed(self, now: float, waiting_since: float | None) -> None:
        """Notes a failure: the next attempt comes after a pause that doubles every time.

        An attempt is never later than the moment at which "not recording" must be said.
        """
        settings = self._settings
        pause = min(settings.first_retry_s * 2**self._failures, settings.last_retry_s)
        self._failures = min(self._failures + 1, 30)
        if self.failing_since is None:
            self.failing_since = now
        self._retry_at = now + pause
        if waiting_since is not None:
            stalls_at = waiting_since + settings.stall_s
            if now < stalls_at:
                self._retry_at = min(self._retry_at, stalls_at)

    def succeeded(self, now: float, unsealed: Collection[str]) -> None:
        """Notes a commit, and which sessions wait for a seal behind it."""
        self._failures, self._retry_at, self.failing_since = 0, None, None
        at = now + self._settings.seal_s
        self._seal_at = {uuid: self._seal_at.get(uuid, at) for uuid in unsealed}

    def sealed_by(self, now: float) -> set[str]:
        """Sessions that must be sealed by `now`."""
        return {uuid for uuid, at in self._seal_at.items() if at <= now}

    @property
    def is_idle(self) -> bool:
        """Whether no seal is owed and nothing has to be tried again."""
        return not self._seal_at and self.failing_since is None

    def due(self, rows_due: float | None) -> float | None:
        """When to act next, None for never; `rows_due` is when the queue wants a commit."""
        if self._retry_at is not None:
            return self._retry_at
        marks = [*self._seal_at.values(), *([] if rows_due is None else [rows_due])]
        return min(marks, default=None)
