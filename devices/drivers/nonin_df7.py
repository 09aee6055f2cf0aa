"""Nonin data format 7: format 2 with 16 bits of pleth. OEM III, Xpod; 3150, 9560. SpO2, PR, pleth.

9600 8N1, no flow control, no commands needed. 75 frames of 5 bytes a second; 25 frames make a
packet, 3 packets a second. Frame:

    byte 1   STATUS  bit 7  1, always
                     bit 6  SNSD  sensor disconnected (OEM III, Xpod; reserved on the 9560)
                     bit 5  ARTF  short-term artifact            } during a pulse only
                     bit 4  OOT   no good pulse for a while        (12 frames, 160 ms)
                     bit 3  SNSA  sensor alarm: finger removed
                     bit 2  RPRF  } perfusion: G green, high     } during a pulse only
                     bit 1  GPRF  } R+G yellow, marginal; R red, low
                     bit 0  SYNC  1 in the packet's first frame only
    byte 2   PLETH   high byte   } 0..65535
    byte 3   PLETH   low byte    }
    byte 4   FLOAT   by frame number, as in format 2: 1 and 2 heart rate (bits 8..7, 6..0),
                     3 SpO2, 8 STAT2 with low battery; 9..25 other averages, among them the -D
                     values that hold the last reading for 10 s after the finger is gone
    byte 5   CHK     (byte 1 + byte 2 + byte 3 + byte 4) mod 256

Format 2 has a 01 where this has none, and its STATUS and FLOAT mean the same; so each packet is
turned into one of format 2, and nonin_df2.py says what its STATUS and FLOAT mean: which averages
are read, how long a pulse's perfusion stands, when there is no value.

No byte of a frame is constant, and pleth and checksum may look like a STATUS: a window of 5
bytes fits by chance once in some 1000. A packet is therefore taken only whole: 25 checksums, 25
bits 7, SYNC in the first frame and in no other.

Source: "Nonin 9560 Bluetooth Specification" (in mattjlewis/NoninPulseOx), serial data format 7.
Nobody has tried this on hardware: no capture of a real device was found.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace

import numpy as np

from devices.driver import Chunk, Driver, Event, SerialSettings, Values
from devices.drivers import nonin_df2
from devices.drivers.nonin_df2 import FRAMES, PACKET, PACKETS_PER_S, RATE_HZ
from devices.framing import StreamDecoder, samples
from vitals.model import Flag, Waveform

_TOP = 0xFFFF
_SYNC = 0x01
_START = re.compile(b"[" + re.escape(bytes(range(0x81, 0x100, 2))) + b"]")
"""First frame's STATUS: bits 7 and 0 set."""


def _sound(data: bytes, at: int) -> bool:
    """Whether 125 bytes are one packet: 25 checksums and bits 7, SYNC in the first only."""
    sync = _SYNC
    for i in range(at, at + PACKET, 5):
        status, high, low, value, check = data[i : i + 5]
        if status & 0x81 != 0x80 | sync or (status + high + low + value) & 0xFF != check:
            return False
        sync = 0
    return True


class _Decoder(StreamDecoder):
    def __init__(self, device: str) -> None:
        super().__init__(device, PACKET)
        self._rest = b""
        self._format_2 = nonin_df2.DRIVER.decoder(device)

    def feed(self, chunk: Chunk) -> list[Event]:
        data = self._rest + chunk.data
        events: list[Event] = []
        pos, end = 0, len(data)
        while True:
            found = _START.search(data, pos)
            start = found.start() if found else end
            self.refuse(start - pos)
            pos = start
            if end - pos < PACKET:
                break
            if _sound(data, pos):
                self.accept()
                events += self._read(data[pos : pos + PACKET], chunk.at_us)
                pos += PACKET
            else:
                self.refuse(1)
                pos += 1
        self._rest = data[pos:]
        return events

    def _read(self, packet: bytes, at_us: int) -> list[Event]:
        frames = np.frombuffer(packet, np.uint8).reshape(FRAMES, 5)
        pleth = frames[:, 1:3].copy().view(">u2").ravel().astype(np.float32)
        events = self._format_2.feed(Chunk(_as_format_2(packet), at_us))
        return [replace(e, values=pleth) if isinstance(e, Waveform) else e for e in events]


def _as_format_2(packet: bytes) -> bytes:
    """The same packet in format 2, with the high byte of the pleth."""
    out = bytearray(PACKET)
    columns = zip(packet[0::5], packet[1::5], packet[3::5], strict=True)
    for i, (status, pleth, value) in enumerate(columns):
        out[5 * i : 5 * i + 5] = (1, status, pleth, value, (1 + status + pleth + value) & 0xFF)
    return bytes(out)


def _encode(values: Values, flags: Collection[Flag]) -> list[tuple[str, bytes]]:
    """One packet: that of format 2, with the pleth in 16 bits."""
    out = bytearray()
    for _, packet in nonin_df2.DRIVER.encode(values, flags):
        wave = samples(values, "pleth", FRAMES, _TOP)
        for status, pleth, value in zip(packet[1::5], wave, packet[3::5], strict=True):
            frame = (status, pleth >> 8, pleth & 0xFF, value)
            out += bytes((*frame, sum(frame) & 0xFF))
    return [("", bytes(out))]


DRIVER = Driver(
    name="nonin-df7",
    transport="serial",
    title="Nonin OEM III, Xpod, WristOx2 3150 and Onyx II 9560 (data format 7)",
    channels=("spo2", "pr", "pleth"),
    settings=SerialSettings(9600),
    decoder=_Decoder,
    encode=_encode,
    checked=True,
    encode_s=1 / PACKETS_PER_S,
    frame_bytes=5,
    pleth_hz=RATE_HZ,
    own_alarm="no",
    evidence="vendor document",
)
