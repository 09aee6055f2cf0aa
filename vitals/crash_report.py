"""A file for every crash: where in our program, in which versions; never what it was about.

The reports are in `<record>.crashes/`, one JSON file each, readable by their owner alone; the
newest 20 are kept. A report holds the types of the errors, our own frames (file, line, function),
versions and times: no message, no value, no argument, no name of a person or computer, as any of
these may hold health data. The supervisor writes the report of a process that could not do so
itself.
"""

from __future__ import annotations

import atexit
import faulthandler
import json
import logging
import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import TextIO

from vitals import __version__
from vitals.crash_frames import Fault, Thread, faults_of, threads_of, told

log = logging.getLogger(__name__)

KEPT = 20
SHOW_FRAMES: signal.Signals | None = getattr(signal, "SIGUSR2", None)
"""A watched process that gets it writes down where it is; None where there is no such signal."""
EXPECTED = (0, 2, 130)
"""Exit codes that are no crash: stopped, refused with a sentence, Ctrl-C."""
LIBRARIES = ("apsw", "bleak", "dash", "fastapi", "msgspec", "numpy", "pydantic", "pyserial",
             "uvicorn", "websockets")  # fmt: skip
_MOST_PLACES = 50
"""Places whose caught faults one process reports, each of them once."""


@dataclass(frozen=True, slots=True)
class Report:
    """What is written.

    Attributes:
        process: station, web or run (the supervisor).
        pid: its process id.
        ended: how: `exception`, `signal SIGKILL`, `silent: killed`, `exit code 3`, or `went on`
            after a fault that was caught.
        uptime_s: how long it had run.
        errors: from the one that ended it to its causes.
        threads: where each thread was, when the interpreter itself died or hung.
        at: UTC.
    """

    process: str
    pid: int
    ended: str
    uptime_s: float
    errors: tuple[Fault, ...] = ()
    threads: tuple[Thread, ...] = ()
    at: str = field(default_factory=lambda: f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}")

    def text(self) -> str:
        """The file."""
        facts = {
            "program": f"kap-vitals {__version__}",
            **asdict(self),
            "uptime_s": round(self.uptime_s, 1),
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.release()} {platform.machine()}",
            "libraries": {name: found for name in LIBRARIES if (found := _version(name))},
        }
        return json.dumps(facts, indent=1) + "\n"

    def line(self) -> str:
        """For the log."""
        what = told(self.errors) or next((one.where() for one in self.threads if one.current), "")
        return f"{self.process} ({self.ended}){f': {what}' if what else ''}"


def folder_of(store: Path) -> Path:
    """Where the reports of a station and its pages are, beside their record."""
    return Path(f"{store}.crashes")


def write(folder: Path, report: Report) -> Path | None:
    """Writes a report and says so in one line; None when it cannot be written."""
    stamp = "".join(c for c in report.at if c.isdigit() or c in "TZ")
    path = folder / f"{stamp}-{report.process}-{report.pid}.json"
    try:
        part = path.with_name(f".{path.name}.part")
        with _private(folder, part) as file:
            file.write(report.text())
        part.replace(path)
        _prune(folder)
    except OSError as error:
        why = error.strerror or type(error).__name__
        log.critical("crash: %s; no report in %s (%s)", report.line(), folder, why)
        return None
    what = "Traceback without values" if report.errors else "report"
    log.critical("crash: %s; %s: %s", report.line(), what, path)
    return path


def of_dead(
    folder: Path, process: str, pid: int, code: int, lived_s: float, *, hung: bool = False
) -> Path | None:
    """Reports a process that has ended, when that was a crash that it has not reported itself.

    Args:
        folder: where the reports are.
        process: its name.
        pid: what its process id was.
        code: how it ended, negative for the number of a signal.
        lived_s: how long it had run.
        hung: whether it was killed for its silence.
    """
    frames = folder / f".{process}-{pid}.frames"
    threads = threads_of(_taken(frames))
    orderly = code in EXPECTED or -code in (signal.SIGTERM, signal.SIGINT)
    if not hung and (orderly or list(folder.glob(f"*-{process}-{pid}.json"))):
        return None
    ended = "silent: killed" if hung else _ending(code)
    return write(folder, Report(process, pid, ended, lived_s, (), threads))


def of_before(folder: Path, process: str) -> None:
    """Reports earlier runs of a process that nobody could report when they died."""
    for path in sorted(folder.glob(f".{process}-*.frames")):
        pid = path.stem.rpartition("-")[2]
        if pid.isdecimal() and int(pid) != os.getpid() and path.stat().st_size:
            threads = threads_of(_taken(path))
            write(folder, Report(process, int(pid), "died earlier", 0.0, (), threads))


class Watched:
    """This process, whose crashes are reported from now on until it ends.

    Args:
        store: the record; the reports are beside it.
        process: what this process is called.
    """

    def __init__(self, store: Path, process: str) -> None:
        self._folder, self._process = folder_of(store), process
        self._began = time.monotonic()
        self._places: set[tuple[object, ...]] = set()
        self._frames_path = self._folder / f".{process}-{os.getpid()}.frames"
        self._frames: TextIO | None = None
        self._handler = _Caught(self._caught)
        self._before = sys.excepthook, threading.excepthook

    def begin(self) -> None:
        """From now on. A crash leaves no memory image: that would hold everything."""
        _no_core()
        try:
            self._frames = _private(self._folder, self._frames_path)
            _prune(self._folder)
        except OSError as error:
            log.warning("%s: no crash reports (%s)", self._folder, error.strerror)
        else:
            faulthandler.enable(self._frames)
            if SHOW_FRAMES is not None:
                faulthandler.register(SHOW_FRAMES, self._frames)
        sys.excepthook, threading.excepthook = self._hook, self._thread_hook
        logging.getLogger().addHandler(self._handler)
        atexit.register(self.end)

    def end(self) -> None:
        """This process ends in order."""
        atexit.unregister(self.end)
        logging.getLogger().removeHandler(self._handler)
        sys.excepthook, threading.excepthook = self._before
        if self._frames is not None:
            faulthandler.disable()
            if SHOW_FRAMES is not None:
                faulthandler.unregister(SHOW_FRAMES)
            self._frames.close()
            self._frames = None
            self._frames_path.unlink(missing_ok=True)

    def _report(self, error: BaseException, ended: str) -> None:
        lived_s = time.monotonic() - self._began
        write(self._folder, Report(self._process, os.getpid(), ended, lived_s, faults_of(error)))

    def _hook(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            self._before[0](kind, error, trace)
        else:
            self._report(error, "exception")

    def _thread_hook(self, args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            self._report(args.exc_value, "exception in a thread")

    def _caught(self, error: BaseException) -> None:
        found = faults_of(error)
        place = tuple((one.type, one.frames[-1:]) for one in found)
        if place in self._places or len(self._places) >= _MOST_PLACES:
            return
        self._places.add(place)
        # not here: whoever logs may be the station's loop, and the disk may be slow
        threading.Thread(
            target=self._report, args=(error, "went on"), name="crash report", daemon=True
        ).start()


def watch(store: Path, process: str) -> Watched:
    """Reports the crashes of this process until it ends.

    Args:
        store: the record; the reports are beside it.
        process: what this process is called.
    """
    watched = Watched(store, process)
    watched.begin()
    return watched


class _Caught(logging.Handler):
    """Hears of errors that are logged with their traceback."""

    def __init__(self, caught: Callable[[BaseException], None]) -> None:
        super().__init__(logging.ERROR)
        self._tell = caught

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            self._tell(error)


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"


def _private(folder: Path, path: Path) -> TextIO:
    folder.mkdir(mode=0o700, exist_ok=True)
    return os.fdopen(
        os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8"
    )


def _taken(path: Path) -> str:
    """The text of a file, which is deleted."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
        path.unlink()
    except OSError:  # there is none: the process died before it was watched
        return ""
    return text


def _prune(folder: Path) -> None:
    for kind in ("*.json", ".*.frames", ".*.part"):
        for old in sorted(folder.glob(kind), key=_age)[:-KEPT]:
            old.unlink(missing_ok=True)


def _age(path: Path) -> tuple[float, str]:
    try:
        return path.stat().st_mtime, path.name
    except OSError:  # gone meanwhile: another of our processes tidies, too
        return 0.0, path.name


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _no_core() -> None:
    if sys.platform != "win32":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
