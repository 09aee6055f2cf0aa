"""One line on a terminal that says how far a long command is; nothing anywhere else."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable

import click

OFTEN_S = 0.1
"""A text that comes sooner after the last one is passed over."""


class StatusLine:
    """`with StatusLine() as tell: … tell("12 of 40")`; the line is gone afterwards."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._shown = sys.stderr.isatty()
        self._monotonic = monotonic
        self._next_s = float("-inf")

    def __enter__(self) -> Callable[[str], None]:
        return self._tell

    def __exit__(self, *_: object) -> None:
        if self._next_s > float("-inf"):
            click.echo("\r\x1b[K", nl=False, err=True)

    def _tell(self, text: str) -> None:
        if not self._shown or self._monotonic() < self._next_s:
            return
        self._next_s = self._monotonic() + OFTEN_S
        widest = shutil.get_terminal_size().columns - 1  # one that wraps could not be taken away
        click.echo(f"\r\x1b[K{text[:widest]}", nl=False, err=True)
