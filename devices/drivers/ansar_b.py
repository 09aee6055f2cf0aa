"""ANSAR-B, as the Ivy 450C sends it: HR, RR, SpO2, PR, NIBP, ECG, pleth.

9600 8N1, no flow control (XON/XOFF would eat 11 and 13, which are wave data). The monitor sends a
message every second by itself, about 560 bytes:

    FF                  begins it
    "ANSAR-B "
    400 bytes           waves of the last second: ECG 200 (200 Hz), then 50 each (50 Hz) of
                        RESP, PLETH, P1, P2
    lines of text       each with CR, as captured:
        HR=1;80;ECG-II-DIAG;            value; label; alarm
        RR=1;35;APNEA: 20 SEC;          value; label; alarm
        ETCO2=1;;;                      value; label; alarm
        SPO2=1;100;PR=80 ;              value; label with the pulse rate; alarm
        NIBP=4;121;75;92;80;;           systolic; DIASTOLIC; MEAN; pulse; label; alarm
        P1=3;111;73;88;;                systolic; diastolic; mean; label; alarm
        P2=3;;;;NO TRANSDUCER;
        T1=1;;;                         value; label; alarm
    FE                  ends it

Empty is no value. The digit after "=" is a state of unknown meaning and not read. Wave bytes may
be FF or FE for all we know, so the end is looked for behind them only. There is no checksum; but
when a byte of the waves is lost or doubled, the first line is no longer "HR=": a message without
such a line is refused. A heart rate whose label names another source than ECG is a pulse rate and
not passed on as a heart rate. ETCO2, P1, P2, T1, RESP and the waves of P1 and P2 have no channel
here. ECG is (byte - 100) * 0.02, which is taken for mV; pleth is passed on as it is.

NIBP has no age and is repeated every second: a reading is given once, when two messages in a row
agree on three pressures that differ from the last ones. What the first message of a connection
shows is never a reading, nor the same pressures after blanks; so a determination that ends with the
very same three is not noticed. The pulse beside them might be a running one and does not count.

An alarm text is the flag `device_alarm` on its line's values and the notice of that name. Texts
about sensor and signal were not captured: the words they are told by, in label or alarm, are
inferred from what such monitors say, and err on the side of no value.

Source: AnsarB.java and DemoIvy450C.java of mdpnp/mdpnp (layout, offsets, 9600 8N1), and its capture
of an Ivy 450C, Ivy450C.1.data (27 messages; the lines above).
Nobody has tried this on hardware here. Captured were HR, RR, SpO2, PR, NIBP and P1 with values; a
new blood pressure, alarms, missing sensors but P2's, the sign and scale of the ECG were not.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import replace

from devices.driver import Chunk, Driver, Event, PatientView, SerialSettings, Values
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
from vitals.channels import NIBP
from vitals.model import Flag, Notice, Quality

US = 1_000_000
START, END = b"\xffANSAR-B ", 0xFE
ECG, PLETH = slice(0, 200), slice(250, 300)
WAVES = 400
TEXT_AT = len(START) + WAVES
MAX_TEXT = 512
MESSAGE = 600
ECG_HZ, PLETH_HZ = 200, 50
ECG_ZERO, ECG_MV = 100, 0.02

_TEXT = re.compile(rb"[\r\n -~]*")
_LINE = re.compile(r"([A-Z][A-Z0-9]*)=\d*;(.*)")
_PULSE = re.compile(r"PR= *(\d+)")
_VALUES = {"HR": 1, "RR": 1, "SPO2": 1, "NIBP": 4}
"""Lines that are read, and how many values come before label and alarm."""
_WORDS = {
    Flag.NO_SENSOR: ("NO SENSOR", "NO PROBE"),
    Flag.SENSOR_OFF: ("SENSOR OFF", "PROBE OFF", "FINGER OFF"),
    Flag.SENSOR_FAULT: ("DEFECT", "FAULT", "FAIL", "REPLACE"),
    Flag.SEARCHING: ("SEARCH", "NO PULSE", "LOST PULSE", "PULSE LOST"),
    Flag.LOW_PERFUSION: ("LOW PERF",),
    Flag.WEAK_SIGNAL: ("WEAK", "LOW SIGNAL"),
    Flag.INTERFERENCE: ("INTERFER", "AMBIENT"),
    Flag.ARTIFACT: ("ARTIFACT", "MOTION"),
}
_LEADS = {Flag.SENSOR_OFF: ("LEAD OFF", "LEADS OFF", "LEAD FAIL", "CHECK LEAD", "NO LEAD")}
"""Flag -> words in a line's label or alarm; of the oximeter, and of the ECG."""
LEADS_OFF = "leads_off"


class _Line:
    """One line of text: values, and what the words behind them say."""

    def __init__(self, rest: str, count: int, words: Mapping[Flag, tuple[str, ...]]) -> None:
        fields = [field.strip() for field in rest.split(";")]
        fields += [""] * (count + 2 - len(fields))
        self.values = tuple(int(f) if f.isdecimal() else None for f in fields[:count])
        self.label, self.alarm = fields[count : count + 2]
        text = f"{self.label} {self.alarm}".upper()
        flags = {flag for flag, known in words.items() if any(word in text for word in known)}
        self.flags = frozenset(flags | ({Flag.DEVICE_ALARM} if self.alarm else set()))


_Reading = tuple[int | None, ...]


class _Decoder(StreamDecoder):
    def __init__(self, device: str) -> None:
        super().__init__(device, MESSAGE)
        self._rest = b""
        self._conditions = Conditions(device)
        self._leads_off = False
        self._alarms = ""
        self._ecg = WaveClock(device, "ecg", ECG_HZ)
        self._pleth = WaveClock(device, "pleth", PLETH_HZ)
        self._known: _Reading | None = None
        self._first: tuple[int, _Reading] | None = None

    def feed(self, chunk: Chunk) -> list[Event]:
        data = self._rest + chunk.data
        events: list[Event] = []
        pos = 0
        while True:
            start = data.find(START, pos)
            begun = start < 0
            if begun:
                start = _begun(data, pos)
            self.refuse(start - pos)
            pos, text_at = start, start + TEXT_AT
            if begun or len(data) <= text_at:
                break
            text = _TEXT.match(data, text_at, text_at + MAX_TEXT)
            end = text.end() if text else text_at
            if end == len(data) and end < text_at + MAX_TEXT:
                break
            ended = end < text_at + MAX_TEXT and data[end] == END
            lines = self._lines(data[text_at:end]) if ended else {}
            if "HR" in lines:
                self.accept()
                self._read(lines, data[start + len(START) : text_at], chunk.at_us, events)
                pos = end + 1
            else:
                self.refuse(1)
                pos += 1
        self._rest = data[pos:]
        return events

    def _lines(self, text: bytes) -> dict[str, _Line]:
        """Lines by name; the last one too, whether or not it has its CR."""
        found = [_LINE.fullmatch(line.strip()) for line in text.decode("ascii").split("\r")]
        return {
            name: _Line(rest, _VALUES[name], _LEADS if name == "HR" else _WORDS)
            for name, rest in (line.groups() for line in found if line)
            if name in _VALUES
        }

    def _read(
        self, lines: Mapping[str, _Line], waves: bytes, at_us: int, events: list[Event]
    ) -> None:
        hr, sat, rr = lines["HR"], lines.get("SPO2"), lines.get("RR")
        heart = hr.values[0] if not hr.label or hr.label.startswith("ECG") else None
        sat_flags = sat.flags if sat else frozenset()
        events += self._changes(lines, sat_flags, at_us)
        events += numerics(self.device, at_us, {"hr": heart}, hr.flags)
        if rr:
            flags = rr.flags & {Flag.DEVICE_ALARM}
            events += numerics(self.device, at_us, {"rr": rr.values[0]}, flags)
        if sat:
            pulse = _PULSE.search(sat.label)
            values = {"spo2": sat.values[0], "pr": int(pulse[1]) if pulse else None}
            events += numerics(self.device, at_us, values, sat_flags)
        if "NIBP" in lines:
            events += self._nibp(lines["NIBP"], at_us)
        ecg = self._ecg.packet(waves[ECG], at_us, quality(hr.flags))
        events.append(replace(ecg, values=(ecg.values - ECG_ZERO) * ECG_MV))
        trust = quality(sat_flags) if sat else Quality.INVALID
        events.append(self._pleth.packet(waves[PLETH], at_us, trust))

    def _changes(
        self, lines: Mapping[str, _Line], sat_flags: frozenset[Flag], at_us: int
    ) -> list[Event]:
        events: list[Event] = []
        events += self._conditions.change(sat_flags - {Flag.DEVICE_ALARM}, at_us)
        off = Flag.SENSOR_OFF in lines["HR"].flags
        if off != self._leads_off:
            self._leads_off = off
            events.append(Notice(self.device, at_us, LEADS_OFF, off))
        alarms = "; ".join(f"{name}: {line.alarm}" for name, line in lines.items() if line.alarm)
        if alarms != self._alarms:
            self._alarms = alarms
            events.append(Notice(self.device, at_us, "device_alarm", bool(alarms), alarms))
        return events

    def _nibp(self, line: _Line, at_us: int) -> list[Event]:
        """The determination, if these values are a new one and two messages agree on them."""
        values = line.values[:3]
        if self._known is None:
            self._known = values
            return []
        if None in values or values == self._known:
            self._first = None
            return []
        if self._first is None or self._first[1] != values:
            self._first = (at_us, values)
            return []
        (since_us, _), self._first = self._first, None
        self._known = values
        systolic, diastolic, mean = values
        named = dict(zip(NIBP, values, strict=True))
        if not (systolic and diastolic and mean and diastolic < mean < systolic):
            named = dict.fromkeys(NIBP)
        flags = line.flags & {Flag.DEVICE_ALARM, Flag.ARTIFACT}
        return [*numerics(self.device, since_us, named, flags)]


def _begun(data: bytes, pos: int) -> int:
    """Where the beginning of a message that has only begun stands; the end when there is none."""
    at = data.rfind(START[:1], max(pos, len(data) - len(START) + 1))
    return at if at >= 0 and START.startswith(data[at:]) else len(data)


# --- the device side --------------------------------------------------------------------------

_PRINTED = {
    Flag.NO_SENSOR: "NO SENSOR",
    Flag.SENSOR_OFF: "SENSOR OFF",
    Flag.SEARCHING: "PULSE SEARCH",
    Flag.LOW_PERFUSION: "LOW PERFUSION",
    Flag.INTERFERENCE: "INTERFERENCE",
    Flag.ARTIFACT: "ARTIFACT",
}
_TOP = 0xFD
"""The highest byte sent in a wave: FE and FF are kept for the frame."""
_FLAT = bytes(50), bytes([80] * 50), bytes([251] * 50)
"""RESP, P1 and P2 without a signal."""


def _print(value: float | None) -> str:
    return "" if value is None else str(round(value))


def _message(
    values: Mapping[str, float | None], flags: Collection[Flag], ecg: bytes, pleth: bytes
) -> bytes:
    off = bool(NO_VALUE & set(flags))
    pr, spo2 = ("" if off else _print(values.get(key)) for key in ("pr", "spo2"))
    words = " ".join(text for flag, text in _PRINTED.items() if flag in flags)
    alarm = "SPO2 LOW" if Flag.DEVICE_ALARM in flags else ""
    nibp = ";".join(_print(values.get(key)) for key in (*NIBP, "nibp_pulse"))
    lines = (
        f"HR=1;{_print(values.get('hr'))};ECG-II-DIAG;",
        f"RR=1;{_print(values.get('rr'))};APNEA: 20 SEC;",
        "ETCO2=1;;;",
        f"SPO2=1;{spo2};PR={pr:<3}{words};{alarm}",
        f"NIBP=4;{nibp};;",
        "P1=3;;;;NO TRANSDUCER;",
        "P2=3;;;;NO TRANSDUCER;",
        "T1=1;;;",
    )
    resp, p1, p2 = _FLAT
    text = "".join(f"{line}\r" for line in lines).encode()
    return START + ecg + resp + pleth + p1 + p2 + text + bytes((END,))


def _encode(values: Values, flags: Collection[Flag]) -> list[tuple[str, bytes]]:
    """Three messages: without a blood pressure, then twice with the new one."""
    ecg = bytes(samples(values, "ecg", ECG_HZ, _TOP))
    pleth = bytes(samples(values, "pleth", PLETH_HZ, _TOP))
    shown = {key: number(values, key) for key in ("hr", "rr", "spo2", "pr", *NIBP)}
    old = shown | dict.fromkeys(NIBP)
    return [("", _message(state, flags, ecg, pleth)) for state in (old, shown, shown)]


_COMPLEX = ((-0.20, 0.025, 0.12), (-0.03, 0.010, -0.10), (0.0, 0.011, 1.0), (0.03, 0.010, -0.25))
_T_WAVE = (0.25, 0.05, 0.25)
"""P, Q, R, S, and T: place from R in s, width in s, height in mV."""


class Monitor:
    """Device side: sends a message every second, and inflates its cuff by its own clock.

    Attributes:
        inflating: whether the cuff is inflated now; the simulated patient may ask.
    """

    FIRST_US, EVERY_US, INFLATED_US = 10 * US, 300 * US, 30 * US

    def __init__(self, patient: PatientView) -> None:
        self.inflating = False
        self._patient = patient
        self._on_us: int | None = None
        self._sent_us = 0
        self._readings = 0
        self._nibp: dict[str, float | None] = {}
        self._beat_s = 0.0

    def receive(self, data: bytes, now_us: int) -> bytes:
        """Hears nothing."""
        return b""

    def poll(self, now_us: int) -> bytes:
        """The message of the second that has passed."""
        if self._on_us is None:
            self._on_us = self._sent_us = now_us
        begins_us = self._on_us + self.FIRST_US + self._readings * self.EVERY_US
        self.inflating = begins_us <= now_us < begins_us + self.INFLATED_US
        if now_us >= begins_us + self.INFLATED_US:
            self._readings += 1 + (now_us - begins_us - self.INFLATED_US) // self.EVERY_US
            self._land()
        if now_us - self._sent_us < US:
            return b""
        self._sent_us += (now_us - self._sent_us) // US * US
        late_s = (now_us - self._sent_us) / US
        return self._second(late_s)

    def _land(self) -> None:
        values = {key: self._patient.value(key) for key in NIBP}
        if None not in values.values():
            self._nibp = values | {"nibp_pulse": self._patient.value("hr")}

    def _second(self, late_s: float) -> bytes:
        patient = self._patient
        values = {key: patient.value(key) for key in ("hr", "rr", "spo2", "pr")} | self._nibp
        flags = {flag for flag in Flag if patient.fault(flag)}
        offsets = [i / PLETH_HZ - 1 - late_s for i in range(1, PLETH_HZ + 1)]
        pleth = bytes(round(_TOP * patient.pleth(offset_s)) for offset_s in offsets)
        return _message(values, flags, self._ecg(values["hr"]), pleth)

    def _ecg(self, rate: float | None) -> bytes:
        """A second of complexes at this rate; `_beat_s` is the time since the last R wave."""
        out = bytearray()
        for _ in range(ECG_HZ):
            height = 0.0
            if rate:
                period_s = 60 / rate
                self._beat_s = (self._beat_s + 1 / ECG_HZ) % period_s
                for place, width, size in (*_COMPLEX, _T_WAVE):
                    away = (self._beat_s - place + period_s / 2) % period_s - period_s / 2
                    height += size * math.exp(-((away / width) ** 2) / 2)
            out.append(round(ECG_ZERO + height / ECG_MV))
        return bytes(out)


DRIVER = Driver(
    name="ansar-b",
    transport="serial",
    title="Ivy 450C (ANSAR-B)",
    channels=("hr", "rr", "spo2", "pr", *NIBP, "pleth", "ecg"),
    settings=SerialSettings(9600),
    decoder=_Decoder,
    encode=_encode,
    responder=Monitor,
    pleth_hz=PLETH_HZ,
    own_alarm="yes",
    evidence="captured",
)
