"""Reads `.vital` files: Vital Recorder's, VitalDB's and our own.

The layout is in `vitals/export/vital_file.py`, as the reader of vitaldb 1.7.2 has it. A file that
is cut short or damaged gives what stands before that place, and a sentence. Integer samples of a
pleth are taken as the counts that they are; all else is count * gain + offset.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitals.model import US, Flag
from vitals.recordings import names, vital_packets
from vitals.recordings.mapping import Mapping
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
    track_name,
)
from vitals.recordings.vital_packets import Broken, Cursor, Header

NAME = "vital"
OWN = "kap-vitals"
BY_HAND = "hand"
"""The device of our own exports for what people have entered."""
_DEVICE, _TRACK, _RECORD, _COMMAND = 9, 0, 1, 6
_WAVE, _NUMBER, _TEXT = 1, 2, 5
_FORMATS = {1: "<f4", 2: "<f8", 3: "<i1", 4: "<u1", 5: "<i2", 6: "<u2", 7: "<i4", 8: "<u4"}
_FLOATS = (1, 2)
_NO_VALUE = {3: -128, 4: 255, 5: -32768, 6: 65535, 7: -2147483648, 8: 4294967295}
"""What packed files fill gaps with, where the format has no NaN."""
_RESET_EVENTS = 6
_MOST_TRACKS = 5_000
_MOST_SAMPLES = 100_000_000
_MOST_NUMBERS = 20_000_000
_U16 = struct.Struct("<H")
_U32 = struct.Struct("<I")
_RECORD_HEAD = struct.Struct("<HdH")
_TRACK_HEAD = struct.Struct("<HBB")
_DISPLAY = struct.Struct("<ffI")
_RATE = struct.Struct("<f")
_GAIN = struct.Struct("<dd")
_MONITOR = struct.Struct("<B")


@dataclass(slots=True)
class _Track:
    kind: int
    form: int
    device: str
    name: str
    unit: str = ""
    rate_hz: float = 0.0
    gain: float = 1.0
    offset: float = 0.0
    wanted: bool = True
    seconds: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    blocks: list[RawBlock] = field(default_factory=list)
    texts: list[Remark] = field(default_factory=list)

    @property
    def key(self) -> str:
        return track_name(self.device, self.name)


def read(path: Path, mapping: Mapping, tell: Tell) -> Raw:
    """All that a file has of known or mapped tracks, and its texts.

    Raises:
        RecordingError: nothing of it can be read.
        OSError: it cannot be opened.
    """
    reading = _Reading(mapping)
    trouble = ""
    try:
        for n, (kind, body) in enumerate(vital_packets.read(path, reading.header)):
            if not n % 100_000:
                tell(path.name)
            reading.packet(kind, body)
    except Broken as error:
        trouble = str(error)
    if trouble and not reading.any:
        raise RecordingError(f"{path.name}: {trouble}; nothing of it can be read")
    found = reading.raw()
    if trouble:
        found.notes.append(f"The file is not whole ({trouble}); what stands before was read.")
    return found


class _Reading:
    def __init__(self, mapping: Mapping) -> None:
        self._mapping = mapping
        self._behind_min = 0
        self._devices: dict[int, str] = {}
        self._tracks: dict[int, _Track] = {}
        self._all: list[_Track] = []
        self._samples = self._numbers = 0

    @property
    def any(self) -> bool:
        """Whether anything was found."""
        return any(t.seconds or t.blocks or t.texts for t in self._all)

    def header(self, header: Header) -> None:
        self._behind_min = header.behind_min

    def packet(self, kind: int, body: bytes) -> None:
        if kind == _RECORD:
            self._record(Cursor(body))
        elif kind == _TRACK:
            self._track(Cursor(body))
        elif kind == _DEVICE:
            cursor = Cursor(body)
            (number,) = cursor.take(_U32)
            model = cursor.text()
            self._devices[int(number)] = (cursor.text() if cursor.left else "") or model
        elif kind == _COMMAND and body[:1] == bytes([_RESET_EVENTS]):
            for track in self._all:
                if track.name == "EVENT":
                    track.texts.clear()

    def _track(self, cursor: Cursor) -> None:
        number, kind, form = (int(n) for n in cursor.take(_TRACK_HEAD))
        name = cursor.text()
        track = _Track(kind, form, "", name)
        # All that follows is optional, from the end on.
        if cursor.left:
            track.unit = cursor.text()
        if cursor.left:
            cursor.take(_DISPLAY)
        if cursor.left:
            (track.rate_hz,) = cursor.take(_RATE)
        if cursor.left:
            track.gain, track.offset = cursor.take(_GAIN)
        if cursor.left:
            cursor.take(_MONITOR)
        if cursor.left:
            (device,) = cursor.take(_U32)
            track.device = self._devices.get(int(device), "")
        if len(self._all) >= _MOST_TRACKS:
            raise Broken(f"it has more than {_MOST_TRACKS:,} tracks")
        track.wanted = self._wants(track)
        self._tracks[number] = track
        self._all.append(track)

    def _wants(self, track: _Track) -> bool:
        if track.kind == _TEXT:
            return True
        if track.form not in _FORMATS or track.kind not in (_WAVE, _NUMBER):
            return False
        if self._mapping.track:
            said = self._mapping.of(track.key) or self._mapping.of(track.name)
            return said is not None
        kind: names.Kind = "wave" if track.kind == _WAVE else "number"
        return names.channel_of(track.name, kind) is not None

    def _record(self, cursor: Cursor) -> None:
        info, seconds, number = cursor.take(_RECORD_HEAD)
        track = self._tracks.get(int(number))
        if track is None or not track.wanted:
            return
        cursor.at = 2 + int(info)
        if cursor.left < 0:
            raise Broken("a length points beyond its packet")
        if track.kind == _TEXT:
            cursor.take(_U32)
            track.texts.append(Remark(_us(seconds), cursor.text()))
            return
        kind = np.dtype(_FORMATS[track.form])
        if track.kind == _NUMBER:
            value = float(np.frombuffer(cursor.bytes(kind.itemsize), kind)[0])
            empty = track.form in _NO_VALUE and value == _NO_VALUE[track.form]
            real = value if track.form in _FLOATS else value * track.gain + track.offset
            self._numbers += 1
            if self._numbers > _MOST_NUMBERS:
                raise Broken(f"it has more than {_MOST_NUMBERS:,} values")
            track.seconds.append(seconds)
            track.values.append(float("nan") if empty else real)
            return
        (count,) = cursor.take(_U32)
        counts = np.frombuffer(cursor.bytes(int(count) * kind.itemsize), kind)
        self._samples += counts.size
        if self._samples > _MOST_SAMPLES:
            raise Broken(f"its waveforms have more than {_MOST_SAMPLES:,} samples")
        track.blocks.append(RawBlock(_us(seconds), _samples(track, counts)))

    def raw(self) -> Raw:
        """What was found."""
        texts = [text for track in self._all for text in track.texts if track.name == "EVENT"]
        own = any(text.text.startswith(f"{OWN} ") for text in texts)
        found = Raw(NAME, own=own, facts=Facts(tz=_tz(self._behind_min)))
        doubts = {t.key: t.texts for t in self._all if t.name.endswith("_QUALITY")} if own else {}
        for track in self._all:
            if track.seconds:
                numbers = _numbers(track, own=own)
                if own:
                    numbers.quality = _doubtful(numbers, doubts.get(f"{track.key}_QUALITY", []))
                found.numbers.append(numbers)
            elif track.blocks:
                channel = track.name.lower().partition("_")[0] if own else ""
                about = (track.device, track.name, track.unit, track.rate_hz)
                found.waves.append(RawWave(*about, track.blocks, channel))
            elif not track.wanted:
                found.left_out.append(LeftOut(track.key, self._why(track)))
        found.remarks = [t for t in texts if not (own and _recomputed(t.text))]
        return found

    def _why(self, track: _Track) -> str:
        if self._mapping.track:
            return "not in the mapping"
        return "not known" if track.kind == _WAVE else "not known; a mapping can name it"


def _numbers(track: _Track, *, own: bool) -> RawNumbers:
    at_us = np.array([_us(second) for second in track.seconds], dtype=np.int64)
    value = np.array(track.values, dtype=np.float64)
    about = (track.device, track.name, track.unit)
    found = RawNumbers(*about, at_us, value, track.name.lower() if own else "")
    if own and track.device == BY_HAND:
        found.flags = (Flag.MANUAL.value,) * value.size
    return found


def _doubtful(numbers: RawNumbers, said: list[Remark]) -> NDArray[np.uint8]:
    """Our own exports say in a text track from when on values are questionable, or good again."""
    quality = np.zeros(numbers.at_us.size, np.uint8)
    for text in sorted(said, key=lambda one: one.at_us):
        quality[numbers.at_us >= text.at_us] = int(text.text == "questionable")
    return quality


def _samples(track: _Track, counts: NDArray[Any]) -> NDArray[np.float32]:
    if track.form in _FLOATS:
        return counts.astype(np.float32)
    real = counts.astype(np.float64)
    empty = real == _NO_VALUE[track.form]
    if names.channel_of(track.name, "wave") != ("pleth", 0):
        real = real * track.gain + track.offset
    real[empty] = np.nan
    return real.astype(np.float32)


def _us(seconds: float) -> int:
    """Seconds UTC as microseconds; -1 for what is no time."""
    return round(seconds * US) if 0 <= seconds < 1e10 else -1


def _tz(behind_min: int) -> str:
    minutes = -behind_min
    if not -1080 <= minutes <= 1080:
        return ""
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{abs(minutes) % 60:02}"


def _recomputed(text: str) -> bool:
    """Texts of our own exports that are found out again, or are not about the patient."""
    return text.startswith(("alarm: ", f"{OWN} ", "NIBP ", "DEMO: ", "TEST: ", "Staff aid"))
