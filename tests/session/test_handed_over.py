"""A session that changes its room keeps the phase that somebody has chosen for it."""

from __future__ import annotations

from tests.room.world import World
from vitals.model import Result
from vitals.session.moving import HandOver

MIN = 60


def test_a_phase_that_was_chosen_stays_and_the_next_one_comes_in_its_time() -> None:
    world = World().open("iv", dose=True)
    world.at(65 * MIN).act("phase", to="ONSET_PEAK")
    world.at(70 * MIN)
    hand_over = HandOver(world.room, "room-2", "nurse A")
    assert world.act("move_session", to="room-2").ok
    other = World()
    other.at(70 * MIN)
    assert not any(isinstance(o, Result) for o in hand_over.complete(other.room, 1, other.now_us))
    phases = []
    for minute in (70, 89, 91):
        other.at(minute * MIN).tick()
        assert other.room.session is not None
        phases.append(other.room.session.phase)
    assert phases == ["ONSET_PEAK", "ONSET_PEAK", "RECOVERY"]
