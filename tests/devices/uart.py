"""A serial line as bits in time: what a port hears that is set to other settings than the sender.

A framing error is delivered as 00 and wrong parity goes unnoticed, as Linux does with the settings
of pyserial.
"""

from __future__ import annotations

from collections.abc import Sequence

from devices.driver import SerialSettings
from vitals.model import Chunk


def heard_on(chunks: Sequence[Chunk], sent: SerialSettings, line: SerialSettings) -> list[Chunk]:
    """The chunks as a port hears them that is set to `line`; the line rests between chunks."""
    if sent == line:
        return list(chunks)
    received = ((_receive(_bits(c.data, sent), sent, line), c.at_us) for c in chunks)
    return [Chunk(data, at_us) for data, at_us in received if data]


def _bits(data: bytes, line: SerialSettings) -> list[int]:
    out: list[int] = []
    for byte in data:
        bits = [byte >> i & 1 for i in range(line.bytesize)]
        parity = [] if line.parity == "N" else [sum(bits) + (line.parity == "O") & 1]
        out += [0, *bits, *parity, 1]
    return out


def _receive(bits: Sequence[int], sent: SerialSettings, line: SerialSettings) -> bytes:
    ratio = sent.baudrate / line.baudrate

    def level(at: float) -> int:
        return bits[int(at * ratio)] if at * ratio < len(bits) else 1

    out, at, end = bytearray(), 0.0, len(bits) / ratio
    while at < end:
        if level(at) == 1:
            at += 0.25
            continue
        middle = at + 1.5
        byte = sum(level(middle + i) << i for i in range(line.bytesize))
        stop = middle + line.bytesize + (line.parity != "N")
        out.append(byte if level(stop) else 0)
        at = stop
        while level(at) == 0 and at < end:  # a break: wait until the line rests
            at += 0.25
    return bytes(out)
