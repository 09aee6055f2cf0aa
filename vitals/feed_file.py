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
    """Writes the file in one step, mode 0600.

    Raises:
        FeedError: the folder cannot be written.
    """
    try:
        # mkstemp creates with mode 0600: at no time can anyone else read the token.
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise _cannot_write(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.encode(contents))
        Path(temporary).replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise _cannot_write(path, error) from error


def read(path: Path) -> FeedFile:
    """Reads the file.

    Raises:
        FeedError: there is no station, or one of another version.
    """
    try:
        contents = msgspec.json.decode(path.read_bytes(), type=FeedFile)
    except FileNotFoundError as error:
        raise FeedError(
            f"no station is running ({path} is missing); start it with `vitals run`"
        ) from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise FeedError(
            f"{path} cannot be read ({reason}); run this as the user who runs the station"
        ) from error
    except msgspec.MsgspecError as error:
        raise FeedError(f"{path} is not a feed file; restart the station to write it") from error
    if contents.v != wire.VERSION:
        raise FeedError(version_sentence(contents.v, wire.VERSION))
    return contents


def remove(path: Path, token: str) -> None:
    """Removes the file, unless another station has written its own there."""
    with contextlib.suppress(OSError, FeedError):
        if read(path).token == token:
            path.unlink()


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
