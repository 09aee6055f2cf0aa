"""What users of neighbouring projects complained of, each as a test of its own.

The projects and threads are public; only the facts are taken from them.
"""

from __future__ import annotations

import pytest

from tests.room.world import CUFF, NURSE, OTHER, OXIMETER, T0_US, World
from vitals.alarms.profile import load
from vitals.model import US, AlarmChange, Quality
from vitals.room import Room


def dosed() -> World:
    world = World(auto_nibp=False).open("intranasal", dose=True)
    world.vitals(range(1, 11), spo2=94)
    return world


def desaturated(until: int = 25) -> World:
    world = dosed()
    world.vitals(range(11, until), spo2=86)
    return world


def test_a_pause_is_of_one_alarm_named_timed_and_can_be_cancelled() -> None:
    """Nightscout #1081: a snooze mutes everything, for everyone, and cannot be cancelled."""
    world = desaturated()
    world.act("pause_audio", OTHER)
    (paused,) = [c for c in world.changes("spo2-low") if c.cause == "audio paused"]
    assert paused.actor == "nurse B"
    assert paused.after.signal_until_us == paused.at_us + 120 * US
    world.reading(185)
    assert world.state("sbp-high").sounding
    world.act("resume_audio", NURSE, rule="spo2-low")
    assert world.state("spo2-low").sounding


def test_a_paused_alarm_is_not_raised_again_by_each_new_reading() -> None:
    """Nightscout #8231: a snoozed alarm fires again at each new reading."""
    world = desaturated()
    world.act("pause_audio")
    rows = len(world.changes("spo2-low"))
    for second in range(25, 24 + 120):
        world.vitals([second], spo2=86 if second % 2 else 85)
        assert not world.state("spo2-low").sounding
    later = world.changes("spo2-low")[rows:]
    assert {c.cause for c in later} == {"escalated"}
    world.vitals([24 + 120], spo2=86)
    assert world.state("spo2-low").sounding


def test_an_acknowledged_alarm_is_one_state_for_everybody() -> None:
    """Nightscout #5180: an acknowledged alarm is raised again on another channel.

    Another device that measures the same vital, and a replay of the same inputs as another page
    or another process would fold them, know the acknowledgement as well.
    """
    world = desaturated()
    world.act("acknowledge", rule="spo2-low")
    for second in range(25, 60):
        world.vitals([second], spo2=86)
        world.value("spo2", 85, "cuff")
        assert not any(a.sounding for a in world.room.alarms)
    other = Room("room-1", (OXIMETER, CUFF), load(), auto_nibp=False)
    for item in world.inputs:
        other.step(item)
    assert other.alarms == world.room.alarms


@pytest.mark.parametrize("act", ["acknowledge", "pause_audio", "rule_off"])
def test_an_alarm_of_missing_data_is_silenced_like_any_other(act: str) -> None:
    """Nightscout #958: the alarm of stale data cannot be silenced."""
    world = dosed()
    world.at(30).tick()
    assert world.state("signal-lost").sounding
    assert world.act(act, rule="signal-lost", reason="the sensor is being changed").ok
    world.at(100).tick()
    assert not world.state("signal-lost").sounding
    assert world.alarm("signal-lost") == "active/high", "it stays visible"


@pytest.mark.parametrize("act", ["acknowledge", "pause_audio", "rule_off"])
def test_a_silenced_high_pulse_leaves_a_low_one_to_be_heard(act: str) -> None:
    """nightguard #39: snoozing HIGH mutes LOW."""
    world = dosed()
    world.vitals(range(11, 40), spo2=94, pr=135)
    world.act(act, rule="pr-high", reason="known")
    world.vitals(range(40, 65), spo2=94, pr=35)
    assert world.state("pr-low").sounding
    assert str(world.state("pr-low").priority) == "high"


@pytest.mark.parametrize("act", ["acknowledge", "pause_audio"])
def test_what_is_urgent_is_heard_although_the_milder_alarm_was_silenced(act: str) -> None:
    """nightguard #66: an urgent low is ignored while the alarm is snoozed."""
    world = dosed()
    world.vitals(range(11, 30), spo2=91)
    world.act(act, rule="spo2-low")
    world.vitals(range(30, 42), spo2=87)
    assert world.state("spo2-low").sounding
    world.act(act, rule="spo2-low")
    world.vitals(range(42, 44), spo2=79)
    assert world.state("spo2-low").sounding


def test_a_gap_is_a_gap_and_no_delay_ends_in_it() -> None:
    """OpenICE #110: gaps are filled with repeated old samples."""
    world = dosed()
    world.vitals(range(11, 15), spo2=86)
    world.at(200).tick()
    assert world.told("spo2-low") == []
    assert world.state("signal-lost").value_us == T0_US + 14 * US
    world.vitals([201], spo2=86)
    assert world.told("spo2-low") == [], "a delay that was interrupted for so long begins anew"


def test_an_alarm_can_be_acknowledged_and_stays_acknowledged() -> None:
    """Grafana #13364: no acknowledgement."""
    world = desaturated()
    world.act("acknowledge", rule="spo2-low")
    world.vitals(range(25, 100), spo2=86)
    assert (world.state("spo2-low").acked_by, world.state("spo2-low").acked_us) == (
        "nurse A", T0_US + 24 * US,
    )  # fmt: skip
    assert not world.state("spo2-low").sounding


def test_a_value_that_swings_about_the_limit_is_one_alarm() -> None:
    """Grafana #24762: an alarm that flaps around its limit tells each crossing."""
    world = desaturated()
    world.act("acknowledge", rule="spo2-low")
    rows = len(world.changes("spo2-low"))
    for second in range(25, 140):
        world.vitals([second], spo2=(87, 88, 89)[second % 3])
    assert world.changes("spo2-low")[rows:] == []


def test_missing_data_have_a_grace_and_are_not_an_alarm_at_once() -> None:
    """Grafana #7886: no grace before "no data" is an alarm."""
    world = dosed()
    world.at(14).tick()
    assert world.room.alarms == []
    world.vitals([14])
    world.at(18).tick()
    assert world.room.alarms == []


def test_missing_data_are_a_state_of_their_own_and_neither_ok_nor_the_alarm() -> None:
    """Grafana #31390: a missing series resolves the alarm, or keeps it without a word."""
    world = desaturated()
    world.at(40).tick()
    assert world.alarm("spo2-low") == "active/high"
    assert world.alarm("signal-lost") == "active/high"
    assert world.state("signal-lost").text == "SIGNAL LOST, last SpO2 86"


def test_a_link_that_comes_back_after_a_day_is_taken_up_again() -> None:
    """sdc11073 #381: no reconnect after the connection was lost."""
    world = dosed()
    world.link("lost")
    world.at(86_400).link("connecting")
    world.at(86_410).link("streaming")
    world.vitals(range(86_411, 86_414), spo2=94)
    assert world.alarm("spo2-no-data") == world.alarm("signal-lost") == "idle"
    world.vitals(range(86_414, 86_430), spo2=86)
    assert world.alarm("spo2-low") == "active/high"


def test_after_a_disconnect_no_old_value_is_judged_and_the_loss_is_said() -> None:
    """sdc11073 #380: stale data are kept after a disconnect."""
    world = dosed()
    world.value("spo2", 86)
    world.link("lost")
    world.at(60).tick()
    assert world.told("spo2-low") == []
    assert world.room.desk.fresh_channels() == frozenset()
    lost = "signal-lost"  # an alarm was on its way
    assert world.alarm(lost) == "active/high"


def test_a_link_that_says_it_streams_and_gives_nothing_is_found_by_its_data() -> None:
    """hass-omron #110, bleak-retry-connector #228, SignalK #1566: a hung or zombie link.

    The link never says that it is lost: the watchdog is on the data, not on "is_connected".
    """
    world = dosed()
    for second in range(11, 40):
        world.at(second).link("streaming")
        world.tick()
    assert world.told("signal-lost") == [(15, "low"), (20, "high")]


def test_a_channel_that_stops_while_another_of_the_device_goes_on_is_found_too() -> None:
    """SignalK #1566: a port that is open and half silent."""
    world = dosed()
    for second in range(11, 40):
        world.at(second).value("pr", 72)
    assert world.state("signal-lost").text == "SIGNAL LOST, last SpO2 94"


@pytest.mark.parametrize("ends", ["link", "no value", "silence"])
def test_the_last_value_is_never_kept_as_a_present_one(ends: str) -> None:
    """ha-pulse-oximeter: the last value stays after the device has gone."""
    world = dosed()
    if ends == "link":
        world.link("lost")
    for second in range(11, 20):
        world.at(second)
        if ends == "no value":
            world.value("spo2", None, quality=Quality.INVALID)
            assert world.room.judged is None
        world.tick()
    assert "spo2" not in world.room.desk.fresh_channels()
    told = [o for o in world.outputs if isinstance(o, AlarmChange) and o.at_us > T0_US + 14 * US]
    assert {c.after.rule for c in told} <= {"signal-lost", "spo2-no-data"}
    assert told
