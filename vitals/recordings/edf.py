"""Reads EDF and EDF+: our own exports and those of other programs.

    header 256 bytes: version 8, patient 80, recording 80, date 8, time 8, bytes of the headers 8,
                      reserved 44 ("EDF+C", "EDF+D"), records 8, seconds of a record 8, signals 4
    each signal 256:  label 16, transducer 80, unit 8, physical low 8, high 8, digital low 8,
                      high 8, prefiltering 80, samples in a record 8, reserved 32, all of a kind
                      together
    then the records: int16 little-endian of each signal, annotations as texts (TAL)

As published by Kemp and Olivan, "European data format 'plus'" (2003). Times are the clinic's local
time without an offset: our own exports say it in an annotation, of others it is taken as `zone`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from vitals.channels import CHANNELS
from vitals.model import US
from vitals.recordings import names
from vitals.recordings.csv_times import us_of
from vitals.recordings.mapping import Mapping, zone_of
from vitals.recordings.recording import (
    Facts,
    LeftOut,
    Raw,
    RawBlock,
    RawNumbers,
    RawWave,
    RecordingError,
    Remark,
    Tell,
)

NAME = "edf"
SIGN = b"0       "
_OWN = "kap-vitals"
_ANNOTATIONS = "EDF Annotations"
_MOST_SIGNALS = 512
_MOST_BYTES = 2 << 30
_SLOW_HZ = 4.0
"""Slower signals are numbers, quicker ones waveforms."""
_OFFSET = re.compile(r"local time, UTC([+-]\d\d:\d\d)")
_NONE = re.compile(r"(-?[\d.]+(?:e[+-]?\d+)?) = no value")
_NIBP = re.compile(r"NIBP (--|[\d.]+)/(--|[\d.]+)(?: \(([\d.]+)\))? mmHg( M)?( questionable)?$")
_STARTS = (
    "ALARM ", f"{_OWN} ", "NIBP failed", "DEMO: ", "TEST: ", "Staff aid", "The record is",
    "the program was not running", "off the monitor",
)  # fmt: skip
_ENDS = (" gap", " questionable")
_FIELDS = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)


@dataclass(slots=True)
class _Signal:
    label: str
    device: str
    unit: str
    low: float
    high: float
    digital_low: float
    digital_high: float
    filtering: str
    samples: int
    place: int = 0

    def physical(self, digital: NDArray[np.int16]) -> NDArray[np.float64]:
        """Values of a signal; NaN where our own exports have none."""
        step = (self.high - self.low) / (self.digital_high - self.digital_low)
        found = (digital.astype(np.float64) - self.digital_low) * step + self.low
        none = _NONE.search(self.filtering)
        if none is not None:
            found[digital == self.digital_low] = np.nan
            digits = max(0, round(-np.log10(abs(step)))) if step else 0
            return np.round(found, digits)
        return found


def read(path: Path, mapping: Mapping, tell: Tell) -> Raw:
    """All of it.

    Raises:
        RecordingError: it is no EDF, or damaged from the beginning.
        OSError: it cannot be read.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise RecordingError(f"{path.name}: it is larger than {_MOST_BYTES >> 30} GiB")
    with path.open("rb") as file:
        return _File(file, path.name, mapping).raw(tell)


class _File:
    def __init__(self, file: IO[bytes], name: str, mapping: Mapping) -> None:
        self._file, self._name, self._mapping = file, name, mapping
        head = self._bytes(256)
        if not head.startswith(SIGN):
            raise RecordingError(f"{name}: it is no EDF file")
        self._start = self._local(head[168:176], head[176:184])
        self._patient = head[8:88].decode("latin-1").split(" ")[0]
        self._parts = head[192:236].startswith(b"EDF+D")
        self._record_s = self._number(head[244:252])
        count = self._number(head[252:256])
        if not (1 <= count <= _MOST_SIGNALS and 0 <= self._record_s <= 86_400):
            raise RecordingError(f"{name}: its header is damaged")
        self._signals = self._read_signals(int(count))

    def _bytes(self, count: int) -> bytes:
        found = self._file.read(count)
        if len(found) < count:
            raise RecordingError(f"{self._name}: it is cut short in its header")
        return found

    def _number(self, text: bytes) -> float:
        try:
            found = float(text.decode("ascii"))
        except ValueError as error:
            raise RecordingError(f"{self._name}: its header is damaged") from error
        if not np.isfinite(found):
            raise RecordingError(f"{self._name}: its header is damaged")
        return found

    def _local(self, date: bytes, time: bytes) -> datetime:
        try:
            text = f"{date.decode('ascii')} {time.decode('ascii')}"
            found = datetime.strptime(text, "%d.%m.%y %H.%M.%S")  # noqa: DTZ007 - it says no zone
        except ValueError as error:
            raise RecordingError(f"{self._name}: its beginning is no date") from error
        century = 1900 if found.year % 100 >= 85 else 2000
        return found.replace(year=century + found.year % 100)

    def _read_signals(self, count: int) -> list[_Signal]:
        columns = []
        for width in _FIELDS:
            block = self._bytes(width * count)
            columns.append([block[n * width : (n + 1) * width] for n in range(count)])
        signals, place = [], 0
        for label, device, unit, low, high, bottom, top, filtering, samples, _ in zip(
            *columns, strict=True
        ):
            name = label.decode("latin-1").strip()
            one = _Signal(
                name,
                device.decode("latin-1").strip(),
                unit.decode("latin-1").strip(),
                self._number(low),
                self._number(high),
                self._number(bottom),
                self._number(top),
                filtering.decode("latin-1").strip(),
                int(self._number(samples)),
                place,
            )
            if not 0 <= one.samples <= 1 << 22 or one.digital_low >= one.digital_high:
                raise RecordingError(f"{self._name}: the header of signal {name!r} is damaged")
            signals.append(one)
            place += one.samples
        self._width = place
        if not 0 < place <= 1 << 24:
            raise RecordingError(f"{self._name}: its header is damaged")
        return signals

    def raw(self, tell: Tell) -> Raw:
        """Everything in the file."""
        found = Raw(NAME)
        chunks: list[NDArray[np.int16]] = []
        while len(block := self._file.read(self._width * 2)) == self._width * 2:
            chunks.append(np.frombuffer(block, "<i2"))
            if len(chunks) % 500 == 1:
                tell(self._name)
        if block:
            found.notes.append("The file is cut short; its last part is left out.")
        records = np.stack(chunks) if chunks else np.zeros((0, self._width), np.int16)
        onsets, said = self._annotations(records)
        own = any(text.startswith(f"{_OWN} ") for _, _, text in said)
        found.own = own
        offset = next((m[1] for _, _, text in said if own and (m := _OFFSET.search(text))), "")
        time = self._mapping.time
        zone = zone_of(offset or (time.zone if time else ""))
        begin_us = us_of(self._start.replace(tzinfo=zone))
        if not offset and not (time and time.zone):
            found.notes.append("The file does not say its time zone; its times are taken as UTC.")
        local = self._start.replace(tzinfo=zone)
        subject = self._patient.replace("_", " ") if own and self._patient != "X" else ""
        found.facts = Facts(subject=subject, tz=local.strftime("%z")[:5])
        at_us = np.array([begin_us + round(s * US) for s in onsets], dtype=np.int64)
        for signal in self._signals:
            if signal.label != _ANNOTATIONS and signal.samples and records.size:
                self._signal(found, signal, records, at_us)
        readings = _Readings()
        for onset, _, text in said:
            when_us = begin_us + round(onset * US)
            if not (own and (readings.take(when_us, text) or _recomputed(text))):
                found.remarks.append(Remark(when_us, text))
        found.numbers += readings.numbers()
        return found

    def _signal(
        self, found: Raw, signal: _Signal, records: NDArray[np.int16], at_us: NDArray[np.int64]
    ) -> None:
        rate_hz = signal.samples / self._record_s if self._record_s else 0.0
        if rate_hz <= 0:
            found.left_out.append(LeftOut(signal.label, "it has no rate"))
            return
        kind: names.Kind = "number" if rate_hz <= _SLOW_HZ else "wave"
        known = names.channel_of(signal.label, kind)
        if not self._mapping.track and known is None:
            found.left_out.append(LeftOut(signal.label, "not known; a mapping can name it"))
            return
        digital = records[:, signal.place : signal.place + signal.samples]
        value = signal.physical(digital)
        channel = known[0] if known and found.own else ""
        about = (signal.device if found.own else "", signal.label, signal.unit)
        if kind == "wave":
            step = [
                RawBlock(int(start), row.astype(np.float32))
                for start, row in zip(at_us.tolist(), value, strict=True)
            ]
            blocks = _without_gaps(step, rate_hz) if found.own else step
            found.waves.append(RawWave(*about, rate_hz, blocks, channel))
            return
        offsets = np.rint(np.arange(signal.samples) / rate_hz * US).astype(np.int64)
        times = (at_us[:, None] + offsets[None, :]).reshape(-1)
        values = value.reshape(-1)
        if found.own:  # an empty second is a gap, not a word of the device
            times, values = times[~np.isnan(values)], values[~np.isnan(values)]
        found.numbers.append(RawNumbers(*about, times, values, channel))

    def _annotations(
        self, records: NDArray[np.int16]
    ) -> tuple[list[float], list[tuple[float, float | None, str]]]:
        """When each record begins, and all texts: (seconds, length, text)."""
        onsets = [n * self._record_s for n in range(len(records))]
        said: list[tuple[float, float | None, str]] = []
        places = [s for s in self._signals if s.label == _ANNOTATIONS]
        for n, record in enumerate(records):
            for i, signal in enumerate(places):
                block = record[signal.place : signal.place + signal.samples].tobytes()
                for m, (onset, length, texts) in enumerate(_tals(block)):
                    if i == 0 and m == 0 and not any(texts):
                        onsets[n] = onset if self._parts else onsets[n]
                    said += [(onset, length, text) for text in texts if text]
        return onsets, said


def _tals(block: bytes) -> Iterator[tuple[float, float | None, list[str]]]:
    r"""Time-stamped lists: `+onset[\x15length]\x14text\x14…\x14\0`."""
    for part in block.split(b"\0"):
        stamp, mark, rest = part.partition(b"\x14")
        if not mark:
            continue
        onset, _, length = stamp.partition(b"\x15")
        try:
            when, lasts = float(onset), float(length) if length else None
        except ValueError:
            continue
        if abs(when) < 1e8:
            yield when, lasts, [t.decode("utf-8", "replace").strip() for t in rest.split(b"\x14")]


def _without_gaps(blocks: list[RawBlock], rate_hz: float) -> list[RawBlock]:
    """Runs of real samples, of at most a second each."""
    found = []
    most = max(1, int(rate_hz))
    for block in blocks:
        real = np.isfinite(block.values)
        edges = np.flatnonzero(np.diff(np.concatenate(([False], real, [False]))))
        for first, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            for at in range(first, end, most):
                start_us = block.start_us + round(at / rate_hz * US)
                found.append(RawBlock(start_us, block.values[at : min(at + most, end)]))
    return found


class _Readings:
    """Blood pressures that our own exports have as texts."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], list[tuple[int, float, int, str]]] = {}

    def take(self, at_us: int, text: str) -> bool:
        """Takes a text if it is a blood pressure."""
        match = _NIBP.fullmatch(text)
        if match is None:
            return False
        device = "hand" if match[4] else "cuff"
        for key, word in zip(("nibp_sys", "nibp_dia", "nibp_map"), match.groups()[:3], strict=True):
            if word and word != "--":
                given = (at_us, float(word), int(bool(match[5])), "manual" if match[4] else "")
                self._kept.setdefault((device, key), []).append(given)
        return True

    def numbers(self) -> list[RawNumbers]:
        """All of them as tracks."""
        found = []
        for (device, key), given in self._kept.items():
            at_us, value, quality, flags = zip(*given, strict=True)
            times, values = np.array(at_us, np.int64), np.array(value, np.float64)
            codes = np.array(quality, np.uint8)
            about = (device, key, CHANNELS[key].unit, times, values, key)
            found.append(RawNumbers(*about, codes, flags))
        return found


def _recomputed(text: str) -> bool:
    """Texts of our own exports that are found out again, or are not about the patient."""
    return text.startswith(_STARTS) or text.endswith(_ENDS)
