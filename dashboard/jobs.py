"""Long work that somebody has asked for on a page: one at a time, in a process of its own.

Whoever asked can see how far it is, cancel it, and fetch what it has made for a while; nobody else
can. A file lies in a folder beside the record that only the owner of the program can read, and is
gone when it has expired, when it is cancelled, when the web ends and when it starts anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from dashboard.job_process import JobError, JobProcess, Made, Work
from vitals.errors import VitalsError

KEEP_S = 600.0
"""What was made can be fetched for so long."""
IDLE_S = 120.0
"""The process that has had no work for so long is ended."""
LONGEST_S = 1800.0
MOST_WAITING = 8
"""Jobs that are waiting or being done."""
MOST_OF_ONE = 3
"""The same, of one person."""
MOST_KEPT = 40
"""Jobs that are over; the oldest go first."""
SPARE_BYTES = 2 << 30
"""Nothing is begun with less room on the disk, which is the record's."""

log = logging.getLogger(__name__)

State = Literal["waiting", "running", "done", "failed", "cancelled"]
Owner = tuple[str, str]
"""Account and name of a person; two empty texts without accounts."""
PREPARE = "prepare"
"""Kind of a job that nobody has asked for."""
_NOBODY: Owner = ("", PREPARE)


class BusyError(VitalsError):
    """There is no room for another job."""


@dataclass(eq=False, slots=True)
class Job:
    """One thing to do.

    Attributes:
        id: not to be guessed.
        owner: who asked for it.
        kind: of work.
        session: uuid of the session that it is about.
        room: of that session.
        names: whether names of people may be in what it makes.
        noted: what the record is told when it is fetched.
        state: what has become of it.
        share: how far it is, 0 to 1.
        words: what is being done, or why it failed, in one sentence.
        made: what it has made.
        fetched: whether that has been fetched.
    """

    id: str
    owner: Owner
    kind: str
    session: str
    room: str
    names: bool
    noted: Mapping[str, str | int]
    folder: Path
    work: Work
    args: tuple[Any, ...]
    state: State = "waiting"
    share: float = 0.0
    words: str = ""
    made: Made | None = None
    fetched: bool = False
    over_s: float = 0.0
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def file(self) -> Path | None:
        """The file it has made, while it is there."""
        if self.made is None or not self.made.file:
            return None
        return self.folder / self.made.file


class Jobs:
    """The jobs of one web process; all of it on its event loop."""

    def __init__(
        self,
        folder: Path,
        *,
        process: JobProcess | None = None,
        now_s: Callable[[], float] = time.monotonic,
        longest_s: float = LONGEST_S,
    ) -> None:
        """Nothing is started or made before the first job.

        Args:
            folder: for what is made; whatever is in it goes.
            process: where the work is done.
            now_s: seconds that only grow.
            longest_s: a job that takes longer is given up.
        """
        self._folder = folder
        self._process = process or JobProcess()
        self._now_s = now_s
        self._longest_s = longest_s
        self._jobs: dict[str, Job] = {}
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    # --- what a person can do -------------------------------------------------------------------

    def ask(
        self,
        owner: Owner,
        kind: str,
        work: Work,
        *args: Any,
        session: str = "",
        room: str = "",
        noted: Mapping[str, str | int] | None = None,
        names: bool = False,
        files: bool = False,
    ) -> Job:
        """Puts work in the queue.

        Args:
            owner: who asks.
            kind: of work.
            work: what is to be done.
            *args: for it; what can be pickled.
            session: uuid of the session that it is about.
            room: of that session.
            noted: what the record is told when its file is fetched.
            names: whether names of people may be in what it makes.
            files: whether it makes a file.

        Raises:
            BusyError: too much is waiting already, or the disk is nearly full.
            JobError: there is no place for files.
        """
        self.sweep()
        open_jobs = [job for job in self._jobs.values() if job.state in ("waiting", "running")]
        if sum(job.owner == owner for job in open_jobs) >= MOST_OF_ONE:
            raise BusyError(
                f"{MOST_OF_ONE} of your jobs are under way already; wait for one, or cancel one"
            )
        if len(open_jobs) >= MOST_WAITING:
            raise BusyError("others are waiting already; try again in a minute")
        job_id = secrets.token_urlsafe(16)
        folder = self._folder / job_id
        if files:
            self._make(folder)
        job = Job(job_id, owner, kind, session, room, names, noted or {}, folder, work, args)
        self._begin(job)
        return job

    def prepare(self, work: Work, *args: Any) -> None:
        """Does what the next job will need, if there is nothing else to do; tells nobody of it."""
        if all(job.state not in ("waiting", "running") for job in self._jobs.values()):
            job_id = secrets.token_urlsafe(16)
            folder = self._folder / job_id
            self._begin(Job(job_id, _NOBODY, PREPARE, "", "", False, {}, folder, work, args))

    def _begin(self, job: Job) -> None:
        self._jobs[job.id] = job
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="jobs")

    def find(self, job_id: str, owner: Owner) -> Job | None:
        """A job of this person; None for anything else."""
        self.sweep()
        job = self._jobs.get(job_id)
        return job if job is not None and job.owner == owner else None

    def before(self, job: Job) -> int:
        """How many are to be done before it."""
        if job.state != "waiting":
            return 0
        ahead = [each for each in self._jobs.values() if each.state in ("waiting", "running")]
        return ahead.index(job)

    def left_s(self, job: Job) -> float:
        """How long what it has made can still be fetched; 0 while it is under way."""
        over = job.state not in ("waiting", "running")
        return max(0.0, job.over_s + KEEP_S - self._now_s()) if over else 0.0

    async def drop(self, job: Job) -> None:
        """Cancels a job, whatever has become of it; nothing of it remains."""
        running = job.state == "running"
        if job.state in ("waiting", "running"):
            self._over(job, "cancelled", "cancelled")
        if running:
            await asyncio.to_thread(self._process.end)
            await job.ended.wait()
        self._jobs.pop(job.id, None)
        await asyncio.to_thread(shutil.rmtree, job.folder, True)

    # --- the queue ------------------------------------------------------------------------------

    async def _run(self) -> None:
        while (job := self._next()) is not None:
            job.state = "running"
            try:
                await self._do(job)
            finally:
                job.ended.set()
            if job.kind == PREPARE:
                self._jobs.pop(job.id, None)
        self._later(IDLE_S, self._rest)

    def _next(self) -> Job | None:
        return next((job for job in self._jobs.values() if job.state == "waiting"), None)

    async def _do(self, job: Job) -> None:
        def tell(share: float, words: str) -> None:
            if job.state == "running":
                job.share, job.words = max(job.share, min(share, 1.0)), words

        try:
            async with asyncio.timeout(self._longest_s):
                made = await self._process.call(tell, job.work, job.folder, *job.args)
        except TimeoutError:
            await asyncio.to_thread(self._process.end)
            self._failed(job, f"this took longer than {self._longest_s / 60:g} min; given up")
        except VitalsError as error:
            self._failed(job, str(error))
        except Exception:
            log.exception("a job of kind %s failed", job.kind)
            self._failed(job, "this could not be done; the web's log says why")
        else:
            if job.state == "running":
                job.made, job.share = made, 1.0
                self._over(job, "done", "")

    def _failed(self, job: Job, why: str) -> None:
        if job.state == "running":
            self._over(job, "failed", why)
        shutil.rmtree(job.folder, ignore_errors=True)

    def _over(self, job: Job, state: State, words: str) -> None:
        job.state, job.words, job.over_s = state, words, self._now_s()

    # --- what is left of it ---------------------------------------------------------------------

    def sweep(self) -> None:
        """Removes what has expired."""
        over = [job for job in self._jobs.values() if job.state not in ("waiting", "running")]
        over.sort(key=lambda job: job.over_s)
        last_s = self._now_s() - KEEP_S
        for n, job in enumerate(over):
            if job.over_s <= last_s or len(over) - n > MOST_KEPT:
                del self._jobs[job.id]
                shutil.rmtree(job.folder, ignore_errors=True)

    def tidy(self) -> None:
        """Removes what another process of the web may have left."""
        shutil.rmtree(self._folder, ignore_errors=True)

    async def close(self) -> None:
        """Ends the process, gives up what is not done, removes everything that was made."""
        if self._timer is not None:
            self._timer.cancel()
        for job in self._jobs.values():
            if job.state in ("waiting", "running"):
                self._over(job, "cancelled", "the server is stopping")
        await asyncio.to_thread(self._process.end)
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        if self._timer is not None:
            self._timer.cancel()
        self._jobs.clear()
        self.tidy()

    def _make(self, folder: Path) -> None:
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            free = shutil.disk_usage(self._folder).free
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise JobError(
                f"{self._folder}: nothing can be written there ({error.strerror}); check the disk"
            ) from error
        if free < SPARE_BYTES:
            with contextlib.suppress(OSError):
                folder.rmdir()
            raise BusyError(
                f"only {free >> 20} MiB are left on the record's disk, which it needs itself; free "
                "some space"
            )

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, act)

    def _rest(self) -> None:
        """Nothing has been asked for a while: no process, and later no files."""
        if self._task is not None and not self._task.done():
            return
        self._process.end()
        self.sweep()
        if self._jobs:
            self._later(KEEP_S / 10, self._rest)
