r"""`.vital` files, as Vital Recorder and VitalDB read them.

    gzip of: "VITA"  u32 version 3  u16 length of the header
             header: i16 minutes by which local time is behind UTC, u32 0, u32 0,
                     f64 beginning, f64 end (seconds UTC), u8 packed
    then packets: u8 type  u32 length  body
        9 device: u32 id, str kind, str name, str port
        0 track:  u16 id, u8 type (1 wave, 2 number, 5 text), u8 format (1 f32, 2 f64), str name,
                  str unit, f32 lowest, f32 highest on screen, u32 colour, f32 rate, f64 gain,
                  f64 offset, u8 montype, u32 device
        1 record: u16 10, f64 seconds UTC, u16 track, and then
                  wave: u32 samples, samples · number: its value · text: u32 0, str

Little-endian; a str is u32 length and UTF-8. As the reader of vitaldb 1.7.2 (`utils.py`) has it.
Numbers are f64 and waveforms f32, so all are as in the record. Invalid values are left out, what
is questionable stands in a text track beside its numbers.
"""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterator
from typing import IO

from vitals.export import times
from vitals.export.edf import pressure_text
from vitals.export.session_data import (
    DISCLAIMER,
    QUESTIONABLE,
    NumericTrack,
    SessionData,
    WaveTrack,
)
from vitals.export.target import Tell
from vitals.export.timeline import timeline
from vitals.model import US, Quality

_WAVE, _NUMBER, _TEXT = 1, 2, 5
_F32, _F64 = 1, 2
_WHITE = 0xFFFFFFFF


def write(data: SessionData, file: IO[bytes], tell: Tell) -> None:
    """Writes the file."""
    # No time of writing and no name in the gzip header: the same session gives the same bytes.
    with gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=6, mtime=0) as out:
        out.write(_header(data))
        devices = {track.device for track in data.numerics} | {t.device for t in data.waves}
        numbers = {device: n for n, device in enumerate(sorted(devices), 1)}
        for device, n in numbers.items():
            name = _str(device or "hand")
            out.write(_packet(9, struct.pack("<I", n) + name + name + _str("")))
        tracks = _Tracks(numbers)
        for track in data.numerics:
            tell(track.channel.label)
            for packet in tracks.numeric(track):
                out.write(packet)
        for wave in data.waves:
            tell(wave.channel.label)
            for packet in tracks.wave(wave):
                out.write(packet)
        for packet in tracks.events(data):
            out.write(packet)


def _header(data: SessionData) -> bytes:
    offset = times.moment(data.session.started_us, data.zone).utcoffset()
    behind = -round(offset.total_seconds() / 60) if offset else 0
    begin, end = data.session.started_us / US, data.to_us / US
    head = struct.pack("<hIIddB", behind, 0, 0, begin, end, 0)
    return b"VITA" + struct.pack("<IH", 3, len(head)) + head


class _Tracks:
    def __init__(self, devices: dict[str, int]) -> None:
        self._devices = devices
        self._count = 0

    def _track(
        self, kind: int, form: int, name: str, unit: str = "", rate_hz: float = 0.0,
        device: str | None = None, span: tuple[float, float] = (0.0, 0.0),
    ) -> bytes:  # fmt: skip
        self._count += 1
        body = struct.pack("<HBB", self._count, kind, form) + _str(name) + _str(unit)
        body += struct.pack("<ffIfddB", *span, _WHITE, rate_hz, 1.0, 0.0, 0)
        body += struct.pack("<I", 0 if device is None else self._devices[device])
        return _packet(0, body)

    def _record(self, at_us: int, body: bytes) -> bytes:
        return _packet(1, struct.pack("<HdH", 10, at_us / US, self._count) + body)

    def _words(self, at_us: int, text: str) -> bytes:
        return self._record(at_us, struct.pack("<I", 0) + _str(text))

    def numeric(self, track: NumericTrack) -> Iterator[bytes]:
        about = track.channel
        label = about.key.upper()
        span = (about.plausible_low, about.plausible_high)
        unit = _unit(about.unit)
        yield self._track(_NUMBER, _F64, label, unit, device=track.device, span=span)
        shown = track.shown
        at_us, value = track.at_us[shown].tolist(), track.value[shown].tolist()
        for at, number in zip(at_us, value, strict=True):
            yield self._record(at, struct.pack("<d", number))
        doubts = (track.quality[shown] == QUESTIONABLE).tolist()
        if any(doubts):
            yield self._track(_TEXT, 0, f"{label}_QUALITY", device=track.device)
            before = False
            for at, doubtful in zip(at_us, doubts, strict=True):
                if doubtful != before:
                    word = Quality.QUESTIONABLE if doubtful else Quality.GOOD
                    yield self._words(at, word.value)
                before = doubtful

    def wave(self, track: WaveTrack) -> Iterator[bytes]:
        about = track.channel
        for rate_hz in sorted({block.rate_hz for block in track.blocks}):
            first = rate_hz == track.blocks[0].rate_hz
            label = about.key.upper() + ("" if first else f"_{rate_hz:g}")
            unit, device = _unit(about.unit), track.device
            yield self._track(_WAVE, _F32, label, unit, rate_hz, device)
            for block in track.blocks:
                if block.rate_hz == rate_hz and block.quality is not Quality.INVALID:
                    samples = block.values.astype("<f4")
                    body = struct.pack("<I", samples.size) + samples.tobytes()
                    yield self._record(block.start_us, body)

    def events(self, data: SessionData) -> Iterator[bytes]:
        yield self._track(_TEXT, 0, "EVENT")
        said = [(data.session.started_us, line) for line in _head(data)]
        said += [
            (one.at_us, pressure_text(one)) for one in data.pressures if one.failure or one.manual
        ]
        said += [(one.at_us, one.words) for one in timeline(data.entries, added=True)]
        said += [(e.at_us, f"alarm: {e.text}") for e in data.entries if e.kind == "alarm"]
        for at_us, text in sorted(said, key=lambda one: one[0]):
            yield self._words(at_us, text)


def _head(data: SessionData) -> list[str]:
    mark = [f"{data.watermark}: not a patient's data"] if data.watermark else []
    facts = f"{data.software}; session {data.session.id}; audit head {data.head}"
    return [*mark, facts, DISCLAIMER, *data.unreadable]


def _unit(unit: str) -> str:
    return {"mm[Hg]": "mmHg", "1": "", "{score}": ""}.get(unit, unit)


def _packet(kind: int, body: bytes) -> bytes:
    return struct.pack("<BI", kind, len(body)) + body


def _str(text: str) -> bytes:
    coded = text.encode("utf-8", "replace")
    return struct.pack("<I", len(coded)) + coded
