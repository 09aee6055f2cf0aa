"""The devices of a station: which is in which room, and the acts that no room can do by itself.

`identify` lets every page show where a device is. `claim_device` accepts the box that is on a
device's port now. `rebind_device` moves a device to another room, in mid-session too: its link is
opened anew there, and what it said to the room before goes with that room.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from vitals import messages, wire
from vitals.claims import Claims
from vitals.config import SPARE, Config, DeviceConfig
from vitals.device_status import short
from vitals.hub import Hub
from vitals.model import US, Bind, Command, Link, Numeric, RoomDevice, Unbind
from vitals.roaming import Roaming
from vitals.room import Room
from vitals.session.act import Refused, text
from vitals.session.permissions import may
from vitals.station_device import Keeper, StationDevice

DISCARD = "discard_reading"
HIGHLIGHT_S = 10.0
"""How long every page shows the room of an identified device."""
NO_ROOM = "No room"
Plan = Callable[[int], None]
"""Does an act that nothing speaks against; takes the time."""


class DeviceDesk:
    """Where the devices are, and what is done with them.

    Args:
        config: of the station.
        devices: all devices of the config.
        claims: what is remembered of them.

    Attributes:
        room_of: device -> room, or `SPARE`.
        links: device -> its link as it was last told.
        rooms: set by the station when they are made; so are the others.
        keepers: device -> who keeps its link.
        step: folds a `Bind` or `Unbind` into a room.
        relink: tells a link to the room that its device is in now.
    """

    def __init__(
        self, config: Config, devices: Mapping[str, StationDevice], claims: Claims, hub: Hub
    ) -> None:
        self._devices = devices
        self._claims = claims
        self._hub = hub
        self._labels = {room.id: room.name for room in config.room}
        self._config: dict[str, tuple[DeviceConfig, str]] = {
            device.id: (device, room) for room, device in config.placed
        }
        self.room_of = {device: claims.room_of(device) for device in self._config}
        self._roaming = Roaming()
        self.links: dict[str, Link] = {}
        self.rooms: Mapping[str, Room] = {}
        self.keepers: Mapping[str, Keeper] = {}
        self.step: Callable[[Room, Bind | Unbind], None] = _unset
        self.relink: Callable[[Link], None] = _unset

    # --- what is where ------------------------------------------------------------------------

    def of_room(self, room: str) -> list[RoomDevice]:
        """The devices of a room: its own as the config has them, then those that came."""
        here = [device for device, at in self.room_of.items() if at == room]
        return sorted((self.bound(device, room) for device in here), key=lambda d: d.rank)

    def bound(self, device: str, room: str) -> RoomDevice:
        """A device as the config binds it; a room's own are trusted before those that came."""
        facts, (config, home) = self._devices[device], self._config[device]
        channels = facts.channels
        if config.channels:
            channels = tuple(channel for channel in channels if channel in config.channels)
        spot = facts.spot if config.mode is None else config.mode == "spot"
        rank = list(self._config).index(device) + (0 if room == home else len(self._config))
        return RoomDevice(device, channels, facts.can, spot, facts.period_s, rank, facts.own_alarm)

    def messages(self, room: str) -> list[wire.DeviceMsg]:
        """The devices of a room as the pages see them at first."""
        return [self._message(device) for device in self.of_room(room)]

    def _message(self, device: RoomDevice) -> wire.DeviceMsg:
        facts = self._devices[device.id]
        return wire.DeviceMsg(
            id=device.id,
            driver=facts.driver,
            title=facts.title,
            can=sorted(facts.can),
            channels=list(device.channels),
            own_alarm=facts.own_alarm,
            url=short(self._config[device.id][0].url),
        )

    def spare(self) -> Iterator[wire.RoomMsg]:
        """What stands for a room where devices are in none."""
        devices = self.messages(SPARE)
        if devices:
            yield wire.RoomMsg(id=SPARE, label=NO_ROOM, devices=devices)

    # --- readings of devices in no room -------------------------------------------------------

    def roam(self, numeric: Numeric) -> None:
        """A value of a device in no room; its reading waits until somebody says whose it is."""
        held = self._roaming.take(numeric)
        if held is not None:
            self._hub.publish(messages.held(held))

    def expire(self, now_us: int) -> None:
        """Nobody knows any more whose an old reading is."""
        for gone in self._roaming.expire(now_us):
            self._hub.publish(messages.held(gone))

    def with_reading(self, kind: str, args: dict[str, Any]) -> dict[str, Any]:
        """The arguments of `claim_reading` with the reading itself: the record must have it."""
        held = self._roaming.find(str(args.get("held", ""))) if kind == "claim_reading" else None
        if held is None:
            return {k: v for k, v in args.items() if kind != "claim_reading" or k == "held"}
        return {"held": held.id, "device": held.device, "at_us": held.at_us, **held.values}

    def claimed(self, ident: str) -> None:
        """A reading is somebody's now."""
        gone = self._roaming.drop(ident)
        if gone is not None:
            self._hub.publish(messages.held(gone))

    # --- acts ---------------------------------------------------------------------------------

    def consider(self, command: Command) -> tuple[Plan, str]:
        """What an act will do, and why it cannot be done (`""` if it can)."""
        try:
            if not may(command.actor, command.kind):
                raise Refused(f"a {command.actor.role} may not {command.kind}")
            if command.kind == DISCARD:
                return self._discard(command), ""
            device = text(command, "device", needed="name the device")
            if device not in self.room_of:
                raise Refused(f"there is no device {device!r} here")
            return DEVICE_ACTS[command.kind](self, device, command), ""
        except Refused as refused:
            return _nothing, str(refused)

    def _discard(self, command: Command) -> Plan:
        held = self._roaming.find(text(command, "held"))
        text(command, "reason", needed="say why the reading is nobody's")
        if held is None:
            raise Refused("that reading is no longer waiting")
        return lambda now_us: self.claimed(held.id)

    def _identify(self, device: str, command: Command) -> Plan:
        def shown(now_us: int) -> None:
            until_us = now_us + round(HIGHLIGHT_S * US)
            room, by = self.room_of[device], command.actor.name
            message = wire.IdentifyMsg(room=room, device=device, until_us=until_us, by=by)
            self._hub.publish(message)

        return shown

    def _claim(self, device: str, command: Command) -> Plan:
        if device not in self._claims.strangers:
            raise Refused(f"no other monitor is on the port of {device}: nothing to claim")
        if text(command, "identity") not in ("", self._claims.strangers[device]):
            raise Refused(f"yet another monitor is on the port of {device} by now: look again")
        return lambda now_us: self._claims.claim(device, command.actor.name)

    def _rebind(self, device: str, command: Command) -> Plan:
        to = text(command, "to_room", needed="name the room")
        if to not in self.rooms:
            raise Refused(f"there is no room {to!r} here")
        if to == self.room_of[device]:
            raise Refused(f"{device} is in {self._labels[to]} already")
        facts = self._devices[device]
        channels = set(self.bound(device, to).channels)
        rivals = [
            other.id
            for other in self.of_room(to)
            if self._devices[other.id].driver == facts.driver and channels & set(other.channels)
        ]
        for rival in rivals:
            link = self.links.get(rival)
            if link is not None and link.state == "streaming":
                raise Refused(
                    f"{self._labels[to]} has {rival}, which does the same and is heard: "
                    "switch it off or move it first"
                )

        def moved(now_us: int) -> None:
            moves = {**dict.fromkeys(rivals, SPARE), device: to}
            for each, room in moves.items():
                self._move(now_us, each, room)
            self._tell()
            for each in moves:
                if each in self.links:
                    self.relink(replace(self.links[each], at_us=now_us))

        return moved

    def _move(self, now_us: int, device: str, to: str) -> None:
        before = self.rooms.get(self.room_of[device])
        if before is not None:
            self.step(before, Unbind(now_us, device))
        self.room_of[device] = to
        self._claims.place(device, to)
        if to in self.rooms:
            self.step(self.rooms[to], Bind(now_us, self.bound(device, to)))
        self.keepers[device].reopen(f"it was moved to {self._labels.get(to, 'no room')}")

    def _tell(self) -> None:
        """The pages get everything anew: devices have changed their rooms."""
        snapshot = self._hub.snapshot()
        known = {device.id: device for room in snapshot.rooms for device in room.devices}
        rooms = [room for room in snapshot.rooms if room.id != SPARE]
        rooms += self.spare()
        for room in rooms:
            here = [device.id for device in self.of_room(room.id)]
            room.devices = [known[device] for device in here]
            room.notices = [notice for notice in room.notices if notice.device in (*here, "")]
            if room.id in self.rooms:
                room.sources = sources(self.rooms[room.id])
        snapshot.rooms = rooms
        self._hub.reset(snapshot)


DEVICE_ACTS: dict[str, Callable[[DeviceDesk, str, Command], Plan]] = {
    "identify": DeviceDesk._identify,
    "claim_device": DeviceDesk._claim,
    "rebind_device": DeviceDesk._rebind,
}
"""Commands about a device; each takes the device and gives a plan."""
ACTS = frozenset({*DEVICE_ACTS, DISCARD})


def sources(room: Room) -> dict[str, list[str]]:
    """Channel -> devices, the most trusted first, where several give it."""
    channels = {channel for device in room.devices.values() for channel in device.channels}
    order = room.bed.sources.order
    return {channel: order(channel) for channel in sorted(channels) if len(order(channel)) > 1}


def _nothing(now_us: int) -> None:
    """An act that was refused."""


def _unset(*_: object) -> None:
    raise RuntimeError("the station has not said who does this")
