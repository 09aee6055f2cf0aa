"""SunTech Advantage NIBP module (LX and A+): blood pressure, and the cuff's pressure meanwhile.

9600 8N1. The host asks, the module answers. Sum of all bytes of a packet, its checksum
included, is 0 mod 256.

    host     3A  op  [data ...]  ck
    module   3E  LEN [data ...]  ck        LEN counts the whole packet

    op 20           start an adult reading       op 79 03 00   the result
    op 79 01 00     abort                        op 79 05 00   the cuff's pressure

    LEN 04   a letter: O received, K executed (of a start: the reading has ended), A aborted,
             B busy, S asleep, D not recognised, E error, N undefined, T timeout
    LEN 05   [2:4] cuff pressure, mmHg, int16 LE; FFFF = none
    LEN 06   a return code, not asked for            LEN 43   strings, not asked for
    LEN 18   the result: [2:4] SYS  [4:6] DIA  [6] beats  [7] status  [8:16] test codes
             [16] heart rate  [18:20] MAP, all LE  [20] error code, DECIMAL 85 and not 85h; the
             numbers hold only when it is 0

The module keeps its last result and gives it whenever asked. A result is a reading only when
the start was received (O, or the cuff fills) and K followed; without a K, or with one within 3 s
of the start, only when it differs from the result before. The last result is read when the link
opens, to know it. While a reading runs, the cuff is asked for every 200 ms, else once a second
as a sign of life. Commands keep 100 ms apart, and go one at a time. An abort is repeated until
the cuff has emptied. The reading's own heart rate is not passed on: `pr` is a running value.

Sources: ak-git/DesktopFX (constants and tests that quote SunTech's manual) and
519984307/Appciton (a monitor's code), which agree, but for the error codes: there the decimal
numbers were typed as hexadecimal. Nobody has tried this on hardware, and SunTech's own paper was
not at hand: whether every command gets an O, what the module says when asked for a result before
the first reading, whether K follows a failed reading, and how long abort takes are guesses; each
is met by a timeout. Never sent: calibrate (04), pneumatics (0C), sleep (81), reset (8A).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal

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
from devices.framing import StreamDecoder, number, numerics
from vitals.channels import NIBP
from vitals.model import US, Flag, Notice

PACE_US = US // 10
REPLY_US = US // 2
"""Without an answer for this long, the next command goes out."""
CUFF_US = US // 5
IDLE_US = US
RETRY_US = US
"""Pause after "busy" and its like."""
RETRIES = 5
ACCEPT_US = 5 * US
"""A start that has shown no effect for this long has failed."""
SOONEST_US = 3 * US
"""A K that comes sooner may belong to another command."""
LONGEST_US = 180 * US
EMPTY_MMHG = 20
"""Below this the cuff counts as empty."""
EMPTIED_US = 2 * US
"""Empty for this long after it was full, and the reading is over, with or without a K."""
DEFLATE_US = 3 * US
"""A cuff that is still full so long after the end is told to empty itself, again if need be."""
RUNNING = "a blood pressure reading is already running; wait for it or cancel it"
STILL_FULL = "the cuff does not empty; take it off the arm"

ACK, CUFF, CODE, RESULT, STRINGS = 0x04, 0x05, 0x06, 0x18, 0x43
NO_PRESSURE = 0xFFFF
_PACKET = re.compile(b"\x3e[" + re.escape(bytes((ACK, CUFF, CODE, RESULT, STRINGS))) + b"]")

REASONS = {
    1: "weak or no signal",
    2: "erratic signal or movement",
    3: "out of range",
    4: "it took too long",
    85: "the air path is blocked",
    86: "aborted by a user",
    87: "the cuff does not fill: a leak, or it is loose",
    88: "safety timeout",
    89: "overpressure",
    90: "power or hardware fault",
    91: "it may not measure, or cannot zero itself",
    97: "pressure sensor out of range",
    99: "its calibration is lost",
}
_AGAIN = {b"B": "busy", b"S": "asleep", b"D": "it did not understand"}
_REFUSALS = {**_AGAIN, b"E": "error", b"N": "undefined command", b"T": "timeout"}
"""Answers to a start that ask for another try, and all that are no yes."""

State = Literal["idle", "asked", "running", "ended"]


def packet(start: int, *data: int) -> bytes:
    """A packet of the host (3A) or of the module (3E, where `data` begins with LEN)."""
    body = bytes((start, *data))
    return body + bytes((-sum(body) & 0xFF,))


START = packet(0x3A, 0x20)
ABORT = packet(0x3A, 0x79, 0x01, 0x00)
GET_RESULT = packet(0x3A, 0x79, 0x03, 0x00)
GET_CUFF = packet(0x3A, 0x79, 0x05, 0x00)
_ANSWERED_BY = {START: ACK, ABORT: ACK, GET_RESULT: RESULT, GET_CUFF: CUFF}


class _Decoder(StreamDecoder):
    def __init__(self, device: str) -> None:
        super().__init__(device, STRINGS)
        self._rest = b""
        self._out: list[Event] = []
        # What is said to the module.
        self._waiting = b""
        self._sent_us = 0
        self._next_us = 0
        self._start = False
        self._start_us = 0
        self._stop = False
        self._fetch = True
        self._tries = 0
        # The reading.
        self._state: State = "idle"
        self._since_us = 0
        self._full_us: int | None = None
        self._executed_us: int | None = None
        self._ended_us: int | None = None
        self._emptying = False
        self._last = b""

    # --- to the module --------------------------------------------------------------------

    def request(self, request: Request, now_us: int) -> None:
        if not isinstance(request, StartNibp):
            self._start, self._stop, self._tries = False, True, 0
            return
        if self._start or (self._state != "idle" and not self._stop):
            raise CommandError(RUNNING, device=self.device)
        if self._emptying and self._ended_us is None:
            raise CommandError(STILL_FULL, device=self.device)
        self._start, self._start_us, self._tries = True, now_us, 0

    def due(self, now_us: int) -> bytes:
        since_us = now_us - self._sent_us
        if since_us < PACE_US or (self._waiting and not self._stop and since_us < REPLY_US):
            return b""
        if self._waiting and since_us >= REPLY_US:
            if self._waiting in (GET_CUFF, GET_RESULT):
                self.rejected += 1
            # What only began like a packet must not hold up the ones behind it.
            self.refuse(len(self._rest[:1]))
            self._rest = self._rest[1:]
        self._waiting = b""
        self._watch(now_us)
        self._waiting = text = self._next(now_us)
        self._sent_us = now_us if text else self._sent_us
        return text

    def _next(self, now_us: int) -> bytes:
        if self._stop:
            self._stop = False
            self._end("cancelled", now_us)
            self._tries += 1
            return ABORT
        if self._fetch:
            self._fetch = False
            return GET_RESULT
        if self._start and now_us >= self._start_us and not self._emptying:
            self._start = False
            self._begin("asked", now_us)
            self._since_us = now_us
            return START
        if now_us < self._next_us:
            return b""
        busy = self._state in ("asked", "running") or self._emptying
        self._next_us = now_us + (CUFF_US if busy else IDLE_US)
        return GET_CUFF

    def _watch(self, now_us: int) -> None:
        """What has not happened for too long."""
        since_us = now_us - self._since_us
        if self._state == "asked" and not self._start and since_us > ACCEPT_US:
            self._fail("the module does not answer the start", now_us)
        elif self._state == "running" and since_us > LONGEST_US:
            self._fail(f"no result within {LONGEST_US // US} s", now_us)
            self._stop = True
        elif self._state == "ended" and not self._fetch:
            self._tries += 1
            self._fetch = self._tries <= RETRIES
            if not self._fetch:
                self._fail("the module does not give its result", now_us)

    # --- from the module ------------------------------------------------------------------

    def feed(self, chunk: Chunk) -> list[Event]:
        data = self._rest + chunk.data
        pos, end = 0, len(data)
        while True:
            found = _PACKET.search(data, pos)
            start = found.start() if found else end - data.endswith(b"\x3e", pos)
            self.refuse(start - pos)
            pos = start
            if end - pos < 2 or end - pos < data[pos + 1]:
                break
            whole = data[pos : pos + data[pos + 1]]
            if sum(whole) & 0xFF:
                self.refuse(1)
                pos += 1
            else:
                self.accept()
                self._read(whole, chunk.at_us)
                pos += len(whole)
        self._rest = data[pos:]
        events, self._out = self._out, []
        return events

    def _read(self, whole: bytes, at_us: int) -> None:
        waiting, kind = self._waiting, whole[1]
        letter = whole[2:3] if kind == ACK else b""
        if kind == _ANSWERED_BY.get(waiting) or letter in _REFUSALS:
            self._waiting = b""
        if letter:
            self._letter(letter, waiting, at_us)
        elif kind == CUFF:
            value = int.from_bytes(whole[2:4], "little")
            self._cuff(None if value == NO_PRESSURE else value, at_us)
        elif kind == RESULT:
            self._result(whole, at_us)

    def _letter(self, letter: bytes, waiting: bytes, at_us: int) -> None:
        if letter in _REFUSALS:
            if self._state == "asked" and waiting == START:
                self._tries += 1
                if letter in _AGAIN and self._tries <= RETRIES:
                    self._start, self._start_us = True, at_us + RETRY_US
                else:
                    self._fail(f"the module says: {_REFUSALS[letter]}", at_us)
        elif letter == b"O" and waiting != ABORT and not self._emptying:
            self._begin("running", at_us)
        elif letter == b"K" and self._state == "running":
            self._executed_us = at_us
            self._over()
        elif letter == b"A" and self._state == "running":
            self._fail("aborted at the module", at_us)

    def _cuff(self, pressure: int | None, at_us: int) -> None:
        full = pressure is not None and EMPTY_MMHG <= pressure < 0x8000
        if self._emptying:
            self._emptying = full
            if full:
                self._insist(at_us)
        elif full and self._state != "ended":
            self._begin("running", at_us)
        if self._state != "running":
            return
        if full:
            self._full_us = at_us
        elif self._full_us is not None and at_us - self._full_us >= EMPTIED_US:
            self._over()
        self._out += numerics(self.device, at_us, {"cuff": pressure}, frozenset())

    def _insist(self, at_us: int) -> None:
        """No reading runs, so the cuff has to empty itself; a person is told when it does not."""
        if self._ended_us is None or at_us - self._ended_us < DEFLATE_US:
            return
        self._ended_us = None
        if self._tries < RETRIES:
            self._stop = True
        else:
            self._start = False
            self._notice("nibp_failed", True, STILL_FULL, at_us)

    def _result(self, whole: bytes, at_us: int) -> None:
        known, self._last = self._last, whole
        if self._state != "ended":
            return  # the result that was there before
        at = self._executed_us
        certain = at is not None and at - self._since_us >= SOONEST_US
        if whole == known and not certain:
            self._state, self._full_us, self._executed_us = "running", None, None
            return
        if error := whole[20]:
            self._fail(REASONS.get(error, f"the module reports error {error}"), at_us)
            return
        self._end("done", at_us)
        fields = (whole[2:4], whole[4:6], whole[18:20])
        systolic, diastolic, mean = (int.from_bytes(field, "little") for field in fields)
        values: dict[str, float | None] = dict.fromkeys(NIBP)
        if 0 < diastolic < mean < systolic:
            values = dict(zip(NIBP, (systolic, diastolic, mean), strict=True))
        self._out += numerics(self.device, at_us if at is None else at, values, frozenset())

    # --- the reading ----------------------------------------------------------------------

    def _begin(self, state: State, at_us: int) -> None:
        if self._state == "idle":
            self._since_us, self._full_us, self._executed_us = at_us, None, None
            self._tries = 0
            self._notice("cuff_inflating", True, "", at_us)
        if self._state in ("idle", "asked"):
            self._state = state

    def _over(self) -> None:
        self._state, self._fetch, self._tries = "ended", True, 0

    def _fail(self, reason: str, at_us: int) -> None:
        self._end("failed", at_us)
        self._notice("nibp_failed", True, reason, at_us)

    def _end(self, detail: str, at_us: int) -> None:
        self._emptying, self._ended_us = True, at_us  # until the cuff says otherwise
        if self._state != "idle":
            self._state, self._fetch, self._tries = "idle", False, 0
            self._notice("cuff_inflating", False, detail, at_us)

    def _notice(self, code: str, active: bool, detail: str, at_us: int) -> None:
        self._out.append(Notice(self.device, at_us, code, active, detail))


# --- the device side --------------------------------------------------------------------------


def ack(letter: bytes) -> bytes:
    """An answer of one letter."""
    return packet(0x3E, ACK, letter[0])


def cuff(pressure: float | None) -> bytes:
    """The cuff's pressure, mmHg."""
    value = NO_PRESSURE if pressure is None else round(pressure)
    return packet(0x3E, CUFF, value & 0xFF, value >> 8)


def result(values: tuple[int, int, int] | None, error: int, rate: int = 0) -> bytes:
    """A result; without values zeros, which an error must explain."""
    systolic, diastolic, mean = (value.to_bytes(2, "little") for value in values or (0, 0, 0))
    beats = 30 if values else 0
    tail = (rate, 0, *mean, error, 0, 0)
    return packet(0x3E, RESULT, *systolic, *diastolic, beats, 0, *bytes(8), *tail)


def _reading(values: Values) -> tuple[int, int, int] | None:
    found = [number(values, channel) for channel in NIBP]
    known = [round(value) for value in found if value is not None]
    return (known[0], known[1], known[2]) if len(known) == 3 else None


def _encode(values: Values, flags: Collection[Flag]) -> list[tuple[str, bytes]]:
    """What the module says over one reading: received, cuff, executed, result, cuff empty."""
    reading = _reading(values)
    pressure, error = number(values, "cuff"), 0 if reading else 1
    said = (ack(b"O"), cuff(pressure), ack(b"K"), result(reading, error), cuff(None))
    return [("", data) for data in said]


class Module:
    """Device side: inflates to 180 mmHg within 4 s and bleeds off, 5 mmHg a second.

    Attributes:
        inflating: whether the cuff is inflated now; the simulated patient may ask.
    """

    PEAK_MMHG, FILL_US, BLEED_MMHG_S = 180, 4 * US, 5
    _FAULTS = (("cuff_loose", 87), ("cuff_motion", 2), ("cuff_failure", 90))

    def __init__(self, patient: PatientView) -> None:
        self.inflating = False
        self._patient = patient
        self._rest = b""
        self._begun_us = 0
        self._last = result(None, 0)

    def receive(self, data: bytes, now_us: int) -> bytes:
        """Answers every command whose checksum is right, and D to what is none."""
        out = self.poll(now_us)
        self._rest = (self._rest + data)[-64:]
        while self._rest:
            command = next((c for c in _ANSWERED_BY if self._rest.startswith(c)), b"")
            if not command:
                if any(c.startswith(self._rest) for c in _ANSWERED_BY):
                    break  # more of it is to come
                following = self._rest.find(b"\x3a", 1)
                command = self._rest[:following] if following > 0 else self._rest
            self._rest = self._rest[len(command) :]
            out += self._answer(command, now_us)
        return out

    def poll(self, now_us: int) -> bytes:
        """Says K by itself when the reading has ended."""
        if not self.inflating or self._pressure(now_us):
            return b""
        self.inflating = False
        view = {channel: self._patient.value(channel) for channel in NIBP}
        failed = [error for fault, error in self._FAULTS if self._patient.fault(fault)]
        reading = None if failed else _reading(view)
        rate = self._patient.value("pr") or 0
        self._last = result(reading, 0 if reading else (failed or [1])[0], round(rate))
        return ack(b"K")

    def _answer(self, command: bytes, now_us: int) -> bytes:
        if command == START and self.inflating:
            return ack(b"B")
        if command == START:
            self.inflating, self._begun_us = True, now_us
            return ack(b"O")
        if command == ABORT:
            if self.inflating:
                self.inflating, self._last = False, result(None, 86)
            return ack(b"A") + ack(b"K")
        if command == GET_RESULT:
            return self._last
        return cuff(self._pressure(now_us)) if command == GET_CUFF else ack(b"D")

    def _pressure(self, now_us: int) -> int:
        """The cuff's pressure; 0 = the reading is over."""
        if not self.inflating:
            return 0
        since_us = now_us - self._begun_us
        if since_us < self.FILL_US:
            return 1 + self.PEAK_MMHG * since_us // self.FILL_US
        mean = self._patient.value("nibp_map") or 90
        left = self.PEAK_MMHG - self.BLEED_MMHG_S * (since_us - self.FILL_US) // US
        return left if left > mean / 2 else 0


DRIVER = Driver(
    name="suntech",
    transport="serial",
    title="SunTech Advantage NIBP module (LX, A+)",
    channels=(*NIBP, "cuff"),
    settings=SerialSettings(9600),
    decoder=_Decoder,
    encode=_encode,
    responder=Module,
    can=frozenset({"start_nibp", "stop_nibp"}),
    checked=True,
    mode="spot",
    own_alarm="no",
    evidence="manual",
    probe=(GET_CUFF, GET_RESULT),
)
