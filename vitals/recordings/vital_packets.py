"""Packets of a `.vital` file, strictly and within bounds; what they mean is for `vital`.

The layout is in `vitals/export/vital_file.py`. Hostile lengths are refused before anything is
read, and memory stays within one packet: a packet is at most 64 MiB, a file at most 2 GiB unpacked.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

MOST_BYTES = 2 << 30
MOST_PACKET = 64 << 20
MOST_PACKETS = 30_000_000
_SIGN = b"VITA"
_HEAD = struct.Struct("<BI")
_STR = struct.Struct("<I")


class Broken(Exception):
    """From here on the file is not what it should be; the text says why."""


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before the packets.

    Attributes:
        behind_min: minutes by which local time is behind UTC.
    """

    behind_min: int


class Cursor:
    """Reads the body of one packet; beyond its end it raises `Broken`."""

    __slots__ = ("_body", "at")

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.at = 0

    @property
    def left(self) -> int:
        """Bytes behind the place."""
        return len(self._body) - self.at

    def take(self, layout: struct.Struct) -> tuple[float, ...]:
        """The next numbers."""
        if self.left < layout.size:
            raise Broken("a packet is shorter than it should be")
        found = layout.unpack_from(self._body, self.at)
        self.at += layout.size
        return found

    def text(self) -> str:
        """The next string."""
        (length,) = self.take(_STR)
        return self.bytes(int(length)).decode("utf-8", "replace")

    def bytes(self, count: int) -> bytes:
        """The next bytes."""
        if not 0 <= count <= self.left:
            raise Broken("a length points beyond its packet")
        found = self._body[self.at : self.at + count]
        self.at += count
        return found


def read(path: Path, on_header: Callable[[Header], None]) -> Iterator[tuple[int, bytes]]:
    """(type, body) of every packet in order.

    Raises:
        Broken: the rest cannot be read; what came before can be used.
        OSError: the file cannot be opened or read.
    """
    with path.open("rb") as file, gzip.GzipFile(fileobj=file, mode="rb") as unpacked:
        try:
            yield from _packets(unpacked, on_header)
        except EOFError as error:
            raise Broken("the file is cut short") from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise Broken("its bytes are damaged") from error


def _packets(
    file: gzip.GzipFile, on_header: Callable[[Header], None]
) -> Iterator[tuple[int, bytes]]:
    if _exactly(file, 4, "its header") != _SIGN:
        raise Broken("it is no .vital file: it does not begin with VITA")
    _exactly(file, 4, "its header")
    (length,) = struct.unpack("<H", _exactly(file, 2, "its header"))
    header = _exactly(file, length, "its header")
    if length < 2:
        raise Broken("its header is too short")
    on_header(Header(struct.unpack_from("<h", header)[0]))
    total = 10 + length
    for _ in range(MOST_PACKETS):
        head = file.read(_HEAD.size)
        if not head:
            return
        if len(head) < _HEAD.size:
            raise Broken("the file is cut short")
        kind, size = _HEAD.unpack(head)
        total += _HEAD.size + size
        if size > MOST_PACKET:
            raise Broken(f"a packet says that it has {size:,} bytes")
        if total > MOST_BYTES:
            raise Broken(f"it is larger than {MOST_BYTES >> 30} GiB unpacked")
        yield kind, _exactly(file, size, "a packet")
    raise Broken(f"it has more than {MOST_PACKETS:,} packets")


def _exactly(file: gzip.GzipFile, count: int, what: str) -> bytes:
    found = file.read(count)
    if len(found) < count:
        raise Broken(f"the file is cut short in {what}")
    return found
