"""A disk whose power can be cut: only what was flushed is sure to be there afterwards.

A virtual file system of SQLite that does everything on the real file and remembers, for each
database and log, the bytes as of the last flush and every write since. `cut` makes the files as a
disk may be found again: the flushed bytes, and of the writes since then a random subset, in any
order, each of them torn at any sector. After a cut nothing is written any more.

The idea is that of SQLite's own test6.c; the shared-memory file needs no power (it is made anew).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import apsw

SECTOR = 512
NAME = "kv-power"


@dataclass(slots=True)
class Medium:
    """One file: what is safe, and what is on its way.

    Attributes:
        safe: the bytes as of the last flush; None = not even the name is.
        pending: writes since then as (offset, data), truncations as (size, None), in order.
    """

    safe: bytes | None = None
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)

    def flush(self, path: Path) -> None:
        """Everything until now is safe."""
        self.safe, self.pending = path.read_bytes(), []

    def after_cut(self, dice: Random) -> bytes | None:
        """What may be found on the disk."""
        if self.safe is None and (not self.pending or dice.random() < 0.5):
            return None
        image = bytearray(self.safe or b"")
        arrived = [one for one in self.pending if dice.random() < dice.choice((0.2, 0.5, 0.9))]
        if dice.random() < 0.5:
            dice.shuffle(arrived)
        for offset, data in arrived:
            if data is None:
                del image[offset:]
                continue
            for start in range(0, len(data), SECTOR):
                if dice.random() < 0.1:
                    continue  # this sector was not reached
                piece = data[start : start + SECTOR]
                at = offset + start
                image.extend(bytes(max(0, at + len(piece) - len(image))))
                image[at : at + len(piece)] = piece
        return bytes(image)


class Power:
    """The disk's power; one for each process, as a virtual file system has one name."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.is_cut = False
        self.media: dict[str, Medium] = {}
        self.flushes = 0
        self.vfs = _Vfs(self)

    def encrypted(self) -> str:
        """The name under which the cipher lies above this disk; it is made when it is used."""
        name = f"multipleciphers-{NAME}"
        apsw.Connection(":memory:", vfs=name).close()
        return name

    def forget(self) -> None:
        """Power is back, and the files are what they are now."""
        with self.lock:
            self.is_cut = False
            self.media.clear()

    def cut(self, dice: Random) -> dict[str, bytes]:
        """Ends everything; file -> the bytes that are found later."""
        with self.lock:
            self.is_cut = True
            images = {path: medium.after_cut(dice) for path, medium in self.media.items()}
        return {path: image for path, image in images.items() if image is not None}

    def check(self) -> None:
        """Refuses what comes too late."""
        if self.is_cut:
            raise apsw.IOError("the power is cut")


class _Vfs(apsw.VFS):
    def __init__(self, power: Power) -> None:
        self.power = power
        super().__init__(NAME, "unix", makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        """A database or a log of ours; anything else as it is."""
        kept = apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL
        if name is None or not flags[0] & kept:
            return apsw.VFSFile("unix", name, flags)
        return _File(self.power, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        """A deletion that was not flushed may or may not be found; here it is safe at once."""
        with self.power.lock:
            self.power.check()
            super().xDelete(filename, syncdir)
            self.power.media.pop(filename, None)


class _File(apsw.VFSFile):
    def __init__(self, power: Power, name: Any, flags: list[int]) -> None:
        self._power = power
        self._path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        existed = Path(self._path).exists()
        super().__init__("unix", name, flags)
        with power.lock:
            if self._path not in power.media:
                safe = Path(self._path).read_bytes() if existed else None
                power.media[self._path] = Medium(safe)

    def xWrite(self, data: bytes, offset: int) -> None:
        with self._power.lock:
            self._power.check()
            super().xWrite(data, offset)
            self._medium.pending.append((offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:
        with self._power.lock:
            self._power.check()
            super().xTruncate(newsize)
            self._medium.pending.append((newsize, None))

    def xSync(self, flags: int) -> None:
        with self._power.lock:
            self._power.check()
            super().xSync(flags)
            self._power.flushes += 1
            self._medium.flush(Path(self._path))

    @property
    def _medium(self) -> Medium:
        return self._power.media.setdefault(self._path, Medium())
