"""Why a port cannot be opened or has ended, in one sentence that says what to do."""

from __future__ import annotations

import errno
import os
import re
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

UNPLUGGED = (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EIO)
IN_USE = (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK)
FORBIDDEN = (errno.EACCES, errno.EPERM)


def cannot_open(url: str, error: Exception) -> str:
    """Why `url` cannot be opened; `error` is what pyserial raised."""
    if not url.startswith("serial:"):
        return _cannot_connect(url, error)
    name = _name(url)
    number = _errno(error)
    for numbers, explain in _LOCAL:
        if number in numbers:
            return explain(name)
    if os.path.exists(_resolved(name)) and _is_no_terminal(error):
        return f"{name} is not a serial port; check the url in the config"
    return f"{name} cannot be opened ({_reason(error)}); check the url and the line settings"


def has_ended(url: str, error: Exception | None) -> str:
    """Why an open port has ended; None = it was closed by us."""
    name = _name(url)
    if error is None:
        return f"{name} has been closed"
    if not url.startswith("serial:"):
        return f"{name} has ended the connection; check the converter and its network cable"
    if not os.path.exists(_resolved(name)):
        return f"{name} was unplugged; plug it in again"
    if "rite timeout" in str(error):
        return f"{name} takes no data; check the cable, and that the device is on"
    return f"{name} was unplugged, or another program reads from it too; check both"


def _missing(name: str) -> str:
    return f"{name} is not there: plug the adapter in, or correct the url in the config"


def _forbidden(name: str) -> str:
    try:
        node = os.stat(name)
    except OSError:
        return f"{name} may not be opened by this user; ask the administrator"
    group = _group(node.st_gid)
    if not group or not node.st_mode & stat.S_IRGRP or not node.st_mode & stat.S_IWGRP:
        return f"{name} may be opened by its owner only; give it to a group with a udev rule"
    return (
        f"{name} may only be opened by group {group}: run `sudo usermod -aG {group} $USER`, "
        "then log out and in again"
    )


def _in_use(name: str) -> str:
    pid, program = _holder(_resolved(name))
    if pid == os.getpid():
        return f"{name} is already open for another device: give each its own url in the config"
    by = f"{program} (process {pid})" if pid else "another program"
    return f"{name} is in use by {by}; end that program"


def _cannot_connect(url: str, error: Exception) -> str:
    cause = error.__context__ or error
    if not _is_address(url):
        return f"{url} is no address; write it as {url.partition(':')[0]}://HOST:PORT"
    if isinstance(cause, socket.gaierror):
        return f"{url}: there is no such host; correct the url in the config"
    if isinstance(cause, ConnectionRefusedError):
        return f"{url} refuses the connection; check the port number, and that nobody else uses it"
    if isinstance(cause, TimeoutError):
        return f"{url} does not answer; check that the converter is on, and its network cable"
    return f"{url} cannot be opened ({_reason(error)}); check the converter and the url"


def _is_address(url: str) -> bool:
    parts = urlsplit(url)
    try:
        return bool(parts.hostname and parts.port)
    except ValueError:
        return False


def _name(url: str) -> str:
    return url.removeprefix("serial://")


def _resolved(name: str) -> str:
    return os.path.realpath(name)


def _errno(error: Exception) -> int | None:
    """The error's number; pyserial at times only has it in the text."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    found = re.search(r"(?:Errno |\()(\d+)", str(error))
    return int(found[1]) if found else None


def _is_no_terminal(error: Exception) -> bool:
    return _errno(error) in (errno.ENOTTY, errno.EINVAL, errno.EISDIR)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _group(gid: int) -> str:
    try:
        import grp
    except ImportError:  # Windows has no groups of this kind
        return ""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _holder(path: str) -> tuple[int, str]:
    """Process id and name of a program that has `path` open, of another one if there is one.

    (0, "") if none is seen: that of another user stays hidden.
    """
    holder = (0, "")
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(os.readlink(fd) == path for fd in (process / "fd").iterdir()):
                holder = (int(process.name), (process / "comm").read_text().strip())
        except OSError:
            continue  # not ours to look into, or it has ended meanwhile
        if holder[0] not in (0, os.getpid()):
            break
    return holder


_LOCAL: tuple[tuple[tuple[int, ...], Callable[[str], str]], ...] = (
    (UNPLUGGED, _missing),
    (FORBIDDEN, _forbidden),
    (IN_USE, _in_use),
)
"""Error numbers of a local port, and how each is explained."""
