"""Which box each device of the config was when a person last made sure of it, and in which room.

A port knows nothing of patients: when two monitors have changed places, each sends the numbers of
one patient under the name of the other. So the station remembers what was on each port (`identity`:
the serial number of its USB adapter, a Bluetooth address) and refuses anything else there until
somebody has looked at the labels and claims it. The very first box of a device is taken silently.

Kept beside the record in `<store>.devices.json`, together with the rooms that devices were moved
to. The config says which devices exist; where it has moved one since, the config counts.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from vitals.config import SPARE, Config

log = logging.getLogger(__name__)

VERSION = 1
_ELSEWHERE = "-"
"""The identity of a device whose box was claimed for another one."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one device.

    Attributes:
        identity: its box, `""` before the first one was seen.
        room: where it is.
        config_room: where the config had it then.
        by: who claimed it, `""` for nobody: it was the first.
    """

    identity: str = ""
    room: str
    config_room: str
    by: str = ""


class _File(msgspec.Struct, kw_only=True):
    v: int
    devices: dict[str, Claim] = {}
    boxes: dict[str, str] = {}
    """Identity -> the room where it was last let in."""


class Claims:
    """The claims of one station. Loop thread only; the file is written by a thread of its own.

    Attributes:
        strangers: device -> identity of the box that is refused on its port.
        damaged: why nothing of an earlier file is known, `""` if there is no such reason.
    """

    def __init__(
        self, path: Path, config_rooms: Mapping[str, str], labels: Mapping[str, str]
    ) -> None:
        """Reads the file; one that cannot be read is begun anew.

        Args:
            path: of the file.
            config_rooms: device -> room, as in the config.
            labels: room -> what people call it.
        """
        self._path = path
        self._labels = labels
        self._config_rooms = config_rooms
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="claims")
        self.strangers: dict[str, str] = {}
        self._kept, self.damaged = _read(path)
        for device, room in config_rooms.items():
            known = self._kept.devices.get(device)
            if known is None:
                continue
            if known.config_room != room or known.room not in (*labels, SPARE):
                moved = msgspec.structs.replace(known, room=room, config_room=room)
                self._kept.devices[device] = moved

    def room_of(self, device: str) -> str:
        """The room that a device is in."""
        known = self._kept.devices.get(device)
        return known.room if known is not None else self._config_rooms[device]

    def admit(self, device: str, identity: str) -> str:
        """Why the box on a device's port may not speak for it, one sentence; `""` if it may."""
        known = self._known(device)
        if identity in ("", known.identity):
            self.strangers.pop(device, None)
            return ""
        owner = any(
            identity == claim.identity
            for other, claim in self._kept.devices.items()
            if other != device and other in self._config_rooms
        )
        if not known.identity and not owner:
            self._let_in(device, identity, "")
            return ""
        self.strangers[device] = identity
        last = self._labels.get(self._kept.boxes.get(identity, ""), "")
        where = f"it was last in {last}" if last else "it was never here before"
        return (
            f"another monitor is on this port ({where}): "
            "check the labels, then claim it on /devices"
        )

    def claim(self, device: str, by: str) -> None:
        """A person has looked: the box that was refused is this device's from now on."""
        identity = self.strangers.pop(device)
        for other, claim in self._kept.devices.items():
            if other != device and claim.identity == identity:
                self._kept.devices[other] = msgspec.structs.replace(claim, identity=_ELSEWHERE)
        self._let_in(device, identity, by)

    def place(self, device: str, room: str) -> None:
        """A device is in another room now, or in none (`SPARE`)."""
        known = msgspec.structs.replace(self._known(device), room=room)
        self._kept.devices[device] = known
        if known.identity:
            self._kept.boxes[known.identity] = room
        self._write()

    def close(self) -> None:
        """Waits until everything is written."""
        self._writer.shutdown(wait=True)

    def _known(self, device: str) -> Claim:
        room = self._config_rooms[device]
        return self._kept.devices.get(device) or Claim(room=room, config_room=room)

    def _let_in(self, device: str, identity: str, by: str) -> None:
        known = msgspec.structs.replace(self._known(device), identity=identity, by=by)
        self._kept.devices[device] = known
        self._kept.boxes[identity] = known.room
        self.strangers.pop(device, None)
        self._write()

    def _write(self) -> None:
        """Nothing waits for the disk; a write that fails costs no more than another claim."""
        data = msgspec.json.format(msgspec.json.encode(self._kept), indent=1)
        self._writer.submit(_replace, self._path, data)


def claims_of(config: Config) -> Claims:
    """The claims of a config's station, beside its record."""
    rooms = {device.id: room for room, device in config.placed}
    labels = {room.id: room.name for room in config.room}
    return Claims(Path(f"{config.station.store}.devices.json"), rooms, labels)


def _read(path: Path) -> tuple[_File, str]:
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=_File)
        if kept.v != VERSION:
            raise ValueError(f"version {kept.v}")
    except FileNotFoundError:
        return _File(v=VERSION), ""
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        why = (
            f"{path} cannot be read ({error}): each monitor is taken for the right one, and is "
            "in the room of the config; check the labels"
        )
        return _File(v=VERSION), why
    return kept, ""


def _replace(path: Path, data: bytes) -> None:
    """Puts a file in the place of another, whole or not at all."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        log.error("%s cannot be written (%s): after a restart devices are as before", path, error)
