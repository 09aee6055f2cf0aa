"""Nonin ASCII lines: Avant 4000, 4100, 9600; 7500, 8500, 8600V, 9847; PalmSAT 2500. SpO2, PR.

9600 8N1, no flow control, no commands. One line a second, CR LF:

    [HH:MM:SS ]SPO2=XXX HR=YYY[ F][*][ B]

    XXX YYY   SpO2 and pulse rate, --- for none
    F         fast averaging (Avant, DIP switch 8 up): says nothing about the value
    *         event marker: somebody pressed the key for it; the notice `event_mark`
    B         a breath was seen since the last line (9847); not passed on

The header with model and time that comes when the monitor is switched on is passed over and
counted as refused. The monitor's clock is not read. The line says why there is no value with no
word: finger off and searching look alike. There is no checksum; where a monitor has once filled
a short number up to three places, a narrower one has lost a digit and is refused.

The manuals say "8 data bits, 2 stop bits" (7500, 9600) or "9 data bits, the 9th always 1" (2500,
8500, 8600V, 9847): from a device that only talks both read as 8N1. 2500, 8500 and 9847 have TTL
levels on the sensor connector, not RS-232: they need an adapter.

Source: Nonin's manuals (Avant 4000 and 4100, 9600, 7500, 8500, 8600V, 9847, 2500), the pages
"real-time patient data output".
Nobody has tried this on hardware: no capture of a real device was found. Whether numbers are
filled up with 0, with blanks or not at all is unknown; all three are read. So are the order of
F, * and B, and the blanks between them.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from devices.driver import Driver, Event, SerialSettings, Values
from devices.framing import NO_VALUE, LineDecoder, number, numerics
from vitals.model import Flag, Notice

MAX_LINE = 48
WIDTH = 3
_FIELD = rb"( {0,2}\d{1,3}|---)"
_LINE = re.compile(rb"(?:\d\d:\d\d:\d\d +)?SPO2=%b +HR=%b([ FB*]*)" % (_FIELD, _FIELD))


class _Decoder(LineDecoder):
    def __init__(self, device: str) -> None:
        super().__init__(device, MAX_LINE)
        self._filled = False
        self._marked = False

    def line(self, line: bytes, at_us: int) -> list[Event] | None:
        found = _LINE.fullmatch(line)
        if found is None:
            return None
        *fields, marks = found.groups()
        if any(self._narrow(field) for field in fields):
            return None
        spo2, pr = (None if field == b"---" else int(field) for field in fields)
        events: list[Event] = []
        if (b"*" in marks) != self._marked:
            self._marked = not self._marked
            events.append(Notice(self.device, at_us, "event_mark", self._marked))
        return events + numerics(self.device, at_us, {"spo2": spo2, "pr": pr}, frozenset())

    def _narrow(self, field: bytes) -> bool:
        """Whether a digit was lost: not three wide, on a monitor that fills up to three."""
        self._filled = self._filled or (len(field) == WIDTH and field[:1] in (b"0", b" "))
        return len(field) != WIDTH and self._filled


def _field(value: float | None) -> str:
    return "---" if value is None else f"{min(max(round(value), 0), 999):03d}"


def _encode(values: Values, flags: Collection[Flag]) -> list[tuple[str, bytes]]:
    """One line of an Avant; without a usable signal both values are missing."""
    off = bool(NO_VALUE & set(flags))
    spo2, pr = (None if off else number(values, key) for key in ("spo2", "pr"))
    return [("", f"SPO2={_field(spo2)} HR={_field(pr)}\r\n".encode())]


DRIVER = Driver(
    name="nonin-ascii",
    transport="serial",
    title="Nonin Avant 4000, 4100, 9600; 7500, 8500, 9847, PalmSAT 2500 (ASCII)",
    channels=("spo2", "pr"),
    settings=SerialSettings(9600),
    decoder=_Decoder,
    encode=_encode,
    own_alarm="unknown",
    evidence="vendor document",
)
