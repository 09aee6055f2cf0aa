"""A session moved to another room keeps its dose clock, its due list, its alarms and its record."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.station.clinic import CONFIG, DEVICES, Clinic, running
from vitals import wire
from vitals.folded import alarm_of
from vitals.replay import recorded
from vitals.resuming import one_source
from vitals.station_device import StationDevice
from vitals.store.reader import Reader

TWO = (
    CONFIG
    + """
[[room]]
id = "room-2"
  [[room.device]]
  id = "ox2"
  driver = "nonin-df2"
  url = "serial:///dev/ttyS7"
"""
)
KNOWN = {
    **DEVICES,
    "ox2": StationDevice("ox2", "nonin-df2", "", ("spo2", "pr", "pleth"), frozenset(), 1.0, "yes"),
}


def room(clinic: Clinic, name: str) -> wire.RoomMsg:
    return next(room for room in clinic.hub.snapshot().rooms if room.id == name)


def owed(clinic: Clinic, name: str) -> dict[str, tuple[int, str]]:
    return {due.what: (due.at_us, due.state) for due in room(clinic, name).due}


async def dosed(clinic: Clinic) -> None:
    for device in clinic.keepers:
        clinic.link(device)
    assert (await clinic.act("open_session", subject_ref="P-7", route="im")).ok
    clinic.value("spo2", 97.0)
    clinic.value("pr", 70.0)
    assert (await clinic.act("dose", mg=40)).ok
    clinic.value("nibp_sys", 185.0, "cuff")
    clinic.value("nibp_dia", 95.0, "cuff")
    assert (await clinic.act("mark", text="calm")).ok


def test_everything_that_is_the_patients_goes_along(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, TWO, KNOWN) as clinic:
            await dosed(clinic)
            before, due = room(clinic, "room-1"), owed(clinic, "room-1")
            assert before.session is not None
            assert (await clinic.act("move_session", to="room-2")).ok
            left, after = room(clinic, "room-1"), room(clinic, "room-2")
            assert left.session is not None
            assert left.session.id == ""
            assert after.session is not None
            assert after.session.id == before.session.id
            assert after.session.dose_us == before.session.dose_us
            assert after.session.moved_from == "room-1"
            assert after.session.resumed == 0
            assert {w: d for w, d in owed(clinic, "room-2").items() if w in due} == due
            assert left.due == []
            alarms = {alarm.rule: alarm.priority for alarm in after.alarms}
            assert alarms["sbp-high"] == "high"
            assert not any(alarm.condition == "active" for alarm in left.alarms)
            assert [mark.text for mark in after.marks if mark.kind == "mark"] == ["calm"]
            assert any(n.channel == "nibp_sys" and n.value == 185 for n in after.numerics)
            # and the acts go on there
            assert (await clinic.act("part", room="room-2", mg=20)).ok
            assert not (await clinic.act("part", room="room-1", mg=20)).ok

    asyncio.run(main())


def test_the_other_rooms_devices_speak_for_the_patient_from_then_on(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, TWO, KNOWN) as clinic:
            await dosed(clinic)
            await clinic.act("move_session", to="room-2")
            session = room(clinic, "room-2").session
            assert session is not None
            clinic.value("spo2", 96.0, "ox2")
            clinic.value("spo2", 50.0, "ox")
            await clinic.act("close_session", room="room-2", reason="done")
            reader = Reader(clinic.config.station.store)
            series = reader.numerics(session.id, "spo2")
            assert series.value.tolist() == [97.0, 96.0]

    asyncio.run(main())


def test_a_room_that_is_taken_or_unknown_is_refused_and_nothing_moves(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, TWO, KNOWN) as clinic:
            await dosed(clinic)
            assert (await clinic.act("open_session", room="room-2", subject_ref="Q", route="iv")).ok
            taken = await clinic.act("move_session", to="room-2")
            assert taken.error == "room-2 has a session (Q); close it first"
            assert not (await clinic.act("move_session", to="room-9")).ok
            assert not (await clinic.act("move_session", to="room-1")).ok
            assert not (await clinic.act("move_session")).ok
            session = room(clinic, "room-1").session
            assert session is not None
            assert session.subject_ref == "P-7"

    asyncio.run(main())


def test_after_a_restart_it_is_in_the_room_that_it_was_moved_to(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, TWO, KNOWN) as clinic:
            await dosed(clinic)
            await clinic.act("move_session", to="room-2")
            due = owed(clinic, "room-2")
        async with running(tmp_path, TWO, KNOWN) as clinic:
            await clinic.until(lambda: room(clinic, "room-2").session, "resumed")
            session = room(clinic, "room-2").session
            assert session is not None
            assert (session.subject_ref, session.resumed) == ("P-7", 1)
            assert room(clinic, "room-1").session.id == ""  # type: ignore[union-attr]
            again = owed(clinic, "room-2")
            assert {what: again[what] for what in due} == due
            alarms = {alarm.rule: alarm.condition for alarm in room(clinic, "room-2").alarms}
            assert alarms["sbp-high"] == "active"

    asyncio.run(main())


def test_a_moved_session_replays_to_what_was_recorded(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, TWO, KNOWN) as clinic:
            await dosed(clinic)
            await clinic.act("move_session", to="room-2")
            for value in (86.0, 85.0, 84.0):
                clinic.value("spo2", value, "ox2")
            clinic.value("nibp_sys", 120.0, "ox2")
            await clinic.act("acknowledge", room="room-2", rule="sbp-high")
            await clinic.act("close_session", room="room-2", reason="done")
        reader = Reader(tmp_path / "vitals.db")
        (record,) = reader.sessions()
        assert record.session.room == "room-2"
        session = recorded(reader, record.session.id)
        logged = [
            (row.at_us, alarm_of(row.body["after"]), row.body["cause"])
            for row in session.rows
            if row.kind == "alarm"
        ]
        folded = [(c.at_us, c.after, c.cause) for c in session.transitions()]
        assert sorted(folded, key=repr) == sorted(logged, key=repr)

    asyncio.run(main())


def test_a_trend_after_a_restart_is_one_line_of_the_most_trusted_device() -> None:
    second = 1_000_000
    best = [(n * second, 97.0) for n in (1, 2, 6)]
    other = [(n * second + 10, 80.0) for n in (2, 3)]
    gone = [(n * second, 91.0) for n in (0, 1)]
    line = one_source({"gone": gone, "other": other, "best": best}, ["best", "other"])
    assert line == [
        (0, 91.0), (second, 97.0), (2 * second, 97.0), (3 * second + 10, 80.0), (6 * second, 97.0),
    ]  # fmt: skip
