"""A hub of thousands of rooms: readers of a few, rooms that come and go, trends of a few."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.loop import run
from vitals import wire
from vitals.hub import Hub, Mailbox
from vitals.model import US
from vitals.trend import Trend

T0 = 1_800_000_000 * US


def numeric(room: str = "a", value: float = 97.0, at_s: float = 0, **more: Any) -> wire.NumericMsg:
    told = {"channel": "spo2", "device": "d", **more}
    return wire.NumericMsg(room=room, at_us=T0 + round(at_s * US), value=value, **told)


def room(id_: str = "a", session: str = "s1", **more: Any) -> wire.RoomMsg:
    opened = wire.SessionMsg(room=id_, id=session, started_us=T0)
    return wire.RoomMsg(**{"id": id_, "label": id_, "session": opened, **more})


def only(hub: Hub, id_: str = "a") -> wire.RoomMsg:
    [found] = hub.snapshot(frozenset({id_})).rooms
    return found


async def taken(box: Mailbox) -> list[Any]:
    return [wire.decode_down(raw) for raw in wire.split(await box.take())]


def test_a_message_that_nobody_reads_is_not_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        hub = Hub(trends=False)
        hub.place(room("a"))
        hub.place(room("b"))
        box = hub.subscribe(frozenset(), frozenset({"b"}))
        encoded: list[Any] = []
        encode = wire.encode
        monkeypatch.setattr(wire, "encode", lambda m: encoded.append(m) or encode(m))
        hub.publish(numeric("a"))
        assert encoded == []
        hub.publish(numeric("b"))
        assert [m.room for m in encoded] == ["b"]
        assert only(hub, "a").numerics == [numeric("a")]
        hub.unsubscribe(box)
        hub.publish(numeric("b", 96.0, 1))
        assert len(encoded) == 1

    run(main())


def test_a_reader_that_is_shown_other_rooms_hears_of_these_alone() -> None:
    async def main() -> None:
        hub = Hub(trends=False)
        for id_ in "abc":
            hub.place(room(id_))
        box = hub.subscribe(frozenset(), frozenset({"a", "b"}))
        hub.show(box, frozenset({"c"}))
        [snapshot] = await taken(box)
        assert [each.id for each in snapshot.rooms] == ["c"]
        for id_ in "abc":
            hub.publish(numeric(id_))
        assert [m.room for m in await taken(box)] == ["c"]
        hub.show(box, None)
        await taken(box)
        hub.publish(numeric("a", 90.0, 1))
        assert [m.room for m in await taken(box)] == ["a"]
        hub.unsubscribe(box)
        hub.show(box, frozenset({"a"}))  # its page has just left
        await taken(box)
        hub.publish(numeric("a", 91.0, 2))
        assert len(box) == 0

    run(main())


def test_a_reader_that_is_shown_more_gets_only_what_is_new_to_it() -> None:
    async def main() -> None:
        hub = Hub(trends=False)
        for id_ in "abc":
            hub.place(room(id_))
        box = hub.subscribe(frozenset(), frozenset({"a", "b"}))
        await taken(box)
        hub.publish(numeric("a"))
        hub.publish(numeric("b"))
        box.post(wire.ResultMsg(id="x", ok=True))
        hub.show_more(box, frozenset({"b", "c", "nowhere"}))
        hub.publish(numeric("c", 95.0))
        hub.publish(numeric("a", 90.0, 1))
        raw = wire.split(await box.take())
        told = [msgspec.json.decode(each) for each in raw]
        assert [(m["t"], m.get("room")) for m in told[:2]] == [("numeric", "b"), ("result", None)]
        assert told[2]["t"] == "room"
        assert msgspec.convert(told[2]["room"], wire.RoomMsg) == room("c")
        assert [(m["t"], m["room"]) for m in told[3:]] == [("numeric", "c")]
        hub.show_more(box, frozenset({"nowhere", "c", "b"}))
        assert len(box) == 0
        hub.unsubscribe(box)
        hub.show_more(box, frozenset({"a"}))
        assert hub.subscribers == 0

    run(main())


def test_a_room_that_is_another_one_reaches_its_readers_by_messages_or_anew() -> None:
    async def main() -> None:
        hub = Hub(trends=False)
        hub.place(room("a", numerics=[numeric()]))
        mine, other = (hub.subscribe(frozenset(), frozenset({id_})) for id_ in ("a", "b"))
        await taken(mine)
        await taken(other)
        alarm = wire.AlarmMsg(room="a", rule="x", condition="active")
        hub.place(room("a", numerics=[numeric()], alarms=[alarm]), [alarm])
        assert await taken(mine) == [alarm]
        assert only(hub).alarms == [alarm]
        hub.place(room("a", label="A 2"))
        [snapshot] = await taken(mine)
        assert snapshot.rooms[0].label == "A 2"
        hub.remove("a")
        hub.remove("a")
        [snapshot] = await taken(mine)
        assert snapshot.rooms == []
        assert len(other) == 0

    run(main())


def test_a_new_session_that_is_placed_drops_what_waits_of_the_old_one() -> None:
    async def main() -> None:
        hub = Hub(trends=False)
        hub.place(room("a"))
        box = hub.subscribe(frozenset(), frozenset({"a"}))
        await taken(box)
        hub.publish(numeric(channel="nibp_sys"))
        due = wire.DueMsg(room="a", what="u", at_us=1)
        hub.publish(due)
        after = room("a", "s2")
        assert after.session is not None
        hub.place(after, [after.session])
        assert await taken(box) == [after.session]

    run(main())


def test_trends_are_kept_of_the_rooms_that_are_wanted_only() -> None:
    hub = Hub(trends=False)
    hub.place(room("a"))
    hub.place(room("b"))
    hub.keep_trend("a", True)
    hub.keep_trend("nowhere", True)
    for id_ in "ab":
        hub.publish(numeric(id_))
    assert [trend.channel for trend in only(hub, "a").trends] == ["spo2"]
    assert only(hub, "b").trends == []
    hub.place(room("a", label="A 2"))  # goes on
    hub.publish(numeric("a", 96.0, 1))
    assert [row[3] for row in only(hub, "a").trends[0].b] == [97.0, 96.0]
    hub.keep_trend("a", False)
    hub.publish(numeric("a", 95.0, 2))
    assert only(hub, "a").trends == []


def test_the_trend_of_another_session_does_not_go_on() -> None:
    hub = Hub(trends=False)
    hub.place(room("a"))
    hub.keep_trend("a", True)
    hub.publish(numeric())
    hub.place(room("a", "s2"))
    assert only(hub).trends == []
    hub.publish(numeric("a", 96.0, 1))
    assert [row[3] for row in only(hub).trends[0].b] == [96.0]


def test_the_past_that_comes_later_is_of_the_same_session_or_none() -> None:
    async def main() -> None:
        hub = Hub(trends=False)
        hub.place(room("a"))
        hub.keep_trend("a", True)
        hub.publish(numeric("a", 90.0, 100))
        box = hub.subscribe(frozenset(), frozenset({"a"}))
        await taken(box)
        past = wire.TrendMsg(channel="spo2", width_us=2 * US, b=[(T0, 95.0, 99.0, 97.0)])
        hub.fill_trend("a", "of-before", [past])
        assert len(box) == 0
        hub.fill_trend("a", "s1", [past])
        [snapshot] = await taken(box)
        [trend] = snapshot.rooms[0].trends
        assert trend.width_us == 2 * US
        assert trend.b == [(T0, 95.0, 99.0, 97.0), (T0 + 100 * US, 90.0, 90.0, 90.0)]

    run(main())


@given(
    st.lists(
        st.tuples(st.integers(0, 2000), st.floats(50, 100)), min_size=1, unique_by=lambda s: s[0]
    )
)
def test_a_trend_absorbs_what_another_knows_as_if_it_had_seen_it(
    samples: list[tuple[int, float]],
) -> None:
    half = len(samples) // 2
    whole, first, second = Trend("x"), Trend("x"), Trend("x")
    whole.load((T0 + s * US, value) for s, value in samples)
    first.load((T0 + s * US, value) for s, value in samples[:half])
    second.load((T0 + s * US, value) for s, value in samples[half:])
    first.absorb(second.message())
    got, wanted = first.message(), whole.message()
    assert got.width_us == wanted.width_us
    assert [row[:3] for row in got.b] == [row[:3] for row in wanted.b]
