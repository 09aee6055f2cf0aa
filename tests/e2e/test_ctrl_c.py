"""Ctrl-C at a terminal: the program ends, says nothing more, and nothing of it still runs."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from tests.e2e.clinic import VITALS, free_port, wait_for

pytestmark = pytest.mark.long

START_S = 120.0
END_S = 20.0
"""On a busy computer; a quiet one needs a second or two."""
FIGURES = "--multiprocessing-fork"
"""In the command line of the figure process, which is started some seconds after the pages."""


@dataclass
class Terminal:
    """A program that has a terminal, and a session of processes, of its own."""

    program: subprocess.Popen[bytes]
    end: int
    said: str = ""
    known: dict[int, psutil.Process] = field(default_factory=dict)

    def read(self) -> bool:
        """Takes what was written meanwhile; whether there may be more."""
        with contextlib.suppress(OSError):  # EIO: the last who had the terminal has closed it
            while select.select([self.end], [], [], 0.05)[0]:
                new = os.read(self.end, 4096)
                self.said += new.decode(errors="replace")
                if not new:
                    return False
            return True
        return False

    def figures_can_be_built(self) -> bool:
        """Whether the process for them runs; looks at all processes of the program meanwhile."""
        self.read()
        assert self.program.poll() is None, self.said
        for each in psutil.Process(self.program.pid).children(recursive=True):
            self.known.setdefault(each.pid, each)
        return any(FIGURES in " ".join(commands_of(each)) for each in self.known.values())

    def interrupt(self) -> int:
        """Ctrl-C; the exit code."""
        os.killpg(self.program.pid, signal.SIGINT)
        wait_for(lambda: not self.read() or self.program.poll() is not None, "the end", END_S)
        code = self.program.wait(END_S)
        wait_for(lambda: not self.left(), f"nothing of it still runs: {self.left()}", END_S)
        self.read()
        return code

    def left(self) -> list[psutil.Process]:
        """Processes of it that still run."""
        return [each for each in self.known.values() if runs(each)]


def runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def commands_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # it has just ended
        return []


@contextlib.contextmanager
def terminal(folder: Path, *args: str) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    program = subprocess.Popen(
        [*VITALS, *args], stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder,
        start_new_session=True, env={**os.environ, "TMPDIR": str(folder)},
    )  # fmt: skip
    os.close(theirs)
    shown = Terminal(program, ours)
    try:
        yield shown
    finally:
        if program.poll() is None:
            program.kill()
            program.wait()
        for each in shown.left():
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        os.close(ours)


def test_ctrl_c_ends_a_demo_and_all_of_it_without_a_word(tmp_path: Path) -> None:
    port = str(free_port())
    with terminal(tmp_path, "demo", "--rooms", "1", "--no-open", "--port", port) as shown:
        wait_for(shown.figures_can_be_built, "the demo is live, figures and all", START_S)
        assert "Ctrl-C ends it" in shown.said
        before = shown.said
        assert shown.interrupt() == 0
        assert shown.said.removeprefix(before).strip() in ("", "^C")
    assert not list(tmp_path.iterdir()), "its folder is gone, too"


def test_ctrl_c_ends_pages_even_while_their_figure_process_starts(tmp_path: Path) -> None:
    """All of them hear it at once here, as the pages have no supervisor."""
    with terminal(tmp_path, "web", "--store", "vitals.db", "--port", "0") as shown:
        wait_for(shown.figures_can_be_built, "the pages are up, and start the rest", START_S)
        before = shown.said
        assert shown.interrupt() == 128 + signal.SIGINT
        assert shown.said.removeprefix(before).strip() in ("", "^C")
