"""What devices give, and what is known of them."""

from __future__ import annotations

import msgspec

from vitals.wire.message import LinkWord, Message


class NumericMsg(Message, tag="numeric", kw_only=True):
    """One value of a room.

    `fresh_s` is the age (station seconds) up to which it may be shown as current, `gone_s` the
    age at which the page shows "--" instead; None = it is kept, grey and with its age (NIBP).
    """

    seq: int = 0
    room: str
    channel: str
    device: str
    at_us: int
    value: float | None
    quality: str = "good"
    flags: list[str] = []
    fresh_s: float = 3.0
    gone_s: float | None = 5.0


class WaveMsg(Message, tag="wave", kw_only=True):
    """A waveform packet; `y` are raw device units as integers."""

    seq: int = 0
    room: str
    channel: str
    device: str
    start_us: int
    rate_hz: float
    y: list[int]
    quality: str = "good"


class NoticeMsg(Message, tag="notice", kw_only=True):
    """A condition reported by a device."""

    seq: int = 0
    room: str
    device: str
    at_us: int
    code: str
    active: bool = True
    detail: str = ""


class LinkMsg(Message, tag="link", kw_only=True):
    """State of the link to a device."""

    seq: int = 0
    room: str
    device: str
    at_us: int
    state: LinkWord
    rejected: int = 0
    detail: str = ""


class DeviceStatusMsg(Message, tag="device", kw_only=True):
    """How well a device is heard, at most every 2 s; not recorded.

    `heard_us`: its last bytes; `rejected` and `reconnects` since the station was started;
    `battery` in the device's own words, `signal` in dBm; None = not known. `stranger`: which
    other box is on its port, and refused until somebody claims it.
    """

    seq: int = 0
    room: str
    device: str
    heard_us: int | None = None
    rejected: int = 0
    reconnects: int = 0
    battery: str | None = None
    signal: int | None = None
    stranger: str = ""


class IdentifyMsg(Message, tag="identify", kw_only=True):
    """Somebody asks which box this is: every page shows its room until then."""

    seq: int = 0
    room: str
    device: str
    until_us: int
    by: str = ""


class HeldMsg(Message, tag="held", kw_only=True):
    """A reading of a roaming device that waits until somebody says whose it is.

    `room` is `""`; `values`: channel -> value; `gone`: it was claimed, thrown away or is too old.
    """

    seq: int = 0
    room: str = ""
    id: str
    device: str
    at_us: int
    values: dict[str, float] = {}
    gone: bool = False


class TrendMsg(msgspec.Struct, kw_only=True):
    """Decimated trend of one channel since session start.

    `b` holds one bucket a row: start_us, minimum, maximum, last; gaps have no bucket.
    """

    channel: str
    width_us: int
    b: list[tuple[int, float, float, float]]


class DeviceMsg(msgspec.Struct, kw_only=True):
    """A device of a room; `url` is its link as people write it, without folders."""

    id: str
    driver: str
    title: str = ""
    can: list[str] = []
    channels: list[str] = []
    own_alarm: str = "unknown"
    state: LinkWord = "connecting"
    rejected: int = 0
    detail: str = ""
    url: str = ""
    status: DeviceStatusMsg | None = None
