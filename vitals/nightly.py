"""What is done every night: the backup, and after a good one the forgetting of what is too old.

The supervisor starts it as a process of its own; what came of the backup stands in
`<record>.backup.json`, where the station finds it.
"""

from __future__ import annotations

import asyncio
import glob
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from vitals import lifeline
from vitals.config import RetentionConfig
from vitals.errors import StoreError
from vitals.store.backup import back_up, kept, name_at, prune
from vitals.store.retention import DAY_US, Forgotten, What, forget, older

LOOK_S = 30.0
"""How often it is asked whether a backup is due."""
OLD_US = 36 * 3600 * 1_000_000
"""A last good backup that is older than this is told on the pages."""

_END_US = 250_000_000_000_000_000
"""No time in a file is beyond the year 9892; what is has no date."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a nightly backup.

    Attributes:
        ok: whether there is a new backup that was found whole.
        at_us: when it ended, microseconds UTC by the computer's clock.
        said: one sentence.
        good_us: when the last good one ended, 0 for never.
        file: the last good one, `""` when that is not known.
    """

    ok: bool
    at_us: int
    said: str
    good_us: int
    file: str = ""

    def facts(self) -> dict[str, object]:
        """For the audit trail."""
        return {"backup_ok": self.ok, "said": self.said}


def status_file(record: Path) -> Path:
    """Where the outcome of the last backup stands."""
    return Path(f"{record}.backup.json")


def last(record: Path) -> Outcome | None:
    """The outcome of the last nightly backup, None when there was none that can be read."""
    try:
        found = json.loads(status_file(record).read_text(encoding="utf-8"))
        times = int(found["at_us"]), int(found["good_us"])
        if not all(0 <= each < _END_US for each in times):
            return None
        file = str(found.get("file", ""))
        return Outcome(bool(found["ok"]), times[0], str(found["said"]), times[1], file)
    except (OSError, ValueError, LookupError, TypeError, OverflowError):
        return None


def run_once(record: Path, folder: Path, keep: int, now: datetime | None = None) -> Outcome:
    """Makes a backup, deletes those that are too many, and writes down what came of it."""
    before = last(record)
    began = now or datetime.now().astimezone()
    file = before.file if before else ""
    try:
        _there(folder, record, file)
        _tidy(folder, record)
        made = back_up(record, folder / name_at(record, began))
        prune(folder, record, keep)
        file = str(made.path)
        ok, said = True, f"{made.path}: backup made and found whole ({made.audit_rows} audit rows)"
    except StoreError as error:
        ok, said = False, str(error)
    except OSError as error:
        ok, said = False, f"{folder}: no backup could be made ({error.strerror}); check the folder"
    ended = now or datetime.now().astimezone()
    at_us = round(ended.timestamp() * 1_000_000)
    good_us = at_us if ok else before.good_us if before else 0
    outcome = Outcome(ok, at_us, said, good_us, file)
    _write(status_file(record), outcome)
    return outcome


def _there(folder: Path, record: Path, file: str) -> None:
    """A disk that is not mounted leaves an empty folder, on the very disk that backups are for."""
    was_here = file and Path(file).parent == folder
    if was_here and folder.is_dir() and not kept(folder, record):
        raise StoreError(
            f"{folder}: none of the backups that were made here is there any more, so its disk may "
            f"be away: mount it, or begin anew with `vitals backup --to {folder}`"
        )


def _tidy(folder: Path, record: Path) -> None:
    """Takes away what a backup that was killed has left."""
    for path in folder.glob(f".{glob.escape(record.stem)}-*.db.part*"):
        path.unlink(missing_ok=True)


def _write(path: Path, outcome: Outcome) -> None:
    fresh = path.with_name(f"{path.name}.new")
    try:
        handle = os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(outcome), file)
        fresh.replace(path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror}); check its disk") from error


def due(now: datetime, at: str, tried: datetime | None, began: datetime) -> bool:
    """Whether a backup is to be made now.

    Args:
        now: local time, with its zone.
        at: `HH:MM`, local time of every night.
        tried: when one was tried last, None for never. What was missed is made up.
        began: since when this runs; a first backup is made an hour later at the latest.
    """
    hour, _, minute = at.partition(":")
    moment = now.replace(hour=int(hour), minute=int(minute), second=0, microsecond=0)
    if moment > now:
        moment -= timedelta(days=1)
    if tried is None:
        return moment >= began or now - began >= timedelta(hours=1)
    return tried.timestamp() < moment.timestamp()


def trouble(record: Path, began_us: int, now_us: int) -> str:
    """What people must be told of the nightly backup, `""` when all is well.

    Args:
        record: the file.
        began_us: since when the station waits for its first backup.
        now_us: microseconds UTC by the computer's clock.
    """
    found = last(record)
    if found is not None and not found.ok:
        return f"The last backup of the record failed: {found.said}"
    since_us = found.good_us if found is not None else began_us
    if now_us - since_us < OLD_US:
        return ""
    if found is None:
        return "There is no backup of the record yet, for more than 36 h; run `vitals backup`"
    at = datetime.fromtimestamp(since_us / 1e6).astimezone()
    return (
        f"The last good backup of the record is of {at:%Y-%m-%d %H:%M}, more than 36 h ago; run "
        "`vitals backup`, and check backup.to"
    )


def expire(record: Path, config: RetentionConfig, now_us: int) -> list[Forgotten]:
    """Forgets the samples whose time is over; what was deleted.

    Raises:
        StoreError: the record cannot be written.
    """
    done: list[Forgotten] = []
    ages: tuple[tuple[What, str, int | None], ...] = (
        ("all", "numerics_days", config.numerics_days),
        ("waves", "waves_days", config.waves_days),
    )
    for what, name, days in ages:
        if days is not None and record.exists():
            uuids = older(record, now_us - days * DAY_US, what)
            reason = f"retention.{name} = {days}"
            done += forget(
                record, uuids, what=what, reason=reason, by="retention", role="system",
                now_us=now_us,
            )  # fmt: skip
    return done


async def keep_up(at: str, record: Path, argv: Sequence[str]) -> None:
    """Starts what is to be done every night, as a process of its own, until cancelled.

    Args:
        at: when, `HH:MM` local time.
        record: the file.
        argv: the command that does it and writes down what came of it.
    """
    began = datetime.now().astimezone()
    tried: datetime | None = None
    while True:
        await asyncio.sleep(LOOK_S)
        found, now = last(record), datetime.now().astimezone()
        ended = datetime.fromtimestamp(found.at_us / 1e6).astimezone() if found else None
        latest = max((one for one in (ended, tried) if one is not None), default=None)
        if due(now, at, latest, began):
            tried = now
            await _made(argv)


async def _made(argv: Sequence[str]) -> None:
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            env={**os.environ, lifeline.VARIABLE: ""},
            start_new_session=True,
        )
    except OSError as error:
        _log.error("what is done every night cannot be started: %s", error)
        return
    try:
        code = await process.wait()
    except asyncio.CancelledError:
        process.terminate()
        await process.wait()
        raise
    if code:
        _log.error("what is done every night failed (code %d)", code)
