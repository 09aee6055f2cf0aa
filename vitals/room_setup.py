"""What a room is made of, and how the record keeps that for a replay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ESCALATION_S = (30.0, 60.0, 120.0)
"""Steps of the escalation where the config names none, seconds."""


@dataclass(frozen=True, slots=True)
class RoomDevice:
    """What a room needs to know of a device: its channels and what it can be asked to do."""

    id: str
    channels: tuple[str, ...]
    can: frozenset[str] = frozenset()
    spot: bool = False
    """Speaks only when somebody measures."""
    period_s: float = 1.0
    """Longest time between two values of a stream."""


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
            "devices": [
                {
                    "id": d.id,
                    "channels": list(d.channels),
                    "can": sorted(d.can),
                    "spot": d.spot,
                    "period_s": d.period_s,
                }
                for d in self.devices
            ],
            "auto_nibp": self.auto_nibp,
            "slack_us": self.slack_us,
            "escalation_s": list(self.escalation_s),
            "prefer": {channel: list(ids) for channel, ids in self.prefer.items()},
            "care": self.care,
        }

    @classmethod
    def of_json(cls, kept: Mapping[str, Any]) -> RoomSetup:
        """What `to_json` has said."""
        devices = tuple(
            RoomDevice(
                d["id"],
                tuple(d["channels"]),
                frozenset(d["can"]),
                d["spot"],
                d.get("period_s", 1.0),
            )
            for d in kept["devices"]
        )
        prefer = {channel: tuple(ids) for channel, ids in kept.get("prefer", {}).items()}
        steps = tuple(kept["escalation_s"])
        care = kept.get("care", "")
        return cls(devices, kept["auto_nibp"], kept["slack_us"], steps, prefer, care)
