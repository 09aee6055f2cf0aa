"""GE DINAMAP ASCII host communications: ProCare, PRO 100-400, CARESCAPE V100, Compact, PRO 1000.

9600 8N1, no flow control. The host asks, the monitor answers; one command at a time. A message,
both ways, ends in CR (a stray LF before a reply is tolerated; we send CR only):

    [0]      space: the unit id
    [1:3]    NA NIBP status, NC start (with argument 0), ND cancel, OA oximetry, RA pulse rate
    ...      arguments or result
    [-2:]    checksum over all before it: sum of (character - 20h + 1), less FFFh when above it;
             characters 20h + (sum >> 6) and 20h + (sum & 3Fh)

Replies, by column, the leading space being 0:

    NA   [3] status: 1 valid, above 2 failed, 2 presumably running   [4:6] unknown, not read
         [6:10] counter: time since the determination   [10:13] SYS  [13:16] DIA  [16:19] MAP
    OA   [3] 1 = valid      [4:7] SpO2
    RA   [3] 2 = valid (presumably the source: 2 the oximeter)      [4:8] pulse rate

NA repeats the previous blood pressure until a new one is there. A reading is new only when its
status is 1 and its counter is below the last one seen; the first counter seen on a connection is
a baseline and never a reading. (A monitor that has no reading yet may show counter 0: after
blank columns a valid reply with counter 0-2 is new, too.) In a monitor that counts minutes, the
second of two readings within one minute cannot be told from the first and is not passed on.

Sources: tnez/TK-BP (commands, checksum, columns, the rule for "finished"), a Ruby program for
the V100 (the same strings, OA and RA), both of which read one line after NC0 and ND; contents
only of GE's manual 2010566. The checksum fits all six published commands.
Nobody has tried this on hardware, and no captured reply was found. Unknown: the counter's unit,
what NC and ND answer (any line ends our wait, silence is no fault), [4:6] of NA, the NAK codes,
the alarm fields, setting the monitor's own cycle. The PRO 1000 also has a binary mode (18-byte
blocks, 50 a second; seen in Zeriam/dinamap-reader); it is recognised, not decoded.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from devices.driver import (
    Chunk,
    CommandError,
    Driver,
    Event,
    PatientView,
    Request,
    SerialSettings,
    StartNibp,
    Values,
)
from devices.framing import NO_VALUE, StreamDecoder, number, numerics
from vitals.channels import NIBP
from vitals.model import Flag, Notice

US = 1_000_000
POLL_US = US
REPLY_US = US // 2
"""Without an answer for this long, the next command goes out."""
INFLATING_US = 180 * US
"""A reading we started counts as running for no longer than this."""
MAX_LINE = 64
BLANK_COUNTER = 2
WRAP_COUNTER = 9900
"""A fall from here to the very same three values is the four digits running over."""

_START, _STOP = b"NC0", b"ND"
_POLLS = (b"NA", b"OA", b"RA")
_LIVE = {b"OA": ("spo2", b"1", 7), b"RA": ("pr", b"2", 8)}
"""Reply -> channel, what column 3 must say, where the value that begins in column 4 ends."""
_NO_RESULT = (0, 2)
"""Statuses that say nothing about a result."""
_LINE = re.compile(rb" [\x20-\x7e]{4,}")


def checksum(body: bytes) -> bytes:
    """The two characters that close a message."""
    total = 0
    for byte in body:
        total += byte - 0x20 + 1
        if total > 0xFFF:
            total -= 0xFFF
    return bytes((0x20 + (total >> 6), 0x20 + (total & 0x3F)))


def message(text: bytes) -> bytes:
    """A whole message: unit id, text, checksum, CR."""
    body = b" " + text
    return body + checksum(body) + b"\r"


def _sound(line: bytes) -> bool:
    return bool(_LINE.fullmatch(line)) and checksum(line[:-2]) == line[-2:]


def _digits(field: bytes) -> int | None:
    text = field.strip()
    return int(text) if text.isdigit() else None


def _binary(piece: bytes) -> bool:
    """Whether two successive blocks of the PRO 1000's binary mode are in there."""

    def block(at: int) -> bool:
        return piece[at] ^ piece[at + 17] == 0xFF == piece[at + 15] ^ piece[at + 16]

    return any(
        piece[at + 18] == (piece[at] + 1) % 200 and block(at) and block(at + 18)
        for at in range(len(piece) - 35)
    )


class _Decoder(StreamDecoder):
    def __init__(self, device: str) -> None:
        super().__init__(device, MAX_LINE)
        self._rest = b""
        self._out: list[Event] = []
        self._binary = False
        # What is said to the monitor.
        self._waiting = b""
        self._sent_us = 0
        self._sent_rejected = 0
        self._next_us = dict.fromkeys(_POLLS, 0)
        self._start = False
        self._stop = False
        # The determination, as far as it can be known from outside.
        self._since_us: int | None = None
        self._counter: int | None = None
        self._status = 0
        self._values: tuple[int | None, ...] = ()
        self._held = False
        self._told = False

    # --- to the monitor -------------------------------------------------------------------

    def request(self, request: Request, now_us: int) -> None:
        if not isinstance(request, StartNibp):
            self._start, self._stop = False, True
            return
        running = self._since_us is not None and now_us - self._since_us < INFLATING_US
        if self._start or (running and not self._stop):
            raise CommandError(
                "a blood pressure reading is already running; wait for it or cancel it",
                device=self.device,
            )
        self._start = True

    def due(self, now_us: int) -> bytes:
        if self._waiting:
            if now_us - self._sent_us < REPLY_US:
                return b""
            if self._waiting in _POLLS and self.rejected == self._sent_rejected:
                self.rejected += 1
            self._waiting = b""
        text = self._next(now_us)
        if not text:
            return b""
        self._waiting, self._sent_us, self._sent_rejected = text, now_us, self.rejected
        return message(text)

    def _next(self, now_us: int) -> bytes:
        if self._stop:
            self._stop = False
            self._end("cancelled", now_us)
            return _STOP
        if self._start:
            self._start, self._told, self._since_us = False, False, now_us
            self._notice("cuff_inflating", True, "", now_us)
            return _START
        poll = min(_POLLS, key=self._next_us.__getitem__)
        if now_us < self._next_us[poll]:
            return b""
        self._next_us[poll] = now_us + POLL_US
        return poll

    # --- from the monitor -----------------------------------------------------------------

    def feed(self, chunk: Chunk) -> list[Event]:
        at_us = chunk.at_us
        if self._since_us is not None and at_us - self._since_us >= INFLATING_US:
            self._fail(f"the monitor gave no result within {INFLATING_US // US} s", at_us)
        *lines, rest = (self._rest + chunk.data).split(b"\r")
        for line in lines:
            self._line(self._short(line, at_us).lstrip(b"\n"), at_us)
        self._rest = self._short(rest, at_us)
        events, self._out = self._out, []
        return events

    def _short(self, line: bytes, at_us: int) -> bytes:
        """The line, less whole stretches in which a line would have ended long ago."""
        while len(line) > MAX_LINE:
            self._refuse(line[:MAX_LINE], at_us)
            line = line[MAX_LINE:]
        return line

    def _refuse(self, piece: bytes, at_us: int) -> None:
        self.rejected += 1
        if not self._binary and _binary(piece):
            self._binary = True
            detail = "binary stream seen: switch the monitor to ASCII host mode"
            self._notice("wrong_mode", True, detail, at_us)

    def _line(self, line: bytes, at_us: int) -> None:
        name = line[1:3]
        if line and (name == self._waiting or self._waiting in (_START, _STOP)):
            self._waiting = b""
        if not _sound(line):
            if line:
                self._refuse(line, at_us)
            return
        self.accept()
        if self._binary:
            self._binary = False
            self._notice("wrong_mode", False, "", at_us)
        if name == b"NA":
            self._nibp(line[:-2], at_us)
        elif name in _LIVE:
            channel, valid, end = _LIVE[name]
            value = _digits(line[4:end]) if line[3:4] == valid and len(line) >= end + 2 else None
            self._out += numerics(self.device, at_us, {channel: value}, frozenset())

    def _nibp(self, body: bytes, at_us: int) -> None:
        counter, status = _digits(body[6:10]), _digits(body[3:4])
        if len(body) < 19 or counter is None or status is None:
            self._refuse(body, at_us)
            return
        before, known, old_status = self._counter, self._values, self._status
        values = tuple(_digits(body[at : at + 3]) for at in (10, 13, 16))
        dropped = before is not None and counter < before
        self._status = status
        if dropped and status in _NO_RESULT:
            self._held = True  # landed, or only begun? its end will tell, by the old baseline
            return
        held, self._held = self._held, False
        self._counter, self._values = counter, values
        if before is None:
            return
        doubtful = held or (before >= WRAP_COUNTER and self._since_us is None)
        landed = dropped and not (doubtful and values == known)
        if status == 1:
            self._told = False
            if landed or (old_status != 1 and not any(known) and counter <= BLANK_COUNTER):
                self._reading(values, at_us)
        elif status > 2 and (landed or old_status <= 2):
            if not (landed and self._told):
                self._fail(f"the monitor reports status {status}", at_us)
            self._told = not landed

    def _reading(self, values: tuple[int | None, ...], at_us: int) -> None:
        self._end("done", at_us)
        systolic, diastolic, mean = values
        if not (systolic and diastolic and mean and diastolic < mean < systolic):
            values = (None, None, None)
        named = dict(zip(NIBP, values, strict=True))
        self._out += numerics(self.device, at_us, named, frozenset())

    def _fail(self, reason: str, at_us: int) -> None:
        self._end("failed", at_us)
        self._notice("nibp_failed", True, reason, at_us)

    def _end(self, detail: str, at_us: int) -> None:
        if self._since_us is not None:
            self._since_us = None
            self._notice("cuff_inflating", False, detail, at_us)

    def _notice(self, code: str, active: bool, detail: str, at_us: int) -> None:
        self._out.append(Notice(self.device, at_us, code, active, detail))


# --- the device side --------------------------------------------------------------------------


def _na(status: int, counter: int, values: tuple[int, int, int]) -> bytes:
    systolic, diastolic, mean = values
    text = f"NA{status}00{min(counter, 9999):04d}{systolic:03d}{diastolic:03d}{mean:03d}"
    return message(text.encode())


def _oa(spo2: float | None) -> bytes:
    return message(b"OA0000" if spo2 is None else b"OA1%03d" % round(spo2))


def _ra(pr: float | None) -> bytes:
    return message(b"RA00000" if pr is None else b"RA2%04d" % round(pr))


_NONE = (0, 0, 0)


def _encode(values: Values, flags: Collection[Flag]) -> list[tuple[str, bytes]]:
    """Four replies: NA before and after a new determination, OA, RA."""
    systolic, diastolic, mean = (number(values, channel) for channel in NIBP)
    new = _na(0, 1000, _NONE)
    if systolic is not None and diastolic is not None and mean is not None:
        new = _na(1, 0, (round(systolic), round(diastolic), round(mean)))
    off = bool(NO_VALUE & set(flags))
    spo2, pr = (None if off else number(values, key) for key in ("spo2", "pr"))
    return [("", reply) for reply in (_na(0, 999, _NONE), new, _oa(spo2), _ra(pr))]


class Monitor:
    """Device side: answers polls, and takes 20-40 s over a reading.

    Attributes:
        inflating: whether the cuff is inflated now; the simulated patient may ask.
    """

    _FAULTS = (("cuff_loose", 3), ("cuff_motion", 4), ("cuff_failure", 5))
    """Faults and the status they end with, first match; of these only "above 2" is known."""

    def __init__(self, patient: PatientView, counter_unit_s: float = 1.0) -> None:
        """`counter_unit_s` is 60 for a monitor that counts minutes; which do is unknown."""
        self.inflating = False
        self._patient = patient
        self._unit_us = round(counter_unit_s * US)
        self._rest = b""
        self._readings = 0
        self._done_us = 0
        self._landed_us: int | None = None
        self._status = 0
        self._values = _NONE

    def receive(self, data: bytes, now_us: int) -> bytes:
        """Answers every command whose checksum is right; to others it is silent."""
        self._advance(now_us)
        *lines, self._rest = (self._rest + data).split(b"\r")
        self._rest = self._rest[-MAX_LINE:]
        sound = [line.lstrip(b"\n") for line in lines if _sound(line.lstrip(b"\n"))]
        return b"".join(self._answer(line[1:-2], now_us) for line in sound)

    def poll(self, now_us: int) -> bytes:
        """Says nothing by itself, but time passes."""
        self._advance(now_us)
        return b""

    def _answer(self, text: bytes, now_us: int) -> bytes:
        if text == _START and not self.inflating:
            self.inflating = True
            self._done_us = now_us + (20 + 7 * self._readings % 21) * US
            self._readings += 1
        elif text == _STOP:
            self.inflating = False
        elif text == b"NA":
            since_us = 0 if self._landed_us is None else now_us - self._landed_us
            status = 2 if self.inflating else self._status
            return _na(status, since_us // self._unit_us, self._values)
        elif text == b"OA":
            return _oa(self._oximeter("spo2"))
        elif text == b"RA":
            return _ra(self._oximeter("pr"))
        return message(text)

    def _oximeter(self, channel: str) -> float | None:
        off = any(self._patient.fault(flag) for flag in NO_VALUE)
        return None if off else self._patient.value(channel)

    def _advance(self, now_us: int) -> None:
        if not self.inflating or now_us < self._done_us:
            return
        self.inflating = False
        systolic, diastolic, mean = (self._patient.value(channel) for channel in NIBP)
        failed = [status for fault, status in self._FAULTS if self._patient.fault(fault)]
        if failed or systolic is None or diastolic is None or mean is None:
            self._status, self._values = (failed or [5])[0], _NONE
        else:
            self._status, self._landed_us = 1, self._done_us
            self._values = (round(systolic), round(diastolic), round(mean))


DRIVER = Driver(
    name="dinamap",
    transport="serial",
    title="GE DINAMAP ProCare, PRO 100-400, Compact; CARESCAPE V100",
    channels=(*NIBP, "spo2", "pr"),
    settings=SerialSettings(9600),
    decoder=_Decoder,
    encode=_encode,
    responder=Monitor,
    can=frozenset({"start_nibp", "stop_nibp"}),
    checked=True,
    own_alarm="yes",
    evidence="manual",
    probe=tuple(message(poll) for poll in _POLLS),
)
