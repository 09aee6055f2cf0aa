"""Readings that a device has told before.

A blood pressure cuff by radio sends what it has in its memory whenever it is connected to, until
somebody confirms or deletes it, and every connection has a new decoder. So it is remembered here,
over all connections to one device, what was told.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence

from devices.driver import Event
from vitals.channels import NIBP
from vitals.model import US, Chunk, Notice, Numeric

AGAIN_US = 45 * US
"""Without a time of the device's own, a payload that comes twice within this is one reading: no
cuff measures faster."""
REMEMBERED = 512
"""Values and payloads of one device that are remembered."""
ONCE = "nibp_failed"


class Repeats:
    """What one device has told, by its own time and the values."""

    def __init__(self) -> None:
        self._told: OrderedDict[Hashable, int] = OrderedDict()

    def fresh(self, chunk: Chunk, events: Sequence[Event]) -> list[Event]:
        """The events of one payload, less those of a reading that was told before."""
        readings = [event for event in events if _is_reading(event)]
        if not readings:
            return list(events)
        if all(getattr(event, "device_at_us", None) is None for event in readings):
            return [] if self._knows((chunk.source, chunk.data), chunk.at_us) else list(events)
        return [event for event in events if not self._told_before(event)]

    def _told_before(self, event: Event) -> bool:
        if not isinstance(event, Numeric) or event.device_at_us is None:
            return False
        key = (event.channel, event.device_at_us, event.value, event.quality)
        return self._knows(key, event.at_us, always=True)

    def _knows(self, key: Hashable, at_us: int, *, always: bool = False) -> bool:
        """Whether it was told before; with `always` however long ago. It is, from now on."""
        before_us = self._told.pop(key, None)
        known = before_us is not None and (always or at_us - before_us < AGAIN_US)
        self._told[key] = at_us
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        return known


def _is_reading(event: Event) -> bool:
    if isinstance(event, Notice):
        return event.code == ONCE and event.active
    return isinstance(event, Numeric) and (event.channel in NIBP or event.device_at_us is not None)
