"""Checks of the computer: Python and packages, clock, disk, browser."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path

import vitals
from devices.check import Check, fail, ok, warn
from vitals.errors import InstallError
from vitals.selfcheck import DISTRIBUTION, check_install
from vitals.store.connection import check_version

OLDEST_PYTHON = (3, 11)
BROWSERS = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "firefox",
    "firefox-esr", "microsoft-edge", "microsoft-edge-stable", "msedge", "brave-browser",
)  # fmt: skip
FREE_FAIL, FREE_WARN = 200 << 20, 2 << 30
"""Bytes free where the record is: below the first it stops within hours, below the second soon."""
SYNC_FAIL_S, SYNC_WARN_S = 0.5, 0.05
"""Median time of a flush; the record is flushed once a second and at each alarm."""
SYNCS = 20
YEARS_AHEAD = 10
"""A clock that is so far ahead of the installation is wrong."""
_UNSYNCHRONISED = 5
"""What adjtimex(2) returns for a clock that nothing keeps right (TIME_ERROR)."""


def python() -> Check:
    """Python, and every package that this program needs."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        return fail("python", f"Python {version} is too old; install {oldest} or later")
    try:
        check_install()
        check_version()
    except InstallError as error:
        return fail("python", str(error))
    needed = [r for r in metadata.requires(DISTRIBUTION) or () if "extra ==" not in r]
    names = [re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0] for requirement in needed]
    missing = [name for name in names if not _installed(name)]
    if missing:
        return fail(
            "python", f"{', '.join(missing)} missing: install {DISTRIBUTION} again, with pip"
        )
    return ok(
        "python", f"Python {version}, {DISTRIBUTION} {vitals.__version__}, {len(names)} packages"
    )


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


# --- clock ------------------------------------------------------------------------------------


def clock(
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    synchronised: Callable[[], bool | None] | None = None,
) -> Check:
    """Whether the wall clock can be right, and whether something keeps it right."""
    at = now()
    installed = datetime.fromtimestamp(Path(vitals.__file__).stat().st_mtime, UTC)
    shown = f"{at:%Y-%m-%d %H:%M:%S} UTC"
    if (
        not installed - timedelta(days=1)
        <= at
        <= installed.replace(year=installed.year + YEARS_AHEAD)
    ):
        return fail("clock", f"it says {shown}, which cannot be: set date and time")
    kept = (synchronised or _synchronised)()
    if kept:
        return ok("clock", f"{shown}, kept right by the network")
    if kept is None:
        return warn("clock", f"{shown}; whether anything keeps it right cannot be seen: compare it")
    return warn(
        "clock", f"{shown}, and nothing keeps it right: turn time synchronisation on "
        "(`sudo timedatectl set-ntp true`)",
    )  # fmt: skip


def _synchronised() -> bool | None:
    """Whether the system says that its clock is synchronised; None where it does not say."""
    return next((said for said in (_timedatectl(), _adjtimex()) if said is not None), None)


def _timedatectl() -> bool | None:
    program = shutil.which("timedatectl")
    if program is None:
        return None
    command = [program, "show", "--property=NTPSynchronized", "--value"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    return {"yes": True, "no": False}.get(done.stdout.strip())


def _adjtimex() -> bool | None:
    try:
        call = ctypes.CDLL(None, use_errno=True).adjtimex
    except (AttributeError, OSError, TypeError):  # not Linux
        return None
    state = call(ctypes.create_string_buffer(512))  # struct timex, zero: it only reads
    return None if state < 0 else state != _UNSYNCHRONISED


def time_zone(now: Callable[[], datetime] = lambda: datetime.now().astimezone()) -> Check:
    """Which zone pages and reports use."""
    at = now()
    offset, name = at.strftime("%z"), at.tzname() or "unnamed"
    if name == "UTC":
        return warn(
            "time zone",
            "pages and reports show UTC: if the clinic is elsewhere, run `sudo timedatectl "
            "set-timezone REGION/CITY` and restart",
        )
    return ok("time zone", f"{name} (UTC{offset[:3]}:{offset[3:]})")


# --- disk -------------------------------------------------------------------------------------


def disk(
    folder: Path,
    free: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    flushes_s: Callable[[Path], Sequence[float]] | None = None,
) -> Check:
    """Room where the record is, and how long a flush to the medium takes."""
    try:
        room = free(folder)
        times_s = sorted((flushes_s or _flushes)(folder))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return fail("disk", f"{folder} cannot be written ({reason}): check its owner and its disk")
    median_ms, worst_ms = statistics.median(times_s) * 1000, times_s[-1] * 1000
    said = (
        f"{_size(room)} free in {folder}, a flush takes {median_ms:.1f} ms (worst {worst_ms:.0f})"
    )
    if room < FREE_FAIL:
        return fail("disk", f"{said}: make room before the next session")
    if median_ms / 1000 >= SYNC_FAIL_S:
        return fail("disk", f"{said}: too slow for the record, use another disk")
    if room < FREE_WARN:
        return warn("disk", f"{said}: make room soon")
    if median_ms / 1000 >= SYNC_WARN_S:
        return warn("disk", f"{said}: slow, an internal SSD is better")
    return ok("disk", said)


def _size(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"


def _flushes(folder: Path) -> list[float]:
    """Seconds that each of some small writes took to reach the medium."""
    flush = getattr(os, "fdatasync", os.fsync)
    times_s = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(SYNCS):
            begin_s = time.perf_counter()
            file.write(bytes(4096))
            file.flush()
            flush(file.fileno())
            times_s.append(time.perf_counter() - begin_s)
    return times_s


def browser(which: Callable[[str], str | None] = shutil.which) -> Check:
    """Whether the pages can be seen on this computer."""
    found = next((path for name in BROWSERS if (path := which(name))), None)
    if found is None:
        return warn(
            "browser", "none of the known ones is on this computer: install Chromium or Firefox"
        )
    return ok("browser", found)
