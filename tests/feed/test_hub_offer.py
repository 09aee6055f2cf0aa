"""Numbers that are offered to a hub: made when somebody reads them, and never older than that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.loop import run
from vitals import wire
from vitals.hub import Hub, Mailbox
from vitals.wire.ward import WardRoomState


class Source:
    """A room's newest value, and how often a message was made of it."""

    def __init__(self, room: str = "a") -> None:
        self.room, self.value, self.made = room, 0.0, 0

    def numbers(self) -> Iterator[wire.NumericMsg]:
        self.made += 1
        yield wire.NumericMsg(
            room=self.room, channel="spo2", device="d", at_us=int(self.value), value=self.value
        )

    def offered(self, hub: Hub, value: float) -> None:
        self.value = value
        hub.offer(self.room, self.numbers)


@pytest.fixture
def hub() -> Hub:
    made = Hub(trends=False)
    for name in ("a", "b"):
        session = wire.SessionMsg(room=name, id="s", started_us=0)
        made.place(wire.RoomMsg(id=name, label=name, session=session))
    return made


def values(room: wire.RoomMsg) -> list[float | None]:
    return [number.value for number in room.numerics]


async def taken(box: Mailbox) -> list[Any]:
    return [wire.decode_down(raw) for raw in wire.split(await box.take())]


def test_what_nobody_reads_is_not_made_and_who_comes_later_gets_the_newest(hub: Hub) -> None:
    source = Source()
    for value in (91.0, 92.0, 93.0):
        source.offered(hub, value)
    assert source.made == 0
    [room] = hub.snapshot(frozenset({"a"})).rooms
    assert (values(room), source.made) == ([93.0], 1)
    hub.snapshot(frozenset({"a"}))
    assert source.made == 1


def test_a_reader_is_told_at_once(hub: Hub) -> None:
    async def main() -> None:
        source = Source()
        source.offered(hub, 91.0)
        box = hub.subscribe(frozenset(), frozenset({"a"}))
        [snapshot] = await taken(box)
        assert values(snapshot.rooms[0]) == [91.0]
        source.offered(hub, 92.0)
        assert [message.value for message in await taken(box)] == [92.0]

    run(main())


def test_a_room_that_a_page_adds_is_shown_with_what_was_offered_before(hub: Hub) -> None:
    async def main() -> None:
        source = Source()
        box = hub.subscribe(frozenset(), frozenset({"b"}))
        await box.take()
        source.offered(hub, 91.0)
        hub.show_more(box, frozenset({"a", "b"}))
        [raw] = wire.split(await box.take())
        assert values(msgspec.json.decode(raw, type=WardRoomState).room) == [91.0]

    run(main())


def test_a_room_whose_trend_is_kept_misses_no_value(hub: Hub) -> None:
    source = Source()
    hub.keep_trend("a", True)
    for value in (91.0, 92.0, 93.0):
        source.offered(hub, value)
    [trend] = hub.snapshot(frozenset({"a"})).rooms[0].trends
    assert (trend.b[0][1], trend.b[-1][2]) == (91.0, 93.0)


def test_what_was_offered_for_a_room_that_went_is_forgotten(hub: Hub) -> None:
    source = Source()
    source.offered(hub, 91.0)
    hub.remove("a")
    hub.place(wire.RoomMsg(id="a", label="another"))
    assert values(hub.snapshot(frozenset({"a"})).rooms[0]) == []
