"""Contec protocol V7.0: CMS50D+ (firmware 4.6 on), newer CMS50E, CMS50EW, CMS50F, CMS60, PO-250.

115200 8N1, no flow control (XON/XOFF would eat the types 11 and 13). Package, both ways:

    TYPE   bit 7 = 0, the only such byte: the beginning; it fixes the length
    HIGH   bit 7 = 1, bits 0..6 = the real bits 7 of D0..D6
    D0 ..  bit 7 = 1, bits 0..6 of the data

Real-time data, type 01, 9 bytes, 60 a second after the command A1:

    D0  bits 0-3 signal 0..8, 4 searching too long, 5 low SpO2, 6 pulse beep, 7 probe error
    D1  bits 0-6 pleth, 7 searching
    D2  bits 0-3 bar graph, 4 PI invalid
    D3  pulse rate, FF none          its bit 7 is HIGH bit 3: without it 150 bpm reads 22
    D4  SpO2, 7F none
    D5  D6  PI * 100, low byte first, FFFF none

Type 0D [reason]: the device is disconnecting. Type 0B [command, reason]: answer to a command.
Type 0C: free, answer to A2. Type 11: stored data are waiting. The other types are stepped over
by their lengths. Commands: 7D 81 CMD 80 80 80 80 80 80; A1 start, A2 stop, AF "I am connected"
every 5 s. Signal, bar and beep are the display's business and are not passed on. There is no
checksum: what a bit flip leaves well-formed cannot be told from data. A doubled byte shifts all
behind it for one frame, which then reads the rate as SpO2; so after the first frame only one that
agrees with the frame before it on flags and numbers is passed on, a change 17 ms late.

Source: Contec's protocol sheet V7.0 (in InfantLab/Contec-Pulse-Oximeter-in-Matlab); captures in
headrotor/contec_data and titinho11/CMS50E-raw-ppg-data, whose frames are among the test vectors,
and which also give the lengths of the types 02, 03, 06, 13 and 14.
Nobody has tried this on hardware here. That the stream ends about a minute after the last AF or
A1 is inferred from the timers of other programs; captured devices all said "PI invalid", so PI
itself, a rate above 127 and the types 0B and 0D have only been seen on paper.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from devices.driver import Chunk, Driver, Event, PatientView, SerialSettings, Values
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
from vitals.model import Flag, Notice

US = 1_000_000
RATE_HZ = 60
WAVE_FRAMES = 15
REALTIME, FEEDBACK, FREE, FAREWELL = 0x01, 0x0B, 0x0C, 0x0D
START, STOP, ALIVE = 0xA1, 0xA2, 0xAF
NO_PR, NO_SPO2, NO_PI = 0xFF, 0x7F, 0xFFFF
PROBE_ERROR_PLETH = 64
ALIVE_US = 5 * US
QUIET_US = 2 * US
"""Quiet for longer than this, the start command is sent again."""
FORGET_US = 60 * US
"""A device that hears neither AF nor A1 for this long stops talking [inferred]."""

_TYPES = {
    9: (0x01, 0x02, 0x03, 0x04, 0x05, 0x11, 0x13, 0x14, 0x15),
    8: (0x07, 0x08, 0x0F, 0x12),
    6: (0x09,),
    4: (0x06, 0x0A, 0x0B),
    3: (0x0D, 0x0E, 0x10),
    2: (0x0C,),
}
"""Types by the length of their package."""
_LENGTH = {kind: length for length, kinds in _TYPES.items() for kind in kinds}
_TYPE = re.compile(rb"[\x00-\x7f]")
_KNOWN_TYPE = re.compile(b"[" + re.escape(bytes(_LENGTH)) + b"]")
_COMMAND = re.compile(rb"\x7d[\x80-\xff]{8}")
_REASONS = {
    0x00: "done",
    0x01: "it is being switched off",
    0x02: "its user was changed",
    0x03: "it is recording",
    0x04: "deleting failed",
    0x05: "not supported",
}
_BITS = {
    0x01: Flag.SENSOR_OFF,
    0x02: Flag.SEARCHING,
    0x10: Flag.OUT_OF_TRACK,
    0x20: Flag.DEVICE_ALARM,
}
"""Condition bits: HIGH bits 0 and 1 (D0 bit 7, D1 bit 7) and D0 bits 4 and 5."""
_FLAGS = [frozenset(flag for bit, flag in _BITS.items() if bits & bit) for bits in range(0x40)]


def _reason(code: int) -> str:
    return _REASONS.get(code, f"it gives reason {code:02X}")


def _pack(kind: int, *data: int) -> bytes:
    high = 0x80 | sum((byte >> 7) << i for i, byte in enumerate(data))
    return bytes((kind, high, *(byte | 0x80 for byte in data)))


def _command(code: int) -> bytes:
    return _pack(0x7D, code, 0, 0, 0, 0, 0, 0)


class _Decoder(StreamDecoder):
    def __init__(self, device: str) -> None:
        super().__init__(device, _LENGTH[REALTIME])
        self._rest = b""
        self._thin = OncePerSecond(RATE_HZ)
        self._seen: object = None
        self._conditions = Conditions(device)
        self._wave = WaveClock(device, "pleth", RATE_HZ)
        self._pleth = bytearray()
        self._pleth_bits = 0
        self._leaving = False
        self._refused: list[int] = []
        self._started = False
        self._heard_us = 0
        self._alive_us = 0

    def due(self, now_us: int) -> bytes:
        if not self._started or now_us - self._heard_us > QUIET_US:
            self._started = True
            self._heard_us = self._alive_us = now_us
            self._pleth.clear()
            self._pleth_bits = 0
            return _command(START)
        if now_us - self._alive_us >= ALIVE_US:
            self._alive_us = now_us
            return _command(ALIVE)
        return b""

    def feed(self, chunk: Chunk) -> list[Event]:
        data = self._rest + chunk.data
        events: list[Event] = []
        pos, end = 0, len(data)
        while pos < end:
            length = _LENGTH.get(data[pos])
            stop = end if length is None else pos + length
            # Any byte without bit 7 cuts a package short; out of sync only a type begins one.
            wanted = _KNOWN_TYPE if length is None else _TYPE
            sync = wanted.search(data, pos + 1, stop)
            if sync or length is None:
                cut = sync.start() if sync else end
                self.refuse(cut - pos)
                pos = cut
                continue
            if stop > end:
                break
            self.accept()
            if data[pos] == REALTIME:
                self._read(data[pos:stop], chunk.at_us, events)
            else:
                self._other(data[pos:stop], chunk.at_us, events)
            pos = stop
        self._rest = data[pos:]
        return events

    def _read(self, frame: bytes, at_us: int, events: list[Event]) -> None:
        _, high, d0, d1, d2, d3, d4, d5, d6 = frame
        rate = d3 & 0x7F | (high & 0x08) << 4
        sat = d4 & 0x7F | (high & 0x10) << 3
        perfusion = d5 & 0x7F | (high & 0x20) << 2 | (d6 & 0x7F | (high & 0x40) << 1) << 8
        bits = d0 & 0x30 | high & 0x03
        pr = None if rate == NO_PR else within("pr", rate)
        spo2 = None if sat == NO_SPO2 else within("spo2", sat)
        pi = None if d2 & 0x10 or perfusion == NO_PI else within("pi", perfusion / 100)
        self._heard_us = at_us
        if self._leaving:
            self._leaving = False
            events.append(Notice(self.device, at_us, "disconnecting", active=False))
        before, self._seen = self._seen, (bits, rate, sat, d2 & 0x10, perfusion)
        agreed = self._seen == before or before is None
        if agreed and self._thin.due((bits, pr is None, spo2 is None, pi is None)):
            flags = _FLAGS[bits]
            events += self._conditions.change(flags, at_us)
            events += numerics(self.device, at_us, {"spo2": spo2, "pr": pr, "pi": pi}, flags)
        self._pleth.append(d1 & 0x7F)
        self._pleth_bits |= bits
        if len(self._pleth) == WAVE_FRAMES:
            trust = quality(_FLAGS[self._pleth_bits])
            events.append(self._wave.packet(bytes(self._pleth), at_us, trust))
            self._pleth.clear()
            self._pleth_bits = 0

    def _other(self, frame: bytes, at_us: int, events: list[Event]) -> None:
        kind, high, *data = frame
        real = [byte & 0x7F | (high >> i & 1) << 7 for i, byte in enumerate(data)]
        if kind == FAREWELL and not self._leaving:
            self._leaving = True
            events.append(Notice(self.device, at_us, "disconnecting", detail=_reason(real[0])))
        elif kind == FEEDBACK and real[1] and real != self._refused:
            self._refused = real
            detail = f"command {real[0]:02X}: {_reason(real[1])}"
            events.append(Notice(self.device, at_us, "command_refused", detail=detail))


def _frames(values: Values, flags: Collection[Flag], count: int) -> Iterator[bytes]:
    bits = sum(bit for bit, flag in _BITS.items() if flag in flags)
    off = Flag.SENSOR_OFF in flags
    pr, spo2, pi = (None if off else number(values, key) for key in ("pr", "spo2", "pi"))
    rate = NO_PR if pr is None or not 0 <= round(pr) < NO_PR else round(pr)
    sat = NO_SPO2 if spo2 is None or not 0 <= round(spo2) < NO_SPO2 else round(spo2)
    perfusion = NO_PI if pi is None else min(max(round(pi * 100), 0), NO_PI)
    bar = 0x10 if perfusion == NO_PI else 0
    for pleth in samples(values, "pleth", count, 0x7F):
        yield _pack(
            REALTIME,
            (0 if off else 5) | bits & 0x30 | (bits & 0x01) << 7,
            (PROBE_ERROR_PLETH if off else pleth) | (bits & 0x02) << 6,
            bar | (0 if off else pleth >> 3),
            rate,
            sat,
            perfusion & 0xFF,
            perfusion >> 8,
        )


def _encode(values: Values, flags: Collection[Flag]) -> list[tuple[str, bytes]]:
    """A quarter of a second: 15 frames."""
    return [("", b"".join(_frames(values, flags, WAVE_FRAMES)))]


_ANSWERS = {STOP: _pack(FREE), 0xA7: _pack(FREE), 0xAA: _pack(0x04, *b"user   ")}
"""As captured from a CMS50D+; every other command is answered "not supported"."""


class Oximeter:
    """Device side: talks after A1, and falls silent when it is no longer told to be alive."""

    def __init__(self, patient: PatientView) -> None:
        self._patient = patient
        self._rest = b""
        self._since_us: int | None = None
        self._until_us = 0
        self._sent = 0

    def receive(self, data: bytes, now_us: int) -> bytes:
        """Answers commands; a stretch of bytes that is none is ignored."""
        out, end = b"", 0
        self._rest += data
        for found in _COMMAND.finditer(self._rest):
            code = found[0][2] & 0x7F | (found[0][1] & 1) << 7
            out += self._obey(code, now_us)
            end = found.end()
        self._rest = self._rest[end:][-8:]
        return out

    def _obey(self, code: int, now_us: int) -> bytes:
        if code in (START, ALIVE):
            self._until_us = now_us + FORGET_US
            if code == START and self._since_us is None:
                self._since_us, self._sent = now_us, 0
            return b""
        if code == STOP:
            self._since_us = None
        return _ANSWERS.get(code, _pack(FEEDBACK, code, 0x05))

    def poll(self, now_us: int) -> bytes:
        """The frames since the last poll."""
        if self._since_us is None:
            return b""
        last_us = min(now_us, self._until_us)
        count = (last_us - self._since_us) * RATE_HZ // US - self._sent
        self._sent += count
        if now_us > self._until_us:
            self._since_us = None
        patient = self._patient
        flags = {flag for flag in _BITS.values() if patient.fault(flag)}
        values: dict[str, float | list[float] | None] = {
            key: patient.value(key) for key in ("spo2", "pr", "pi")
        }
        first_s = (last_us - now_us) / US - (count - 1) / RATE_HZ
        values["pleth"] = [patient.pleth(first_s + i / RATE_HZ) for i in range(count)]
        return b"".join(_frames(values, flags, count))


DRIVER = Driver(
    name="contec-v7",
    transport="serial",
    title="Contec CMS50D+ (4.6 on), CMS50E, CMS50EW, CMS50F, CMS60; Pulox PO-250",
    channels=("spo2", "pr", "pi", "pleth"),
    settings=SerialSettings(115200),
    decoder=_Decoder,
    encode=_encode,
    responder=Oximeter,
    encode_s=WAVE_FRAMES / RATE_HZ,
    frame_bytes=9,
    pleth_hz=RATE_HZ,
    own_alarm="unknown",
    evidence="captured",
    probe=(_command(START),),
)
