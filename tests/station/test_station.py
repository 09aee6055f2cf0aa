"""The station: what is recorded, what is answered, what goes on after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pytest

from tests.station.clinic import Clinic, running
from vitals import wire
from vitals.clock import Clock
from vitals.model import Notice, StartNibp, Waveform
from vitals.record import Record
from vitals.store.verify import verify


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


async def open_session(clinic: Clinic) -> str:
    result = await clinic.act("open_session", subject_ref="P-1", route="iv")
    assert (result.ok, result.recorded) == (True, True)
    return clinic.reader.open_sessions()[0].session.id


def test_without_a_session_links_and_notices_are_recorded_and_numbers_are_not(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with running(tmp_path) as clinic:
            clinic.link("ox")
            clinic.value("spo2", 97)
            clinic.say(Notice("ox", clinic.clock.now_us(), "low_battery"))
            await clinic.until(lambda: len(clinic.reader.audit(None)) >= 3, "rows")
            kinds = [row.kind for row in clinic.reader.audit(None)]
            assert {"link", "notice"} <= set(kinds)
            assert clinic.reader.sessions() == []
            room = clinic.hub.snapshot().rooms[0]
            assert [n.value for n in room.numerics] == [97]
            assert room.alarms == []

    run(main())


def test_in_a_session_values_and_waves_are_in_the_record_within_a_second(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as clinic:
            clinic.link("ox")
            session = await open_session(clinic)
            for value in (97, 96, None):
                clinic.value("spo2", value)
            now_us = clinic.clock.now_us()
            clinic.say(Waveform("ox", "pleth", now_us, 75.0, np.arange(75, dtype=np.float32)))
            loop = asyncio.get_running_loop()
            began = loop.time()
            await clinic.until(lambda: clinic.reader.numerics(session, "spo2").at_us.size, "rows")
            assert loop.time() - began < 2.0
            values = clinic.reader.numerics(session, "spo2").value.tolist()
            assert values[:2] == [97, 96]
            assert np.isnan(values[2])

    run(main())


def test_a_command_is_answered_after_its_commit_and_its_consequences_are_there(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with running(tmp_path) as clinic:
            session = await open_session(clinic)
            result = await clinic.act("dose")
            assert result.recorded is True
            rows = clinic.reader.audit(session)
            kinds = [row.kind for row in rows]
            assert "command" in kinds
            assert [r.body["cause"] for r in rows if r.kind == "session_change"] == [
                "opened",
                "dose",
            ]
            stored = clinic.reader.session(session)
            assert stored is not None
            assert stored.session.dose_us is not None

    run(main())


def test_a_repeated_command_is_done_once_also_after_a_restart(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as clinic:
            session = await open_session(clinic)
            for _ in range(2):
                result = await clinic.act("mark", ident="same", text="patient smiles")
                assert (result.ok, result.recorded) == (True, True)
        async with running(tmp_path) as clinic:
            result = await clinic.act("mark", ident="same", text="patient smiles")
            assert result.ok
            marks = [row for row in clinic.reader.audit(session) if row.kind == "mark"]
            assert len(marks) == 1

    run(main())


def test_a_command_for_a_room_or_by_a_role_that_is_not_there_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as clinic:
            result = await clinic.act("no_such_act")
            assert not result.ok
            assert "may not" in result.error

    run(main())


def test_start_nibp_reaches_the_device_and_its_refusal_reaches_the_person(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as clinic:
            assert "no connected monitor" in (await clinic.act("start_nibp")).error
            clinic.link("cuff")
            assert (await clinic.act("start_nibp")).ok
            assert clinic.keepers["cuff"].asked == [StartNibp()]
            clinic.keepers["cuff"].refuses = "a reading is already running"
            refused = await clinic.act("start_nibp")
            assert not refused.ok
            assert "already running" in refused.error

    run(main())


def test_an_open_session_goes_on_after_a_restart_with_the_gap_marked(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as clinic:
            clinic.link("ox")
            session = await open_session(clinic)
            await clinic.act("dose")
            for value in range(90, 98):
                clinic.value("spo2", value)
            clinic.value("nibp_sys", 182, "cuff")
            clinic.value("nibp_dia", 90, "cuff")
            await clinic.until(
                lambda: clinic.reader.numerics(session, "spo2").at_us.size == 8, "values"
            )
            (before,) = clinic.hub.snapshot().rooms
        async with running(tmp_path) as clinic:
            (after,) = clinic.hub.snapshot().rooms
            assert after.session is not None
            assert before.session is not None
            assert after.session.id == session
            assert after.session.resumed == 1
            assert after.session.dose_us == before.session.dose_us
            assert len(after.session.gaps) == 1
            gap = after.session.gaps[0]
            assert gap[0] <= gap[1]
            assert {a.rule: a.priority for a in after.alarms}["sbp-high"] == "high"
            assert {a.rule: a.sounding for a in after.alarms}["sbp-high"]
            trend = next(t for t in after.trends if t.channel == "spo2")
            assert min(bucket[1] for bucket in trend.b) == 90
            assert [n.value for n in after.numerics if n.channel == "nibp_sys"] == [182]
            assert [m.kind for m in after.marks] == ["dose", "resumed"]
        assert verify(clinic.config.station.store).ok

    run(main())


def test_sessions_of_a_record_that_cannot_be_read_at_the_start_go_on_as_soon_as_it_can(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with running(tmp_path) as clinic:
            session = await open_session(clinic)
        other = apsw.Connection(str(clinic.config.station.store))
        other.pragma("locking_mode", "exclusive")
        other.execute("BEGIN EXCLUSIVE")
        async with running(tmp_path) as clinic:
            clinic.link("ox")
            clinic.value("spo2", 96)
            (room,) = clinic.hub.snapshot().rooms
            assert [n.value for n in room.numerics] == [96]  # live all the same
            assert not room.session or not room.session.id
            other.close()

            def resumed() -> bool:
                (room,) = clinic.hub.snapshot().rooms
                return bool(room.session and room.session.id == session)

            await clinic.until(resumed, "the session goes on")
            assert (await clinic.act("mark", text="here again")).recorded
        assert verify(clinic.config.station.store).ok

    run(main())


def test_the_clock_is_kept_within_a_boot(tmp_path: Path) -> None:
    first = Record(tmp_path / "v.db", "s", "")
    clock = first.clock(1.0)
    first.start(lambda state: None)
    first.close()
    second = Record(tmp_path / "v.db", "s", "")
    assert second.clock(1.0) == clock
    second.start(lambda state: None)
    second.close()
    third = Record(tmp_path / "v.db", "s", "")
    assert third.clock(2.0) != clock, "another speed is another clock"
    third.start(lambda state: None)
    third.close()


@pytest.mark.parametrize("step_s", [3600, -3600, 172800, -172800])
def test_setting_the_computers_clock_does_not_move_the_stations(
    monkeypatch: pytest.MonkeyPatch, step_s: int
) -> None:
    import time

    clock = Clock.anchored_now()
    before_us = clock.now_us()
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + step_s * 10**9)
    assert 0 <= clock.now_us() - before_us < 1_000_000


def test_a_value_of_the_second_device_is_recorded_but_not_shown(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as clinic:
            clinic.link("ox")
            session = await open_session(clinic)
            clinic.value("spo2", 97)
            clinic.value("spo2", 70, "cuff")
            await clinic.until(
                lambda: clinic.reader.numerics(session, "spo2").at_us.size == 2, "values"
            )
            (room,) = clinic.hub.snapshot().rooms
            assert [n.value for n in room.numerics if n.channel == "spo2"] == [97]
            assert room.alarms == []

    run(main())


@pytest.mark.parametrize(
    ("ident", "args", "says"),
    [
        ("", {"text": "x"}, "id"),
        ("c", {"text": {"deep": [1, 2]}}, "texts and numbers"),
        ("c", {"text": "x" * 3000}, "longer"),
    ],
)
def test_a_command_that_could_not_be_recorded_is_not_done(
    tmp_path: Path, ident: str, args: dict[str, object], says: str
) -> None:
    async def main() -> None:
        async with running(tmp_path) as clinic:
            session = await open_session(clinic)
            got: list[wire.ResultMsg] = []
            message = wire.CommandMsg(
                id=ident, kind="mark", room="room-1", name="n", role="nurse", args=args
            )
            clinic.station.on_command(message, got.append)
            assert not got[0].ok
            assert says in got[0].error
            assert [row for row in clinic.reader.audit(session) if row.kind == "mark"] == []

    run(main())


def test_the_id_of_one_command_is_no_answer_to_another(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as clinic:
            await open_session(clinic)
            assert (await clinic.act("mark", ident="one", text="x")).ok
            other = await clinic.act("dose", ident="one")
            assert not other.ok
            assert "another command" in other.error

    run(main())


def test_a_fault_in_one_room_is_its_highest_alarm_and_the_station_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with running(tmp_path) as clinic:
            await open_session(clinic)
            room = clinic.station._rooms["room-1"]
            room.step = None  # type: ignore[assignment]
            clinic.value("spo2", 97)
            (alarm,) = clinic.hub.snapshot().rooms[0].alarms
            assert (alarm.rule, alarm.priority, alarm.sounding) == ("fault", "high", True)
            assert "not monitored" in caplog.text

    run(main())


def test_of_two_open_sessions_in_a_room_the_newer_goes_on_and_the_older_ends(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with running(tmp_path) as clinic:
            first = await open_session(clinic)
            clinic.station._rooms["room-1"].desk.ended()  # as if it had never been heard of
            assert (await clinic.act("open_session", subject_ref="P-2", route="iv")).ok
            assert len(clinic.reader.open_sessions()) == 2
        async with running(tmp_path) as clinic:
            room = clinic.hub.snapshot().rooms[0]
            assert room.session is not None
            assert room.session.subject_ref == "P-2"
            await clinic.until(lambda: len(clinic.reader.open_sessions()) == 1, "one open")
            old = clinic.reader.session(first)
            assert old is not None
            assert old.session.ended_us is not None

    run(main())


def test_the_next_patient_does_not_begin_with_the_last_ones_blood_pressure(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as clinic:
            clinic.link("cuff")
            await open_session(clinic)
            clinic.value("nibp_sys", 150, "cuff")
            assert (await clinic.act("close_session", reason="done")).ok
            assert (await clinic.act("open_session", subject_ref="P-2", route="iv")).ok
            (room,) = clinic.hub.snapshot().rooms
            assert [n for n in room.numerics if n.channel == "nibp_sys"] == []

    run(main())
