"""Where an error or a dead interpreter was, told by our own frames alone.

Of an error only its type and the places are taken: its message may hold anything. Places outside
our packages are left out, as is the folder that our packages are in.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vitals.selfcheck import PACKAGES

MOST_ERRORS, MOST_FRAMES, MOST_THREADS = 8, 40, 20
_ROOT = Path(__file__).resolve().parent.parent
_THREAD = re.compile(r"(Current t|T)hread 0x[0-9a-f]+")
_FRAME = re.compile(r'\s*File "(?P<file>[^"]+)", line (?P<line>\d+) in (?P<function>\S+)')


@dataclass(frozen=True, slots=True)
class Frame:
    """One place, `vitals/room.py`, line, function."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.function}"


@dataclass(frozen=True, slots=True)
class Fault:
    """One error: its type, and the way to it, outermost first."""

    type: str
    frames: tuple[Frame, ...]


@dataclass(frozen=True, slots=True)
class Thread:
    """One thread of a dead interpreter: where it was, innermost first."""

    current: bool
    frames: tuple[Frame, ...]

    def where(self) -> str:
        """The innermost place that is ours."""
        return str(self.frames[0]) if self.frames else ""


def faults_of(error: BaseException) -> tuple[Fault, ...]:
    """An error, the members of its group and its causes."""
    found = []
    for each in _all(error, set()):
        frames = (
            _frame(one.filename, one.lineno or 0, one.name)
            for one in traceback.extract_tb(each.__traceback__, limit=None)
        )
        mine = [frame for frame in frames if frame is not None]
        found.append(Fault(type(each).__qualname__, tuple(mine[-MOST_FRAMES:])))
        if len(found) == MOST_ERRORS:
            break
    return tuple(found)


def told(faults: tuple[Fault, ...], *, whole: bool = False) -> str:
    """One line: the first error that has a place of ours; `whole`: all, with their frames."""
    if whole:
        return "; ".join(" < ".join([each.type, *map(str, each.frames[::-1])]) for each in faults)
    for fault in faults:
        if not fault.type.endswith("ExceptionGroup") and fault.frames:
            return f"{fault.type} at {fault.frames[-1]}"
    return faults[0].type if faults else ""


def threads_of(dump: str) -> tuple[Thread, ...]:
    """Threads of a text that `faulthandler` has written, the current one first."""
    found: list[tuple[bool, list[Frame]]] = []
    for line in dump.splitlines():
        if head := _THREAD.match(line):
            found.append((head[1] == "Current t", []))
        elif (place := _FRAME.match(line)) and found:
            frame = _frame(place["file"], int(place["line"]), place["function"])
            if frame is not None:
                found[-1][1].append(frame)
    told = [Thread(current, tuple(frames[:MOST_FRAMES])) for current, frames in found]
    ours = [thread for thread in told if thread.current or thread.frames]
    return tuple(sorted(ours, key=lambda thread: not thread.current)[:MOST_THREADS])


def _all(error: BaseException, seen: set[int]) -> Iterator[BaseException]:
    if id(error) in seen:
        return
    seen.add(id(error))
    yield error
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _all(each, seen)
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        yield from _all(cause, seen)


def _frame(file: str, line: int, function: str) -> Frame | None:
    try:
        inside = Path(file).resolve().relative_to(_ROOT)
    except (ValueError, OSError):
        return None
    return Frame(inside.as_posix(), line, function) if inside.parts[0] in PACKAGES else None
