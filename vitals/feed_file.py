"""Where the station's feed is: a small file beside the store, readable by its owner alone.

It is read again at each connect, since port and token change with every start of the station.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

import msgspec

from vitals import wire
from vitals.errors import FeedError


class FeedFile(msgspec.Struct, frozen=True, kw_only=True):
    """Contents of `<store>.feed`.

    Attributes:
        port: TCP port on 127.0.0.1.
        token: secret of this start of the station, first thing a reader must show.
        pid: process id of the station.
        v: version of the messages it speaks.
    """

    port: int
    token: str
    pid: int
    v: int = wire.VERSION


def write(path: Path, contents: FeedFile) -> None:
    """Writes the file in one step, mode 0600; on a full disk over the last station's file.

    Raises:
        FeedError: the folder cannot be written.
    """
    data = msgspec.json.encode(contents)
    try:
        _replace(path, data)
    except OSError as error:
        if not _overwrite(path, data):
            raise _cannot_write(path, error) from error


def _replace(path: Path, data: bytes) -> None:
    # mkstemp creates with mode 0600: at no time can anyone else read the token.
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(temporary).replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


def _overwrite(path: Path, data: bytes) -> bool:
    """Uses the room that the file has already; whether there was one and it could be used."""
    try:
        handle = os.open(path, os.O_WRONLY)
    except OSError:
        return False
    try:
        os.chmod(path, 0o600)
        os.write(handle, data)
        os.ftruncate(handle, len(data))
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def read(path: Path) -> FeedFile:
    """Reads the file.

    Raises:
        FeedError: there is no station, or one of another version.
    """
    try:
        data = path.read_bytes()
        if not data.strip():
            raise FileNotFoundError
        contents = msgspec.json.decode(data, type=FeedFile)
    except FileNotFoundError as error:
        raise FeedError(
            f"no station is running ({path} does not name one); start it with `vitals run`"
        ) from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise FeedError(
            f"{path} cannot be read ({reason}); run this as the user who runs the station"
        ) from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FeedError(f"{path} is not a feed file; restart the station to write it") from error
    if contents.v != wire.VERSION:
        raise FeedError(version_sentence(contents.v, wire.VERSION))
    return contents


def clear(path: Path, token: str) -> None:
    """Blanks the file, unless another station has written its own there.

    The file itself stays: the next station may have to start on a full disk.
    """
    with contextlib.suppress(FeedError):
        if read(path).token == token:
            _overwrite(path, b"\n")


def version_sentence(station: int, reader: int) -> str:
    """Says that the two ends are of different versions."""
    return (
        f"the station speaks feed version {station} and this program version {reader}; "
        "restart both from one installation"
    )


def _cannot_write(path: Path, error: OSError) -> FeedError:
    reason = error.strerror or type(error).__name__
    return FeedError(
        f"{path} cannot be written ({reason}), so no page can find this station; "
        "make room or give the station's user the right to write there"
    )
