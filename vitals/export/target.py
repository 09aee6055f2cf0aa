"""Where an export goes: whole or not at all.

Everything is written beside its final place under another name, flushed, then renamed. Whatever
goes wrong, or Ctrl-C, leaves nothing behind. Only the owner can read what is written.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Protocol

from vitals.errors import VitalsError

Tell = Callable[[str], None]
"""Is told what is being written; the CLI shows it."""
_BINARY = getattr(os, "O_BINARY", 0)
_FULL = (errno.ENOSPC, errno.EDQUOT)


class ExportError(VitalsError):
    """An export that cannot be written, in one sentence."""


class Files(Protocol):
    """Takes the files of a format that has several."""

    def file(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """A file to write, closed at the end of the context."""


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears under its name when all is written.

    Raises:
        ExportError: it is there already, or cannot be written.
    """
    _check(path)
    part = ""
    try:
        with _explained(path):
            handle, part = tempfile.mkstemp(
                dir=path.parent, prefix=f".{path.name}.", suffix=".part"
            )
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            _take_place(Path(part), path)
    except BaseException:
        if part:
            with contextlib.suppress(OSError):
                Path(part).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def whole_folder(path: Path) -> Iterator[Files]:
    """A folder that appears when all its files are written; a zip if the name ends so.

    Raises:
        ExportError: it is there already, or cannot be written.
    """
    if path.suffix.lower() == ".zip":
        with whole_file(path) as file, _explained(path), _zip(file) as archive:
            yield archive
        return
    _check(path)
    part = ""
    try:
        with _explained(path):
            part = tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
            yield _Folder(Path(part))
            _take_place(Path(part), path)
    except BaseException:
        if part:
            shutil.rmtree(part, ignore_errors=True)
        raise


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path

    @contextlib.contextmanager
    def file(self, name: str) -> Iterator[IO[bytes]]:
        handle = os.open(self._path / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o600)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())


class _Zip:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    @contextlib.contextmanager
    def file(self, name: str) -> Iterator[IO[bytes]]:
        with self._archive.open(name, "w", force_zip64=True) as file:
            yield file


@contextlib.contextmanager
def _zip(file: IO[bytes]) -> Iterator[Files]:
    archive = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED)
    try:
        yield _Zip(archive)
    except BaseException:
        # Its index is not written on a full disk; closing it would fail a second time.
        with contextlib.suppress(OSError, ValueError):
            archive.close()
        raise
    archive.close()


def _check(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise ExportError(f"{path}: there is something of that name already; name another place")
    if not path.absolute().parent.is_dir():
        raise ExportError(f"{path}: there is no folder {path.parent}; create it")


def _take_place(part: Path, path: Path) -> None:
    _check(path)
    part.rename(path)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise ExportError(
                f"{path}: the disk is full, so nothing was exported; free some space or name "
                "another place"
            ) from error
        reason = error.strerror or str(error)
        raise ExportError(
            f"{path}: the export cannot be written ({reason}); name another place"
        ) from error
