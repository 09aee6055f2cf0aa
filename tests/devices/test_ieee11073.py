"""Numbers and times of IEEE 11073-20601, against the published examples and against decimal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.ieee11073 import (
    MINUS_INFINITY,
    NAN,
    PLUS_INFINITY,
    SPECIAL,
    TIME_BYTES,
    civil_us,
    float_32,
    sfloat,
    sfloat_word,
    time_bytes,
)

# HL7/phd MderFLOATsandSFLOATs.md: word, number.
PUBLISHED = [
    (0x0002, 2.0), (0xF014, 2.0), (0xE0C8, 2.0), (0x1002, 20.0), (0x2002, 200.0),
    (0x00C8, 200.0), (0x04D2, 1234.0), (0x0B2E, -1234.0),
]  # fmt: skip
PUBLISHED_32 = [
    (0x00000002, 2.0), (0xFF000014, 2.0), (0xFE0000C8, 2.0), (0x01000002, 20.0),
    (0x02000002, 200.0), (0x000000C8, 200.0), (0x000004D2, 1234.0), (0x00FFFB2E, -1234.0),
]  # fmt: skip
# weliem/blessed-android BluetoothBytesParserTest.java: bytes as they come.
BLESSED = [("0102", 513.0), ("01fe", -51.1), ("ff02", 767.0)]
NO_NUMBER = ["ff07", "0008", "fe07", "0208", "0108"]


def of_hex(text: str) -> int:
    return int.from_bytes(bytes.fromhex(text), "little")


@pytest.mark.parametrize(("word", "value"), PUBLISHED)
def test_short_numbers_are_the_published_ones(word: int, value: float) -> None:
    assert sfloat(word) == value


@pytest.mark.parametrize(("word", "value"), PUBLISHED_32)
def test_long_numbers_are_the_published_ones(word: int, value: float) -> None:
    assert float_32(word) == value


@pytest.mark.parametrize(("text", "value"), BLESSED)
def test_numbers_come_little_endian(text: str, value: float) -> None:
    assert sfloat(of_hex(text)) == value


def test_every_word_is_the_decimal_number_nearest_to_it() -> None:
    for word in range(0x10000):
        if word in SPECIAL:
            continue
        mantissa = (word & 0xFFF) - 0x1000 * (word >> 11 & 1)
        exponent = (word >> 12) - 16 * (word >> 15)
        assert sfloat(word) == float(Decimal(mantissa).scaleb(exponent)), hex(word)


@pytest.mark.parametrize("text", NO_NUMBER)
def test_the_five_special_words_are_no_numbers(text: str) -> None:
    assert of_hex(text) in SPECIAL
    assert sfloat(of_hex(text)) is None


@pytest.mark.parametrize("word", [0x007FFFFF, 0x00800000, 0x007FFFFE, 0x00800002, 0x00800001])
def test_the_five_special_long_words_are_no_numbers(word: int) -> None:
    assert float_32(word) is None


def test_special_mantissas_with_an_exponent_are_numbers() -> None:
    assert sfloat(0x17FF) == 20470.0
    assert sfloat(0xF800) == -204.8
    assert float_32(0xFF7FFFFF) == 838860.7


def test_only_five_words_are_no_numbers() -> None:
    assert [word for word in range(0x10000) if sfloat(word) is None] == sorted(SPECIAL)


@given(st.integers(-20450, 20450), st.integers(0, 2))
def test_a_number_comes_back_as_exactly_as_it_fits(number: int, digits: int) -> None:
    value = number / 10
    found = sfloat(sfloat_word(value, digits))
    coarsest = 10**-digits if abs(value) * 10**digits <= 2045 else abs(value) / 204
    assert found == pytest.approx(value, abs=coarsest / 2 + 1e-9)


def test_what_is_no_number_or_too_large_has_its_own_word() -> None:
    assert sfloat_word(None) == NAN
    assert sfloat_word(1e12) == PLUS_INFINITY
    assert sfloat_word(-1e12) == MINUS_INFINITY
    assert sfloat_word(8.7, 1) == 0xF057
    assert sfloat_word(30.0, 2) == 0xF12C


def test_no_number_is_sent_as_a_special_mantissa() -> None:
    for value in range(-3000, 3000):
        mantissa = sfloat_word(value) & 0xFFF
        assert not 0x7FE <= mantissa <= 0x802


# --- times ------------------------------------------------------------------------------------

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
seconds = st.integers(
    (datetime.min.replace(tzinfo=UTC) - EPOCH) // timedelta(seconds=1),
    (datetime.max.replace(tzinfo=UTC) - EPOCH) // timedelta(seconds=1),
)


@given(seconds, st.binary(max_size=5))
def test_a_time_comes_back(second: int, before: bytes) -> None:
    data = before + time_bytes(second * 1_000_000)
    assert len(data) == len(before) + TIME_BYTES
    assert civil_us(data, len(before)) == second * 1_000_000


def test_a_time_is_read_field_by_field() -> None:
    micros = civil_us(bytes.fromhex("ea07080b121f05"))
    assert micros == datetime(2026, 8, 11, 18, 31, 5, tzinfo=UTC).timestamp() * 1_000_000


@pytest.mark.parametrize(
    "text",
    ["0000041114293b", "ea07000b121f05", "ea070800121f05", "ea07021e121f05", "ea07080b181f05",
     "ea07080b123c05", "ea07080b121f3c", "ffffffffffffff"],
)  # fmt: skip
def test_a_time_with_an_unknown_or_impossible_part_is_none(text: str) -> None:
    assert civil_us(bytes.fromhex(text)) is None


@given(st.binary(min_size=TIME_BYTES, max_size=TIME_BYTES))
def test_no_bytes_of_a_time_raise(data: bytes) -> None:
    micros = civil_us(data)
    assert micros is None or time_bytes(micros) == data
