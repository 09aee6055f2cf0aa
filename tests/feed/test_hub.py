from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.loop import run
from vitals import wire
from vitals.hub import WAVE_SLOTS, Hub, Mailbox
from vitals.model import US

T0 = 1_800_000_000 * US


def numeric(value: float | None = 97.0, at_s: float = 0, **more: Any) -> wire.NumericMsg:
    fields = {"room": "r1", "channel": "spo2", "device": "d1"} | more
    return wire.NumericMsg(at_us=T0 + round(at_s * US), value=value, **fields)


def session(id_: str = "s1", **more: Any) -> wire.SessionMsg:
    return wire.SessionMsg(room="r1", id=id_, started_us=T0, **more)


def wave(number: int, room: str = "r1") -> wire.WaveMsg:
    return wire.WaveMsg(
        room=room, channel="pleth", device="d1", start_us=number, rate_hz=75.0, y=[1, 2]
    )


async def taken(box: Mailbox) -> list[wire.Down]:
    return [wire.decode_down(raw) for raw in wire.split(await box.take())]


def room(hub: Hub) -> wire.RoomMsg:
    [only] = hub.snapshot().rooms
    return only


def test_a_reader_gets_the_snapshot_first_and_then_what_is_new() -> None:
    async def main() -> None:
        hub = Hub()
        hub.publish(numeric(97.0, seq=4))
        box = hub.subscribe()
        hub.publish(numeric(96.0, 1, seq=5))
        snapshot, new = await taken(box)
        assert isinstance(snapshot, wire.Snapshot)
        assert snapshot.rooms[0].numerics == [numeric(97.0, seq=4)]
        assert snapshot.seq == 4
        assert new == numeric(96.0, 1, seq=5)

    run(main())


def test_received_bytes_are_passed_on_as_they_are() -> None:
    async def main() -> None:
        hub = Hub("stale")
        box = hub.subscribe()
        await box.take()
        raw = b'{"t":"numeric","of_a_later_version":1}'
        hub.publish(numeric(), raw)
        assert await box.take() == wire.frame(raw)

    run(main())


def test_a_snapshot_replaces_the_state_and_what_waits_for_present_readers() -> None:
    async def main() -> None:
        hub = Hub("stale")
        hub.publish(numeric(50.0))
        box = hub.subscribe()
        hub.publish(numeric(51.0))
        new = wire.Snapshot(seq=9, rooms=[wire.RoomMsg(id="r2", label="Two")])
        hub.publish(new, raw := wire.encode(new))
        first, link = wire.split(await box.take())
        assert bytes(first) == raw
        assert wire.decode_down(link) == wire.LinkState(state="live")
        assert [r.id for r in hub.snapshot().rooms] == ["r2"]
        assert hub.link == "live"

    run(main())


def test_configure_sets_the_rooms_and_links_are_merged_into_their_devices() -> None:
    hub = Hub()
    oximeter = wire.DeviceMsg(id="d1", driver="nonin-df2", can=["start_nibp"])
    hub.configure([wire.RoomMsg(id="r1", label="Room 1", devices=[oximeter])])
    hub.publish(wire.LinkMsg(room="r1", device="d1", at_us=T0, state="lost", detail="unplugged"))
    [device] = room(hub).devices
    assert (device.state, device.detail, device.can) == ("lost", "unplugged", ["start_nibp"])


def test_one_latest_number_per_channel_and_device() -> None:
    hub = Hub()
    for message in (numeric(97.0), numeric(96.0, 1), numeric(80.0, channel="pr"), numeric(None, 2)):
        hub.publish(message)
    hub.publish(numeric(95.0, 2, device="d2"))
    assert room(hub).numerics == [
        numeric(None, 2),
        numeric(80.0, channel="pr"),
        numeric(95.0, 2, device="d2"),
    ]


def test_a_notice_lasts_until_the_device_ends_it() -> None:
    hub = Hub()
    off = wire.NoticeMsg(room="r1", device="d1", at_us=T0, code="sensor_off")
    low = wire.NoticeMsg(room="r1", device="d1", at_us=T0, code="low_battery")
    hub.publish(off)
    hub.publish(low)
    hub.publish(msgspec.structs.replace(off, active=False))
    assert room(hub).notices == [low]


def test_a_reading_ends_the_failure_before_it() -> None:
    hub = Hub()
    hub.publish(wire.NoticeMsg(room="r1", device="d1", at_us=T0, code="nibp_failed"))
    hub.publish(numeric(120.0, channel="nibp_sys", device="d2"))
    assert room(hub).notices
    hub.publish(numeric(120.0, channel="nibp_sys"))
    assert room(hub).notices == []


def test_idle_alarms_are_left_out_unless_somebody_switched_them_off() -> None:
    hub = Hub()
    active = wire.AlarmMsg(room="r1", rule="spo2-low", condition="active", text="SpO2 86 < 88")
    suspended = wire.AlarmMsg(room="r1", rule="hr-high", rule_state="suspended")
    hub.publish(active)
    hub.publish(suspended)
    assert room(hub).alarms == [active, suspended]
    hub.publish(wire.AlarmMsg(room="r1", rule="spo2-low"))
    assert room(hub).alarms == [suspended]


def test_the_trend_holds_valid_numbers_of_the_open_session() -> None:
    hub = Hub()
    hub.publish(numeric(90.0, 0))
    hub.publish(session())
    hub.publish(numeric(91.0, -5))
    hub.publish(numeric(None, 1))
    hub.publish(numeric(92.0, 2, quality="invalid"))
    hub.publish(numeric(93.0, 3, quality="questionable"))
    hub.publish(numeric(94.0, 4))
    hub.publish(session(ended_us=T0 + 5 * US))
    hub.publish(numeric(95.0, 6))
    [trend] = room(hub).trends
    assert [row[3] for row in trend.b] == [93.0, 94.0]


def test_an_ended_session_owes_nothing_but_can_still_be_looked_at() -> None:
    hub = Hub()
    hub.publish(session())
    hub.publish(numeric(93.0, 3))
    hub.publish(wire.DueMsg(room="r1", what="nibp+40", at_us=T0))
    assert room(hub).due
    hub.publish(session(ended_us=T0 + 5 * US))
    hub.publish(wire.SessionMsg(room="r1"))
    assert room(hub).due == []
    assert room(hub).trends


def test_a_new_session_begins_with_nothing_of_the_old_one() -> None:
    async def main() -> None:
        hub = Hub()
        hub.publish(session("s1"))
        box = hub.subscribe()
        await box.take()
        hub.publish(numeric(93.0, 3))
        hub.publish(wire.DueMsg(room="r1", what="nibp+40", at_us=T0))
        hub.publish(wire.MarkMsg(room="r1", at_us=T0, kind="dose"))
        hub.publish(session("s2"))
        state = room(hub)
        assert (state.trends, state.due, state.marks) == ([], [], [])
        assert await taken(box) == [numeric(93.0, 3), session("s2")]

    run(main())


def test_the_station_refills_a_trend_after_a_restart() -> None:
    hub = Hub()
    hub.publish(session())
    hub.trend("r1", "spo2").load((T0 + s * US, 90.0 + s) for s in range(3))
    hub.publish(numeric(93.0, 3))
    assert [row[3] for row in room(hub).trends[0].b] == [90.0, 91.0, 92.0, 93.0]


def test_a_follower_goes_on_with_the_trends_of_the_snapshot() -> None:
    station, web = Hub(), Hub("stale")
    station.publish(session())
    station.publish(numeric(90.0, 0))
    web.reset(station.snapshot())
    for hub in (station, web):
        hub.publish(numeric(91.0, 1))
    assert web.snapshot() == station.snapshot()
    assert len(room(web).trends[0].b) == 2


def test_marks_are_bounded() -> None:
    hub = Hub()
    for number in range(600):
        hub.publish(wire.MarkMsg(room="r1", at_us=number, kind="note"))
    assert [mark.at_us for mark in room(hub).marks] == list(range(100, 600))


def test_waveforms_go_to_those_who_want_them_and_are_no_state() -> None:
    async def main() -> None:
        hub = Hub()
        every, mine, none = (
            hub.subscribe(),
            hub.subscribe(frozenset(["r1"])),
            hub.subscribe(frozenset()),
        )
        for box in (every, mine, none):
            await box.take()
        hub.publish(wave(1, "r1"))
        hub.publish(wave(2, "r2"))
        hub.publish(wire.BeatMsg(now_us=T0))
        assert await taken(every) == [wave(1, "r1"), wave(2, "r2"), wire.BeatMsg(now_us=T0)]
        assert await taken(mine) == [wave(1, "r1"), wire.BeatMsg(now_us=T0)]
        assert await taken(none) == [wire.BeatMsg(now_us=T0)]

    run(main())


def test_the_newest_waveform_packets_wait_in_a_ring() -> None:
    async def main() -> None:
        hub = Hub()
        box = hub.subscribe()
        await box.take()
        for number in range(100):
            hub.publish(wave(number))
        assert await taken(box) == [wave(number) for number in range(100 - WAVE_SLOTS, 100)]
        assert box.dropped == 100 - WAVE_SLOTS

    run(main())


def test_a_lost_station_is_said_once_and_is_part_of_the_snapshot() -> None:
    async def main() -> None:
        hub = Hub()
        box = hub.subscribe()
        await box.take()
        hub.set_link("stale")
        hub.set_link("stale")
        assert await taken(box) == [wire.LinkState(state="stale")]
        assert box.dropped == 0
        assert hub.snapshot().link == "stale"

    run(main())


def test_nobody_is_written_to_after_unsubscribing() -> None:
    async def main() -> None:
        hub = Hub()
        box = hub.subscribe()
        await box.take()
        hub.publish(wave(1))
        hub.unsubscribe(box)
        hub.unsubscribe(box)
        hub.publish(numeric())
        assert len(box) == 1
        assert hub.subscribers == 0

    run(main())


rooms = st.sampled_from(["r1", "r2"])
devices = st.sampled_from(["d1", "d2"])
values = st.one_of(st.none(), st.integers(40, 200).map(float))
anything = st.one_of(
    st.builds(
        wire.NumericMsg,
        room=rooms,
        channel=st.sampled_from(["pr", "nibp_sys"]),
        device=devices,
        at_us=st.just(T0),
        value=values,
    ),
    st.builds(
        wire.NoticeMsg,
        room=rooms,
        device=devices,
        at_us=st.just(T0),
        code=st.sampled_from(["sensor_off", "low_battery"]),
        active=st.booleans(),
    ),
    st.builds(
        wire.LinkMsg,
        room=rooms,
        device=devices,
        at_us=st.just(T0),
        state=st.sampled_from(["connecting", "streaming", "silent", "lost"]),
    ),
    st.builds(
        wire.AlarmMsg,
        room=rooms,
        rule=st.sampled_from(["a", "b", "c"]),
        condition=st.sampled_from(["idle", "active", "latched"]),
    ),
    st.builds(
        wire.DueMsg,
        room=rooms,
        what=st.sampled_from("abc"),
        at_us=st.just(T0),
        state=st.sampled_from(["coming", "due"]),
    ),
    st.builds(wire.MarkMsg, room=rooms, at_us=st.integers(0, 9), kind=st.just("note")),
    st.builds(
        wire.WaveMsg,
        room=rooms,
        channel=st.just("pleth"),
        device=devices,
        start_us=st.just(T0),
        rate_hz=st.just(75.0),
        y=st.just([1]),
    ),
    st.builds(wire.BeatMsg, now_us=st.integers(0, 9)),
)
steps = st.lists(
    st.one_of(
        anything,
        st.tuples(rooms, st.sampled_from(["new", "phase", "end", "none"])),
        st.just("read"),
    ),
    max_size=80,
)


@given(steps)
def test_a_reader_of_any_speed_ends_up_with_the_station_s_state(ops: list) -> None:
    async def main() -> None:
        station, web = Hub(), Hub("stale")
        box = station.subscribe()
        now = {"r1": wire.SessionMsg(room="r1"), "r2": wire.SessionMsg(room="r2")}

        async def read() -> None:
            if len(box):
                for message in await taken(box):
                    web.publish(message)

        for number, op in enumerate(ops):
            if op == "read":
                await read()
            elif isinstance(op, tuple):
                where, act = op
                changes = {
                    "new": {"id": f"s{number}", "started_us": T0, "ended_us": None},
                    "phase": {"phase": f"p{number}"},
                    "end": {"ended_us": T0 + 1},
                    "none": {"id": "", "ended_us": None},
                }
                now[where] = msgspec.structs.replace(now[where], **changes[act])
                station.publish(now[where])
            else:
                station.publish(op)
        await read()
        assert seen(web) == seen(station)

    run(main())


def seen(hub: Hub) -> dict[str, Any]:
    """A hub's state without the order of its lists, and without trends (samples may be missed)."""
    snapshot = msgspec.to_builtins(hub.snapshot())
    for state in snapshot["rooms"]:
        del state["trends"]
        for key in ("devices", "numerics", "notices", "alarms", "due"):
            state[key] = sorted(map(str, state[key]))
    snapshot["rooms"].sort(key=lambda state: state["id"])
    return snapshot


def test_a_slow_reader_does_not_give_the_next_patient_a_pressure_of_the_last_one() -> None:
    async def main() -> None:
        station, web = Hub(), Hub("stale")
        box = station.subscribe()
        for message in (
            wire.SessionMsg(room="r1", id="s1", started_us=T0),
            wire.NumericMsg(room="r1", channel="nibp_sys", device="d1", at_us=T0, value=150.0),
            wire.NumericMsg(room="r1", channel="spo2", device="d1", at_us=T0, value=97.0),
            wire.SessionMsg(room="r1", id="s2", started_us=T0 + 1),
        ):
            station.publish(message)
        for message in await taken(box):
            web.publish(message)
        assert seen(web) == seen(station)
        (room,) = web.snapshot().rooms
        assert [numeric.channel for numeric in room.numerics] == ["spo2"]

    run(main())
