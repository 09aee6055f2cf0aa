"""Nellcor ASCII: N-395, N-550, N-560, N-595, NPB-190, NPB-195, NPB-290, NPB-295. SpO2, PR.

9600 8N1. The monitor prints a line every 2 s by itself; CR LF. Three kinds of lines, columns
from 0 as captured from an N-560 (other models may space them differently, so fields are told by
blanks; a line whose numbers end elsewhere than in the line before has lost a byte and is refused,
until a second one agrees with it):

    heading, every 25 lines and when it changes
        N-560    VERSION 1.56.00    CRC:XXXX  SpO2 Limit: 90-100%    PR Limit: 60-170BPM
                                     ADULT            0SAT-S
        TIME                 %SpO2   BPM     PA     Status
    data
        29-Dec-17 07:19:07    77*     70       8       SL       AS
        [0:18] the monitor's clock   [21:24] SpO2   [29:32] pulse rate   [37:40] pulse amplitude
        "---" no value; 0 while searching; * after a number: outside its limits
        [44:] two-letter codes, each in a column of its own, any number of them:
            SD sensor disconnected   SO sensor off   PS pulse search   LP loss of pulse
            LM loss of pulse with interference   MO interference, motion   LB low battery
            SH SL PH PL SpO2 or pulse rate above or below its limit
            AS alarm silenced   AO alarm off (the notices `alarm_silenced` and `alarm_off`)
    stored readings, when somebody prints the trend
        NPB-290 VERSION 1.0.0.1 TREND SpO2 Limit: 30-100% PR Limit: 100-180BPM
        TIME %SPO2 BPM PA
        ... data lines that look like live ones ...
        Output Complete

While it searches the monitor goes on printing the last numbers (captured: "96 63 --- PS"): they
are not passed on. Stored readings never are: not after a heading with TREND, and not when, for
RUSHED lines, the monitor's clock runs more than twice as fast as ours (the heading was missed);
instead the values are invalid and the notice `stored_data` says why. Pulse amplitude (0..254, no
unit) is no perfusion index and is not passed on. Only the time of day of the monitor's clock is
read, and only for that. An unknown code gives the notice `unknown_status`.

XON and XOFF may stand anywhere in the text: they are taken out. If output stops, XON is sent, as
the manuals advise. (The NPB-290 sends nothing while on battery.)

Source: operator's manuals of NPB-290 and NPB-295, service manual of NPB-195 (lines, codes, trend,
XON), nellcor-n595.spec of mdpnp/mdpnp (codes); lines of an N-560 with its firmware 1.61.00 in
hansmuc/NellcorN560Seriell and with 1.56.00 in another public program, which give the columns.
Nobody has tried this on hardware here. LP, LM, LB, SD with numbers, and the columns of all models
but the N-560 have only been seen on paper, the columns not even there.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from devices.driver import Driver, Event, SerialSettings, Values
from devices.framing import LineDecoder, OncePerSecond, number, numerics
from vitals.model import Flag, Notice

US = 1_000_000
MAX_LINE = 128
PERIOD_S = 2.0
QUIET_US = 3 * US
"""Without a line for longer than this, XON is sent."""
RUSHED = 30
"""Data lines in a row, at more than twice the pace of the monitor's clock, that are a print-out."""
STORED_LINES = 16
"""Lines of a print-out in a second: 9600 baud."""
XON = b"\x11"
XON_XOFF = b"\x11\x13"

_DATA = re.compile(
    rb"\d\d-[A-Za-z]{3}-\d\d ([0-2]\d):([0-5]\d):([0-5]\d)"
    rb" +(\d{1,3}|-{1,3})(\*?) +(\d{1,3}|-{1,3})(\*?) +(\d{1,3}|-{1,3})\*?((?: +[A-Z]{2})*) *"
)
_HEADING = re.compile(rb"\S+ +VERSION [ -~]*| *TIME +%SPO2 [ -~]*| +\w+ +\d+SAT-S[ -~]*", re.I)
_TREND = re.compile(rb"\S+ +VERSION +\S+ +TREND\b", re.I)
_VERSION = re.compile(rb"\S+ +VERSION ", re.I)
_COMPLETE = b"Output Complete"
_LIMIT = frozenset({Flag.DEVICE_ALARM})
_CODES: dict[bytes, frozenset[str]] = {
    b"SD": frozenset({Flag.NO_SENSOR}),
    b"SO": frozenset({Flag.SENSOR_OFF}),
    b"PS": frozenset({Flag.SEARCHING}),
    b"LP": frozenset({Flag.SEARCHING, Flag.OUT_OF_TRACK}),
    b"LM": frozenset({Flag.SEARCHING, Flag.OUT_OF_TRACK, Flag.INTERFERENCE}),
    b"MO": frozenset({Flag.ARTIFACT}),
    b"LB": frozenset({Flag.LOW_BATTERY}),
    b"SH": _LIMIT,
    b"SL": _LIMIT,
    b"PH": _LIMIT,
    b"PL": _LIMIT,
    b"AS": frozenset({"alarm_silenced"}),
    b"AO": frozenset({"alarm_off"}),
}
"""Code -> flags, or the codes of notices that no value carries."""
_UNKNOWN, _STORED = "unknown_status", "stored_data"
_PRINTED = {
    Flag.SENSOR_OFF: "SO",
    Flag.NO_SENSOR: "SD",
    Flag.SEARCHING: "PS",
    Flag.ARTIFACT: "MO",
    Flag.DEVICE_ALARM: "SL",
    Flag.LOW_BATTERY: "LB",
}


def _digits(field: bytes) -> int | None:
    return int(field) if field.isdigit() else None


class _Decoder(LineDecoder):
    def __init__(self, device: str) -> None:
        super().__init__(device, MAX_LINE)
        self._said: frozenset[str] = frozenset()
        self._columns: tuple[int, ...] = ()
        self._other_columns: tuple[int, ...] = ()
        self._printing = False
        self._rushed = 0
        self._clock_s = 0
        self._clock_at_us = 0
        self._thin = OncePerSecond(STORED_LINES)
        self._heard_us: int | None = None

    def due(self, now_us: int) -> bytes:
        if self._heard_us is None:
            self._heard_us = now_us
        if now_us - self._heard_us <= QUIET_US:
            return b""
        self._heard_us = now_us
        return XON

    def line(self, line: bytes, at_us: int) -> list[Event] | None:
        line = line.translate(None, XON_XOFF)
        if found := _DATA.fullmatch(line):
            self._heard_us = at_us
            return self._data(found, at_us)
        if _HEADING.fullmatch(line):
            if _VERSION.match(line):
                self._printing = bool(_TREND.match(line))
            return self._live_or_stored(at_us)
        if line.strip() == _COMPLETE:
            self._printing = False
            return self._live_or_stored(at_us)
        return [] if not line.strip() else None

    def _data(self, found: re.Match[bytes], at_us: int) -> list[Event] | None:
        if not self._in_columns(found):
            return None
        hours, minutes, seconds, spo2, over, pr, beyond, _, codes = found.groups()
        self._pace((int(hours) * 60 + int(minutes)) * 60 + int(seconds), at_us)
        if self._stored:
            return self._live_or_stored(at_us)
        unknown = sorted(set(codes.split()) - _CODES.keys())
        said: set[str] = {_UNKNOWN} if unknown else set()
        said.update(*(_CODES.get(code, frozenset()) for code in codes.split()))
        said.update(_LIMIT if over or beyond else ())
        flags = frozenset(word for word in said if isinstance(word, Flag))
        values = {"spo2": _digits(spo2), "pr": _digits(pr)}
        events = self._changed(frozenset(said), at_us, b" ".join(unknown).decode())
        return [*events, *numerics(self.device, at_us, values, flags)]

    def _in_columns(self, found: re.Match[bytes]) -> bool:
        """Whether the numbers end where they did before; two lines that agree move them."""
        columns = tuple(found.end(group) for group in (4, 6, 8))
        if found.string[18:20] != b"  ":  # not in columns at all
            return True
        fits = columns in (self._columns or columns, self._other_columns)
        self._other_columns = columns
        if fits:
            self._columns = columns
        return fits

    # --- stored readings ------------------------------------------------------------------

    @property
    def _stored(self) -> bool:
        return self._printing or self._rushed >= RUSHED

    def _pace(self, clock_s: int, at_us: int) -> None:
        """Counts the lines that came in less than half the time that they span."""
        span_us = (clock_s - self._clock_s) % 86_400 * US
        rushed = 0 < span_us <= 60 * US and 2 * (at_us - self._clock_at_us) < span_us
        self._rushed = self._rushed + 1 if rushed else 0
        self._clock_s, self._clock_at_us = clock_s, at_us

    def _live_or_stored(self, at_us: int) -> list[Event]:
        if self._stored and (_STORED not in self._said or self._thin.due(_STORED)):
            events = self._changed(frozenset({_STORED}), at_us, "")
            none = {"spo2": None, "pr": None}
            return [*events, *numerics(self.device, at_us, none, frozenset())]
        if not self._stored and _STORED in self._said:
            return self._changed(frozenset(), at_us, "")
        return []

    def _changed(self, said: frozenset[str], at_us: int, unknown: str) -> list[Event]:
        details = {
            _UNKNOWN: f"the monitor shows the code {unknown}, which this program does not know",
            _STORED: "the monitor prints stored readings; live values come when it has done so",
        }
        changed = sorted(said ^ self._said)
        self._said = said
        return [
            Notice(self.device, at_us, str(c), c in said, details.get(c, "") if c in said else "")
            for c in changed
        ]


def _field(value: float | None) -> str:
    return "---" if value is None else f"{min(max(round(value), 0), 999):3d}"


def _encode(values: Values, flags: Collection[Flag]) -> list[tuple[str, bytes]]:
    """One data line. While it searches the numbers stay, as on the device."""
    gone = Flag.SENSOR_OFF in flags or Flag.NO_SENSOR in flags
    spo2, pr = (None if gone else number(values, key) for key in ("spo2", "pr"))
    amplitude = None if pr is None or Flag.SEARCHING in flags else 50.0
    star = "*" if Flag.DEVICE_ALARM in flags and spo2 is not None else " "
    codes = " ".join(code for flag, code in _PRINTED.items() if flag in flags)
    text = f"12-NOV-98 14:00:05   {_field(spo2)}{star}    {_field(pr)}     {_field(amplitude)}"
    return [("", f"{text}    {codes:<17}\r\n".encode())]


DRIVER = Driver(
    name="nellcor",
    transport="serial",
    title="Nellcor N-395, N-550, N-560, N-595, NPB-190, NPB-195, NPB-290, NPB-295",
    channels=("spo2", "pr"),
    settings=SerialSettings(9600),
    decoder=_Decoder,
    encode=_encode,
    encode_s=PERIOD_S,
    period_s=PERIOD_S,
    quiet_s=7.0,
    own_alarm="yes",
    evidence="captured",
    probe=(XON,),
)
