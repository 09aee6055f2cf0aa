"""A station's rows made into rooms: each number under its own name, however seldom names come."""

from __future__ import annotations

from typing import Any

import pytest

from tests.central.centre import room
from vitals import wire
from vitals.central.poll import KeysRow, LatestRow, StateRow, StationRow
from vitals.central.station_rooms import StationRooms
from vitals.central.ward import Ward
from vitals.hub import Hub
from vitals.model import US

AT_US = 1_800_000_000 * US
ONE, TWO = ("room-1", "spo2"), ("room-2", "spo2")


class Centre:
    """One station at the centre, told row by row."""

    def __init__(self, *numbers: int) -> None:
        self.hub = Hub(trends=False)
        self.rooms = StationRooms(StationRow("st", "S", "N", "C"), self.hub, Ward())
        self._changed = 0
        for number in numbers:
            self.state(number)

    def state(self, number: int, *, session: str = "", gone: bool = False) -> None:
        self._changed += 1
        told = wire.encode(room(number, session=session))
        self.rooms.tell(StateRow("st", f"room-{number}", self._changed, told, gone))

    def keys(self, keyed: int, *names: tuple[str, str], flags: str = "") -> None:
        rooms, channels = [name[0] for name in names], [name[1] for name in names]
        count = len(names)
        every = ["d"] * count, [flags] * count, [3.0] * count, [5.0] * count
        self.rooms.keys(KeysRow("st", keyed, rooms, channels, *every))  # type: ignore[arg-type]

    def hear(self, keyed: int, *values: float, at_us: int = AT_US, quality: int = 0) -> int:
        self._changed += 1
        head = ("st", self._changed, keyed, AT_US, AT_US, True, True, "", "real", 0, 0.0)
        count = len(values)
        return self.rooms.hear(LatestRow(*head, [at_us] * count, [*values], [quality] * count))

    def shown(self) -> dict[str, dict[str, Any]]:
        return {
            each.id: {number.channel: number.value for number in each.numerics}
            for each in self.hub.snapshot().rooms
        }


def test_numbers_are_of_what_was_said_last_until_something_else_is_said() -> None:
    centre = Centre(1, 2)
    centre.keys(7, ONE, TWO)
    assert centre.hear(7, 91.0, 92.0) == 2
    assert centre.hear(7, 93.0, 92.0) == 1
    assert centre.shown() == {"st:room-1": {"spo2": 93.0}, "st:room-2": {"spo2": 92.0}}
    centre.keys(8, TWO, ONE)
    assert centre.hear(8, 92.0, 93.0) == 0  # the same, said the other way round
    assert centre.hear(8, 80.0, 93.0) == 1
    assert centre.shown() == {"st:room-1": {"spo2": 93.0}, "st:room-2": {"spo2": 80.0}}


@pytest.mark.parametrize("keyed", [6, 8])
def test_numbers_of_which_it_is_not_known_what_they_are_of_are_not_shown(keyed: int) -> None:
    centre = Centre(1, 2)
    centre.keys(7, ONE, TWO)
    centre.hear(7, 91.0, 92.0)
    assert centre.hear(keyed, 50.0, 51.0) == 0
    assert centre.shown() == {"st:room-1": {"spo2": 91.0}, "st:room-2": {"spo2": 92.0}}


def test_numbers_that_do_not_fit_what_they_should_be_of_are_not_shown() -> None:
    centre = Centre(1, 2)
    centre.keys(7, ONE, TWO)
    assert centre.hear(7, 91.0) == 0
    assert centre.shown() == {"st:room-1": {}, "st:room-2": {}}


def test_flags_that_change_alone_are_shown() -> None:
    centre = Centre(1)
    centre.keys(7, ONE)
    centre.hear(7, 91.0)
    centre.keys(8, ONE, flags="artifact,low_perfusion")
    centre.hear(8, 91.0)
    [number] = centre.hub.snapshot().rooms[0].numerics
    assert number.flags == ["artifact", "low_perfusion"]


def test_a_number_that_comes_before_its_room_is_shown_with_it() -> None:
    centre = Centre()
    centre.keys(7, ONE)
    centre.hear(7, 91.0)
    assert centre.shown() == {}
    centre.state(1)
    assert centre.shown() == {"st:room-1": {"spo2": 91.0}}


def test_a_blood_pressure_of_the_last_session_does_not_come_again_with_the_same_row() -> None:
    centre = Centre()
    centre.state(1, session="s1")
    centre.keys(7, ("room-1", "nibp_sys"), ONE)
    centre.hear(7, 188.0, 91.0)  # nobody has looked yet
    centre.state(1, session="s2")
    assert centre.shown() == {"st:room-1": {"spo2": 91.0}}
    centre.hear(7, 188.0, 92.0)
    assert centre.shown() == {"st:room-1": {"spo2": 92.0}}
    centre.hear(7, 121.0, 92.0)
    assert centre.shown() == {"st:room-1": {"spo2": 92.0, "nibp_sys": 121.0}}


def test_a_room_that_was_taken_away_comes_back_with_its_numbers() -> None:
    centre = Centre(1, 2)
    centre.keys(7, ONE, TWO)
    centre.hear(7, 91.0, 92.0)
    centre.state(1, gone=True)
    centre.hear(7, 93.0, 94.0)
    assert centre.shown() == {"st:room-2": {"spo2": 94.0}}
    centre.state(1)
    centre.hear(7, 93.0, 95.0)
    assert centre.shown() == {"st:room-1": {"spo2": 93.0}, "st:room-2": {"spo2": 95.0}}
