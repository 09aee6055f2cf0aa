"""Numbers and times as IEEE 11073-20601 puts them into bytes; the standard GATT profiles use them.

    SFLOAT   16 bit: 4 bit exponent, 12 bit mantissa, both two's complement: mantissa * 10^exponent
    FLOAT    32 bit: 8 bit exponent, 24 bit mantissa, likewise
    time     7 bytes: year (2), month, day, hours, minutes, seconds; local, without a zone; year,
             month or day 0 = not known

Five words of each are no numbers. They are told by the whole word: 17FFh is 2047 * 10, and only
07FFh is "not a number". In GATT everything is little endian.

Source: HL7/phd MderFLOATsandSFLOATs.md (layout, examples, special values); Bluetooth GATT
Specification Supplement, Date Time.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta

NAN, NRES, PLUS_INFINITY, MINUS_INFINITY, RESERVED = 0x07FF, 0x0800, 0x07FE, 0x0802, 0x0801
"""SFLOAT words that are no numbers; NRES: not representable at this resolution."""
SPECIAL = {
    NAN: "no value",
    NRES: "a value that it cannot express",
    PLUS_INFINITY: "a value above its range",
    MINUS_INFINITY: "a value below its range",
    RESERVED: "no value",
}
"""What each of them says, for people."""

_SPECIAL_32 = frozenset({0x007FFFFF, 0x00800000, 0x007FFFFE, 0x00800002, 0x00800001})
_LARGEST = 2045
"""Mantissa of the largest SFLOAT; above it only special values follow."""
_COARSEST = 7
_TIME = struct.Struct("<HBBBBB")
TIME_BYTES = _TIME.size
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def sfloat(word: int) -> float | None:
    """The number in an SFLOAT word, None for the five words that are no numbers."""
    if word in SPECIAL:
        return None
    mantissa = (word & 0x7FF) - (word & 0x800)
    exponent = word >> 12
    # dividing by a whole power of ten keeps 189 * 10^-1 at 18.9
    return mantissa * 10.0**exponent if exponent < 8 else mantissa / 10.0 ** (16 - exponent)


def float_32(word: int) -> float | None:
    """The number in a FLOAT word, None for the five words that are no numbers."""
    if word in _SPECIAL_32:
        return None
    mantissa = (word & 0x7FFFFF) - (word & 0x800000)
    exponent = word >> 24
    return mantissa * 10.0**exponent if exponent < 128 else mantissa / 10.0 ** (256 - exponent)


def sfloat_word(value: float | None, digits: int = 0) -> int:
    """An SFLOAT word, with as many of the wanted digits after the point as fit into it.

    Args:
        value: None = not a number; what is too large or too small becomes an infinity.
        digits: 0 to 8.
    """
    if value is None:
        return NAN
    for exponent in range(-digits, _COARSEST + 1):
        mantissa = round(value / 10.0**exponent if exponent > 0 else value * 10.0**-exponent)
        if abs(mantissa) <= _LARGEST:
            return (exponent & 0xF) << 12 | mantissa & 0xFFF
    return PLUS_INFINITY if value > 0 else MINUS_INFINITY


def civil_us(data: bytes, at: int = 0) -> int | None:
    """A date and time as microseconds since 1970 by that very clock, whatever its zone.

    Args:
        data: holds the 7 bytes.
        at: where they begin.

    Returns:
        None when year, month or day is not known, or there is no such time.
    """
    year, month, day, hour, minute, second = _TIME.unpack_from(data, at)
    try:
        return (datetime(year, month, day, hour, minute, second, tzinfo=UTC) - _EPOCH) // (
            _MICROSECOND
        )
    except ValueError:
        return None


def time_bytes(civil_us: int) -> bytes:
    """The 7 bytes of a date and time, the reverse of `civil_us`."""
    then = _EPOCH + timedelta(microseconds=civil_us)
    return _TIME.pack(then.year, then.month, then.day, then.hour, then.minute, then.second)
