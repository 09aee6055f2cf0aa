"""Viatom / Wellue O2Ring, Checkme O2, SleepU, KidsO2, Oxylink: SpO2, PR, PI, pleth; asked for.

Written to 8B00ACE7-..., answered by notifications of 0734594A-..., an answer cut or joined in any
way; all numbers low byte first:

    AA  command  ~command  block:2  LEN:2  [data ...]  CRC     request
    55  status   ~status   block:2  LEN:2  [data ...]  CRC     answer; status 0 = done

    LEN counts the data, CRC is CRC-8 (07, begins with 0) of all bytes before it. An answer does
    not say to which request; one is sent at a time, and the two are told by their form:

    1B 00   values and pleth    [0] SpO2  [1:3] PR  [3] battery %  [4] charging  [5] PI * 10
                                [6] 0 off, 1 worn, else a fault  [10:12] samples  [12:] samples
    17      values              [0] SpO2  [1:3] PR  [3:7] steps  [7] battery %  [8] charging
                                [9] motion  [10] PI * 10  [11] bit 0 worn, 4-7 s until it ends
                                [12] its own alarms, 2 bits each (not sent by all)

Worn and both numbers 0: still searching; FF and FFFF: none. Samples come at 125/s, 0..200 and
upside down; 156 and 246 are marks among them and count as the sample before. The first samples of
a connection are old, and dropped. Motion is a number without a known scale and is not passed on.
1B is asked for once a second; after two requests without a good answer 17 is, and so back again.
Firmware before 1.4.1 sends PI 0 (none) in 1B. Requests fit one write of 20 bytes. Never sent: 16
(settings, clock), 18 (factory reset), 19 and 1A (factory data), 03-05 (files).

Source: the maker's SDK "blepro" (OxyBleCmd, OxyBleResponse), home-health-hub/viatom-o2ring-ble,
MackeyStingray/o2r (captured data of 17), ecostech/viatom-ble (17 tested on a KidsO2); an app that
captures pleth (125 samples at each request, the first ones old). Nobody has tried this on hardware
here. The O2Ring S speaks another protocol; the cuff BP2 has the same UUIDs, so names tell. That
the pleth is upside down is taken from how the SDK turns it for display. Unknown: how the ring
answers what it does not know, and how many samples it keeps.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from struct import Struct

from devices.driver import BleSettings, Chunk, Driver, Event, PatientView, Values
from devices.framing import (
    NO_VALUE,
    Conditions,
    StreamDecoder,
    WaveClock,
    number,
    numerics,
    quality,
    samples,
)
from devices.gatt import Battery, uuid
from vitals.model import US, Flag

WRITE = "8b00ace7-eb0b-49b0-bbe9-9aee0a26e1a3"
NOTIFY = "0734594a-a8e7-4b1a-a6b1-cd5243059a57"
RATE_HZ = 125
TOP = 200
"""Highest sample."""
POLL_US = US
REPLY_US = 3 * US // 2
"""An answer that takes longer is not waited for any more."""
MISSES = 2
"""Requests without a good answer, after which the other one is tried."""
OFF, WORN, FAULTY = 0, 1, 2
NO_SPO2, NO_PR = 0xFF, 0xFFFF
NOTIFICATION = 20
"""Bytes of a notification without an agreement on more."""

_HEAD = Struct("<BBBHH")
_WAVE_DATA = Struct("<BHBBBB3xH")
_VALUE_DATA = Struct("<BHIBBBBB")
_LONGEST = _WAVE_DATA.size + 0xFF
FRAME = _HEAD.size + _LONGEST + 1
_LEADS = {OFF: Flag.SENSOR_OFF, FAULTY: Flag.SENSOR_FAULT}
_NONE, _SEARCHING = frozenset[Flag](), frozenset({Flag.SEARCHING})
_MARKED = re.compile(rb"([^\x9c\xf6])[\x9c\xf6]+", re.DOTALL)
_TURN = bytes(max(TOP - sample, 0) for sample in range(0x100))
_CRC = [0] * 0x100
for _byte in range(0x100):
    _crc = _byte
    for _ in range(8):
        _crc = (_crc << 1 ^ (0x07 if _crc & 0x80 else 0)) & 0xFF
    _CRC[_byte] = _crc


def crc8(data: bytes) -> int:
    """CRC-8, polynomial 07, begins with 0; 0 over a packet with its CRC."""
    crc = 0
    for byte in data:
        crc = _CRC[crc ^ byte]
    return crc


def packet(sync: int, code: int, data: bytes = b"") -> bytes:
    """A request (AA, command) or an answer (55, status)."""
    body = _HEAD.pack(sync, code, code ^ 0xFF, 0, len(data)) + data
    return body + bytes((crc8(body),))


REQUEST, ANSWER = 0xAA, 0x55
DONE, REFUSED = 0, 1
ASK_WAVE = packet(REQUEST, 0x1B, b"\x00")
ASK_VALUES = packet(REQUEST, 0x17)
_OTHER = {ASK_WAVE: ASK_VALUES, ASK_VALUES: ASK_WAVE}


class _Decoder(StreamDecoder):
    def __init__(self, device: str) -> None:
        super().__init__(device, FRAME)
        self._rest = b""
        self._conditions = Conditions(device)
        self._battery = Battery(device)
        self._wave = WaveClock(device, "pleth", RATE_HZ)
        self._last = b""
        self._old_wave = False
        # What is said to the ring.
        self._request = ASK_WAVE
        self._begun = False
        self._asked_us: int | None = None
        self._next_us = 0
        self._missed = 0

    def due(self, now_us: int) -> bytes:
        if self._asked_us is not None:
            if now_us - self._asked_us < REPLY_US:
                return b""
            # What only began like an answer must not hold up the next one.
            self.refuse(len(self._rest))
            self._rest = b""
            self._miss()
        if now_us < self._next_us:
            return b""
        on_time = now_us - self._next_us < POLL_US
        self._next_us = (self._next_us if on_time else now_us) + POLL_US
        self._asked_us = now_us
        if self._request == ASK_WAVE and not self._begun:
            self._begun = self._old_wave = True
        return self._request

    def _miss(self) -> None:
        self._asked_us = None
        self._missed += 1
        if self._missed >= MISSES:
            self._missed, self._begun = 0, False
            self._request = _OTHER[self._request]

    def feed(self, chunk: Chunk) -> list[Event]:
        if chunk.source != NOTIFY and uuid(chunk.source) != NOTIFY:
            self.rejected += 1
            return []
        data = self._rest + chunk.data
        events: list[Event] = []
        pos, end = 0, len(data)
        while pos < end:
            start = data.find(ANSWER, pos)
            start = end if start < 0 else start
            if start > pos:
                self.refuse(start - pos)
                pos = start
            if end - pos < _HEAD.size:
                break
            _, status, check, _, size = _HEAD.unpack_from(data, pos)
            stop = pos + _HEAD.size + size + 1
            likely = status ^ check == 0xFF and size <= _LONGEST
            if likely and stop > end:
                break
            if not likely or crc8(data[pos:stop]):
                self.refuse(1)
                pos += 1
                continue
            self.accept()
            self._answer(status, data[pos + _HEAD.size : stop - 1], chunk.at_us, events)
            pos = stop
        self._rest = data[pos:]
        return events

    def _answer(self, status: int, data: bytes, at_us: int, events: list[Event]) -> None:
        size = len(data)
        if status != DONE or size < _WAVE_DATA.size:
            self._miss()
            return
        self._asked_us, self._missed = None, 0
        count = data[10] | data[11] << 8
        # Without samples the two forms can look alike: then it is what was asked for.
        if count == size - _WAVE_DATA.size and (count > 1 or self._request == ASK_WAVE):
            sat, rate, percent, _, index, lead, _ = _WAVE_DATA.unpack_from(data)
            flags = self._flags(sat, rate, lead)
            self._pleth(data[_WAVE_DATA.size :], flags, at_us, events)
        else:
            sat, rate, _, percent, _, _, index, lead = _VALUE_DATA.unpack_from(data)
            flags = self._flags(sat, rate, lead & 1)
            if any(data[_VALUE_DATA.size : _VALUE_DATA.size + 1]):
                flags |= {Flag.DEVICE_ALARM}
        values: dict[str, float | None] = {"spo2": sat, "pr": rate, "pi": index / 10}
        events += self._battery.read(bytes((percent,)), at_us) or ()
        events += self._conditions.change(flags, at_us)
        events += numerics(self.device, at_us, values, flags)

    @staticmethod
    def _flags(sat: int, rate: int, lead: int) -> frozenset[Flag]:
        if lead == WORN:
            return _SEARCHING if sat == 0 and rate == 0 else _NONE
        return frozenset((_LEADS.get(lead, Flag.SENSOR_FAULT),))

    def _pleth(self, raw: bytes, flags: frozenset[Flag], at_us: int, events: list[Event]) -> None:
        if self._old_wave or not raw:
            self._old_wave = False
            return
        known = len(self._last)
        wave = _MARKED.sub(lambda found: found[1] * len(found[0]), self._last + raw)[known:]
        self._last = wave[-1:]
        events.append(self._wave.packet(wave.translate(_TURN), at_us, quality(flags)))


# --- the device side --------------------------------------------------------------------------


def _numbers(values: Values, flags: Collection[Flag]) -> tuple[int, int, int, int]:
    """SpO2, PR, PI and lead as the ring tells them."""
    lead = next((lead for lead, flag in _LEADS.items() if flag in flags), WORN)
    if Flag.SEARCHING in flags and lead == WORN:
        return 0, 0, 0, lead
    if NO_VALUE & set(flags):
        return NO_SPO2, NO_PR, 0, lead
    spo2, pr, pi = (number(values, key) for key in ("spo2", "pr", "pi"))
    sat = NO_SPO2 if spo2 is None else min(max(round(spo2), 0), NO_SPO2)
    rate = NO_PR if pr is None else min(max(round(pr), 0), NO_PR)
    return sat, rate, min(max(round((pi or 0) * 10), 0), 0xFF), lead


def wave_answer(values: Values, flags: Collection[Flag], count: int = RATE_HZ) -> bytes:
    """The answer to `ASK_WAVE`, with so many samples."""
    sat, rate, index, lead = _numbers(values, flags)
    percent = 12 if Flag.LOW_BATTERY in flags else 90
    raw = bytes(TOP - level for level in samples(values, "pleth", count, TOP))
    head = _WAVE_DATA.pack(sat, rate, percent, 0, index, lead, count)
    return packet(ANSWER, DONE, head + raw)


def value_answer(values: Values, flags: Collection[Flag]) -> bytes:
    """The answer to `ASK_VALUES`."""
    sat, rate, index, lead = _numbers(values, flags)
    percent = 12 if Flag.LOW_BATTERY in flags else 90
    data = _VALUE_DATA.pack(sat, rate, 0, percent, 0, 0, index, lead & 1)
    alarm = 0x04 if Flag.DEVICE_ALARM in flags else 0
    return packet(ANSWER, DONE, data + bytes((alarm,)))


def _encode(values: Values, flags: Collection[Flag]) -> list[tuple[str, bytes]]:
    """One second: the answer to `ASK_WAVE`, in notifications of 20 bytes."""
    data = wave_answer(values, flags)
    return [(NOTIFY, data[i : i + NOTIFICATION]) for i in range(0, len(data), NOTIFICATION)]


class Ring:
    """Device side: says nothing unless asked, and refuses what it does not know."""

    _KEPT_S = 1.0
    _FLAGS = (*NO_VALUE, Flag.LOW_BATTERY, Flag.DEVICE_ALARM)

    def __init__(self, patient: PatientView) -> None:
        self._patient = patient
        self._rest = b""
        self._sampled_us = 0

    def receive(self, data: bytes, now_us: int) -> bytes:
        """Answers whole requests; bytes that are none are ignored."""
        out = b""
        self._rest += data
        while True:
            start = self._rest.find(REQUEST)
            self._rest = self._rest[start:] if start >= 0 else b""
            if len(self._rest) < _HEAD.size:
                return out
            _, command, check, _, size = _HEAD.unpack_from(self._rest)
            stop = _HEAD.size + size + 1
            likely = command ^ check == 0xFF and size <= _LONGEST
            if likely and stop > len(self._rest):
                return out
            request, self._rest = self._rest[:stop], self._rest[stop:]
            if likely and not crc8(request):
                out += self._obey(request, now_us)
            else:
                self._rest = request[1:] + self._rest

    def poll(self, now_us: int) -> bytes:
        """Nothing: it only answers."""
        return b""

    def _obey(self, request: bytes, now_us: int) -> bytes:
        patient = self._patient
        flags = {flag for flag in self._FLAGS if patient.fault(flag)}
        values: dict[str, float | list[float] | None] = {
            key: patient.value(key) for key in ("spo2", "pr", "pi")
        }
        if request == ASK_VALUES:
            return value_answer(values, flags)
        if request != ASK_WAVE:
            return packet(ANSWER, REFUSED)
        since_s = min((now_us - self._sampled_us) / US, self._KEPT_S)
        self._sampled_us = now_us
        count = round(since_s * RATE_HZ)
        values["pleth"] = [patient.pleth((i + 1 - count) / RATE_HZ) for i in range(count)]
        return wave_answer(values, flags, count)


DRIVER = Driver(
    name="viatom-o2ring",
    transport="ble",
    title="Viatom / Wellue O2Ring, Checkme O2, SleepU, KidsO2, Oxylink",
    channels=("spo2", "pr", "pi", "pleth"),
    settings=BleSettings(
        match=(
            "name:O2Ring",
            "name:O2M",
            "name:Checkme O2",
            "name:CheckO2",
            "name:SleepU",
            "name:SleepO2",
            "name:WearO2",
            "name:KidsO2",
            "name:BabyO2",
            "name:Oxylink",
        ),
        notify=(NOTIFY,),
        write=WRITE,
    ),
    decoder=_Decoder,
    encode=_encode,
    responder=Ring,
    checked=True,
    pleth_hz=RATE_HZ,
    quiet_s=6.0,
    own_alarm="no",
    evidence="captured",
)
