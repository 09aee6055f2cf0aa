"""Nonin data format 1: Xpod, OEM III, ipod and others strapped or switched to it. SpO2, PR.

9600 8N1, no flow control, no commands needed. One frame of 3 bytes a second:

    byte 1   bit 7  1, in this byte only
             bit 6  SNSD  sensor disconnected
             bit 5  OOT   no good pulse for a while
             bit 4  LPRF  low perfusion        } for as long as it lasts
             bit 3  MPRF  marginal perfusion   }
             bit 2  ARTF  artifact, a bad pulse
             bits 1..0    heart rate bits 8..7: without them 150 reads 22
    byte 2   bit 7  0     bits 6..0 heart rate bits 6..0
    byte 3   bit 7  0     bits 6..0 SpO2

No value: heart rate 511, SpO2 127. There is no checksum; a frame is known by bit 7 alone. Data
format 8 has 4 bytes, of which the first three read like these, but its values are held for 10 s
after the finger is gone and only the fourth byte says so. What tells them apart is the distance
from one bit 7 to the next. So frames are given while they follow each other without a gap; after
a break one frame has to be followed by the beginning of the next before anything is given again;
and the first frame of a connection is withdrawn when it is not followed by the beginning of one.
Three distances of 4 in succession are `wrong_mode`.

Source: Nonin's sheet of data format 1 (a copy in pastebin 7WvErGqY); the packing of the heart
rate agrees with the "Nonin 9560 Bluetooth Specification" (in mattjlewis/NoninPulseOx), whose
format 8 has the same first byte.
Nobody has tried this on hardware: no capture of a real device was found.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from devices.driver import Chunk, Driver, Event, SerialSettings, Values
from devices.framing import Conditions, StreamDecoder, number, numerics
from vitals.model import Flag, Notice

FRAME = 3
NO_HR, NO_SPO2 = 511, 127
STATUS = {
    0x40: Flag.NO_SENSOR,
    0x20: Flag.OUT_OF_TRACK,
    0x10: Flag.LOW_PERFUSION,
    0x08: Flag.MARGINAL_PERFUSION,
    0x04: Flag.ARTIFACT,
}
"""Condition bits of byte 1, in formats 1 and 8 alike."""
_FLAGS = [frozenset(flag for bit, flag in STATUS.items() if byte & bit) for byte in range(0x100)]

_FORMATS = {3: "1", 4: "8"}
"""Data formats that have bit 7 in the first byte of each frame, by the frame's length."""
_LONGEST = max(_FORMATS)
_STRANGE = 3
"""Frames of the other format in succession that make `wrong_mode`."""
_START = re.compile(rb"[\x80-\xff]")


class MarkedFrames(StreamDecoder):
    """Decoder of Nonin's formats 1 and 8, in whose frames only the first byte has bit 7.

    Args:
        device: id of the device.
        frame: bytes of a frame.
    """

    def __init__(self, device: str, frame: int = FRAME) -> None:
        super().__init__(device, frame)
        self._frame = frame
        self._whole = re.compile(rb"[\x80-\xff][\x00-\x7f]{%d}" % (frame - 1))
        self._begun = re.compile(rb"[\x80-\xff][\x00-\x7f]{0,%d}" % (frame - 2))
        self._rest = b""
        self._conditions = Conditions(device)
        self._in_step = True
        self._alone = False
        self._given = False
        self._strange = 0
        self._wrong_mode = False

    def values(self, frame: bytes) -> tuple[int, int, frozenset[Flag]]:
        """Heart rate, SpO2 and flags of a frame."""
        return (frame[0] & 3) << 7 | frame[1], frame[2], _FLAGS[frame[0]]

    def feed(self, chunk: Chunk) -> list[Event]:
        """Decodes what has arrived; keeps the begun frame for the next chunk."""
        data, at_us = self._rest + chunk.data, chunk.at_us
        events: list[Event] = []
        pos, end = 0, len(data)
        while pos < end:
            if not self._in_step:
                begin = pos
                pos = self._align(data, pos)
                if pos == begin:
                    break
                if self._strange == _STRANGE and not self._wrong_mode:
                    events.append(self._misfit(at_us))
            elif self._whole.match(data, pos):
                self._give(data[pos : pos + self._frame], at_us, events)
                pos += self._frame
            elif self._begun.fullmatch(data, pos):
                break
            else:
                self._lose_step(at_us, events)
        self._rest = data[pos:]
        return events

    def _give(self, frame: bytes, at_us: int, events: list[Event]) -> None:
        self.accept()
        self._alone = not self._given
        self._given = True
        if self._wrong_mode:
            self._wrong_mode = False
            events.append(Notice(self.device, at_us, "wrong_mode", active=False))
        hr, spo2, flags = self.values(frame)
        events += self._conditions.change(flags, at_us)
        values = {"spo2": None if spo2 == NO_SPO2 else spo2, "pr": None if hr == NO_HR else hr}
        events += numerics(self.device, at_us, values, flags)

    def _lose_step(self, at_us: int, events: list[Event]) -> None:
        self._in_step = False
        self._given = True
        if self._alone:
            self._alone = False
            events += self._conditions.change(frozenset(), at_us)
            events += numerics(self.device, at_us, {"spo2": None, "pr": None}, frozenset())

    def _align(self, data: bytes, pos: int) -> int:
        """Steps over one stretch that is not given; at its end a frame may begin.

        A stretch is what lies before a byte with bit 7, or from one to the next; one that is
        longer than any frame is stepped over before its end is there.
        """
        end = len(data)
        start = _START.search(data, pos)
        if start is None or start.start() > pos:
            stop, self._strange = (start.start() if start else end), 0
        elif after := _START.search(data, pos + 1):
            stop = after.start()
            self._in_step = stop - pos == self._frame
            other = stop - pos in _FORMATS and not self._in_step
            self._strange = self._strange + 1 if other else 0
        elif end - pos > _LONGEST:
            stop, self._strange = end, 0
        else:
            stop = pos
        self.refuse(stop - pos)
        return stop

    def _misfit(self, at_us: int) -> Notice:
        self._wrong_mode = True
        sent = next(name for size, name in _FORMATS.items() if size != self._frame)
        detail = (
            f"it sends data format {sent}: set it to format {_FORMATS[self._frame]}, "
            f"or its driver to nonin-df{sent}"
        )
        return Notice(self.device, at_us, "wrong_mode", detail=detail)


def status(pr: int, flags: Collection[Flag]) -> int:
    """Byte 1 for a heart rate and flags."""
    return 0x80 | sum(bit for bit, flag in STATUS.items() if flag in flags) | pr >> 7


def clamped(values: Values) -> tuple[int, int]:
    """Heart rate and SpO2 as the wire has them."""
    pr, spo2 = number(values, "pr"), number(values, "spo2")
    hr = NO_HR if pr is None else min(max(round(pr), 0), NO_HR)
    return hr, NO_SPO2 if spo2 is None else min(max(round(spo2), 0), NO_SPO2)


def _encode(values: Values, flags: Collection[Flag]) -> list[tuple[str, bytes]]:
    """One frame. A finger that is gone is told by the missing values alone."""
    off = Flag.SENSOR_OFF in flags or Flag.NO_SENSOR in flags
    hr, spo2 = (NO_HR, NO_SPO2) if off else clamped(values)
    return [("", bytes((status(hr, flags), hr & 0x7F, spo2)))]


DRIVER = Driver(
    name="nonin-df1",
    transport="serial",
    title="Nonin Xpod, OEM III and ipod (data format 1)",
    channels=("spo2", "pr"),
    settings=SerialSettings(9600),
    decoder=MarkedFrames,
    encode=_encode,
    own_alarm="no",
    evidence="vendor document",
)
