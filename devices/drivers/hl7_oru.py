"""HL7 observation reports (ORU^R01, IHE PCD-01) of monitors and their gateways, over MLLP.

    0B  message  1C 0D      see `devices.hl7`; the station listens, gateways dial in

    MSH  7 time sent   9 ORU^R01   10 control id   11 P (T, D: not of a patient)   15 16 answers
    PID  3 patient's ids            PV1  3 point of care ^ room ^ bed
    OBX  2 type   3 what: code^name^system   5 value   6 unit: code^name^system   8 status
         11 R or F = result, X = none        14 when it was measured

What: IEEE 11073 (MDC) as the 32-bit code, its name or Philips's hexadecimal MDIL form, else LOINC.
A 16-bit MDC code means nothing without its name. Where MDC says what it is, LOINC is not asked:
8480-6 also names arterial pressure. LOINC 8867-4 alone is taken for `hr`, 8889-8 for `pr`. The
heart rate of a cuff (149546) is not passed on: `hr` and `pr` are running values.
Status: INV NAV CAL no value; DEMO TEST not of a patient; QUES EARLY doubtful; ALACT in alarm.

Times count, by the sender's own clock. A message is live within 2 min of MSH-7, or its values
are not given. The age of a value is MSH-7 less OBX-14, and its time is so much before its
arrival; a time that has been given before is the same value again. A blood pressure is a reading
when its OBX-14 is new, at most 2 min old, and not from before the link. Without an OBX-14, as
nothing else tells a new one from an old: when it differs from the one before; the first is old.
Units are checked, kPa is converted. Messages of two beds never become one patient: the first is
kept until it has been silent for a minute. Every message is answered, as its MSH-15, 16 want.

Sources: GE's B40 and Philips's Efficia manuals (fields, answers); HL7/phd (codes); messages of
Mindray VS900, VS8, eGateway and of Comen in public code and notes (codes 150301-3, 150488,
151578; DEMO; -999 = no value; OBX-11 empty; MSH-15 AL, MSH-16 NE). Of the statuses only DEMO
and INV were seen, the others are IHE's as remembered. Nobody has tried this on hardware: the one
message seen on a wire came from a monitor in demo mode. `encode` knows no time: it leaves MSH-7
and OBX-14 empty.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import pairwise

from devices.driver import Chunk, Driver, Event, Values
from devices.framing import DOUBTFUL, NO_VALUE, Conditions, StreamDecoder, number, within
from devices.hl7 import Frames, Message, answer, at, frame, parse, time_us
from vitals.channels import CHANNELS, NIBP
from vitals.model import US, Flag, Notice, Numeric, Quality

LIVE_US = 120 * US
"""What is further from its arrival than this is not live."""
BEFORE_US = 10 * US
"""A blood pressure so much older than the first message was there before the link."""
SAME_BED_US = 60 * US
MAX_ANSWERS = 64
FRAME_BYTES = 4096

_MDC = (
    ("hr", 147842, "MDC_ECG_HEART_RATE"),
    ("hr", 147842, "MDC_ECG_CARD_BEAT_RATE"),
    ("pr", 149530, "MDC_PULS_OXIM_PULS_RATE"),
    ("spo2", 150456, "MDC_PULS_OXIM_SAT_O2"),
    ("nibp_sys", 150021, "MDC_PRESS_BLD_NONINV_SYS"),
    ("nibp_dia", 150022, "MDC_PRESS_BLD_NONINV_DIA"),
    ("nibp_map", 150023, "MDC_PRESS_BLD_NONINV_MEAN"),
    ("nibp_sys", 150301, "MDC_PRESS_CUFF_SYS"),
    ("nibp_dia", 150302, "MDC_PRESS_CUFF_DIA"),
    ("nibp_map", 150303, "MDC_PRESS_CUFF_MEAN"),
    ("pi", 150448, "MDC_PULS_OXIM_PERF_REL"),
    ("pi", 150488, "MDC_BLD_PERF_INDEX"),
    ("rr", 151562, "MDC_RESP_RATE"),
    ("rr", 151578, "MDC_TTHOR_RESP_RATE"),
)
"""Channel, 32-bit code and name; of two that are one channel the upper one is taken."""
_BY_MDC = {str(code): (rank, key) for rank, (key, code, _) in enumerate(_MDC)}
_BY_MDC |= {name: (rank, key) for rank, (key, _, name) in enumerate(_MDC)}
_LOINC = {
    "8867-4": "hr",
    "8889-8": "pr",
    "59408-5": "spo2",
    "2708-6": "spo2",
    "8480-6": "nibp_sys",
    "8462-4": "nibp_dia",
    "8478-0": "nibp_map",
    "61006-3": "pi",
    "9279-1": "rr",
}
_BY_LOINC = {code: (len(_MDC) + i, key) for i, (code, key) in enumerate(_LOINC.items())}
_MDIL = re.compile(r"([0-9a-fA-F]{4})-([0-9a-fA-F]{4})")

_UNITS = {
    "mm[Hg]": ("266016", "mdc_dim_mmhg", "mmhg", "mm[hg]"),
    "kPa": ("265987", "mdc_dim_kilo_pascal", "kpa"),
    "%": ("262688", "mdc_dim_percent", "%", "percent"),
    "/min": (
        *("264864", "mdc_dim_beat_per_min", "264928", "mdc_dim_resp_per_min"),
        *("/min", "1/min", "bpm", "rpm", "brpm", "beats/min", "{beats}/min", "{breaths}/min"),
    ),
}
_UNIT = {word: unit for unit, words in _UNITS.items() for word in words}
_FACTOR = {("mm[Hg]", "mm[Hg]"): 1.0, ("mm[Hg]", "kPa"): 7.50062, ("%", "%"): 1.0}
_FACTOR |= {("/min", "/min"): 1.0, ("%", ""): 1.0, ("/min", ""): 1.0}
"""(unit of the channel, unit sent) -> factor; a pressure without a unit might be anything."""

_GIVEN = ("R", "F", "P", "S", "U", "")
_NONE = ("X", "N", "O", "I")
"""OBX-11: a result; none. All others change what was sent before, and are passed over."""
_NO_NUMBER = {"INV", "NAV", "CAL"}
_NOT_REAL = {"DEMO", "TEST"}
_DOUBTED = {"QUES", "EARLY"}
_NUMBER = re.compile(r"[+-]?\d{1,9}(\.\d{1,9})?")
NO_NUMBER = 8388607.0
"""What IEEE 11073 writes for "not a number"."""

_SEVERAL = "messages of several beds or patients arrive: add ?bed= or ?pid= to the device's url"
_DEMO = "the monitor marks its values as demo or test data, so they are not shown"
_CLOCK = (
    "{} and the station are {} s apart: set the clock and time zone of both, or the values are old"
)


@dataclass(frozen=True, slots=True)
class _Result:
    """One OBX: `value` None = there is none; `unit` is empty unless it is unknown."""

    channel: str
    rank: int
    value: float | None
    trust: Quality
    flags: frozenset[Flag]
    time_us: int | None
    real: bool
    unit: str


class _Decoder(StreamDecoder):
    def __init__(self, device: str) -> None:
        super().__init__(device, FRAME_BYTES)
        self._frames = Frames()
        self._answers: deque[bytes] = deque(maxlen=MAX_ANSWERS)
        self._conditions = Conditions(device)
        self._said: dict[str, str] = {}
        self._whose = ("", "")
        self._whose_us = 0
        self._other_us: int | None = None
        self._given_us: dict[str, int] = {}
        self._nibp_us: int | None = None
        self._undated: tuple[float | None, ...] | None = None

    def due(self, now_us: int) -> bytes:
        return self._answers.popleft() if self._answers else b""

    def feed(self, chunk: Chunk) -> list[Event]:
        events: list[Event] = []
        for piece in self._frames.feed(chunk.data):
            if isinstance(piece, int):
                self.refuse(piece)
                continue
            message = parse(piece)
            error = "not an HL7 message" if message is None else _unusable(message)
            if error:
                self.refuse(len(piece) + 2)
            self.accept()  # the next one is counted by itself
            if message is not None:
                events += [] if error else self._read(message, chunk.at_us)
                if said := answer(message, error, chunk.at_us):
                    self._answers.append(said)
        return events

    def _read(self, message: Message, at_us: int) -> list[Event]:
        sent_us = time_us(message.field("MSH", 7), at_us)
        late_us = 0 if sent_us is None else at_us - sent_us
        live = abs(late_us) <= LIVE_US
        reports: dict[str, str] = {}
        if not self._ours(message, at_us):
            return self._report({**self._said, "several_patients": _SEVERAL}, at_us)
        if self._other_us is not None and at_us - self._other_us <= SAME_BED_US:
            reports["several_patients"] = _SEVERAL
        found = _results(message, at_us)
        now_us = at_us if sent_us is None else sent_us
        if not live and found:
            reports["clock_differs"] = _CLOCK.format("the sender", abs(late_us) // US)
        if not all(result.real for result in found.values()):
            reports["demo_data"] = _DEMO
        for result in found.values():
            if result.unit:
                reports["unknown_unit"] = f"{result.channel} comes in {result.unit}; set another"
        events: list[Event] = []
        for result in found.values():
            if result.channel in NIBP:
                continue
            age_us = 0 if result.time_us is None else now_us - result.time_us
            if abs(age_us) > LIVE_US and live and result.value is not None:
                reports["clock_differs"] = _CLOCK.format("the monitor", abs(age_us) // US)
            current = live and abs(age_us) <= LIVE_US
            if not self._again(result) or not current:
                value = result.value if current else None
                events.append(self._numeric(result, value, at_us - max(age_us, 0), sent_us))
        if live:
            events += self._nibp(found, now_us, at_us)
        flags: frozenset[Flag] = frozenset().union(*(result.flags for result in found.values()))
        return [*self._report(reports, at_us), *self._conditions.change(flags, at_us), *events]

    def _ours(self, message: Message, at_us: int) -> bool:
        """Whether it is of the patient of the messages before; only the first one's are read."""
        bed = "^".join(message.components(message.field("PV1", 3))[:4]).strip("^ ")
        whose = (bed, message.components(message.field("PID", 3))[0].strip())
        if any(old and new and old != new for old, new in zip(self._whose, whose, strict=True)):
            if at_us - self._whose_us <= SAME_BED_US:
                self._other_us = at_us
                return False
            self._whose = ("", "")
            self._given_us.clear()
            self._nibp_us = self._undated = None
        self._whose = (whose[0] or self._whose[0], whose[1] or self._whose[1])
        self._whose_us = at_us
        return True

    def _again(self, result: _Result) -> bool:
        """Whether a value has been given already, by its time."""
        if result.value is None or result.time_us is None:
            return False
        again = result.time_us <= self._given_us.get(result.channel, result.time_us - 1)
        if not again:
            self._given_us[result.channel] = result.time_us
        return again

    def _nibp(self, found: dict[str, _Result], now_us: int, at_us: int) -> list[Event]:
        parts = [found[channel] for channel in NIBP if channel in found]
        first = self._nibp_us is None
        if first:
            self._nibp_us = now_us - BEFORE_US
        if not all(part.real for part in parts) or len({part.time_us for part in parts}) != 1:
            return []  # none, or of two determinations
        values = tuple(part.value for part in parts)
        time = parts[0].time_us
        if time is None:
            known, has = self._undated, any(value is not None for value in values)
            if known is None or has:
                self._undated = values
            if known is None or not has or values == known:
                return []
            time = now_us
        else:
            new = time > (self._nibp_us or 0) and any(value is not None for value in values)
            if not new or abs(now_us - time) > LIVE_US:
                return []
            self._nibp_us = time
        at = at_us - max(now_us - time, 0)
        sane = _sane(found)
        return [self._numeric(part, part.value if sane else None, at, now_us) for part in parts]

    def _numeric(
        self, result: _Result, value: float | None, at_us: int, sent_us: int | None
    ) -> Numeric:
        value = None if value is None else within(result.channel, value)
        trust = Quality.INVALID if value is None else result.trust
        device_us = sent_us if result.time_us is None else result.time_us
        return Numeric(self.device, result.channel, at_us, value, trust, result.flags, device_us)

    def _report(self, now: dict[str, str], at_us: int) -> list[Event]:
        """What is wrong with the messages: notices on change only."""
        before, self._said = self._said, now
        return [
            Notice(self.device, at_us, code, code in now, now.get(code, ""))
            for code in sorted(before.keys() ^ now.keys())
        ]


def _unusable(message: Message) -> str:
    """Why a message cannot be used, without data of the patient; `""` when it can."""
    if message.components(message.field("MSH", 9))[:2] != ["ORU", "R01"]:
        return "only ORU R01 is used here"
    return "several patients in one message" if len(message.all("PID")) > 1 else ""


def _results(message: Message, at_us: int) -> dict[str, _Result]:
    """One result for each channel; of several the one whose code is preferred."""
    found: dict[str, _Result] = {}
    training = message.components(message.field("MSH", 11))[0] in ("T", "D")
    for segment in message.all("OBX"):
        result = _result(message, segment, at_us, training)
        if result and (result.channel not in found or result.rank < found[result.channel].rank):
            found[result.channel] = result
    return found


def _result(
    message: Message, segment: tuple[str, ...], at_us: int, training: bool
) -> _Result | None:
    what = _what(message.components(at(segment, 3)))
    status = at(segment, 11).strip()
    if what is None or status not in _GIVEN + _NONE:
        return None
    rank, channel = what
    marks = {
        message.components(mark)[0].strip().upper() for mark in message.repetitions(at(segment, 8))
    }
    text = message.components(at(segment, 5))[0].strip()
    sent = float(text) if _NUMBER.fullmatch(text) and status in _GIVEN else NO_NUMBER
    value = sent if 0 <= sent < NO_NUMBER else None  # none, too: -1, -99.9, -999
    real = not training and not marks & _NOT_REAL
    factor = _factor(channel, message.components(at(segment, 6)))
    unknown = "" if factor is not None or value is None else at(segment, 6)[:40] or "no unit"
    if marks & _NO_NUMBER or not real or value is None or factor is None:
        value = None
    elif factor != 1:
        value = float(round(value * factor))
    trust = Quality.QUESTIONABLE if marks & _DOUBTED else Quality.GOOD
    flags = frozenset({Flag.DEVICE_ALARM} if "ALACT" in marks else ())
    when_us = time_us(at(segment, 14), at_us)
    return _Result(channel, rank, value, trust, flags, when_us, real, unknown)


def _what(parts: list[str]) -> tuple[int, str] | None:
    """Rank and channel of OBX-3: code, name, system, and perhaps a second such triple."""
    triples = [[part.strip() for part in parts[i : i + 3]] + [""] * 3 for i in (0, 3)]
    mdc = [t for t in triples if t[2].startswith("MDC") or t[1].startswith("MDC_")]
    if mdc:
        code, name = mdc[0][:2]
        known = {found for found in (_BY_MDC.get(code), _BY_MDC.get(name)) if found}
        return min(known) if len({key for _, key in known}) == 1 else None
    for code, _, system, *_ in triples:
        if system == "MDIL":
            hexadecimal = _MDIL.fullmatch(code)
            number = hexadecimal and int(hexadecimal[1] + hexadecimal[2], 16)
            return _BY_MDC.get(str(number))
        if system in ("LN", "LOINC", "") and code in _BY_LOINC:
            return _BY_LOINC[code]
    return None


def _factor(channel: str, parts: list[str]) -> float | None:
    """What makes a number of OBX-6 one of the channel; None when that unit cannot be."""
    words = [part.strip() for part in parts if part.strip()]
    words += [str(int(code.replace("-", ""), 16)) for code in words if _MDIL.fullmatch(code)]
    known = [_UNIT[word.lower()] for word in words if word.lower() in _UNIT]
    if words and not known:
        return None
    return _FACTOR.get((CHANNELS[channel].unit, known[0] if known else ""))


def _sane(found: dict[str, _Result]) -> bool:
    """Whether the values are a blood pressure: DIA < MAP < SYS, MAP only if it came."""
    order = [found.get(channel) for channel in ("nibp_dia", "nibp_map", "nibp_sys")]
    values = [result.value for result in order if result]
    numbers = [value for value in values if value is not None]
    whole = bool(order[0] and order[2]) and len(numbers) == len(values)
    return whole and all(low < high for low, high in pairwise(numbers))


# --- the device side --------------------------------------------------------------------------

_SENT = {"mm[Hg]": "266016^MDC_DIM_MMHG^MDC", "%": "262688^MDC_DIM_PERCENT^MDC"}
_SENT_RATE = {"rr": "264928^MDC_DIM_RESP_PER_MIN^MDC"}
_BEAT = "264864^MDC_DIM_BEAT_PER_MIN^MDC"
_OXIMETER = ("spo2", "pr", "pi")
_NAMES = {key: f"{code}^{name}^MDC" for key, code, name in reversed(_MDC)}
_STREAMS = tuple(key for key in _NAMES if key not in NIBP)


def _report(channels: Iterable[str], values: Values, flags: Collection[Flag]) -> bytes:
    lines = [
        r"MSH|^~\&|SIMULATOR||||||ORU^R01^ORU_R01|1|P|2.6|||NE|AL||UNICODE UTF-8",
        "PID|||DEMO",
        "PV1||I",
        "OBR|1|||182777000^monitoring of patient^SCT",
    ]
    marks = "ALACT" if Flag.DEVICE_ALARM in flags else "QUES" if DOUBTFUL & set(flags) else ""
    for i, channel in enumerate(channels, 1):
        value = number(values, channel)
        if channel in _OXIMETER and NO_VALUE & set(flags):
            value = None
        unit = _SENT.get(CHANNELS[channel].unit) or _SENT_RATE.get(channel, _BEAT)
        said = "|" if value is None else f"{value:g}|"
        status = "X" if value is None else "R"
        lines.append(f"OBX|{i}|NM|{_NAMES[channel]}|1.1.1.{i}|{said}{unit}||{marks}|||{status}")
    return frame("".join(line + "\r" for line in lines))


def _encode(values: Values, flags: Collection[Flag]) -> list[tuple[str, bytes]]:
    """The running values, with no blood pressure yet; then the blood pressure, if there is one."""
    out = [_report((*_STREAMS, *NIBP), {**values, **dict.fromkeys(NIBP)}, flags)]
    if any(number(values, channel) is not None for channel in NIBP):
        out.append(_report(NIBP, values, flags))
    return [("", data) for data in out]


DRIVER = Driver(
    name="hl7-oru",
    transport="mllp",
    title="Bedside monitors and gateways that send HL7 (ORU^R01, IHE PCD-01)",
    channels=(*_STREAMS, *NIBP),
    settings=None,
    decoder=_Decoder,
    encode=_encode,
    period_s=10.0,
    quiet_s=30.0,
    own_alarm="yes",
    evidence="manual",
)
