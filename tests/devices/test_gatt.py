"""Names, packets and the battery of standard services, and what was measured just now."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.driver import Chunk, Event
from devices.gatt import (
    CURRENT_TIME,
    DATE_TIME,
    HEART_RATE,
    LIVE_US,
    Battery,
    DeviceClock,
    PacketDecoder,
    local_offset_us,
    text,
    uuid,
)
from devices.ieee11073 import civil_us, time_bytes
from tests.devices.decoding import T0
from vitals.errors import CommandError
from vitals.model import US, Notice, StartNibp

VENDOR = "0aad7ea0-0d60-11e2-8e3c-0002a5d5c51b"
HOUR = 3600 * US
LIVE_S = LIVE_US // US


@pytest.mark.parametrize(
    "form",
    ["2a37", "2A37", "0x2A37", "00002a37", "0x00002A37", HEART_RATE, HEART_RATE.upper(),
     HEART_RATE.replace("-", ""), " 2a37 "],
)  # fmt: skip
def test_every_form_of_a_uuid_is_the_full_one(form: str) -> None:
    assert uuid(form) == "00002a37-0000-1000-8000-00805f9b34fb"


@pytest.mark.parametrize("form", [VENDOR, VENDOR.upper(), VENDOR.replace("-", "").upper()])
def test_a_vendors_uuid_stays_its_own(form: str) -> None:
    assert uuid(form) == VENDOR


@given(st.text())
def test_what_is_no_uuid_is_none_of_ours(form: str) -> None:
    assert uuid(form) == uuid(uuid(form)) or len(uuid(form)) in (4, 8, 32)


# --- packets ----------------------------------------------------------------------------------


def reads_pairs(data: bytes, at_us: int) -> list[Event] | None:
    return [Notice("strap", at_us, "pair")] if len(data) == 2 else None


def test_a_payload_goes_to_the_reader_of_its_characteristic() -> None:
    decoder = PacketDecoder("strap", {HEART_RATE: reads_pairs})
    for source in (HEART_RATE, "2A37"):
        assert decoder.feed(Chunk(b"ab", T0, source)) == [Notice("strap", T0, "pair")]
    assert (decoder.accepted, decoder.rejected) == (2, 0)


@pytest.mark.parametrize(
    ("data", "source"), [(b"abc", "2a37"), (b"", "2a37"), (b"ab", "2a38"), (b"ab", "")]
)
def test_what_does_not_fit_is_counted_and_nothing_else(data: bytes, source: str) -> None:
    decoder = PacketDecoder("strap", {HEART_RATE: reads_pairs})
    assert decoder.feed(Chunk(data, T0, source)) == []
    assert (decoder.accepted, decoder.rejected) == (0, 1)


def test_refused_payloads_count_one_by_one() -> None:
    decoder = PacketDecoder("strap", {HEART_RATE: reads_pairs})
    for size in (20, 1, 244):
        decoder.feed(Chunk(bytes(size), T0, HEART_RATE))
    assert decoder.rejected == 3


def test_a_device_of_characteristics_only_talks() -> None:
    decoder = PacketDecoder("strap", {})
    assert decoder.due(T0) == b""
    with pytest.raises(CommandError, match=r"strap: .* StartNibp"):
        decoder.request(StartNibp(), T0)


# --- battery and device information -----------------------------------------------------------


def levels(*percents: int) -> list[tuple[bool, str]]:
    battery = Battery("strap")
    events = [e for percent in percents for e in battery.read(bytes([percent]), T0) or ()]
    assert battery.percent == percents[-1]
    return [(e.active, e.detail) for e in events if isinstance(e, Notice)]


def test_a_battery_is_low_below_20_and_well_again_from_25() -> None:
    assert levels(100, 20) == []
    assert levels(19) == [(True, "19 %")]
    assert levels(19, 5, 20, 24) == [(True, "19 %")]
    assert levels(19, 24, 25, 24, 20) == [(True, "19 %"), (False, "25 %")]


@pytest.mark.parametrize("data", [b"", b"\x65", b"\xff", b"\x32\x00"])
def test_what_is_no_level_is_refused(data: bytes) -> None:
    assert Battery("strap").read(data, T0) is None


@pytest.mark.parametrize(
    ("data", "expected"),
    [(b"BM85\x00", "BM85"), (b" X4 Smart ", "X4 Smart"), (b"\xff", "\ufffd"), (b"", "")],
)
def test_a_text_of_the_device_information(data: bytes, expected: str) -> None:
    assert text(data) == expected


# --- what was measured just now ---------------------------------------------------------------


@pytest.fixture(params=["UTC0", "CET-1CEST,M3.5.0,M10.5.0/3", "EST5EDT,M3.2.0,M11.1.0", "NPT-5:45"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """This computer stands somewhere else."""
    from devices import gatt

    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    gatt._offset_us.cache_clear()
    yield request.param
    monkeypatch.undo()
    time.tzset()
    gatt._offset_us.cache_clear()


def on_the_wall(at_us: int, wrong_us: int = 0) -> int:
    """What a clock shows that was set by the local time of this computer, or wrongly."""
    then = datetime.fromtimestamp(at_us // US, UTC).astimezone()
    shown = civil_us(
        then.year.to_bytes(2, "little")
        + bytes((then.month, then.day, then.hour, then.minute, then.second))
    )
    assert shown is not None
    return shown + wrong_us


def current_time(at_us: int, wrong_us: int = 0) -> bytes:
    """2A2B of such a clock."""
    return time_bytes(on_the_wall(at_us, wrong_us)) + bytes((1, 0, 0))


def taken(clock: DeviceClock, stamp_us: int | None, at_us: int = T0) -> int | None:
    return clock.taken_us(stamp_us, at_us)[0]


@pytest.mark.parametrize("season_us", [0, 182 * 24 * HOUR])
@pytest.mark.usefixtures("zone")
def test_a_clock_set_by_local_time_dates_a_reading(season_us: int) -> None:
    at_us = T0 + season_us
    for age_s in (0, 1, LIVE_S):
        assert taken(DeviceClock("cuff"), on_the_wall(at_us) - age_s * US, at_us) == (
            at_us - age_s * US
        )
    assert taken(DeviceClock("cuff"), on_the_wall(at_us) - (LIVE_S + 1) * US, at_us) is None


def test_a_reading_is_never_of_the_future() -> None:
    clock = DeviceClock("cuff")
    assert taken(clock, on_the_wall(T0) + LIVE_S * US) == T0
    assert taken(clock, on_the_wall(T0) + (LIVE_S + 1) * US) is None


def test_without_a_time_it_is_of_now() -> None:
    assert DeviceClock("cuff").taken_us(None, T0) == (T0, [])


@given(st.integers(-50_000, 50_000).map(lambda hours: hours * HOUR // 4), st.integers(-120, 240))
def test_a_clock_that_was_read_may_be_as_wrong_as_it_likes(wrong_us: int, age_s: int) -> None:
    clock = DeviceClock("cuff")
    assert clock.read_current(current_time(T0 - US, wrong_us), T0 - US) == []
    stamp_us = on_the_wall(T0, wrong_us) - age_s * US
    live = T0 - max(age_s, 0) * US if abs(age_s) <= LIVE_S else None
    assert clock.taken_us(stamp_us, T0) == (live, [])


def test_the_date_of_2a08_is_as_good() -> None:
    clock = DeviceClock("cuff")
    assert clock.read_date(time_bytes(on_the_wall(T0, -3 * HOUR)), T0) == []
    assert taken(clock, on_the_wall(T0, -3 * HOUR)) == T0
    assert taken(clock, on_the_wall(T0)) is None


def test_a_clock_without_a_date_is_as_good_as_none() -> None:
    clock = DeviceClock("cuff")
    assert clock.read_current(bytes(10), T0) == []
    assert taken(clock, on_the_wall(T0)) == T0


@pytest.mark.parametrize("wrong_us", [-HOUR, HOUR, -24 * HOUR, 24 * HOUR, 9 * HOUR // 2])
def test_a_clock_that_cannot_be_read_and_is_wrong_is_told_once(wrong_us: int) -> None:
    clock = DeviceClock("cuff")
    live, events = clock.taken_us(on_the_wall(T0, wrong_us), T0)
    assert live is None
    assert [(e.code, e.active) for e in events if isinstance(e, Notice)] == [
        ("clock_differs", True)
    ]
    assert clock.taken_us(on_the_wall(T0, wrong_us), T0) == (None, [])
    assert clock.taken_us(on_the_wall(T0), T0) == (
        T0,
        [Notice("cuff", T0, "clock_differs", False)],
    )


def test_the_notice_says_how_old_it_seems_and_what_to_do() -> None:
    def words(wrong_us: int) -> str:
        _, events = DeviceClock("cuff").taken_us(on_the_wall(T0, wrong_us), T0)
        assert isinstance(events[0], Notice)
        return events[0].detail

    assert "measured 60 min ago" in words(-HOUR)
    assert "measured 3 min from now" in words(3 * 60 * US)
    assert "measured 5 hours ago" in words(-5 * HOUR)
    assert "measured 3 days ago" in words(-72 * HOUR)
    assert words(-HOUR).endswith("set that clock")


def test_what_is_old_by_a_clock_that_is_right_needs_no_words() -> None:
    clock = DeviceClock("cuff")
    assert taken(clock, on_the_wall(T0)) == T0
    assert clock.taken_us(on_the_wall(T0, -HOUR), T0) == (None, [])


@pytest.mark.parametrize("size", [0, 6, 7, 9, 11])
def test_a_current_time_of_another_length_is_refused(size: int) -> None:
    assert DeviceClock("cuff").read_current(bytes(size), T0) is None


@pytest.mark.parametrize("size", [0, 6, 8, 10])
def test_a_date_of_another_length_is_refused(size: int) -> None:
    assert DeviceClock("cuff").read_date(bytes(size), T0) is None


@pytest.mark.usefixtures("zone")
def test_local_time_follows_the_zone_and_its_seasons() -> None:
    for at_us in (T0, T0 + 182 * 24 * HOUR):
        assert at_us + local_offset_us(at_us) == on_the_wall(at_us)


def test_the_clocks_characteristics_have_their_names() -> None:
    assert (CURRENT_TIME[4:8], DATE_TIME[4:8]) == ("2a2b", "2a08")
