"""Readings of devices that are in no room: each waits until somebody says whose it is.

A cuff that goes from room to room cannot know whom it has measured, and a guess would be another
patient's blood pressure. Pure; time is an argument.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from vitals.model import US, Numeric, Quality

CHANNELS = ("nibp_sys", "nibp_dia", "nibp_map", "pr", "spo2")
"""What such a reading consists of."""
KEPT_S = 1800.0
"""Nobody knows any more whose an older reading is."""


@dataclass(frozen=True, slots=True)
class Held:
    """One reading that waits.

    Attributes:
        id: names it, as long as it waits.
        device: which measured.
        at_us: when.
        values: channel -> value.
        gone: it was claimed, thrown away, or nobody came.
    """

    id: str
    device: str
    at_us: int
    values: Mapping[str, float] = field(default_factory=dict)
    gone: bool = False


class Roaming:
    """The readings that wait."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}

    def take(self, numeric: Numeric) -> Held | None:
        """A value of a device in no room; the reading it belongs to, None if it is of none."""
        value, channel = numeric.value, numeric.channel
        if value is None or numeric.quality is Quality.INVALID or channel not in CHANNELS:
            return None
        name = f"{numeric.device} {numeric.at_us}"
        known = self._held.get(name)
        if known is None:
            if channel != "nibp_sys":
                return None  # a pulse alone is a stream that nobody asked for
            ident = str(uuid.uuid5(uuid.NAMESPACE_OID, name))
            known = Held(ident, numeric.device, numeric.at_us)
        held = replace(known, values={**known.values, channel: value})
        self._held[name] = held
        return held

    def find(self, ident: str) -> Held | None:
        """A reading that still waits."""
        return next((held for held in self._held.values() if held.id == ident), None)

    def drop(self, ident: str) -> Held | None:
        """It was claimed or thrown away; what pages are told."""
        found = self.find(ident)
        if found is None:
            return None
        del self._held[f"{found.device} {found.at_us}"]
        return replace(found, gone=True)

    def expire(self, now_us: int) -> list[Held]:
        """Readings that have waited for too long; what pages are told."""
        old = [h.id for h in self._held.values() if now_us - h.at_us > round(KEPT_S * US)]
        return [gone for ident in old if (gone := self.drop(ident)) is not None]
