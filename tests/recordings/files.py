"""Small `.vital` files as other programs write them, and recordings made by hand."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np

from vitals.model import US, Waveform
from vitals.recordings.recording import Facts, Numbers, Recording, RecordingError, Source
from vitals.store.rows import QUALITIES

DATA = Path(__file__).parent / "data"
DEMO_1, DEMO_2 = (DATA / f"test_intellivue_demo{n}.vital" for n in (1, 2))
START_S = 1_700_000_000
START_US = START_S * US
WAVE, NUMBER, TEXT = 1, 2, 5


def packet(kind: int, body: bytes) -> bytes:
    return struct.pack("<BI", kind, len(body)) + body


def text(value: str) -> bytes:
    coded = value.encode()
    return struct.pack("<I", len(coded)) + coded


def refusal(attempt: Callable[[], object]) -> str:
    """The sentence with which something is refused, `""` if it is not; nothing else may happen."""
    try:
        attempt()
    except RecordingError as error:
        return str(error)
    return ""


class VitalFile:
    """Builds a file packet by packet."""

    def __init__(self, behind_min: int = -60) -> None:
        header = struct.pack("<hIIdd", behind_min, 0, 0, START_S, START_S)
        self.data = b"VITA" + struct.pack("<IH", 3, len(header)) + header
        self.data += packet(9, struct.pack("<I", 1) + text("Model") + text("Bed") + text("COM1"))
        self._tracks = 0

    def track(
        self, name: str, kind: int = NUMBER, form: int = 1, unit: str = "", rate_hz: float = 0.0,
        gain: float = 1.0, offset: float = 0.0,
    ) -> int:  # fmt: skip
        self._tracks += 1
        body = struct.pack("<HBB", self._tracks, kind, form) + text(name) + text(unit)
        body += struct.pack("<ffIfddB", 0, 0, 0, rate_hz, gain, offset, 0)
        self.data += packet(0, body + struct.pack("<I", 1))
        return self._tracks

    def record(self, track: int, at_s: float, body: bytes) -> None:
        self.data += packet(1, struct.pack("<HdH", 10, START_S + at_s, track) + body)

    def number(self, track: int, at_s: float, value: float, layout: str = "<f") -> None:
        self.record(track, at_s, struct.pack(layout, value))

    def words(self, track: int, at_s: float, said: str) -> None:
        self.record(track, at_s, struct.pack("<I", 0) + text(said))

    def save(self, path: Path, cut: int | None = None) -> Path:
        path.write_bytes(gzip.compress(self.data)[:cut])
        return path


def numbers(
    channel: str, values: list[float | None], *, device: str = "bed", every_s: float = 1.0,
    from_s: float = 0.0,
) -> Numbers:  # fmt: skip
    value = np.array([np.nan if v is None else v for v in values], dtype=np.float64)
    at_us = START_US + np.rint((from_s + np.arange(len(values)) * every_s) * US).astype(np.int64)
    invalid = QUALITIES.index("invalid")  # type: ignore[arg-type]
    quality = np.where(np.isnan(value), invalid, 0).astype(np.uint8)
    return Numbers(device, channel, at_us, value, quality)


def recording(*tracks: Numbers, waves: tuple[Waveform, ...] = (), facts: Facts | None = None) -> (
    Recording
):  # fmt: skip
    source = Source("made.vital", "ab" * 32, "vital")
    return Recording(source, tracks, waves, (), facts or Facts(tz="+0100"), (), ())
