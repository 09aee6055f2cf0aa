"""Contec protocol V5.0: CMS50C, and CMS50D+ and CMS50E with firmware before 4.6. SpO2, PR, pleth.

19200 8O1, no flow control (XON/XOFF would eat 11 and 13, which are data here). The device talks
by itself, 60 frames of 5 bytes a second; bit 7 is 1 in byte 1 only:

    byte 1   bits 0-3 signal 0..8, 4 searching too long, 5 SpO2 drops, 6 pulse beep, 7 always 1
    byte 2   bits 0-6 pleth
    byte 3   bits 0-3 bar graph, 4 probe error, 5 searching, 6 = bit 7 of the pulse rate
    byte 4   bits 0-6 pulse rate        without byte 3's bit 6, 150 bpm reads 22
    byte 5   bits 0-6 SpO2

No value: 0; SpO2 127 and pulse rate 255 by analogy with V7.0 [inferred]. Programs written with a
device at hand call bit 4 of byte 1 "finger out", the sheet "searching too long": under it, no
number is passed on. Signal, bar and beep are the display's business. There is no checksum: what a
bit flip leaves well-formed cannot be told from data. A doubled byte shifts all behind it for one
frame, which then reads the rate as SpO2; as its flags are arbitrary, too, a change of flags or
validity counts from the second frame that shows it, 17 ms later.

Stored readings (F0 | rate bit 7, 80 | rate, SpO2; after F2 80 00 three times and a length) come
when asked for by F5 F5, which we never send, or by another program before us. They have two bytes
with bit 7 for each reading and so never make a frame: they are refused, not shown. F6 F6 F6 brings
back live data; it is sent when no frame has come for 2 s.

Source: Contec's sheet "cms_protocol" (in nonspecialist/cms-p); the bits as tested in
atbrask/CMS50Dplus; stored readings captured by the Apnea Board wiki.
Nobody has tried this on hardware here, and no capture of live data was found. Line settings
disagree: the sheet says 4800 8O1; programs used 19200 8O1 (taken here), 4800 8N1 and 4800 8E1; a
device with 115200 baud speaks V7.0 (driver contec-v7).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from devices.driver import Chunk, Driver, Event, SerialSettings, Values
from devices.framing import (
    Conditions,
    OncePerSecond,
    StreamDecoder,
    WaveClock,
    number,
    numerics,
    quality,
    samples,
    within,
)
from vitals.model import Flag

US = 1_000_000
FRAME = 5
RATE_HZ = 60
WAVE_FRAMES = 15
NO_PR, NO_SPO2 = 0xFF, 0x7F
LIVE = b"\xf6\xf6\xf6"
QUIET_US = 2 * US
"""Without a frame for longer than this, live data are asked for."""

_RUN = re.compile(rb"(?:[\x80-\xff][\x00-\x7f]{4})+")
_BEGUN = re.compile(rb"[\x80-\xff][\x00-\x7f]{0,3}\Z")
_ALWAYS, _TOO_LONG, _DROPS = 0x80, 0x10, 0x20
_RATE_BIT_7 = 0x40
_BYTE_1 = {_TOO_LONG: Flag.OUT_OF_TRACK, _DROPS: Flag.DEVICE_ALARM}
_BYTE_3 = {0x10: Flag.SENSOR_OFF, 0x20: Flag.SEARCHING}
_FLAGS = {
    (one, three): frozenset(
        [flag for bit, flag in _BYTE_1.items() if one & bit]
        + [flag for bit, flag in _BYTE_3.items() if three & bit]
    )
    for one in range(0, 0x40, 0x10)
    for three in range(0, 0x40, 0x10)
}
"""Flags by the condition bits of byte 1 (4, 5) and byte 3 (4, 5)."""


class _Decoder(StreamDecoder):
    def __init__(self, device: str) -> None:
        super().__init__(device, FRAME)
        self._rest = b""
        self._thin = OncePerSecond(RATE_HZ)
        self._shown: object = None
        self._seen: object = None
        self._conditions = Conditions(device)
        self._wave = WaveClock(device, "pleth", RATE_HZ)
        self._pleth = bytearray()
        self._pleth_flags: frozenset[Flag] = frozenset()
        self._heard_us: int | None = None

    def due(self, now_us: int) -> bytes:
        if self._heard_us is None:
            self._heard_us = now_us
        if now_us - self._heard_us <= QUIET_US:
            return b""
        self._heard_us = now_us
        self._pleth.clear()
        self._pleth_flags = frozenset()
        return LIVE

    def feed(self, chunk: Chunk) -> list[Event]:
        data = self._rest + chunk.data
        events: list[Event] = []
        pos = 0
        for run in _RUN.finditer(data):
            self.refuse(run.start() - pos)
            self.accept()
            self._heard_us = chunk.at_us
            self._read(run[0], chunk.at_us, events)
            pos = run.end()
        begun = _BEGUN.search(data, max(pos, len(data) - FRAME + 1))
        end = begun.start() if begun else len(data)
        self.refuse(end - pos)
        self._rest = data[end:]
        return events

    def _read(self, run: bytes, at_us: int, events: list[Event]) -> None:
        for b1, b2, b3, b4, b5 in zip(*(run[i::FRAME] for i in range(FRAME)), strict=True):
            flags = _FLAGS[b1 & 0x30, b3 & 0x30]
            rate = (b3 & _RATE_BIT_7) << 1 | b4
            pr = None if b1 & _TOO_LONG or rate == NO_PR else within("pr", rate)
            spo2 = None if b1 & _TOO_LONG or b5 == NO_SPO2 else within("spo2", b5)
            last, self._seen = self._seen, (flags, pr is None, spo2 is None)
            if self._seen in (self._shown or self._seen, last) and self._thin.due(self._seen):
                self._shown = self._seen
                events += self._conditions.change(flags, at_us)
                events += numerics(self.device, at_us, {"spo2": spo2, "pr": pr}, flags)
            self._pleth.append(b2)
            self._pleth_flags |= flags
            if len(self._pleth) == WAVE_FRAMES:
                trust = quality(self._pleth_flags)
                events.append(self._wave.packet(bytes(self._pleth), at_us, trust))
                self._pleth.clear()
                self._pleth_flags = frozenset()


def _frames(values: Values, flags: Collection[Flag]) -> Iterator[bytes]:
    off = Flag.SENSOR_OFF in flags
    pr, spo2 = (None if off else number(values, key) for key in ("pr", "spo2"))
    rate = 0 if pr is None or not 0 <= round(pr) < NO_PR else round(pr)
    sat = 0 if spo2 is None or not 0 <= round(spo2) < NO_SPO2 else round(spo2)
    one = _ALWAYS | (0 if off else 5) | sum(bit for bit, flag in _BYTE_1.items() if flag in flags)
    three = sum(bit for bit, flag in _BYTE_3.items() if flag in flags) | (rate & 0x80) >> 1
    for pleth in samples(values, "pleth", WAVE_FRAMES, 0x7F):
        height = 0 if off else pleth
        yield bytes((one, height, three | height >> 3, rate & 0x7F, sat))


def _encode(values: Values, flags: Collection[Flag]) -> list[tuple[str, bytes]]:
    """A quarter of a second: 15 frames."""
    return [("", b"".join(_frames(values, flags)))]


DRIVER = Driver(
    name="contec-v5",
    transport="serial",
    title="Contec CMS50C, older CMS50D+ and CMS50E (before firmware 4.6)",
    channels=("spo2", "pr", "pleth"),
    settings=SerialSettings(19200, parity="O"),
    decoder=_Decoder,
    encode=_encode,
    encode_s=WAVE_FRAMES / RATE_HZ,
    frame_bytes=FRAME,
    pleth_hz=RATE_HZ,
    own_alarm="unknown",
    evidence="vendor document",
    probe=(LIVE,),
)
