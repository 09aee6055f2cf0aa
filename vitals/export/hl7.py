r"""HL7 v2.6 ORU^R01 in the shape of IHE PCD-01, as a batch: BHS, one message a minute, BTS.

A failed or invalid value has an empty OBX-5, `X` in OBX-11 and its reason in an NTE; OBX-14 is
the time of the value itself. OBX-8 says `QUES`, `INV`, and `DEMO` or `TEST` for what is not a
patient's. Times have four decimals, the most that HL7 allows. Waveforms are not in it.
"""

from __future__ import annotations

import itertools
import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import tzinfo
from functools import lru_cache
from typing import IO

from vitals.channels import CHANNELS, NIBP
from vitals.export import nomenclature as codes
from vitals.export import times
from vitals.export.csv_files import number
from vitals.export.session_data import QUESTIONABLE, NumericTrack, Pressure, SessionData
from vitals.export.target import Tell
from vitals.model import US, Quality

PROFILE = "PCD_DEC_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO"
_ESCAPES = {"\\": "\\E\\", "|": "\\F\\", "~": "\\R\\", "^": "\\S\\", "&": "\\T\\"}
_SPECIAL = re.compile(r"[\x00-\x1f\x7f\\|~^&]")
_NAMESPACE = uuid.UUID("6b1c6d1e-7a58-5d0c-9f4b-3a0d6a0d9f02")
_MINUTE_US = 60 * US
_MOST = 400
"""Values of one message: it stays below the 64 KiB that receivers like to allow."""
_FIELDS = {"nibp_sys": "sys", "nibp_dia": "dia", "nibp_map": "map"}


@dataclass(frozen=True, slots=True)
class _Value:
    at_us: int
    device: str
    channel: str
    term: codes.Term
    value: float | None
    doubtful: bool
    manual: bool
    reason: str = ""


def write(data: SessionData, file: IO[bytes], tell: Tell) -> None:
    """Writes the batch; every segment ends with a carriage return."""
    tell("values")
    _segment(file, "BHS", "^~\\&", _application(data), "", "", "", _time(data, data.exported_us))
    count = 0
    for count, segments in enumerate(messages(data), 1):
        tell(f"message {count}")
        for fields in segments:
            _segment(file, *fields)
    _segment(file, "BTS", str(count))


def escape(text: str) -> str:
    r"""A text as part of a field: delimiters and control characters as escape sequences."""
    return _SPECIAL.sub(lambda found: _ESCAPES.get(found[0]) or f"\\X{ord(found[0]):02X}\\", text)


def messages(data: SessionData) -> Iterator[list[tuple[str, ...]]]:
    """The segments of each message as tuples of fields, already escaped."""
    places = _places(data)
    values = sorted(_values(data), key=lambda one: (one.at_us, *places[one.device, one.channel]))
    n = 0
    for _, minute in itertools.groupby(values, key=lambda one: one.at_us // _MINUTE_US):
        rows = list(minute)
        for first in range(0, len(rows), _MOST):
            n += 1
            yield _message(data, n, rows[first : first + _MOST], places)


def _message(
    data: SessionData, n: int, rows: list[_Value], places: dict[tuple[str, str], tuple[int, int]]
) -> list[tuple[str, ...]]:
    session = data.session
    id_ = str(uuid.uuid5(_NAMESPACE, f"{session.id}/{n}"))
    order = f"{escape(session.id)}-{n}^KAP_VITALS"
    subject = f"{escape(session.subject_ref)}^^^KAP_VITALS^PI"
    now, start, end = (_time(data, t) for t in (data.exported_us, rows[0].at_us, rows[-1].at_us))
    processing = "P" if session.mode == "real" else "T"
    segments: list[tuple[str, ...]] = [
        (
            "MSH", "^~\\&", _application(data), "KAP_VITALS", "", "", now, "", "ORU^R01^ORU_R01",
            id_, processing, "2.6", "", "", "NE", "AL", "", "UNICODE UTF-8", "", "", PROFILE,
        ),
        ("PID", "1", "", subject, "", "^^^^^^S"),
        ("PV1", "1", "O", f"^^{escape(session.room)}", *[""] * 15, escape(session.id)),
        ("OBR", "1", "", order, "182777000^monitoring of patient^SCT", "", "", start, end),
    ]  # fmt: skip
    number_of = itertools.count(1)
    mds = "^".join(map(str, (*codes.MONITOR_MDC, "MDC")))
    for device in dict.fromkeys(one.device for one in rows):
        place = next(at for (name, _), (at, _) in places.items() if name == device)
        segments.append(
            ("OBX", str(next(number_of)), "", mds, f"{place}.0.0.0", *[""] * 6, "X",
             *[""] * 6, _device(device))
        )  # fmt: skip
    for one in rows:
        segments.append(_obx(data, str(next(number_of)), one, places))
        if one.reason:
            segments.append(("NTE", "1", "", escape(one.reason)))
    return segments


def _obx(
    data: SessionData, n: str, one: _Value, places: dict[tuple[str, str], tuple[int, int]]
) -> tuple[str, ...]:
    mds, metric = places[one.device, one.channel]
    about = CHANNELS.get(one.channel)
    code = one.term.mdc or (0, one.channel)
    unit = codes.unit_of(one.channel, about.unit if about else "1")
    validity = "" if one.value is not None else "INV"
    validity = "QUES" if one.doubtful else validity
    marks = "~".join(word for word in (validity, data.watermark) if word)
    return (
        "OBX", n, "NM", f"{code[0]}^{escape(code[1])}^MDC", f"{mds}.1.1.{metric}",
        number(one.value), f"{unit[0]}^{unit[1]}^MDC" if unit else "", "", marks, "", "",
        "X" if one.value is None else "F" if one.manual else "R", "", "", _time(data, one.at_us),
        "", "", "", _device(one.device),
    )  # fmt: skip


def _values(data: SessionData) -> Iterator[_Value]:
    for one in data.pressures:
        yield from _of_pressure(one)
    for track in data.numerics:
        if track.channel.key not in NIBP:
            yield from _of_track(track, codes.term_of(track, data))


def _of_pressure(one: Pressure) -> Iterator[_Value]:
    for key, field in _FIELDS.items():
        value: float | None = getattr(one, field)
        if value is None and key == "nibp_map":
            continue
        doubtful = value is not None and one.quality is Quality.QUESTIONABLE
        reason = one.failure if value is None else ""
        yield _Value(
            one.at_us, one.device, key, codes.TERMS[key], value, doubtful, one.manual, reason
        )


def _of_track(track: NumericTrack, term: codes.Term) -> Iterator[_Value]:
    shown = track.shown.tolist()
    for i, at_us in enumerate(track.at_us.tolist()):
        yield _Value(
            at_us,
            track.device,
            track.channel.key,
            term,
            float(track.value[i]) if shown[i] else None,
            shown[i] and int(track.quality[i]) == QUESTIONABLE,
            "manual" in track.flags[i].split(","),
        )


def _places(data: SessionData) -> dict[tuple[str, str], tuple[int, int]]:
    """OBX-4 of each (device, channel): number of its monitor, number of the metric in it."""
    found = dict.fromkeys((one.device, key) for one in data.pressures for key in NIBP)
    found |= dict.fromkeys((track.device, track.channel.key) for track in data.numerics)
    devices = sorted({device for device, _ in found})
    metrics = {key: n for n, key in enumerate(CHANNELS, 1)}
    return {
        (device, key): (devices.index(device) + 1, metrics.get(key, len(metrics) + 1))
        for device, key in found
    }


def _application(data: SessionData) -> str:
    return f"KAP_VITALS^{uuid.uuid5(_NAMESPACE, data.station)}^UUID"


def _device(device: str) -> str:
    return f"{escape(device)}^KAP_VITALS" if device else "HAND^KAP_VITALS"


def _time(data: SessionData, at_us: int) -> str:
    """DTM of a time to 0.1 ms, with the offset from UTC."""
    second, fraction = divmod((at_us + 50) // 100, US // 100)
    digits, offset = _second(second, data.zone)
    return f"{digits}.{fraction:04}{offset}"


@lru_cache(4096)
def _second(second: int, where: tzinfo) -> tuple[str, str]:
    at = times.moment(second * US, where)
    return f"{at:%Y%m%d%H%M%S}", times.offset_text(second * US, where).replace(":", "")


def _segment(file: IO[bytes], *fields: str) -> None:
    last: Iterable[str] = fields
    file.write("|".join(last).rstrip("|").encode("utf-8", "replace") + b"\r")
