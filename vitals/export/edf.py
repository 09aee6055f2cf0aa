"""EDF+ (continuous): streams at one value a second, waveforms at their own rate, all else as text.

A place without a valid value holds the signal's physical minimum, which is below everything that
was measured; the gap stands as an annotation too. Steps are whole decimal digits, so numbers come
back exactly. Times of the streams are those of the second: the exact ones are in the other formats.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vitals.channels import NIBP
from vitals.export import nomenclature, times
from vitals.export.session_data import (
    DISCLAIMER,
    QUESTIONABLE,
    NumericTrack,
    Pressure,
    SessionData,
    WaveTrack,
)
from vitals.export.target import ExportError, Tell
from vitals.export.timeline import timeline
from vitals.model import US, Quality, Waveform

if TYPE_CHECKING:
    from edfio import EdfAnnotation, EdfSignal

_TOP = 32767
_STEPS = 65535
"""Values that a sample can tell apart, besides "no value"."""
_DIGITS = 3
_WIDE = 8
"""Characters that a limit may have in the header."""
_NEAR = 1e-4
_RECORD_S = 10
_GAP_S = 3.0


def write(data: SessionData, file: IO[bytes], tell: Tell) -> None:
    """Writes the file.

    Raises:
        ExportError: edfio is not installed, or the session is out of what EDF can say.
    """
    try:
        import edfio
    except ImportError as error:
        raise ExportError('EDF+ needs edfio: pip install "kap-vitals[edf]"') from error
    start_us = _start(data)
    start = times.moment(start_us, data.zone)
    if not 1985 <= start.year <= 2084:
        raise ExportError(f"EDF+ knows the years 1985 to 2084 only, not {start.year}; use csv")
    seconds = max(1, math.ceil((_last(data) - start_us) / US) + 1)
    record_s = _record_s(data)
    seconds = math.ceil(seconds / record_s) * record_s
    signals: list[EdfSignal] = []
    for track in data.numerics:
        if nomenclature.is_dense(track) and track.shown.any():
            tell(track.channel.label)
            signals.append(_numeric(track, start_us, seconds))
    for wave in data.waves:
        tell(wave.channel.label)
        signals += _waves(wave, start_us, seconds, record_s)
    session = data.session
    found = edfio.Edf(
        signals,
        patient=edfio.Patient(code=subfield(session.subject_ref, 40)),
        recording=edfio.Recording(
            startdate=start.date(),
            hospital_administration_code=subfield(session.id, 36),
            equipment_code="kap-vitals",
            additional=[data.watermark] if data.watermark else [],
        ),
        starttime=start.time(),
        data_record_duration=record_s if signals else None,
        annotations=sorted(_annotations(data, start_us), key=lambda one: one.onset),
    )
    tell("file")
    buffer = io.BytesIO()
    found.write(buffer)
    file.write(buffer.getbuffer())


def subfield(value: str, most: int) -> str:
    """A text as one word of an EDF+ header: printable ASCII without spaces."""
    return re.sub(r"[^!-~]+", "_", value)[:most] or "X"


def _start(data: SessionData) -> int:
    first = [data.session.started_us]
    first += [int(track.at_us[0]) for track in data.numerics]
    first += [track.blocks[0].start_us for track in data.waves]
    return min(first) // US * US


def _last(data: SessionData) -> int:
    last = [data.to_us]
    last += [int(track.at_us[-1]) for track in data.numerics]
    for track in data.waves:
        block = track.blocks[-1]
        last.append(block.start_us + round(block.values.size / block.rate_hz * US))
    return max(last)


def _record_s(data: SessionData) -> int:
    """A record of about ten whole seconds that holds whole samples of every waveform.

    Every record has room for the annotations of the fullest one: short ones make a large file.
    """
    rates = {block.rate_hz for track in data.waves for block in track.blocks}
    for seconds in range(_RECORD_S, 4 * _RECORD_S):
        if all(abs(rate * seconds - round(rate * seconds)) < _NEAR for rate in rates):
            return seconds
    return _RECORD_S


# --- streams ------------------------------------------------------------------------------------


def _numeric(track: NumericTrack, start_us: int, seconds: int) -> EdfSignal:
    at_us, value = track.at_us[track.shown], track.value[track.shown]
    place = _seconds(at_us, start_us)
    return _signal(
        track.channel.label, track.channel.unit, track.device, place, value, seconds, 1.0
    )


def _seconds(at_us: NDArray[np.int64], start_us: int) -> NDArray[np.int64]:
    """The second of each value, counted so that a device's own second is not cut in two."""
    offset = (at_us - start_us) / US
    phase = float(np.median(offset % 1.0))
    place: NDArray[np.int64] = np.maximum(np.rint(offset - phase), 0).astype(np.int64)
    for i in range(1, place.size - 1):
        if place[i] == place[i - 1] and place[i + 1] > place[i] + 1:
            place[i] += 1  # the second that it left empty
    return place


def _signal(
    label: str,
    unit: str,
    device: str,
    place: NDArray[np.int64],
    value: NDArray[np.float64],
    seconds: int,
    rate_hz: float,
) -> EdfSignal:
    from edfio import EdfSignal

    scale = _exact_scale(value) or _finest_scale(value)
    steps = np.rint((value - scale.bottom) / scale.step).astype(np.int64)
    digital = np.zeros(round(seconds * rate_hz), dtype=np.int64)  # 0 is "no value"
    inside = place < digital.size
    digital[place[inside]] = steps[inside]
    shift = 0 if scale.steps <= _TOP else _TOP + 1
    top = scale.top
    return EdfSignal.from_digital(
        (digital - shift).astype(np.int16),
        rate_hz,
        label=subfield(label, 16),
        transducer_type=subfield(device or "hand", 80),
        physical_dimension=_dimension(unit),
        physical_range=(scale.bottom, top),
        digital_range=(-shift, scale.steps - shift),
        prefiltering=f"{scale.bottom:g} = no value",
    )


class _Scale(NamedTuple):
    """value = bottom + n * step, n from 1 to `steps`; n = 0 is "no value"."""

    bottom: float
    top: float
    step: float
    steps: int


def _exact_scale(value: NDArray[np.float64]) -> _Scale | None:
    """Steps of 1, 0.1, … that tell every value exactly, between whole numbers; or None."""
    low, high = float(value.min()), float(value.max())
    for digits in range(_DIGITS + 1):
        scaled = value * 10.0**digits
        bottom = math.floor(low) if digits and low > math.floor(low) else math.floor(low) - 1
        top = max(math.ceil(high), bottom + 2)
        steps = (top - bottom) * 10**digits
        fits = steps <= _STEPS and max(len(str(bottom)), len(str(top))) <= _WIDE
        if fits and bool(np.all(np.abs(scaled - np.rint(scaled)) < _NEAR)):
            return _Scale(bottom, top, 10.0**-digits, steps)
    return None


def _finest_scale(value: NDArray[np.float64]) -> _Scale:
    """The finest steps that 16 bits allow over the span of the values."""
    low, high = float(value.min()), float(value.max())
    margin = (high - low) / _STEPS * 2 or 1.0
    size = max(abs(low), abs(high), margin) + margin
    digits = max(0, _WIDE - 3 - max(0, math.floor(math.log10(size))))
    unit = 10.0**-digits
    bottom = round(math.floor((low - margin) / unit) * unit, digits)
    top = round(math.ceil(high / unit) * unit, digits)
    return _Scale(bottom, top, (top - bottom) / _STEPS, _STEPS)


def _dimension(unit: str) -> str:
    """A unit as EDF+ spells it."""
    return {"mm[Hg]": "mmHg", "1": "", "{score}": ""}.get(unit, unit)[:8]


# --- waveforms ------------------------------------------------------------------------------------


def _waves(track: WaveTrack, start_us: int, seconds: int, record_s: int) -> Iterator[EdfSignal]:
    blocks = [block for block in track.blocks if block.quality is not Quality.INVALID]
    for rate_hz in sorted({block.rate_hz for block in blocks}):
        group = [block for block in blocks if block.rate_hz == rate_hz]
        place = np.concatenate(list(_samples(group, start_us)))
        value = np.concatenate([block.values for block in group]).astype(np.float64)
        fits = np.isfinite(value)
        if not fits.any():
            continue
        unit, label = track.channel.unit, track.channel.label
        exact_hz = round(rate_hz * record_s) / record_s
        yield _signal(label, unit, track.device, place[fits], value[fits], seconds, exact_hz)


def _samples(blocks: list[Waveform], start_us: int) -> Iterator[NDArray[np.int64]]:
    """The place of each sample; a block that follows the one before leaves no hole."""
    following = -10
    for block in blocks:
        first = round((block.start_us - start_us) / US * block.rate_hz)
        if abs(first - following) <= 1:
            first = following
        following = first + block.values.size
        yield np.arange(first, following, dtype=np.int64)


# --- annotations ----------------------------------------------------------------------------------


def _annotations(data: SessionData, start_us: int) -> Iterator[EdfAnnotation]:
    from edfio import EdfAnnotation

    def at(from_us: int, text: str, to_us: int | None = None) -> EdfAnnotation:
        onset = (max(from_us, start_us) - start_us) / US
        length = None if to_us is None else max(0.0, (to_us - max(from_us, start_us)) / US)
        return EdfAnnotation(onset, length, _plain(text))

    offset = times.offset_text(start_us, data.zone)
    yield at(start_us, f"{data.software}; local time, UTC{offset}; audit head {data.head}")
    yield at(start_us, DISCLAIMER)
    if data.watermark:
        yield at(start_us, f"{data.watermark}: not a patient's data")
    for sentence in data.unreadable:
        yield at(start_us, sentence)
    for one in data.pressures:
        yield at(one.at_us, pressure_text(one))
    for alarm in data.alarms:
        yield at(alarm.from_us, f"ALARM {alarm.priority}: {alarm.text}", alarm.to_us)
    for point in timeline(data.entries, added=True):
        yield at(point.at_us, point.words)
    for track in data.numerics:
        if nomenclature.is_dense(track):
            for from_us, to_us in _gaps(track):
                yield at(from_us, f"{track.channel.label} gap", to_us)
            for from_us, to_us in _doubted(track):
                yield at(from_us, f"{track.channel.label} questionable", to_us)
        elif track.channel.key not in NIBP:
            shown = track.shown.tolist()
            for i, at_us in enumerate(track.at_us.tolist()):
                if shown[i]:
                    text = (
                        f"{track.channel.label} {track.value[i]:g} {_dimension(track.channel.unit)}"
                    )
                    yield at(at_us, f"{text} ({track.device or 'hand'})")
    for from_us, to_us in data.gaps:
        yield at(from_us, "the program was not running", to_us)
    for from_us, to_us in data.coverage.off:
        yield at(from_us, "off the monitor", to_us)


def pressure_text(one: Pressure) -> str:
    """A blood pressure as people write it: `NIBP 128/82 (97) mmHg`."""
    if one.failure:
        return f"NIBP failed: {one.failure}"
    sys, dia = ("--" if v is None else f"{v:g}" for v in (one.sys, one.dia))
    mean = f" ({one.map:g})" if one.map is not None else ""
    marks = [" M"] if one.manual else []
    marks += [" questionable"] if one.quality is Quality.QUESTIONABLE else []
    return f"NIBP {sys}/{dia}{mean} mmHg{''.join(marks)}"


def _gaps(track: NumericTrack) -> Iterator[tuple[int, int]]:
    at_us = track.at_us[track.shown]
    for i in np.flatnonzero(np.diff(at_us) > _GAP_S * US).tolist():
        yield int(at_us[i]), int(at_us[i + 1])


def _doubted(track: NumericTrack) -> Iterator[tuple[int, int]]:
    doubtful = track.shown & (track.quality == QUESTIONABLE)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], doubtful, [False]))))
    for first, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        last = min(end, track.at_us.size - 1)
        yield int(track.at_us[first]), int(track.at_us[last])


def _plain(text: str) -> str:
    kept = (char if char >= " " and char != "\x7f" else " " for char in text)
    return "".join(kept).encode("utf-8", "replace").decode()
