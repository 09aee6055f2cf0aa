"""What standard GATT services share: names of characteristics, packets, battery, when it was.

A characteristic of a standard service sends packets: one notification, indication or answer to a
read is one whole payload, kept unbroken by the radio's own checksum. Nothing is kept for the next
one, and a payload of the wrong length is refused as a whole.

    2A19 battery level     1 byte, 0..100 %
    2A24 model, 2A26 firmware, 2A29 maker: text, UTF-8, often with a 0 at its end
    2A2B current time      7 bytes as in `devices.ieee11073`, day of week, 1/256 s, why it was set
    2A08 date and time     the 7 bytes alone

Source: Bluetooth GATT Specification Supplement; UUIDs from the Bluetooth Assigned Numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from devices.driver import Chunk, Event
from devices.framing import StreamDecoder, within
from devices.ieee11073 import TIME_BYTES, civil_us
from vitals.model import US, Flag, Notice, Numeric, Quality

_BASE = "0000{}-0000-1000-8000-00805f9b34fb"


@lru_cache(maxsize=256)
def uuid(text: str) -> str:
    """A UUID in full and in lower case: `2A37`, `0x2a37` and the long form are the same one.

    What is no UUID comes back in lower case.
    """
    known = text.strip().lower().removeprefix("0x")
    if len(known) == 4:
        return _BASE.format(known)
    if len(known) == 8:
        return known + _BASE[6:]
    if len(known) == 32:
        return "-".join((known[:8], known[8:12], known[12:16], known[16:20], known[20:]))
    return known


HEART_RATE_SERVICE, HEART_RATE = uuid("180d"), uuid("2a37")
BLOOD_PRESSURE_SERVICE, BLOOD_PRESSURE, CUFF_PRESSURE = uuid("1810"), uuid("2a35"), uuid("2a36")
OXIMETER_SERVICE = uuid("1822")
OXIMETER_SPOT, OXIMETER_STREAM, OXIMETER_FEATURES = uuid("2a5e"), uuid("2a5f"), uuid("2a60")
BATTERY = uuid("2a19")
MODEL, SERIAL_NUMBER, FIRMWARE, MAKER = uuid("2a24"), uuid("2a25"), uuid("2a26"), uuid("2a29")
CURRENT_TIME, DATE_TIME = uuid("2a2b"), uuid("2a08")

LOW_BATTERY, WELL_AGAIN = 20, 25
"""Per cent below which a battery is low, and from which it no longer is."""
LIVE_US = 120 * US
"""What was measured longer before its arrival was in the device's memory."""
_CURRENT_TIME_BYTES = 10
_CLOCK = (
    "by the device's clock this was measured {}, and it is not shown; "
    "if it was measured just now, set that clock"
)
_UNITS = ((86_400 * US, "days"), (3600 * US, "hours"), (60 * US, "min"))

Reader = Callable[[bytes, int], "list[Event] | None"]
"""Reads one payload that arrived at a time; None when it is not one of the characteristic's."""


class PacketDecoder(StreamDecoder):
    """A decoder of packets: each chunk is one payload of the characteristic it comes from.

    Args:
        device: id of the device.
        readers: what reads each characteristic, by its UUID in full.
    """

    def __init__(self, device: str, readers: Mapping[str, Reader]) -> None:
        super().__init__(device, frame_bytes=1)
        self._readers = readers

    def feed(self, chunk: Chunk) -> list[Event]:
        """Reads one payload; one of another characteristic, or of no known form, is refused."""
        reader = self._readers.get(chunk.source) or self._readers.get(uuid(chunk.source))
        events = None if reader is None else reader(chunk.data, chunk.at_us)
        if events is None:
            self.rejected += 1
            return []
        self.accepted += 1
        return events


def measured(
    device: str,
    taken_us: int,
    values: Iterable[tuple[str, float | None]],
    trust: Quality,
    flags: frozenset[Flag],
    stamp_us: int | None,
) -> list[Numeric]:
    """Numerics of one payload; None, and what is outside a channel's hard limits, is invalid.

    Args:
        device: id of the device.
        taken_us: when it was measured, by the station's clock.
        values: channels with what the device says.
        trust: what the values are worth, where there are any.
        flags: conditions that the device reports with them.
        stamp_us: the device's own time of it, by which a payload sent again is known.
    """
    out = []
    for channel, value in values:
        kept = None if value is None or trust is Quality.INVALID else within(channel, value)
        this = Quality.INVALID if kept is None else trust
        out.append(Numeric(device, channel, taken_us, kept, this, flags, stamp_us))
    return out


class Battery:
    """The battery level (2A19) as a notice, told when it becomes low and when it no longer is.

    Attributes:
        percent: the newest level, None before the first.
    """

    __slots__ = ("_device", "_low", "percent")

    def __init__(self, device: str) -> None:
        self._device = device
        self._low = False
        self.percent: int | None = None

    def read(self, data: bytes, at_us: int) -> list[Event] | None:
        """A `Reader`."""
        if len(data) != 1 or data[0] > 100:
            return None
        self.percent = percent = data[0]
        low = percent < (WELL_AGAIN if self._low else LOW_BATTERY)
        if low == self._low:
            return []
        self._low = low
        return [Notice(self._device, at_us, "low_battery", low, f"{percent} %")]


def text(data: bytes) -> str:
    """A text of the device information (2A24, 2A26, 2A29), without what fills it up."""
    return data.decode("utf-8", "replace").strip("\x00 \t\r\n")


class DeviceClock:
    """Tells what was measured just now from what was in the device's memory.

    A device's time has no zone, and nobody may ever have set it. So, in this order:

    * No time, or one with an unknown part: just now. What keeps readings sends their time, too.
    * The device's clock was read on this connection (2A2B, 2A08): by that clock, however wrong.
    * Else as local time of this computer. A clock that is wrong by an hour looks like a value that
      is an hour old, and the value is taken for that: an old one must never look new. The notice
      `clock_differs` says what to do, unless the clock has been seen to be right.
    """

    __slots__ = ("_ahead_us", "_device", "_doubted", "_proven")

    def __init__(self, device: str) -> None:
        self._device = device
        self._ahead_us: int | None = None
        self._proven = False
        self._doubted = False

    def read_current(self, data: bytes, at_us: int) -> list[Event] | None:
        """A `Reader` of 2A2B."""
        return self._read(data, at_us) if len(data) == _CURRENT_TIME_BYTES else None

    def read_date(self, data: bytes, at_us: int) -> list[Event] | None:
        """A `Reader` of 2A08."""
        return self._read(data, at_us) if len(data) == TIME_BYTES else None

    def _read(self, data: bytes, at_us: int) -> list[Event]:
        now_us = civil_us(data)
        self._ahead_us = None if now_us is None else now_us - at_us
        return [] if now_us is None else self._right(at_us)

    def taken_us(self, stamp_us: int | None, at_us: int) -> tuple[int | None, list[Event]]:
        """When something was measured by the station's clock, and what is to be said of the clock.

        Args:
            stamp_us: the device's time of it, as `devices.ieee11073.civil_us` gives it.
            at_us: the station's time of its arrival, and the latest that it can be of.

        Returns:
            None for the time of what was in the device's memory.
        """
        if stamp_us is None:
            return at_us, []
        ahead_us = local_offset_us(at_us) if self._ahead_us is None else self._ahead_us
        age_us = at_us + ahead_us - stamp_us
        if abs(age_us) <= LIVE_US:
            return at_us - max(age_us, 0), self._right(at_us)
        if self._proven or self._doubted:
            return None, []
        self._doubted = True
        when = f"{_span(abs(age_us))} {'ago' if age_us > 0 else 'from now'}"
        words = _CLOCK.format(when)
        return None, [Notice(self._device, at_us, "clock_differs", True, words)]

    def _right(self, at_us: int) -> list[Event]:
        """The clock is known, or right: nothing that is old by it is new."""
        doubted, self._doubted, self._proven = self._doubted, False, True
        return [Notice(self._device, at_us, "clock_differs", False)] if doubted else []


def _span(span_us: int) -> str:
    """A span of time in words."""
    unit_us, unit = next((pair for pair in _UNITS if span_us >= 2 * pair[0]), _UNITS[-1])
    return f"{round(span_us / unit_us)} {unit}"


def local_offset_us(at_us: int) -> int:
    """How far local time of this computer is ahead of UTC at a time."""
    return _offset_us(at_us // (900 * US))


@lru_cache(maxsize=64)
def _offset_us(quarter_hour: int) -> int:
    """The same for a quarter of an hour, as zones change only between two."""
    then = datetime.fromtimestamp(quarter_hour * 900, UTC).astimezone()
    return (then.utcoffset() or timedelta()) // timedelta(microseconds=1)
