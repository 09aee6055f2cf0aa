"""A clinic with two rooms, each with an oximeter and a cuff of the same kinds."""

from __future__ import annotations

from vitals.station_device import StationDevice

ROOM = """
[[room]]
id = "room-{n}"
label = "Room {n}"
  [[room.device]]
  id = "ox{n}"
  driver = "nonin-df2"
  url = "serial:///dev/serial/by-id/usb-FTDI_AB{n}-if00-port0"
  [[room.device]]
  id = "cuff{n}"
  driver = "dinamap"
  url = "socket://10.0.0.{n}:4001"
"""
CONFIG = '[station]\nid = "s"\nstore = "vitals.db"\nmode = "test"\n' + "".join(
    ROOM.format(n=n) for n in (1, 2)
)
OX, CUFF = ("spo2", "pr", "pleth"), ("nibp_sys", "nibp_dia", "pr")
CAN = frozenset({"start_nibp"})


def _devices(n: int) -> list[StationDevice]:
    return [
        StationDevice(f"ox{n}", "nonin-df2", "", OX, frozenset(), 1.0, "yes"),
        StationDevice(f"cuff{n}", "dinamap", "", CUFF, CAN, 1.0, "yes"),
    ]


DEVICES = {device.id: device for n in (1, 2) for device in _devices(n)}
