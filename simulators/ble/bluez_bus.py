"""A private D-Bus daemon; objects, methods and errors as a stand-in for BlueZ has them on it."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from dbus_fast import Message, Variant
from dbus_fast.aio import MessageBus

from vitals.errors import InstallError

SYSTEM_BUS = "DBUS_SYSTEM_BUS_ADDRESS"
OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"
PROPERTIES = "org.freedesktop.DBus.Properties"
_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/> <allow own="*"/> <allow send_destination="*"/> <allow receive_sender="*"/>
  </policy>
</busconfig>
"""


@contextlib.contextmanager
def private_bus() -> Iterator[str]:
    """Runs a D-Bus daemon of our own as this process's system bus; gives its address.

    Raises:
        InstallError: there is no dbus-daemon.
    """
    program = shutil.which("dbus-daemon")
    if program is None:
        raise InstallError("a private D-Bus needs dbus-daemon; on Debian, install dbus-daemon")
    with tempfile.TemporaryDirectory(prefix="kap-vitals-bus-") as folder:
        config, socket = Path(folder, "bus.conf"), Path(folder, "bus")
        config.write_text(_CONFIG.format(socket=socket), encoding="utf-8")
        command = [program, f"--config-file={config}", "--nofork", "--print-address=1"]
        daemon = subprocess.Popen(  # noqa: S603 found above
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        before = os.environ.get(SYSTEM_BUS)
        try:
            if daemon.stdout is None or not daemon.stdout.readline():
                raise InstallError("dbus-daemon does not start; try it by hand")
            os.environ[SYSTEM_BUS] = f"unix:path={socket}"
            yield os.environ[SYSTEM_BUS]
        finally:
            if before is None:
                os.environ.pop(SYSTEM_BUS, None)
            else:
                os.environ[SYSTEM_BUS] = before
            daemon.terminate()
            daemon.communicate()


Interfaces = dict[str, dict[str, Variant]]
Reply = tuple[str, list[Any]]
"""Signature and body."""
Method = Callable[[Message], Awaitable[Reply | None]]


class BluezError(Exception):
    """An error of org.bluez: its last name, such as `InProgress`, and its text."""

    def __init__(self, name: str, words: str) -> None:
        super().__init__(words)
        self.name = f"org.bluez.Error.{name}"


class Objects:
    """Objects by path, each with the properties of its interfaces; tells of every change."""

    def __init__(self, bus: MessageBus) -> None:
        self._bus = bus
        self._tree: dict[str, Interfaces] = {}

    def __contains__(self, path: str) -> bool:
        return path in self._tree

    @property
    def tree(self) -> dict[str, Interfaces]:
        """Everything, as `GetManagedObjects` gives it."""
        return self._tree

    def add(self, path: str, interface: str, properties: dict[str, Variant]) -> None:
        """Shows a new object."""
        self._tree[path] = {interface: properties}
        self._tell("/", OBJECT_MANAGER, "InterfacesAdded", "oa{sa{sv}}", [path, self._tree[path]])

    def remove(self, path: str) -> None:
        """Takes an object away, and those below it."""
        below = [known for known in self._tree if known == path or known.startswith(f"{path}/")]
        for gone in sorted(below, reverse=True):
            names = list(self._tree.pop(gone))
            self._tell("/", OBJECT_MANAGER, "InterfacesRemoved", "oas", [gone, names])

    def get(self, path: str, interface: str, name: str) -> Any:
        """The value of a property."""
        return self._tree[path][interface][name].value

    def set(self, path: str, interface: str, **changed: Variant) -> None:
        """Changes properties of an object that is there."""
        if path in self._tree:
            self._tree[path][interface].update(changed)
            self._tell(path, PROPERTIES, "PropertiesChanged", "sa{sv}as", [interface, changed, []])

    def _tell(self, path: str, interface: str, member: str, kinds: str, body: list[Any]) -> None:
        self._bus.send(Message.new_signal(path, interface, member, kinds, body))
