"""What is special about heart rate straps: contact, rates of one and two bytes, intervals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import registry
from devices.driver import BleSettings, Chunk
from devices.gatt import BATTERY, HEART_RATE
from tests.devices.decoding import T0, decode, feed, notices, numerics
from vitals.model import US, Flag, Quality

DRIVER = registry.get("ble-heart-rate")


def rates(*payloads: str) -> list[float | None]:
    items = [(HEART_RATE, bytes.fromhex(payload)) for payload in payloads]
    return [n.value for n in numerics(decode(DRIVER, items))]


@pytest.mark.parametrize(
    ("said", "value"),
    [("00", 72), ("02", 72), ("04", None), ("06", 72)],
    ids=["cannot tell", "cannot tell either", "no contact", "contact"],
)
def test_only_a_strap_that_tells_contact_and_has_none_gives_no_value(
    said: str, value: float | None
) -> None:
    assert rates(said + "48") == [value]


def test_losing_and_finding_contact_is_told_at_once() -> None:
    items = [(HEART_RATE, bytes.fromhex(text)) for text in ("0648", "0448", "0400", "0650")]
    events = decode(DRIVER, items)
    assert [(n.value, n.quality, set(n.flags)) for n in numerics(events)] == [
        (72, Quality.GOOD, set()),
        (None, Quality.INVALID, {Flag.SENSOR_OFF}),
        (None, Quality.INVALID, {Flag.SENSOR_OFF}),
        (80, Quality.GOOD, set()),
    ]
    assert notices(events) == [("sensor_off", True), ("sensor_off", False)]


@pytest.mark.parametrize(
    ("payload", "value"),
    [("0000", None), ("00ff", None), ("01ff00", 255), ("010000", None), ("0113 00", None),
     ("01ffff", None), ("012d01", None), ("012c01", 300), ("007f", 127), ("00fe", 254)],
)  # fmt: skip
def test_no_rate_and_impossible_rates_are_no_values(payload: str, value: float | None) -> None:
    assert rates(payload) == [value]


@pytest.mark.parametrize(
    "payload",
    ["", "00", "01", "0148", "004800", "01480000", "0848", "084801", "1048", "104801",
     "10480100ff", "1848010002", "114800", "18480100", "e048ff"],
)  # fmt: skip
def test_a_length_that_does_not_fit_the_flags_is_refused(payload: str) -> None:
    decoder = DRIVER.decoder("strap")
    assert decoder.feed(Chunk(bytes.fromhex(payload), T0, HEART_RATE)) == []
    assert decoder.rejected == 1


def test_reserved_bits_are_not_looked_at() -> None:
    assert rates("e648") == [72]


@given(
    st.integers(0, 30), st.booleans(), st.booleans(), st.integers(30, 240), st.integers(0, 0xFFFF)
)
def test_energy_and_intervals_never_change_the_rate(
    beats: int, energy: bool, wide: bool, rate: int, word: int
) -> None:
    flags = wide | 8 * energy | 16 * bool(beats)
    filler = word.to_bytes(2, "little")
    payload = bytes([flags]) + rate.to_bytes(2 if wide else 1, "little")
    payload += filler * energy + filler * beats
    assert rates(payload.hex()) == [rate]


def test_more_intervals_than_there_can_be_are_refused() -> None:
    assert rates("1048" + "0002" * 30) == [72]
    assert rates("1048" + "0002" * 31) == []


def test_every_notification_gives_a_value() -> None:
    decoder = DRIVER.decoder("strap")
    items = DRIVER.encode({"hr": 72}, ())
    for second in range(5):
        at_us = T0 + second * US
        assert [n.at_us for n in numerics(feed(decoder, items, at_us))] == [at_us]


@pytest.mark.parametrize(
    ("rate", "payload"), [(72, "16485503"), (250, "16faf600"), (260, "170401ec00"), (None, "0600")]
)
def test_the_simulated_strap_sends_what_a_strap_sends(rate: float | None, payload: str) -> None:
    assert DRIVER.encode({"hr": rate}, ()) == [(HEART_RATE, bytes.fromhex(payload))]


def test_the_simulated_strap_says_that_it_was_taken_off() -> None:
    assert DRIVER.encode({"hr": 72}, {Flag.SENSOR_OFF})[0][1][0] & 0x06 == 0x04


def test_the_simulated_strap_has_a_battery() -> None:
    items = DRIVER.encode({"hr": 72}, {Flag.LOW_BATTERY})
    assert notices(decode(DRIVER, items)) == [("low_battery", True)]


def test_is_a_stream_that_needs_no_pairing() -> None:
    known = DRIVER.settings
    assert isinstance(known, BleSettings)
    assert (known.notify, known.read) == ((HEART_RATE, BATTERY), (BATTERY,))
    assert (known.bond, known.on_sight, known.write) == (False, False, "")
    assert DRIVER.mode == "continuous"
