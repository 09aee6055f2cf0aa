"""The files of an export that has several: in a folder, or in a zip that is not believed.

A zip says how large its files are; what really comes out of it is counted.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from vitals.recordings.recording import RecordingError

MOST_BYTES = 1 << 30
MOST_FILES = 200
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


class Folder:
    """Files of one export by name."""

    def __init__(
        self, name: str, sizes: dict[str, int], opener: Callable[[str], IO[bytes]]
    ) -> None:
        self._name = name
        self._open = opener
        self.names = sorted(sizes)
        if len(sizes) > MOST_FILES or sum(sizes.values()) > MOST_BYTES:
            raise RecordingError(
                f"{name}: its files are larger than {MOST_BYTES >> 30} GiB together; it is no "
                "export of a session"
            )

    @contextmanager
    def file(self, name: str) -> Iterator[IO[bytes]]:
        """One of the files; reading more than an export has fails.

        Raises:
            RecordingError: it is not there, or damaged.
        """
        if name not in self.names:
            raise RecordingError(f"{self._name}: {name} is missing; it is no whole export")
        try:
            with self._open(name) as file:
                bounded = _Bounded(file, self._name)
                with io.BufferedReader(bounded) as buffered:  # type: ignore[type-var]
                    yield buffered
        except _DAMAGED as error:
            raise RecordingError(f"{self._name}: {name} is damaged ({error})") from error


class _Bounded(io.RawIOBase):
    """Never gives more than `MOST_BYTES`, whatever a zip says."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        super().__init__()
        self._file = file
        self._left = MOST_BYTES
        self._name = name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        found = self._file.read(len(buffer))
        self._left -= len(found)
        if self._left < 0:
            raise RecordingError(f"{self._name}: a file in it is larger than it says")
        buffer[: len(found)] = found
        return len(found)


@contextmanager
def opened(path: Path) -> Iterator[Folder]:
    """A folder, or a zip.

    Raises:
        RecordingError: it is no zip that can be read, or too large.
        OSError: it cannot be read.
    """
    if path.is_dir():
        sizes = {one.name: one.stat().st_size for one in path.iterdir() if one.is_file()}
        yield Folder(path.name, sizes, lambda name: (path / name).open("rb"))
        return
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise RecordingError(f"{path.name}: it is a damaged zip ({error})") from error
    with archive:
        sizes = {one.filename: one.file_size for one in archive.infolist() if not one.is_dir()}
        yield Folder(path.name, sizes, lambda name: archive.open(name))
