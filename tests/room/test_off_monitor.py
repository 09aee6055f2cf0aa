"""Off the monitor, back on it, and finished: what is suspended and what never is."""

from __future__ import annotations

import pytest

from tests.room.world import T0_US, World
from vitals.model import US, DeviceRequest, Quality, SessionChange, StoreState


def off(reason: str = "toilet", **args: object) -> World:
    """After the dose, good vitals up to second 10, then off the monitor: nothing is measured."""
    world = World(auto_nibp=False).open("intranasal", dose=True)
    world.vitals(range(1, 11))
    assert world.act("off_monitor", reason=reason, **args).ok
    return world


def is_off(world: World) -> bool:
    assert world.room.session is not None
    return world.room.session.off_since_us is not None


def test_off_the_monitor_nothing_is_said_of_devices() -> None:
    world = off()
    world.notice("sensor_off")
    world.link("lost", "cuff")
    world.at(500).notice("low_battery", "cuff")
    world.at(600).tick()
    assert world.room.alarms == []


@pytest.mark.parametrize(("args", "minutes"), [({}, 10), ({"battery": True}, 3)])
def test_it_expires_after_10_min_a_battery_after_3_and_that_is_medium(
    args: dict[str, object], minutes: int
) -> None:
    world = off(**args)
    world.at(5000).tick()
    assert world.told("off-monitor") == [(10 + minutes * 60, "medium")]
    assert world.state("off-monitor").sounding


def test_it_can_be_extended_once() -> None:
    world = off()
    world.at(500)
    assert world.act("extend_off_monitor").ok
    assert "once" in world.act("extend_off_monitor").error
    assert world.room.session is not None
    assert world.room.session.off_until_us == T0_US + 1100 * US
    world.at(5000).tick()
    assert world.told("off-monitor") == [(1100, "medium")]


def test_an_extension_after_the_expiry_ends_its_alarm() -> None:
    world = off()
    world.at(700).tick()
    assert world.alarm("off-monitor") == "active/medium"
    assert world.act("extend_off_monitor").ok
    assert world.alarm("off-monitor") == "idle"
    world.at(1400).tick()
    assert world.alarm("off-monitor") == "active/medium"


def test_off_a_second_time_can_be_extended_again() -> None:
    world = off()
    assert world.act("extend_off_monitor").ok
    assert world.act("on_monitor").ok
    world.vitals(range(20, 30))
    assert world.act("off_monitor", reason="toilet").ok
    assert world.act("extend_off_monitor").ok


def test_ten_seconds_of_good_data_after_a_loss_end_it() -> None:
    world = off()
    world.at(100).value("spo2", None, quality=Quality.INVALID)
    world.vitals(range(101, 111))
    assert is_off(world)
    world.vitals([111])
    assert not is_off(world)
    (back,) = [o for o in world.outputs if isinstance(o, SessionChange) and o.cause == "on monitor"]
    assert back.body == {"off_since_us": T0_US + 10 * US, "reason": "toilet"}


def test_silence_before_the_data_come_back_is_a_loss_as_well() -> None:
    world = off()
    world.vitals(range(11, 15))
    world.vitals(range(200, 211))
    assert not is_off(world)


def test_data_that_are_interrupted_are_not_ten_seconds() -> None:
    world = off()
    for start in (100, 120, 140):
        world.at(start).value("spo2", None, quality=Quality.INVALID)
        world.vitals(range(start + 1, start + 10))
    assert is_off(world)


def test_questionable_data_are_not_good_data() -> None:
    world = off()
    world.at(100).value("spo2", None, quality=Quality.INVALID)
    for second in range(101, 140):
        world.at(second).value("spo2", 96, quality=Quality.QUESTIONABLE)
        world.value("pr", 72)
    assert is_off(world)


def test_back_on_the_monitor_the_conditions_are_there_again_and_count_from_now() -> None:
    world = off()
    world.at(300)
    assert world.act("on_monitor").ok
    world.at(320).tick()
    assert world.told("signal-lost") == [(305, "low"), (310, "high")]


def test_vitals_that_are_measured_nevertheless_are_judged() -> None:
    world = off()
    world.vitals(range(11, 30), spo2=87)
    assert world.alarm("spo2-low") == "active/high"
    assert world.state("spo2-low").sounding


def test_the_record_the_sound_and_a_symptom_are_not_suspended() -> None:
    world = off()
    world.put(StoreState(world.now_us, recording=False))
    world.heard_by(0)
    world.act("symptom", text="nausea")
    world.at(40).tick()
    assert world.alarm("not-recording") == "active/medium"
    assert world.alarm("no-sound") == "active/high"
    assert world.alarm("symptom") == "active/high"


def test_an_overdue_reading_is_suspended_and_is_there_again_afterwards() -> None:
    world = World(auto_nibp=False).open("intranasal", dose=True)
    world.vitals(range(1, 1210))
    world.act("off_monitor", reason="toilet")
    world.at(1750).tick()
    assert world.alarm("nibp-overdue") == "idle"
    world.act("on_monitor")
    world.vitals(range(1751, 1760))
    assert world.alarm("nibp-overdue") == "active/medium"
    assert world.changes("nibp-overdue")[0].at_us >= T0_US + 1750 * US


def test_no_cuff_is_inflated_on_somebody_who_is_away() -> None:
    world = World().open("intranasal", dose=True)
    world.vitals(range(1, 1190))
    world.act("off_monitor", reason="toilet")
    world.at(1400)
    assert not [o for o in world.tick() if isinstance(o, DeviceRequest)]


def test_with_a_high_alarm_active_it_needs_a_reason() -> None:
    world = World(auto_nibp=False).open("intranasal", dose=True)
    world.vitals(range(1, 20), spo2=86)
    refused = world.act("off_monitor")
    assert "SpO2 86 < 88 is active" in refused.error
    assert not is_off(world)
    assert world.act("off_monitor", reason="prescriber is here").ok


def test_without_one_it_is_one_tap() -> None:
    world = World(auto_nibp=False).open("intranasal", dose=True)
    world.vitals(range(1, 20), spo2=91)
    assert world.act("off_monitor").ok


def test_it_cannot_be_begun_twice_nor_ended_when_it_is_not_on() -> None:
    world = off()
    assert "already" in world.act("off_monitor", reason="again").error
    assert world.act("on_monitor").ok
    assert "already" in world.act("on_monitor").error
    assert "on the monitor" in world.act("extend_off_monitor").error


# --- finished -----------------------------------------------------------------------------------


def discharged(spo2: float = 97) -> World:
    world = World(auto_nibp=False).open("intranasal", dose=True)
    world.vitals(range(1, 40), spo2=spo2)
    assert world.act("phase", to="DISCHARGE_CHECK").ok
    return world


def test_finished_is_for_the_discharge_check_only_and_once() -> None:
    world = World(auto_nibp=False).open("intranasal", dose=True)
    assert "discharge check" in world.act("finished").error
    assert world.act("phase", to="DISCHARGE_CHECK").ok
    assert world.act("finished").ok
    assert "already" in world.act("finished").error


def test_finished_ends_probe_off_and_frozen_alarms_with_that_cause() -> None:
    world = discharged(spo2=86)
    world.notice("sensor_off")
    world.at(80).tick()
    assert world.alarm("spo2-low") == "active/high"
    assert world.alarm("signal-lost") == "active/high"
    assert world.act("finished").ok
    assert world.room.alarms == []
    for rule in ("spo2-low", "signal-lost"):
        last = world.changes(rule)[-1]
        assert (last.cause, last.actor) == ("monitoring finished", "nurse A")
    world.at(4000).tick()
    assert world.room.alarms == []


def test_finished_does_not_end_an_alarm_whose_source_still_speaks() -> None:
    world = discharged(spo2=86)
    assert world.act("finished").ok
    assert world.alarm("spo2-low") == "active/high"


def test_finished_leaves_the_session_open_and_the_record_watched() -> None:
    world = discharged()
    assert world.act("finished").ok
    assert world.room.session is not None
    world.put(StoreState(world.now_us, recording=False))
    assert world.alarm("not-recording") == "active/medium"
