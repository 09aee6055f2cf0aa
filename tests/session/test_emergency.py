"""An emergency: everybody is there, so the program measures, records and keeps its voice down."""

from __future__ import annotations

from tests.room.world import OTHER, T0_US, World
from vitals.model import US, DeviceRequest, StartNibp

MIN = 60


def emergency(minute: float = 20) -> World:
    world = World().open("im", dose=True)
    world.vitals(range(1, 30))
    world.at(minute * MIN)
    assert world.act("emergency").ok
    return world


def asked(world: World) -> int:
    return sum(isinstance(o, DeviceRequest) and isinstance(o.request, StartNibp)
               for o in world.outputs)  # fmt: skip


def test_one_tap_acknowledges_what_is_on_and_starts_the_clock() -> None:
    world = World().open("im", dose=True)
    world.vitals(range(1, 40), spo2=84)
    assert world.state("spo2-low").sounding
    assert world.act("emergency").ok
    assert not world.state("spo2-low").sounding
    assert world.state("spo2-low").acked_by == "nurse A"
    session = world.room.session
    assert session is not None
    assert (session.phase, session.emergency_us) == ("EMERGENCY", world.now_us)


def test_what_is_new_sounds_once_and_stays_visible() -> None:
    world = emergency()
    start = 20 * MIN
    world.vitals(range(start + 1, start + 20), spo2=84)
    changes = world.changes("spo2-low")
    high = next(c for c in changes if c.after.priority == "high" and c.after.sounding)
    ended = next(c for c in changes if c.cause == "sounded once")
    assert ended.at_us == high.at_us + 5 * US
    assert world.alarm("spo2-low") == "active/high"
    assert not world.state("spo2-low").sounding
    # a worse level is news again
    world.vitals(range(start + 20, start + 30), spo2=75)
    assert sum(c.cause == "sounded once" for c in world.changes("spo2-low")) == 2


def test_when_it_is_over_what_nobody_has_seen_sounds_again() -> None:
    world = emergency()
    start = 20 * MIN
    world.vitals(range(start + 1, start + 30), spo2=84)
    assert not world.state("spo2-low").sounding
    assert not world.act("end_emergency", to="RECOVERY").ok  # no reason
    assert not world.act("end_emergency", to="EMERGENCY", reason="x").ok
    assert world.act("end_emergency", to="RECOVERY", reason="help left").ok
    assert world.state("spo2-low").sounding
    session = world.room.session
    assert session is not None
    assert (session.phase, session.emergency_us) == ("RECOVERY", None)


def test_the_cuff_measures_every_two_minutes_until_it_is_said_to_be_off() -> None:
    world = emergency()
    before = asked(world)
    start = 20 * MIN
    for n in range(4):
        world.at(start + 1 + n * 121).tick()
        assert asked(world) == before + n + 1, n
        world.reading(120)
    assert world.act("cuff_off", by=OTHER).ok
    assert not world.act("cuff_off").ok
    count = asked(world)
    for second in range(start + 500, start + 900, 10):
        world.at(second).tick()
    assert asked(world) == count
    assert world.act("cuff_on").ok
    world.at(start + 901).tick()
    assert asked(world) == count + 1


def test_nothing_is_owed_by_the_emergency_while_the_cuff_is_off() -> None:
    world = emergency()
    start = 20 * MIN
    world.at(start + 1).reading(120)
    assert world.act("cuff_off").ok
    world.at(start + 30)
    assert world.act("reading", nibp_sys=110, nibp_dia=70).ok
    world.at(start + 300).tick()
    owed = [due for due in world.room.due if due.what.startswith("nibp-emergency")]
    assert {due.state for due in owed} == {"done", "skipped"}
    assert world.act("cuff_on").ok
    world.tick()
    owed = [due for due in world.room.due if due.what.startswith("nibp-emergency")]
    assert [due.state for due in owed].count("due") == 1


def test_a_reading_that_does_not_come_is_asked_for_again() -> None:
    world = emergency()
    start = 20 * MIN
    world.at(start + 1).tick()
    count = asked(world)
    for second in range(start + 2, start + 125):
        world.at(second).tick()
    assert asked(world) == count + 1


def test_its_readings_are_no_longer_owed_when_it_is_over() -> None:
    world = emergency()
    world.at(20 * MIN + 10).reading(120)
    world.act("end_emergency", to="DESCENT", reason="over")
    states = {d.state for d in world.room.due if d.what.startswith("nibp-emergency-")}
    assert states == {"done", "skipped"}


def test_its_time_line_is_exact_without_ticks() -> None:
    def run(every: int) -> list[object]:
        world = emergency()
        start = 20 * MIN
        for second in range(start + 1, start + 60):
            world.at(second)
            world.value("spo2", 84)
            world.value("pr", 72)
            if second % every == 0:
                world.tick()
        return [(c.at_us, c.cause) for c in world.changes("spo2-low")]

    assert run(1) == run(1000)


def test_the_readings_of_a_route_go_on_beside_it() -> None:
    world = emergency()
    world.at(20 * MIN + 5).reading(120)
    done = [d.what for d in world.room.due if d.done_us == T0_US + (20 * MIN + 5) * US]
    assert "nibp+20" in done
    assert "nibp-emergency-1" in done


def test_it_ends_the_time_off_the_monitor() -> None:
    world = World().open("im", dose=True)
    world.vitals(range(1, 30))
    world.at(60)
    assert world.act("off_monitor", reason="toilet").ok
    world.at(90)
    before = asked(world)
    assert world.act("emergency").ok
    assert world.room.session is not None
    assert world.room.session.off_since_us is None
    world.at(92).tick()
    assert asked(world) == before + 1
