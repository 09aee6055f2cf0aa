"""A program of the clinic's choice, run with one sentence as its last argument.

It gets no stdin, a process group of its own and the environment of this process with the facts
in it. What it leaves running in the background when it ends by itself is its own affair; when it
is stopped, its whole group is killed.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import IO

from vitals import lifeline

log = logging.getLogger(__name__)

FACT = "KV_"
"""Begins the name of every fact in the environment."""
LONGEST = 400
"""Characters of a sentence: pagers and short messages cut it anyhow."""
_SAID = 300
"""Bytes that are kept of what a program says on stderr."""
_SAID_S = 0.2
"""Patience with its last words: a grandchild may hold stderr open for ever."""


class CommandHook:
    """One run of a program: `argv`, then the sentence, with `facts` in the environment."""

    def __init__(
        self, argv: Sequence[str], sentence: str, facts: Mapping[str, str] | None = None
    ) -> None:
        self._argv = [*argv, one_line(sentence)]
        self._facts = {name: one_line(fact) for name, fact in (facts or {}).items()}
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def __call__(self) -> str:
        """Runs it to its end; `""`, or why it failed."""
        try:
            process = subprocess.Popen(  # noqa: S603 the clinic's own command
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=_environment(self._facts),
                start_new_session=True,
            )
        except FileNotFoundError:
            return f"command not found: {self._argv[0]}"
        except OSError as error:
            return f"{self._argv[0]} cannot be run: {error.strerror or type(error).__name__}"
        with self._lock:
            self._process = process
            stopped = self._stopped
        if stopped:  # while it was being started
            _kill_group(process)
        words = _LastWords(process.stderr)
        code = process.wait()
        last = words.read(_SAID_S)
        if code == 0:
            return ""
        how = f"exit code {code}" if code > 0 else f"ended by signal {-code}"
        return f"{how}: {last}" if last else how

    def stop(self) -> None:
        """Kills it and every process of its group."""
        with self._lock:
            self._stopped = True
            process = self._process
        if process is not None and process.returncode is None:
            _kill_group(process)


class _LastWords:
    """Empties a pipe, so that nobody is ever stuck on writing to it, and keeps the end."""

    def __init__(self, pipe: IO[bytes] | None) -> None:
        self._end = b""
        self._thread = threading.Thread(target=self._drain, args=(pipe,), daemon=True)
        self._thread.start()

    def _drain(self, pipe: IO[bytes] | None) -> None:
        if pipe is not None:
            with pipe:
                while said := os.read(pipe.fileno(), 4096):
                    self._end = (self._end + said)[-_SAID:]

    def read(self, patience_s: float) -> str:
        """The last line."""
        self._thread.join(patience_s)
        lines = self._end.decode(errors="replace").strip().splitlines()
        return one_line(lines[-1]) if lines else ""


def one_line(text: str) -> str:
    """A text as one short printable line that no program takes for an option."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line.lstrip("- ")[:LONGEST]


def _environment(facts: Mapping[str, str]) -> dict[str, str]:
    """That of this process, less what is meant for this process alone."""
    mine = {
        name: value
        for name, value in os.environ.items()
        if name != lifeline.VARIABLE and not name.startswith(FACT)
    }
    return {**mine, **facts}


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    if sys.platform == "win32":
        process.kill()
        return
    with contextlib.suppress(ProcessLookupError):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except PermissionError:  # it runs as somebody else
            log.error("a command that ran out of time cannot be killed (pid %d)", process.pid)
