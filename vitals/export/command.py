"""`vitals sessions export`: one session as files, with its progress on a terminal."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click

from vitals.export import FORMATS
from vitals.export.read import read_session
from vitals.export.session_data import SessionData
from vitals.export.target import Tell, whole_file, whole_folder
from vitals.store.reader import Reader
from vitals.store.rows import SessionRecord

_OFTEN_S = 0.1


def export_session(
    reader: Reader, record: SessionRecord, form: str, out: Path, *, names: bool
) -> Iterator[str]:
    """Writes the files; yields what there is to say about them.

    Raises:
        StoreError: the record cannot be read.
        ExportError: the files cannot be written; then there are none.
    """
    progress = _Progress()
    try:
        data = read_session(
            reader, record, names=names, exported_us=time.time_ns() // 1000, tell=progress.reads
        )
        write(data, form, out, progress.writes)
    finally:
        progress.end()
    yield f"{out}: session {record.session.id}, {data.coverage.sentence()}"
    if data.watermark:
        yield f"{data.watermark}: this is not a patient's session."
    if record.state == "open":
        yield f"The session is open: it is exported up to {data.iso(data.to_us)}."
    yield from data.unreadable


def write(data: SessionData, form: str, out: Path, tell: Tell) -> None:
    """Writes one format, whole or not at all.

    Raises:
        ExportError: it cannot be written.
    """
    about = FORMATS[form]
    module = importlib.import_module(f"vitals.export.{about.module}")
    if about.several:
        with whole_folder(out) as files:
            module.write(data, files, tell)
    else:
        with whole_file(out) as file:
            module.write(data, file, tell)


class _Progress:
    """One line on a terminal that says what is going on; nothing anywhere else."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._last_s = 0.0
        self._wide = 0

    def reads(self, what: str) -> None:
        self._show(f"reading {what}")

    def writes(self, what: str) -> None:
        self._show(f"writing {what}")

    def _show(self, text: str) -> None:
        now_s = time.monotonic()
        if not self._shown or now_s - self._last_s < _OFTEN_S:
            return
        self._last_s = now_s
        click.echo(f"\r{text.ljust(self._wide)}", nl=False, err=True)
        self._wide = len(text)

    def end(self) -> None:
        if self._wide:
            click.echo(f"\r{' ' * self._wide}\r", nl=False, err=True)
