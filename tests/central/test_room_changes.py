"""A station's room as one of the centre's, and the messages that lead a page to its next state."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vitals import wire
from vitals.central.room_changes import changes, of_station
from vitals.latest import LatestRoom

ROOM = "st:r"
NOW = 9_000


def session(id_: str = "s1", **more: Any) -> wire.SessionMsg:
    return wire.SessionMsg(room="r", id=id_, phase="PEAK", **more)


def test_every_time_in_a_room_is_moved_and_every_room_has_the_stations_name() -> None:
    told = wire.RoomMsg(
        id="r",
        label="Room",
        devices=[
            wire.DeviceMsg(
                id="d", driver="x", status=wire.DeviceStatusMsg(room="r", device="d", heard_us=70)
            )
        ],
        notices=[wire.NoticeMsg(room="r", device="d", at_us=10, code="searching")],
        session=session(
            started_us=20,
            gaps=[(30, 40)],
            doses=[{"at_us": 50, "mg": 35.0, "parts": [{"given_us": 60}]}],
            last={"nibp": {"at_us": 65}},
            moved_from="q",
        ),
        alarms=[wire.AlarmMsg(room="r", rule="x", onset_us=80, raised_us=None)],
        due=[wire.DueMsg(room="r", what="nibp", at_us=90)],
        marks=[wire.MarkMsg(room="r", at_us=95, kind="dose", first_us=94)],
        care=wire.CareMsg(room="r", earliest_us=99, met_us=None),
    )
    got = of_station(wire.encode(told), "st", 1000)
    assert got.id == ROOM
    assert got.session is not None
    assert got.care is not None
    [device], [notice], [alarm] = got.devices, got.notices, got.alarms
    assert device.status is not None
    assert device.status.heard_us == 1070
    assert (notice.at_us, notice.room) == (1010, ROOM)
    assert (got.session.started_us, got.session.ended_us) == (1020, None)
    assert [tuple(gap) for gap in got.session.gaps] == [(1030, 1040)]
    assert got.session.doses == [{"at_us": 1050, "mg": 35.0, "parts": [{"given_us": 1060}]}]
    assert got.session.last == {"nibp": {"at_us": 1065}}
    assert (got.session.room, got.session.moved_from) == (ROOM, "st:q")
    assert (alarm.onset_us, alarm.raised_us, alarm.room) == (1080, None, ROOM)
    assert (got.due[0].at_us, got.due[0].room) == (1090, ROOM)
    assert (got.marks[0].at_us, got.marks[0].first_us) == (1095, 1094)
    assert (got.care.earliest_us, got.care.met_us, got.care.room) == (1099, None, ROOM)


def test_of_clocks_that_count_as_one_the_times_stay_and_the_rooms_are_named_all_the_same() -> None:
    told = wire.RoomMsg(id="r", label="Room", session=session(started_us=20, gaps=[(30, 40)]))
    got = of_station(wire.encode(told), "st", 0)
    assert got.session is not None
    assert (got.session.started_us, [*map(tuple, got.session.gaps)]) == (20, [(30, 40)])
    assert (got.id, got.session.room) == (ROOM, ROOM)


@given(st.text(max_size=20), st.integers(1, 10**16), st.integers(-(10**15), 10**15))
def test_no_text_that_somebody_has_entered_is_taken_for_a_time_or_a_room(
    text: str, at_us: int, offset_us: int
) -> None:
    sly = [
        text,
        f'"at_us":5,{text}',
        f'{text}","at_us":77,"room":"x',
        '"gaps":[[1,2]]',
        "\\",
        "room",
    ]
    for entered in sly:
        mark = wire.MarkMsg(room="r", at_us=at_us, kind="note", text=entered, by=entered)
        opened = session(checkin={entered: entered, "note": entered})
        told = wire.RoomMsg(id="r", label=entered, marks=[mark], session=opened)
        got = of_station(wire.encode(told), "st", offset_us)
        [got_mark] = got.marks
        assert (got_mark.text, got_mark.by, got.label) == (entered, entered, entered)
        assert got_mark.at_us == at_us + offset_us
        assert got.session is not None
        assert got.session.checkin["note"] == entered


@given(st.binary(max_size=40) | st.sampled_from([b"[]", b"{}", b'{"id":1}', b'{"id":"r"}', b"5"]))
def test_what_is_no_room_is_refused_as_such(state: bytes) -> None:
    with pytest.raises((msgspec.MsgspecError, UnicodeDecodeError)):
        of_station(state, "st", 0)


# --- what has changed -----------------------------------------------------------------------------

TIMES = st.sampled_from([1, 2, 3])
NOTICES = st.builds(
    wire.NoticeMsg,
    room=st.just(ROOM), device=st.sampled_from("de"), at_us=TIMES,
    code=st.sampled_from(["a", "b"]),
)  # fmt: skip
ALARMS = st.builds(
    wire.AlarmMsg,
    room=st.just(ROOM), rule=st.sampled_from("xyz"),
    condition=st.sampled_from(["active", "latched"]),
    onset_us=TIMES, acked_by=st.sampled_from(["", "Anna"]),
)  # fmt: skip
DUES = st.builds(
    wire.DueMsg,
    room=st.just(ROOM), what=st.sampled_from("uvw"), at_us=TIMES,
    state=st.sampled_from(["coming", "due"]),
)  # fmt: skip
MARKS = st.builds(
    wire.MarkMsg,
    room=st.just(ROOM), at_us=TIMES, kind=st.just("note"), id=st.sampled_from(["", "m1", "m2"]),
    text=st.sampled_from(["a", "b", "c"]),
)  # fmt: skip
STATUS = st.none() | st.builds(
    wire.DeviceStatusMsg, room=st.just(ROOM), device=st.just("d"), heard_us=TIMES
)
DEVICES = st.builds(
    wire.DeviceMsg,
    id=st.just("d"), driver=st.sampled_from(["a", "a", "a", "b"]),
    state=st.sampled_from(["streaming", "lost"]), status=STATUS,
)  # fmt: skip
SESSIONS = st.builds(
    wire.SessionMsg,
    room=st.just(ROOM), id=st.sampled_from(["", "s1", "s2"]),
    ended_us=st.sampled_from([None, None, 5]),
    phase=st.sampled_from(["A", "B"]),
)  # fmt: skip


def unique(items: list[Any], *keys: str) -> list[Any]:
    """The last of each key; a mark without an id is one of its own."""
    kept: dict[Any, Any] = {}
    for i, each in enumerate(items):
        key = tuple(getattr(each, name) for name in keys)
        kept[key if any(key) else i] = each
    return list(kept.values())


@st.composite
def rooms(draw: st.DrawFn) -> wire.RoomMsg:
    found = draw(SESSIONS)
    is_open = bool(found.id) and found.ended_us is None
    return wire.RoomMsg(
        id=ROOM,
        label=draw(st.sampled_from(["L", "L", "L", "M"])),
        devices=[draw(DEVICES)],
        session=found,
        notices=unique(draw(st.lists(NOTICES, max_size=3)), "device", "code"),
        alarms=unique(draw(st.lists(ALARMS, max_size=3)), "rule"),
        due=unique(draw(st.lists(DUES, max_size=3)), "what") if is_open else [],
        marks=unique(draw(st.lists(MARKS, max_size=4)), "id"),
        care=draw(st.none() | st.builds(wire.CareMsg, room=st.just(ROOM), met_us=TIMES))
        if is_open
        else None,
    )


def shown(room: wire.RoomMsg) -> Any:
    """What a page draws of it, whatever the order in which it came."""
    return {
        "label": room.label,
        "session": room.session,
        "devices": {each.id: each for each in room.devices},
        "notices": {(each.device, each.code): each for each in room.notices},
        "alarms": {each.rule: each for each in room.alarms},
        "due": {each.what: each for each in room.due},
        "marks": room.marks,
        "care": room.care,
    }


@settings(max_examples=150)
@given(rooms(), rooms())
def test_the_messages_lead_to_the_very_room_that_is_to_be_shown(
    before: wire.RoomMsg, after: wire.RoomMsg
) -> None:
    told = changes(before, after, NOW)
    if told is None:
        return
    page = LatestRoom(before)
    for message in told:
        page.apply(message)
    assert shown(page.message()) == shown(LatestRoom(after).message())


def room(**more: Any) -> wire.RoomMsg:
    return wire.RoomMsg(**{"id": ROOM, "label": "L", **more})


@given(rooms())
def test_a_room_that_is_the_same_needs_no_message(same: wire.RoomMsg) -> None:
    assert changes(same, same, NOW) == []


def test_ordinary_changes_need_no_new_beginning() -> None:
    opened = wire.SessionMsg(room=ROOM, id="s1", phase="A")
    quiet = room(session=opened)
    alarm = wire.AlarmMsg(room=ROOM, rule="x", condition="active")
    loud = room(
        session=opened,
        alarms=[alarm],
        due=[wire.DueMsg(room=ROOM, what="u", at_us=5)],
        marks=[wire.MarkMsg(room=ROOM, at_us=1, kind="note")],
    )
    assert changes(quiet, loud, NOW) == [alarm, *loud.due, *loud.marks]
    assert changes(room(alarms=[alarm]), room(), NOW) == [wire.AlarmMsg(room=ROOM, rule="x")]


def test_a_new_session_comes_before_what_belongs_to_it() -> None:
    due = [wire.DueMsg(room=ROOM, what="u", at_us=5)]
    before = room(session=wire.SessionMsg(room=ROOM, id="s1"), due=due)
    after = room(session=wire.SessionMsg(room=ROOM, id="s2"), due=due)
    assert changes(before, after, NOW) == [after.session, *due]


def test_a_full_list_of_marks_goes_on() -> None:
    marks = [wire.MarkMsg(room=ROOM, at_us=i, kind="note") for i in range(503)]
    told = changes(room(marks=marks[:500]), room(marks=marks[3:]), NOW)
    assert told == marks[500:]
    assert changes(room(marks=marks[:500]), room(marks=marks[1:400]), NOW) is None


def test_another_device_label_or_limit_needs_a_new_beginning() -> None:
    limit = wire.LimitMsg(channel="spo2", side="low", priority="high", limit=88)
    for other in (
        room(label="M"),
        room(limits=[limit]),
        room(sources={"pr": ["a", "b"]}),
        room(devices=[wire.DeviceMsg(id="d", driver="x")]),
    ):
        assert changes(room(), other, NOW) is None


def test_a_link_that_was_lost_is_a_message() -> None:
    device = wire.DeviceMsg(id="d", driver="x", state="streaming")
    lost = wire.DeviceMsg(id="d", driver="x", state="lost", detail="unplugged")
    assert changes(room(devices=[device]), room(devices=[lost]), NOW) == [
        wire.LinkMsg(room=ROOM, device="d", at_us=NOW, state="lost", detail="unplugged")
    ]
