from __future__ import annotations

import random

import pytest

from devices import registry
from devices.conversation import (
    BELIEVED_S,
    MAX_DUE,
    NOT_UNDERSTOOD,
    UNDERSTOOD_S,
    Conversation,
)
from devices.driver import Driver
from tests.devices.fake_driver import FakeDecoder, PollingDecoder, driver
from vitals.model import US, Chunk, Notice

T0 = 1_800_000_000 * US


class Talk:
    """A conversation and both of its clocks, which only move when told."""

    def __init__(self, driver: Driver, *, doubted: bool = False) -> None:
        self.real_s = 1000.0
        self.conversation = Conversation(driver, "d1", self.real_s, doubted=doubted)
        self.conversation.opened(self.real_s)
        self.due()

    def hear(self, *lines: str, after_s: float = 0.0) -> list[object]:
        self.real_s += after_s
        data = b"".join(line.encode() + b"\n" for line in lines)
        return list(self.conversation.feed(Chunk(data, self.now_us), self.real_s))

    def due(self, after_s: float = 0.0) -> bytes:
        self.real_s += after_s
        return self.conversation.due(self.now_us, self.real_s)

    def trouble(self, after_s: float = 0.0) -> str:
        self.real_s += after_s
        return self.conversation.trouble(self.real_s)

    @property
    def alive(self) -> bool:
        return self.conversation.alive

    @property
    def now_us(self) -> int:
        return T0 + round((self.real_s - 1000) * US)


def test_a_continuous_device_is_alive_with_its_first_event() -> None:
    talk = Talk(driver())
    assert not talk.alive
    talk.hear("idle", "junk")
    assert not talk.alive
    talk.hear("hr 60", after_s=BELIEVED_S)
    assert talk.alive


@pytest.mark.parametrize("quiet_s", [3.0, 10.0])
def test_silence_is_trouble_after_the_driver_s_own_time(quiet_s: float) -> None:
    talk = Talk(driver(quiet_s=quiet_s))
    talk.hear("hr 60")
    assert talk.trouble(quiet_s) == ""
    assert f"nothing has come for {quiet_s:g} s" in talk.trouble(0.01)


def test_patience_starts_when_the_port_is_open_not_when_it_was_asked_for() -> None:
    talk = Talk(driver())
    talk.real_s += 60
    talk.conversation.opened(talk.real_s)
    assert talk.trouble(2.9) == ""


def test_bytes_without_meaning_are_trouble_after_three_seconds() -> None:
    talk = Talk(driver())
    for _ in range(30):
        talk.hear("\x81\x02\x03", after_s=0.1)
    assert talk.trouble(0.01) == NOT_UNDERSTOOD
    assert not talk.alive


def test_meaning_that_stops_is_trouble_too() -> None:
    talk = Talk(driver())
    talk.hear("hr 60")
    for _ in range(6):
        talk.hear("junk", after_s=0.5)
    assert talk.trouble() == ""
    talk.hear("junk", after_s=0.1)
    assert talk.trouble() == NOT_UNDERSTOOD


def test_well_formed_frames_among_garbage_are_neither_shown_nor_a_sign_of_life() -> None:
    talk = Talk(driver())
    for _ in range(31):
        assert talk.hear("junk", "hr 60", "!sensor_off 1", "junk", after_s=0.1) == []
    assert talk.trouble() == NOT_UNDERSTOOD
    assert not talk.alive


def test_a_number_after_noise_waits_and_keeps_its_time() -> None:
    talk = Talk(driver())
    at_us = talk.now_us
    assert talk.hear("junk", "hr 60", "!sensor_off 0") == []
    assert talk.hear("hr 61", after_s=0.4) == []
    values = talk.hear("hr 62", after_s=0.1)
    assert [getattr(event, "value", None) for event in values] == [60, None, 61, 62]
    assert getattr(values[0], "at_us", None) == at_us


def test_noise_after_noise_costs_the_numbers_between_but_no_notice() -> None:
    talk = Talk(driver())
    talk.hear("junk", "hr 60", "!sensor_off 1")
    talk.hear("junk", after_s=0.4)
    found = talk.hear("hr 62", after_s=0.5)
    assert [getattr(event, "value", None) for event in found] == [None, 62]


def test_a_checksum_needs_no_patience() -> None:
    assert len(Talk(driver(checked=True)).hear("junk", "hr 60")) == 1


@pytest.mark.parametrize("bytes_per_s", [960, 11520])
@pytest.mark.parametrize("name", ["contec-v7", "dinamap", "nonin-df2"])
def test_ten_minutes_of_line_noise_mean_nothing(name: str, bytes_per_s: int) -> None:
    noise = random.Random(name)  # noqa: S311 no secret
    talk = Conversation(registry.get(name), "d1", 0.0)
    for tenth in range(6000):
        chunk = Chunk(noise.randbytes(bytes_per_s // 10), T0 + tenth * US // 10)
        assert talk.feed(chunk, tenth / 10) == []
    assert talk.trouble(600.0) == NOT_UNDERSTOOD


def test_a_slow_device_has_its_own_time_to_be_understood() -> None:
    talk = Talk(driver(quiet_s=60.0))
    talk.hear("idle", after_s=30)
    assert talk.trouble(29) == ""


def test_a_spot_device_that_is_not_asked_may_be_silent_for_hours() -> None:
    talk = Talk(driver(mode="spot"))
    assert talk.alive
    assert talk.trouble(8 * 3600) == ""


def test_a_spot_device_that_is_polled_owes_an_answer() -> None:
    talk = Talk(driver(mode="spot", decoder=PollingDecoder))
    assert not talk.alive
    talk.hear("idle", after_s=0.2)
    assert talk.alive
    assert talk.trouble(100) == ""
    assert talk.due() == b"?"
    talk.due(after_s=2)  # asking again is no answer
    assert talk.trouble(0.9) == ""
    assert "nothing has come" in talk.trouble(0.2)


def test_a_spot_device_that_only_sends_junk_is_not_understood_and_not_taken_for_alive() -> None:
    talk = Talk(driver(mode="spot", decoder=PollingDecoder))
    for _ in range(8):
        assert talk.trouble() == ""
        talk.hear("junk", after_s=0.5)
    assert talk.trouble() == NOT_UNDERSTOOD
    assert not talk.alive
    again = Talk(driver(mode="spot"), doubted=True)
    assert not again.alive
    again.hear("hr 60")
    assert again.alive


def test_noise_now_and_then_does_not_end_a_spot_device() -> None:
    talk = Talk(driver(mode="spot"))
    for _ in range(50):
        talk.hear("junk", after_s=UNDERSTOOD_S + 0.1)
        assert talk.trouble() == ""


def test_all_that_is_due_is_sent_at_once_but_not_without_end() -> None:
    class Endless(FakeDecoder):
        def due(self, now_us: int) -> bytes:
            return b"?"

    assert Talk(driver(decoder=Endless)).due() == b"?" * MAX_DUE


def test_the_end_takes_back_what_the_device_had_reported() -> None:
    talk = Talk(driver())
    talk.hear("!sensor_off 1", "!low_battery 1", "!sensor_off 0", "!nibp_failed 1", "!searching 1")
    ended = talk.conversation.farewell(T0 + 5)
    assert ended == [
        Notice("d1", T0 + 5, "low_battery", active=False, detail="the link has ended"),
        Notice("d1", T0 + 5, "searching", active=False, detail="the link has ended"),
    ]
    assert talk.conversation.farewell(T0 + 6) == []
