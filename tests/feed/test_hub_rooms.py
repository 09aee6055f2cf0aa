"""A reader that may see some rooms hears nothing of any other."""

from __future__ import annotations

import asyncio
from typing import Any

from vitals import wire
from vitals.hub import Hub, Mailbox

T0 = 1_800_000_000_000_000


def numeric(room: str, value: float) -> wire.NumericMsg:
    return wire.NumericMsg(room=room, channel="spo2", device=f"d-{room}", at_us=T0, value=value)


def everything(room: str) -> list[Any]:
    """One of each message that is about a room."""
    return [
        numeric(room, 97),
        wire.WaveMsg(room=room, channel="pleth", device="d", start_us=T0, rate_hz=75, y=[1]),
        wire.NoticeMsg(room=room, device="d", at_us=T0, code="sensor_off"),
        wire.LinkMsg(room=room, device="d", at_us=T0, state="lost"),
        wire.AlarmMsg(room=room, rule="spo2-low"),
        wire.SessionMsg(room=room, id=f"s-{room}", subject_ref="P"),
        wire.DueMsg(room=room, what="nibp", at_us=T0),
        wire.MarkMsg(room=room, at_us=T0, kind="dose"),
        wire.DeviceStatusMsg(room=room, device="d"),
    ]


async def taken(box: Mailbox) -> list[Any]:
    return [wire.decode_down(raw) for raw in wire.split(await box.take())]


def test_messages_of_other_rooms_are_never_put_into_its_mailbox() -> None:
    async def main() -> None:
        hub = Hub()
        hub.configure([wire.RoomMsg(id=room, label=room) for room in ("r1", "r2")])
        some, all_rooms = hub.subscribe(rooms=frozenset({"r1"})), hub.subscribe()
        (snapshot,) = await taken(some)
        assert [room.id for room in snapshot.rooms] == ["r1"]
        await taken(all_rooms)
        for room in ("r1", "r2"):
            for message in everything(room):
                hub.publish(message)
        hub.publish(wire.BeatMsg(now_us=T0))
        heard = await taken(some)
        assert {m.room for m in heard if not isinstance(m, wire.BeatMsg)} == {"r1"}
        assert len(heard) == len(everything("r1")) + 1  # and the beat
        assert len(await taken(all_rooms)) == 2 * len(everything("r1")) + 1

    asyncio.run(main())


def test_a_new_state_of_everything_is_cut_down_for_it_too() -> None:
    async def main() -> None:
        hub = Hub()
        some, none = hub.subscribe(rooms=frozenset({"r1"})), hub.subscribe(rooms=frozenset({"x"}))
        hub.configure([wire.RoomMsg(id=room, label=room) for room in ("r1", "r2")])
        assert [room.id for room in (await taken(some))[0].rooms] == ["r1"]
        assert (await taken(none))[0].rooms == []

    asyncio.run(main())


def test_other_rooms_are_shown_from_a_new_snapshot_on_and_nothing_old_is_left() -> None:
    async def main() -> None:
        hub = Hub()
        hub.configure([wire.RoomMsg(id=room, label=room) for room in ("r1", "r2")])
        box = hub.subscribe(rooms=frozenset({"r1"}))
        await taken(box)
        hub.publish(numeric("r1", 88))
        box.post(wire.ResultMsg(id="c", ok=True))
        hub.publish(numeric("r2", 77))
        hub.show(box, frozenset({"r2"}))
        snapshot, result = await taken(box)
        assert [(room.id, room.numerics[0].value) for room in snapshot.rooms] == [("r2", 77)]
        assert result.id == "c"
        hub.publish(numeric("r1", 66))
        hub.publish(numeric("r2", 78))
        assert [message.value for message in await taken(box)] == [78]

    asyncio.run(main())
