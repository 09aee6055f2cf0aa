"""Standard payloads against codecs that are not ours: bumble's, and one of decimal numbers.

No installed library decodes 2A35 rightly, so its payloads are put together here, field by field
as in the specification, with the numbers as `decimal.Decimal`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from bumble.profiles.heart_rate_service import HeartRateService
from hypothesis import given
from hypothesis import strategies as st

from devices import registry
from devices.driver import Chunk
from devices.gatt import BLOOD_PRESSURE, CUFF_PRESSURE, HEART_RATE, OXIMETER_STREAM
from tests.devices.decoding import T0, decode, latest, numerics
from vitals.channels import NIBP, plausible
from vitals.model import Flag

Strap = HeartRateService.HeartRateMeasurement
STRAP, CUFF, OXIMETER = (
    registry.get(name) for name in ("ble-heart-rate", "ble-blood-pressure", "ble-plx")
)

# --- heart rate, by bumble --------------------------------------------------------------------


@given(
    st.builds(
        Strap,
        heart_rate=st.integers(0, 0xFFFF),
        sensor_contact_detected=st.none() | st.booleans(),
        energy_expended=st.none() | st.integers(0, 0xFFFF),
        rr_intervals=st.none()
        | st.lists(st.integers(0, 0xFFFF).map(lambda n: n / 1024), min_size=1, max_size=9),
    )
)
def test_what_bumble_encodes_is_read(strap: Strap) -> None:
    found = latest(decode(STRAP, [(HEART_RATE, bytes(strap))]))
    shown = strap.sensor_contact_detected is not False and strap.heart_rate != 255
    value = strap.heart_rate if shown and plausible("hr", strap.heart_rate) else None
    assert found == {"hr": value}


@given(st.integers(0, 400), st.booleans())
def test_bumble_reads_what_the_simulated_strap_sends(rate: int, off: bool) -> None:
    flags = {Flag.SENSOR_OFF} if off else set()
    ((_, payload),) = STRAP.encode({"hr": rate}, flags)
    found = Strap.from_bytes(payload)
    assert found.heart_rate == rate
    assert found.sensor_contact_detected is not off
    assert found.energy_expended is None
    if rate and not off:
        (interval,) = found.rr_intervals or ()
        assert interval == pytest.approx(60 / rate, abs=1 / 1024)


@given(st.binary(min_size=2, max_size=20))
def test_what_is_read_at_all_is_read_as_by_bumble(payload: bytes) -> None:
    decoder = STRAP.decoder("strap")
    events = numerics(decoder.feed(Chunk(payload, T0, HEART_RATE)))
    if decoder.rejected or events[0].value is None:
        return
    found = Strap.from_bytes(payload)
    assert events[0].value == found.heart_rate
    assert found.sensor_contact_detected is not False


# --- blood pressure and SpO2, by decimal numbers ----------------------------------------------


@dataclass(frozen=True)
class Short:
    """An SFLOAT as the specification has it: a mantissa and a power of ten."""

    mantissa: int
    exponent: int

    @property
    def number(self) -> Decimal:
        return Decimal(self.mantissa).scaleb(self.exponent)

    @property
    def data(self) -> bytes:
        return struct.pack("<H", (self.exponent & 0xF) << 12 | self.mantissa & 0xFFF)


def short(low: int, high: int) -> st.SearchStrategy[Short]:
    """Whole numbers and numbers with one digit after the point, as devices send them."""
    whole = st.builds(Short, st.integers(low, high), st.just(0))
    tenths = st.builds(Short, st.integers(10 * low, min(10 * high, 2045)), st.just(-1))
    return st.one_of(whole, tenths)


@dataclass(frozen=True)
class Reading:
    """A payload of 2A35, field by field."""

    values: tuple[Short, Short, Short]
    kpa: bool = False
    undated: bool = False
    pulse: Short | None = None
    user: int | None = None
    status: int | None = None
    flags: int = field(init=False, default=0)

    @property
    def data(self) -> bytes:
        optional = (
            (1, b"\x00\x00\x04\x11\x14\x29\x3b" if self.undated else None),
            (2, None if self.pulse is None else self.pulse.data),
            (3, None if self.user is None else bytes([self.user])),
            (4, None if self.status is None else struct.pack("<H", self.status)),
        )
        flags = int(self.kpa) + sum(1 << bit for bit, part in optional if part is not None)
        values = b"".join(value.data for value in self.values)
        return bytes([flags]) + values + b"".join(part or b"" for _, part in optional)

    def shown(self, value: Short) -> float:
        """What it is in mmHg."""
        if not self.kpa:
            return float(value.number)
        mmhg = value.number * Decimal("7.50062")
        return float(mmhg.quantize(Decimal("0.1"), ROUND_HALF_EVEN))


@st.composite
def readings(draw: st.DrawFn) -> Reading:
    kpa = draw(st.booleans())
    low, high = ((7, 11), (16, 26)) if kpa else ((40, 100), (130, 200))
    diastolic, systolic = draw(short(*low)), draw(short(*high))
    mean = draw(short(12, 15) if kpa else short(101, 129))
    return Reading(
        (systolic, diastolic, mean),
        kpa,
        draw(st.booleans()),
        draw(st.none() | short(30, 200)),
        draw(st.none() | st.integers(0, 255)),
        draw(st.none() | st.integers(0, 0x3F)),
    )


@given(readings())
def test_a_blood_pressure_is_read_as_it_was_put_together(reading: Reading) -> None:
    found = latest(decode(CUFF, [(BLOOD_PRESSURE, reading.data)]))
    expected = dict(zip(NIBP, map(reading.shown, reading.values), strict=True))
    if reading.pulse is not None:
        expected["pr"] = float(reading.pulse.number)
    assert found == pytest.approx(expected, abs=1e-9 if not reading.kpa else 0.051)


@given(readings())
def test_a_payload_of_a_blood_pressure_has_one_length(reading: Reading) -> None:
    for size in range(len(reading.data)):
        decoder = CUFF.decoder("cuff")
        assert decoder.feed(Chunk(reading.data[:size], T0, BLOOD_PRESSURE)) == []
        assert decoder.rejected == 1


@given(short(0, 330), st.booleans())
def test_the_cuffs_pressure_is_read_as_it_was_put_together(value: Short, user: bool) -> None:
    none = Short(0x7FF, 0)
    reading = Reading((value, none, none), user=1 if user else None)
    found = latest(decode(CUFF, [(CUFF_PRESSURE, reading.data)]))
    assert found == {"cuff": float(value.number)}


@given(short(1, 100), short(20, 200), st.integers(2, 2000))
def test_an_oximeters_values_are_read_as_they_were_put_together(
    spo2: Short, pr: Short, hundredths: int
) -> None:
    pai = Short(hundredths, -2)
    payload = b"\x10" + spo2.data + pr.data + pai.data
    found = latest(decode(OXIMETER, [(OXIMETER_STREAM, payload)]))
    numbers = {"spo2": spo2.number, "pr": pr.number, "pi": pai.number}
    assert found == {channel: float(number) for channel, number in numbers.items()}
