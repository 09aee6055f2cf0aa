"""A device is carried into a room or out of it, in mid-session too."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.room import world as beds
from tests.room.world import OXIMETER, World
from vitals.model import Bind, RoomDevice, Unbind
from vitals.room import Room

CUFF = replace(beds.CUFF, rank=1)
OTHER = RoomDevice("ox2", ("spo2", "pr", "pleth"), rank=9)
OTHER_CUFF = RoomDevice("cuff2", ("nibp_sys", "nibp_dia"), frozenset({"start_nibp"}), rank=9)


def dosed(devices: Iterable[RoomDevice] = (OXIMETER, CUFF)) -> World:
    """A room after the dose, ten seconds of good vitals behind it: the last at second 10."""
    world = World(devices, auto_nibp=False).open("intranasal", dose=True)
    world.vitals(range(1, 11))
    return world


def bind(world: World, device: RoomDevice, *, link: bool = True) -> None:
    world.put(Bind(world.now_us, device))
    if link:
        world.link("streaming", device.id)


def unbind(world: World, device: str) -> None:
    world.put(Unbind(world.now_us, device))


def test_who_was_watched_by_a_device_that_is_carried_away_still_is() -> None:
    world = dosed((OXIMETER,))
    unbind(world.at(11), "ox")
    world.at(200).tick()
    assert world.told("signal-lost") == [(15, "low"), (20, "high")]
    assert world.state("signal-lost").text == "SIGNAL LOST, last SpO2 97"


def test_the_monitor_that_comes_ends_the_loss_of_the_one_that_failed() -> None:
    world = dosed()
    world.at(11).link("lost")
    world.at(30).tick()
    assert world.alarm("spo2-no-data") == "active/low"
    unbind(world, "ox")
    bind(world, OTHER)
    for second in range(31, 45):
        world.at(second).value("spo2", 96, "ox2")
        world.value("pr", 70, "ox2")
    assert world.alarm("spo2-no-data") == world.alarm("link-lost:ox") == "idle"
    assert world.room.judged is not None
    for second in range(45, 60):
        world.at(second).value("spo2", 87, "ox2")
    assert world.alarm("spo2-low") == "active/high"


def test_what_was_said_of_a_device_ends_when_it_is_carried_away() -> None:
    world = dosed((OXIMETER, CUFF, OTHER_CUFF))
    world.at(11).notice("low_battery", "cuff2")
    world.link("lost", "cuff2")
    world.vitals(range(12, 60))
    assert world.alarm("link-lost:cuff2") == "active/medium"
    unbind(world, "cuff2")
    assert world.alarm("link-lost:cuff2") == world.alarm("battery-low:cuff2") == "idle"


def test_a_device_that_came_is_missed_like_any_other() -> None:
    world = dosed()
    bind(world.at(11), OTHER_CUFF)
    world.link("lost", "cuff2")
    world.vitals(range(12, 60))
    assert world.alarm("link-lost:cuff2") == "active/medium"


def test_a_reading_that_runs_on_a_cuff_which_is_carried_away_has_failed() -> None:
    world = dosed()
    world.at(11).notice("cuff_inflating", "cuff")
    unbind(world.at(12), "cuff")
    assert world.state("nibp-failed").text == (
        "BP failed: the monitor was moved to another room; repeat"
    )
    refused = world.act("start_nibp")
    assert not refused.ok
    bind(world, OTHER_CUFF)
    assert world.act("start_nibp").ok


def test_a_rooms_own_device_is_trusted_before_one_that_came() -> None:
    world = dosed()
    bind(world.at(11), OTHER)
    world.value("spo2", 80, "ox2")
    assert not world.room.judged
    world.value("spo2", 97)
    assert world.room.judged
    assert world.room.bed.sources.order("spo2") == ["ox", "cuff", "ox2"]
    unbind(world, "ox")
    bind(world, OXIMETER)
    assert world.room.bed.sources.order("spo2") == ["ox", "cuff", "ox2"]


def test_an_oximeter_that_comes_to_a_room_without_one_is_awaited_from_then_on() -> None:
    world = World((OTHER_CUFF,), auto_nibp=False).open("intranasal", dose=True)
    world.at(300).tick()
    assert world.alarm("signal-lost") == "idle"
    bind(world, OXIMETER)
    assert world.alarm("signal-lost") == "idle"
    world.at(312).tick()
    assert world.alarm("signal-lost") == "active/high"


DEVICES = (OXIMETER, CUFF, OTHER, OTHER_CUFF)


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.sampled_from(DEVICES)), max_size=12))
def test_a_room_is_then_like_one_that_was_made_so(steps: list[tuple[bool, RoomDevice]]) -> None:
    world = World((OXIMETER, CUFF), auto_nibp=False)
    for comes, device in steps:
        if comes:
            bind(world, device, link=False)
        else:
            unbind(world, device.id)
    made = Room("room-1", world.room.devices.values(), world.room.profile, auto_nibp=False)
    assert world.room.setup == made.setup
    for channel in ("spo2", "pr", "nibp_sys"):
        order = made.bed.sources.order(channel)
        assert world.room.bed.sources.order(channel) == order
        assert world.room.bed.sources.of(channel) == (order[0] if order else "")
    world.open()
    assert set(made.rules) <= set(world.room.rules)
    assert set(world.room.bed.links) <= set(made.devices)
