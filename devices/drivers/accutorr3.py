"""Datascope Accutorr 3 and 3SAT, PC interface: NIBP; SpO2 and PR where it has an oximeter.

8N1, speed from the monitor's configuration menu (9600 expected here), no flow control by us (the
monitor watches CTS). It answers single characters, when its prompt ">" is there:

    ^C   prompt request        >
    P    patient data          P:SaO2,PR,SYS,MEAN,DIA,status0,status1,status2,minutes CR LF
    L    alarm limits          L: ten numbers; never asked for

Numbers have three characters; "--" is a field not in use. MEAN stands before DIA. After power-up it
says "ACCUTORR PC Interface is ready" and the prompt. There is no checksum and no start command.

    status0  bit 0 no sensor, 1 sensor off, 2 interference, 3 pulse search, 4 weak, 5 no pulse,
             6 check site, 7 pulse rate < 30
    status1  bit 0 pulse rate > 250, 1 uncalibrated, 2 alarm limits overlap, 3 RAM, 4 ROM, 5 offset,
             6 filter, 7 self-test
    status2  bit 0 cuff overpressure, 1 motion artifact (both of the blood pressure)
    minutes  since the last blood pressure; its values are repeated all the while

The manual calls a status "binary sequence of flags" printed as a number and does not say in which
radix. Flags are read as decimal; where the octal reading means that there is no value, none is
passed on either. Pulse rate counts as live only beside a SaO2: without the oximeter it can only be
that of the last cuff reading.

A blood pressure is new when two replies in a row agree on values and minutes 0 or 1, and either
the minutes have fallen or the values differ from the last ones seen, blanks apart. The first reply
of a connection is a baseline and never a reading. (Of two readings with the same values within a
minute the second cannot be told from the first and is not passed on.) Unless DIA < MEAN < SYS the
reading is given as invalid.

Source: service manual of the Accutorr 3, pages 1-37 and 1-52 to 1-54.
Nobody has tried this on hardware, and no captured reply was found. The manual's only example,
"P:--,85,120, 45, 80,000,010,000, 5", contradicts its own list (mean 45 below diastolic 80): if a
real monitor gives no valid readings, look here first. Unknown besides: the radix, whether
characters are echoed, what the fields show while the cuff inflates, and the speed as delivered.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from devices.driver import Chunk, Driver, Event, PatientView, SerialSettings, Values
from devices.framing import NO_VALUE, LineDecoder, number, numerics
from vitals.channels import NIBP
from vitals.model import Flag, Notice

US = 1_000_000
POLL_US = US
REPLY_US = US
"""Without an answer for this long, the next command goes out (45 characters at 600 baud)."""
MAX_LINE = 64
NEW_MINUTES = 1
WRAPS = (99, 255, 999)
"""Minutes that may be followed by 0 without a new reading: where a counter could run over."""
PROMPT, ASK_PROMPT, ASK = b">", b"\x03", b"P"
BANNER = b"ACCUTORR PC Interface is ready"

_LINE = re.compile(rb"[> P]*P:((?: *(?:\d{1,3}|-{1,3}) *,){8} *(?:\d{1,3}|-{1,3})) *")
_NO_PULSE = (Flag.SEARCHING, Flag.OUT_OF_TRACK)
_FAULT, _LIMIT = (Flag.SENSOR_FAULT,), (Flag.DEVICE_ALARM,)
_STATUS_0: dict[int, tuple[Flag, ...]] = {
    0x01: (Flag.NO_SENSOR,),
    0x02: (Flag.SENSOR_OFF,),
    0x04: (Flag.INTERFERENCE,),
    0x08: (Flag.SEARCHING,),
    0x10: (Flag.WEAK_SIGNAL,),
    0x20: _NO_PULSE,
    0x40: (Flag.WEAK_SIGNAL,),
    0x80: _LIMIT,
}
_STATUS_1: dict[int, tuple[Flag, ...]] = {
    0x01: _LIMIT,
    0x02: _FAULT,
    0x04: _LIMIT,
    0x08: _FAULT,
    0x10: _FAULT,
    0x20: _FAULT,
    0x40: _FAULT,
    0x80: _FAULT,
}
_OVERPRESSURE, _MOTION = 0x01, 0x02

_Reading = tuple[int | None, ...]


def _flags(status_0: int, status_1: int) -> frozenset[Flag]:
    return frozenset(
        flag
        for status, table in ((status_0, _STATUS_0), (status_1, _STATUS_1))
        for bit, flags in table.items()
        for flag in flags
        if status & bit
    )


def _octal(status: int) -> int:
    """The bits a decimal number stands for if it was printed in octal; 0 when it was not."""
    text = str(status)
    return int(text, 8) if set(text) <= set("01234567") else 0


class _Decoder(LineDecoder):
    def __init__(self, device: str) -> None:
        super().__init__(device, MAX_LINE)
        # What is said to the monitor.
        self._waiting = b""
        self._sent_us = 0
        self._sent_rejected = 0
        self._prompt = False
        self._next_us = 0
        # What it said.
        self._said: frozenset[str] = frozenset()
        self._last: _Reading | None = None
        self._minutes: int | None = None
        self._first: tuple[int, tuple[_Reading, int | None]] | None = None

    # --- to the monitor -------------------------------------------------------------------

    def due(self, now_us: int) -> bytes:
        if self._waiting:
            if now_us - self._sent_us < REPLY_US:
                return b""
            if self._waiting == ASK and self.rejected == self._sent_rejected:
                self.rejected += 1
            asked_in_vain = self._waiting == ASK_PROMPT
            self._waiting = b""
            if asked_in_vain:  # it may print none: ask all the same
                return self._send(ASK, now_us)
        if now_us < self._next_us:
            return b""
        return self._send(ASK if self._prompt else ASK_PROMPT, now_us)

    def _send(self, command: bytes, now_us: int) -> bytes:
        if command == ASK:
            self._next_us = now_us + POLL_US
        self._prompt = False
        self._waiting, self._sent_us, self._sent_rejected = command, now_us, self.rejected
        return command

    # --- from the monitor -----------------------------------------------------------------

    def feed(self, chunk: Chunk) -> list[Event]:
        if PROMPT in chunk.data:
            self._prompt = True
            if self._waiting == ASK_PROMPT:
                self._waiting = b""
        return super().feed(chunk)

    def line(self, line: bytes, at_us: int) -> list[Event] | None:
        if line.strip(b"> ") in (b"", BANNER):
            return []
        found = _LINE.fullmatch(line)
        if found is None:
            return None
        if self._waiting == ASK:
            self._waiting = b""
        fields = [int(text) if text.strip().isdigit() else None for text in found[1].split(b",")]
        spo2, pr, systolic, mean, diastolic, *status, minutes = fields
        status_0, status_1, status_2 = (bits or 0 for bits in status)
        flags = _flags(status_0, status_1)
        events = self._conditions(flags, status_2, at_us)
        if spo2 is None or _flags(_octal(status_0), _octal(status_1)) & NO_VALUE:
            spo2 = pr = None
        events += numerics(self.device, at_us, {"spo2": spo2, "pr": pr}, flags)
        events += self._nibp((systolic, diastolic, mean), minutes, status_2, at_us)
        return events

    def _conditions(self, flags: frozenset[Flag], status_2: int, at_us: int) -> list[Event]:
        cuff = {"cuff_motion"} if status_2 & _MOTION else set()
        cuff |= {"nibp_failed"} if status_2 & _OVERPRESSURE else set()
        said: frozenset[str] = flags | cuff
        changed = sorted(said ^ self._said)
        self._said = said
        # Nothing ends a failure, and one that was there before us is as old as its pressure.
        detail = {"nibp_failed": "the monitor reports cuff overpressure"}
        return [
            Notice(self.device, at_us, str(code), code in said, detail.get(code, ""))
            for code in changed
            if code != "nibp_failed" or (code in said and self._last is not None)
        ]

    def _nibp(
        self, values: _Reading, minutes: int | None, status_2: int, at_us: int
    ) -> list[Event]:
        """The determination, if these values are one; kept until a second reply agrees."""
        if self._last is None:
            self._last, self._minutes = values, minutes
            return []
        seen = (values, minutes)
        if seen == (self._last, self._minutes):
            self._first = None
            return []
        if self._first is None or self._first[1] != seen:
            self._first = (at_us, seen)
            return []
        (since_us, _), self._first = self._first, None
        before = self._minutes
        fallen = minutes is not None and before is not None and minutes < before
        new = values != self._last or (fallen and before not in WRAPS)
        if None in values:  # an old reading that comes back after blanks is still old
            return []
        self._last, self._minutes = values, minutes
        if not new or minutes is None or minutes > NEW_MINUTES:
            return []
        systolic, diastolic, mean = values
        if not (systolic and diastolic and mean and diastolic < mean < systolic):
            values = (None, None, None)
        flags = frozenset({Flag.ARTIFACT} if status_2 & _MOTION else ())
        return [*numerics(self.device, since_us, dict(zip(NIBP, values, strict=True)), flags)]


# --- the device side --------------------------------------------------------------------------

_SENT = {
    Flag.NO_SENSOR: 0x01,
    Flag.SENSOR_OFF: 0x02,
    Flag.INTERFERENCE: 0x04,
    Flag.SEARCHING: 0x08,
    Flag.WEAK_SIGNAL: 0x10,
    Flag.DEVICE_ALARM: 0x80,
}


def _reply(
    spo2: float | None,
    pr: float | None,
    nibp: Iterable[float | None],
    status: tuple[int, int, int],
    minutes: int | None,
) -> bytes:
    systolic, diastolic, mean = nibp
    shown = (spo2, pr, systolic, mean, diastolic)
    fields = ["--" if v is None else f"{min(max(round(v), 0), 999):3d}" for v in shown]
    fields += [f"{bits:03d}" for bits in status]
    fields.append("--" if minutes is None else f"{min(minutes, 999):3d}")
    return b"P:" + ",".join(fields).encode() + b"\r\n>"


_NONE = (None, None, None)


def _encode(values: Values, flags: Collection[Flag]) -> list[tuple[str, bytes]]:
    """Three replies: without a blood pressure, then twice with the new one."""
    off = bool(NO_VALUE & set(flags))
    spo2, pr = (None if off else number(values, key) for key in ("spo2", "pr"))
    status = (sum(bit for flag, bit in _SENT.items() if flag in flags), 0, 0)
    nibp = tuple(number(values, channel) for channel in NIBP)
    new = _reply(spo2, pr, nibp, status, None if None in nibp else 0)
    return [("", _reply(spo2, pr, _NONE, status, None)), ("", new), ("", new)]


class Monitor:
    """Device side: answers single characters, and inflates its cuff by its own clock.

    Attributes:
        inflating: whether the cuff is inflated now; the simulated patient may ask.
    """

    FIRST_US, EVERY_US, INFLATED_US = 10 * US, 300 * US, 25 * US

    def __init__(self, patient: PatientView) -> None:
        self.inflating = False
        self._patient = patient
        self._on_us: int | None = None
        self._readings = 0
        self._landed_us: int | None = None
        self._values: tuple[float | None, ...] = _NONE
        self._overpressure = 0

    def receive(self, data: bytes, now_us: int) -> bytes:
        """Answers each character it knows; to others it is silent."""
        answers = {ASK_PROMPT: lambda: PROMPT, ASK: lambda: self._patient_data(now_us)}
        said = self.poll(now_us)
        for byte in data:
            said += answers.get(bytes((byte,)), bytes)()
        return said

    def poll(self, now_us: int) -> bytes:
        """Greets when switched on; then time passes."""
        if self._on_us is None:
            self._on_us = now_us
            return BANNER + b"\r\n" + PROMPT
        begins_us = self._on_us + self.FIRST_US + self._readings * self.EVERY_US
        self.inflating = begins_us <= now_us < begins_us + self.INFLATED_US
        if now_us >= begins_us + self.INFLATED_US:
            self._readings += 1 + (now_us - begins_us - self.INFLATED_US) // self.EVERY_US
            self._land(now_us)
        return b""

    def _land(self, now_us: int) -> None:
        values = tuple(self._patient.value(channel) for channel in NIBP)
        self._overpressure = _OVERPRESSURE if None in values else 0
        if not self._overpressure:
            self._landed_us, self._values = now_us, values

    def _patient_data(self, now_us: int) -> bytes:
        status_0 = sum(bit for flag, bit in _SENT.items() if self._patient.fault(flag))
        off = any(self._patient.fault(flag) for flag in NO_VALUE)
        spo2, pr = (None if off else self._patient.value(key) for key in ("spo2", "pr"))
        minutes = None if self._landed_us is None else (now_us - self._landed_us) // (60 * US)
        return _reply(spo2, pr, self._values, (status_0, 0, self._overpressure), minutes)


DRIVER = Driver(
    name="accutorr3",
    transport="serial",
    title="Datascope Accutorr 3 and 3SAT",
    channels=(*NIBP, "spo2", "pr"),
    settings=SerialSettings(9600),
    decoder=_Decoder,
    encode=_encode,
    responder=Monitor,
    own_alarm="yes",
    evidence="manual",
    probe=(ASK,),  # not ASK_PROMPT: said twice it puts a Nellcor N-595 into its dialogue mode
)
