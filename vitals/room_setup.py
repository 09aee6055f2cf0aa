"""What a room is made of, and how the record keeps that for a replay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vitals.model import RoomDevice

__all__ = ["ESCALATION_S", "RoomDevice", "RoomSetup", "device_json", "device_of"]

ESCALATION_S = (30.0, 60.0, 120.0)
"""Steps of the escalation where the config names none, seconds."""


@dataclass(frozen=True, slots=True)
class RoomSetup:
    """Everything but the profile that a room's fold depends on."""

    devices: tuple[RoomDevice, ...]
    auto_nibp: bool = True
    slack_us: int = 0
    escalation_s: tuple[float, ...] = ESCALATION_S
    prefer: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    care: str = ""
    """`vitals.session.care.Care.text`; `""` is what is shipped."""

    def to_json(self) -> dict[str, Any]:
        """As the record keeps it."""
        return {
            "devices": [device_json(device) for device in self.devices],
            "auto_nibp": self.auto_nibp,
            "slack_us": self.slack_us,
            "escalation_s": list(self.escalation_s),
            "prefer": {channel: list(ids) for channel, ids in self.prefer.items()},
            "care": self.care,
        }

    @classmethod
    def of_json(cls, kept: Mapping[str, Any]) -> RoomSetup:
        """What `to_json` has said."""
        devices = tuple(device_of(device) for device in kept["devices"])
        prefer = {channel: tuple(ids) for channel, ids in kept.get("prefer", {}).items()}
        steps = tuple(kept["escalation_s"])
        care = kept.get("care", "")
        return cls(devices, kept["auto_nibp"], kept["slack_us"], steps, prefer, care)


def device_json(device: RoomDevice) -> dict[str, Any]:
    """A device as the record keeps it."""
    return {
        "id": device.id,
        "channels": list(device.channels),
        "can": sorted(device.can),
        "spot": device.spot,
        "period_s": device.period_s,
        "rank": device.rank,
        "own_alarm": device.own_alarm,
    }


def device_of(kept: Mapping[str, Any]) -> RoomDevice:
    """What `device_json` has said, of whichever version."""
    return RoomDevice(
        kept["id"],
        tuple(kept["channels"]),
        frozenset(kept["can"]),
        kept["spot"],
        kept.get("period_s", 1.0),
        kept.get("rank", 0),
        kept.get("own_alarm", "unknown"),
    )
