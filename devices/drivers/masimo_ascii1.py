"""Masimo ASCII 1: Rad-8, Rad-87, Radical-5, Radical-7. SpO2, PR, PI.

9600 8N1, no flow control, no commands. One line a second, CR LF (either alone will do), 1 line =

    MM/DD/YY HH:MM:SS SN=0000056661 SPO2=098% BPM=097 PI=03.60% SPCO=--.-% SPMET=--.-% DESAT=--
    PIDELTA=+-- ALARM=0000 EXC=000800

Which of KEY=VALUE are there, and in which order, differs: the Radical-5 has no SN and says
ALARM=20 EXC=800, others add PVI, SPHB, EXC1, one leaves the PI out. Needed are date, time, SPO2,
BPM and EXC. Dashes are "none", of any width, and so is 000. Digits are filled up with zeros:
narrower numbers, ALARM with an odd number of digits, EXC with other than 3 or 6-8 have lost
something and the line is refused, as there is no checksum.

    EXC    low 12 bits, hexadecimal             ALARM  low 6 bits, hexadecimal
    001    no sensor                            01     SpO2 high  }
    002    defective sensor                     02     SpO2 low   }
    004    low perfusion                        04     BPM high   } device_alarm
    008    pulse search                         08     BPM low    }
    010    interference                         10     sounding   }
    020    sensor off                           20     silenced: the notice `alarm_silenced`
    040    ambient light
    080    unrecognized sensor
    400    low signal IQ
    800    Masimo SET: NORMAL, no fault

With EXC 020 the numbers may still be there (SPO2=098% EXC=000824): they are old.

The monitor's other format, ASCII 2, is its printer's. In it, or on demand, it sends its trend
memory (SpO2=097 PR=069 PI=04.69 EXC=800:SET): stored values, never given; the notice
`wrong_mode` then says what to set, as the Rad-8 is delivered with ASCII 2. The monitor's clock
is not read.

Source: captured lines in yahnatan/pulseox (Rad-8); MD PnP poxrad_discrete.h and mdpnp OpenICE
(example strings, key order); Rad-8 Operator's Manual page 4-24 (EXC, trend). The ALARM bits were
found by experiment on a Rad-8 (remkolems/masimo-datacapture); Masimo calls them proprietary.
Nobody has tried this on hardware here. Unknown: the digits of EXC above the third, EXC1, ALARM
above 3F, the live layout of ASCII 2.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from devices.driver import Driver, Event, SerialSettings, Values
from devices.framing import Conditions, LineDecoder, number, numerics
from vitals.model import Flag, Notice

MAX_LINE = 256
EXC = {
    0x001: Flag.NO_SENSOR,
    0x002: Flag.SENSOR_FAULT,
    0x004: Flag.LOW_PERFUSION,
    0x008: Flag.SEARCHING,
    0x010: Flag.INTERFERENCE,
    0x020: Flag.SENSOR_OFF,
    0x040: Flag.INTERFERENCE,
    0x080: Flag.SENSOR_FAULT,
    0x400: Flag.WEAK_SIGNAL,
}
"""Exception bits; 100 and 200 are reserved, 800 says that all is well."""
MASIMO_SET = 0x800
ALARMS, SOUNDING, SILENCED = 0x1F, 0x10, 0x20
_TREND_DETAIL = (
    "it prints its trend memory, not live values: "
    "set its serial output to ASCII 1 (AS1, setup menu level 3)"
)

_DATE = rb"\d\d/\d\d/\d\d \d\d:\d\d:\d\d"
_LIVE = re.compile(_DATE + rb"((?: [A-Z][A-Z0-9]*=[^ =]+)+) *")
_TREND = re.compile(_DATE + rb" SpO2=[\d-]{1,3} PR=.*")
_RATE = re.compile(rb"(\d{3})%?|[+-]?[-.]+%?")
_INDEX = re.compile(rb"(\d\d\.\d\d)%?|[+-]?[-.]+%?")
_ALARM = re.compile(rb"(?:[0-9A-F]{2}){1,4}")
_EXC = re.compile(rb"[0-9A-F]{3}|[0-9A-F]{6,8}")


def _fields(line: bytes) -> dict[bytes, bytes] | None:
    """Keys and values of a live line; None when it is none, or two run into one."""
    found = _LIVE.fullmatch(line)
    if found is None:
        return None
    pairs = [token.split(b"=") for token in found[1].split(b" ") if token]
    fields = {key: value for key, value in pairs}
    return fields if len(fields) == len(pairs) else None


def _value(field: bytes, form: re.Pattern[bytes]) -> float | None:
    """A number that is there; 000, the other "none", is outside every channel's hard limits."""
    found = form.fullmatch(field)
    return float(found[1]) if found and found[1] else None


class _Decoder(LineDecoder):
    def __init__(self, device: str) -> None:
        super().__init__(device, MAX_LINE)
        self._conditions = Conditions(device)
        self._silenced = False
        self._trend = False

    def line(self, line: bytes, at_us: int) -> list[Event] | None:
        fields = _fields(line)
        if fields is None:
            return self._stored(at_us) if _TREND.fullmatch(line) else None
        spo2, bpm, exc = (fields.get(key, b"") for key in (b"SPO2", b"BPM", b"EXC"))
        index, alarm = fields.get(b"PI", b"-"), fields.get(b"ALARM", b"00")
        sound = _RATE.fullmatch(spo2) and _RATE.fullmatch(bpm) and _INDEX.fullmatch(index)
        if not (sound and _EXC.fullmatch(exc) and _ALARM.fullmatch(alarm)):
            return None
        values = {
            "spo2": _value(spo2, _RATE),
            "pr": _value(bpm, _RATE),
            "pi": _value(index, _INDEX),
        }
        alarms = int(alarm, 16)
        flags = _flags(int(exc, 16), alarms)
        events = self._live(bool(alarms & SILENCED), at_us)
        events += self._conditions.change(flags, at_us)
        return events + numerics(self.device, at_us, values, flags)

    def _stored(self, at_us: int) -> list[Event]:
        """A line of the trend memory: nothing of it is given."""
        if self._trend:
            return []
        self._trend = True
        return [Notice(self.device, at_us, "wrong_mode", detail=_TREND_DETAIL)]

    def _live(self, silenced: bool, at_us: int) -> list[Event]:
        events: list[Event] = []
        if self._trend:
            self._trend = False
            events.append(Notice(self.device, at_us, "wrong_mode", active=False))
        if silenced != self._silenced:
            self._silenced = silenced
            events.append(Notice(self.device, at_us, "alarm_silenced", silenced))
        return events


def _flags(exc: int, alarms: int) -> frozenset[Flag]:
    flags = {flag for bit, flag in EXC.items() if exc & bit}
    if alarms & ALARMS:
        flags.add(Flag.DEVICE_ALARM)
    return frozenset(flags)


_BITS = {flag: bit for bit, flag in reversed(EXC.items())}
"""Bit by which `encode` says a flag: the first one that means it."""
_OFF = {Flag.NO_SENSOR, Flag.SENSOR_FAULT, Flag.SENSOR_OFF}


def _encode(values: Values, flags: Collection[Flag]) -> list[tuple[str, bytes]]:
    """One line of a Rad-8. With the sensor off SpO2 and BPM stay, as seen on one; PI goes."""
    rates = (number(values, key) for key in ("spo2", "pr"))
    spo2, bpm = ("---" if r is None else f"{min(max(round(r), 0), 999):03d}" for r in rates)
    pi = None if _OFF & set(flags) else number(values, "pi")
    index = "--.--" if pi is None else f"{min(max(pi, 0.0), 99.99):05.2f}"
    exc = MASIMO_SET | sum(bit for flag, bit in _BITS.items() if flag in flags)
    alarms = SOUNDING if Flag.DEVICE_ALARM in flags else 0
    line = (
        f"01/01/26 12:00:00 SN=0000000001 SPO2={spo2}% BPM={bpm} PI={index}% SPCO=--.-% "
        f"SPMET=--.-% DESAT=-- PIDELTA=+-- ALARM={alarms:04X} EXC={exc:06X}\r\n"
    )
    return [("", line.encode())]


DRIVER = Driver(
    name="masimo-ascii1",
    transport="serial",
    title="Masimo Rad-8, Rad-87, Radical-5, Radical-7 (ASCII 1)",
    channels=("spo2", "pr", "pi"),
    settings=SerialSettings(9600),
    decoder=_Decoder,
    encode=_encode,
    own_alarm="yes",
    evidence="captured",
)
