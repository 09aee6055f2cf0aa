"""The one thread that writes the record.

The station puts rows and goes on at once; the thread commits them: audit rows and NIBP at once,
the rest once a second, always together with everything that was put before. What cannot be
committed stays in RAM and is tried again, in order, for ever. All times here are real seconds.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path

import apsw

from vitals.errors import StoreError
from vitals.model import Numeric, Session, Waveform
from vitals.store.audit import canonical
from vitals.store.backlog import Backlog, Batch, Entry, Sample
from vitals.store.commit import Outcome
from vitals.store.connection import RecordUnavailable, explain, is_explained
from vitals.store.pace import Pace, WriterSettings
from vitals.store.probe import Probe
from vitals.store.record_file import RecordFile
from vitals.store.recording import Disk, Health, RecordingState
from vitals.store.reserve import Reserve, is_full
from vitals.store.rows import AuditRow, SessionRecord, StationRow

_log = logging.getLogger(__name__)
_MOST_ANSWERS = 20_000


def _wall_us() -> int:
    return time.time_ns() // 1000


def _nobody(recording: bool, detail: str) -> None:
    return


class Writer:
    """Writes one record. `put_*`, `stalled` and `health` may be called from any thread.

    `on_state(recording, detail)` and the `done` callbacks are called from the writer's thread
    (`on_state` also from the one that calls `stalled`): wrap them with call_soon_threadsafe.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        key: bytes | None = None,
        key_source: str = "",
        now_us: Callable[[], int] = _wall_us,
        on_state: Callable[[bool, str], None] = _nobody,
        settings: WriterSettings | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        free_bytes: Callable[[Path], int] | None = None,
        warn_also: Callable[[], str] = lambda: "",
    ) -> None:
        """Opens the record; a locked file or a full disk is tried again by the thread.

        `key_source` is where `key` is from: it is noted beside a record that the key opens.
        `warn_also` says what else people must be warned of, from time to time.

        Raises:
            StoreError: the file is another program's, a newer version's, under another key.
            InstallError: this SQLite must not be used.
        """
        self._settings = settings or WriterSettings()
        self._monotonic = monotonic
        probe = Probe(Path(path), key, self._settings.check_s, monotonic)
        self._file = RecordFile(Path(path), key, now_us, probe, key_source)
        self._state = RecordingState(on_state)
        self._disk = Disk(
            Path(path),
            least_free=self._settings.least_free,
            most_log=self._settings.most_log,
            free_bytes=free_bytes,
            also=warn_also,
        )
        self._reserve = Reserve(Path(path), self._settings.reserve_bytes)
        self._wake = threading.Condition()
        self._backlog = Backlog(self._settings.most_rows)
        self._inflight: Batch | None = None
        self._answers: dict[str, AuditRow] = {}
        self._pace = Pace(self._settings)
        self._looked_at = float("-inf")
        self._trouble = ""
        self._stop_at: float | None = None
        self._refused = self._repeated = self._commits = 0
        self._commit_s = 0.0
        self._commit_at: float | None = None
        self._lost = 0
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        try:
            unsealed = self._file.open().unsealed
            self._pace.succeeded(self._monotonic(), unsealed)
        except (RecordUnavailable, apsw.Error) as error:
            self._failed(error)
        except BaseException:
            self._file.close()
            raise
        self._answers = {
            row.command_id: row.as_put() for row in self._file.answers if row.command_id
        }

    @property
    def quarantined(self) -> Path | None:
        """Where a damaged file was set aside; the new one says so in its first audit row."""
        return self._file.quarantined

    @property
    def station(self) -> StationRow | None:
        """The station's clock as last stored."""
        return self._file.station

    def last_seq(self) -> int:
        """The counter that the station goes on behind.

        While the file cannot be opened it is the wall time in microseconds: beyond whatever the
        file may hold.
        """
        return _wall_us() if self._file.last_seq is None else self._file.last_seq

    def start(self) -> None:
        """Starts the thread, and reports whether the record is being written."""
        if self._pace.failing_since is None:
            self._report_recording(self._monotonic())
        self._thread.start()

    def close(self, timeout_s: float = 5.0) -> bool:
        """Commits and seals what there is, and gives the file up.

        Returns:
            Whether everything was committed within the time; the rest is answered False.
        """
        with self._wake:
            self._stop_at = self._monotonic() + timeout_s
            self._wake.notify()
        if self._thread.ident is None:
            self._run()
        else:
            self._thread.join(timeout_s + 1.0)
        return self._lost == 0 and not self._thread.is_alive()

    # --- putting: never waits for the disk -----------------------------------------------------

    def put_numeric(self, session: str, seq: int, value: Numeric) -> None:
        """Queues a value of a session (its uuid)."""
        self._put(Sample(seq, session, value, self._monotonic()))

    def put_wave(self, session: str, seq: int, value: Waveform) -> None:
        """Queues a waveform packet; packets are stored joined to blocks of about a second."""
        if value.values.size:
            self._put(Sample(seq, session, value, self._monotonic()))

    def put_audit(
        self,
        row: AuditRow,
        done: Callable[[bool], None] | None = None,
        *,
        session: SessionRecord | Session | None = None,
        station: StationRow | None = None,
    ) -> None:
        """Queues an audit row.

        Args:
            row: what happened.
            done: called with True after the commit, or with False when it will never come.
            session: the session as it is now: its summary row is written in the same
                transaction. Texts are given once, as a `SessionRecord`, when it is opened.
            station: the station's clock, written in the same transaction.

        Raises:
            StoreError: the body is not JSON, or the writer is closed.
        """
        record = SessionRecord(session) if isinstance(session, Session) else session
        body = canonical(row.body)
        self._put(Entry(row, body, record, station, done, self._monotonic()))

    def _put(self, item: Entry | Sample) -> None:
        with self._wake:
            if self._stop_at is not None:
                raise StoreError(f"{self._file.path}: the record is closed; nothing can be added")
            before = self._backlog.due_mono(self._settings.group_s)
            self._backlog.put(item)
            if isinstance(item, Entry) and item.row.command_id is not None:
                self._answers.setdefault(item.row.command_id, item.row)
                if len(self._answers) > _MOST_ANSWERS:
                    del self._answers[next(iter(self._answers))]
            if self._backlog.due_mono(self._settings.group_s) != before:
                self._wake.notify()

    def result_of(self, command_id: str) -> AuditRow | None:
        """The first row that answered a command, committed or still queued; None if unknown.

        Knows the latest 1,000 commands from before the start; `Reader.result_of` knows all.
        """
        with self._wake:
            return self._answers.get(command_id)

    # --- how it is doing -----------------------------------------------------------------------

    def stalled(self, now_mono: float) -> bool:
        """Whether something has waited too long; reports it even when the thread is stuck."""
        with self._wake:
            since = self._waiting_since()
        late = since is not None and now_mono - since >= self._settings.stall_s
        if late:
            self._state.report(False, self._trouble or self._silent_disk())
        elif since is None and not self._state.now[0]:
            self._state.report(True, self._warning())
        return late

    def health(self) -> Health:
        """Numbers for the metrics page."""
        with self._wake:
            since, shed = self._waiting_since(), self._backlog.shed_total
            queued = self._queued()
        recording, detail = self._state.now
        return Health(
            recording=recording,
            detail=detail,
            queued=queued,
            waiting_s=0.0 if since is None else self._monotonic() - since,
            shed=shed,
            refused=self._refused,
            repeated=self._repeated,
            commits=self._commits,
            commit_s=self._commit_s,
            free_bytes=self._disk.free_bytes,
            log_bytes=self._disk.log_bytes,
            committed_s=None if self._commit_at is None else self._monotonic() - self._commit_at,
        )

    def _queued(self) -> int:
        return len(self._backlog) + (len(self._inflight.items) if self._inflight else 0)

    def _waiting_since(self) -> float | None:
        marks = (
            self._inflight.oldest_mono if self._inflight else None,
            self._backlog.oldest_mono,
            self._pace.failing_since,
        )
        return min((mark for mark in marks if mark is not None), default=None)

    def _silent_disk(self) -> str:
        return (
            f"{self._file.path}: the disk has not answered for {self._settings.stall_s:g} s; "
            "check it"
        )

    def _warning(self) -> str:
        if self._file.quarantined is not None:
            return (
                f"{self._file.path}: the record was damaged and set aside as "
                f"{self._file.quarantined.name}; a new one goes on, keep the old one for repair"
            )
        if self._reserve.is_spent:
            return (
                f"{self._file.path}: the disk is full; waveforms are no longer recorded, all else "
                f"goes on in the space that was kept free; free some space"
            )
        return self._disk.warning

    def _report_recording(self, now: float) -> None:
        if now - self._looked_at >= self._settings.look_s:
            self._looked_at = now
            self._disk.look()
            self._reserve.hold(self._disk.free_bytes)
            with self._wake:
                self._backlog.give_up_waves(now=self._reserve.is_spent)
        self._state.report(True, self._warning())

    # --- the thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        while (batch := self._next()) is not None:
            try:
                self._attempt(batch)
            except Exception as error:  # of ours, around a commit: without this thread all is lost
                _log.exception("the writer of the record has a fault, and goes on")
                self._trouble = explain(error, self._file.path)
                with self._wake:
                    self._pace.failed(self._monotonic(), self._waiting_since())
        self._give_up()
        self._file.close()
        self._reserve.close()

    def _next(self) -> Batch | None:
        """Waits, without polling, until something must be committed; None at the end."""
        with self._wake:
            while True:
                now = self._monotonic()
                due = self._pace.due(self._backlog.due_mono(self._settings.group_s))
                if self._stop_at is not None:
                    if now >= self._stop_at or (self._pace.is_idle and not self._queued()):
                        return None
                    retrying = self._pace.failing_since is not None
                    due = min(due or now, self._stop_at) if retrying else now
                if due is not None and due <= now:
                    break
                self._wake.wait(None if due is None else due - now)
            if self._inflight is None:
                self._inflight = self._backlog.take(self._settings.batch_rows)
            return self._inflight

    def _attempt(self, batch: Batch) -> None:
        began = self._monotonic()
        stalls_at = began - self._settings.stall_s
        with self._wake:
            since = self._waiting_since()
            last_call = self._stop_at is not None and not len(self._backlog)
        if self._pace.failing_since is not None and since is not None and since <= stalls_at:
            self._state.report(False, self._trouble)
        try:
            committer = self._file.open()
            to_seal = self._pace.sealed_by(float("inf") if last_call else began)
            outcome = committer.commit(batch, to_seal)
            self._file.stored(batch.entries)
        except Exception as error:
            if self._pace.failing_since is None:
                unforeseen = None if is_explained(error) else error
                trouble = explain(error, self._file.path)
                _log.warning("%s; it is tried again", trouble, exc_info=unforeseen)
            self._failed(error)
            return
        self._commits += 1
        self._commit_at = self._monotonic()
        self._commit_s = self._commit_at - began
        self._committed(batch, outcome, committer.unsealed)

    def _failed(self, error: Exception) -> None:
        self._trouble = explain(error, self._file.path)
        self._file.failed(error)
        if is_full(error) and self._reserve.give():
            _log.warning("%s: the disk is full; the space kept free is used", self._file.path)
            with self._wake:
                self._backlog.give_up_waves(now=True)
        now = self._monotonic()
        with self._wake:
            self._pace.failed(now, self._waiting_since())
            since = self._waiting_since()
        if since is not None and now - since >= self._settings.stall_s:
            self._state.report(False, self._trouble)

    def _committed(self, batch: Batch, outcome: Outcome, unsealed: Collection[str]) -> None:
        now = self._monotonic()
        with self._wake:
            self._inflight = None
            self._pace.succeeded(now, unsealed)
            since = self._waiting_since()
        self._trouble = ""
        self._repeated += outcome.repeated
        self._refused += len(outcome.refused)
        for _, reason in outcome.refused[:1]:
            _log.error("%d rows were refused, the first as %s", len(outcome.refused), reason)
        refused = {id(item) for item, _ in outcome.refused}
        for entry in batch.entries:
            _answer(entry, id(entry) not in refused)
        if since is None or now - since < self._settings.stall_s:
            self._report_recording(now)

    def _give_up(self) -> None:
        with self._wake:
            left = [*(self._inflight.items if self._inflight else ())]
            while len(self._backlog):
                left += self._backlog.take(self._settings.batch_rows).items
            self._lost = len(left)
        if left:
            _log.error("%d rows were never committed: %s", len(left), self._trouble)
        for item in left:
            if isinstance(item, Entry):
                _answer(item, False)


def _answer(entry: Entry, committed: bool) -> None:
    if entry.done is None:
        return
    try:
        entry.done(committed)
    except Exception:
        _log.exception("nobody could be told about row %d", entry.seq)
