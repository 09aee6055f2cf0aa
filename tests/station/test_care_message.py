"""What follows from a session, as the pages get it: at once, only when changed, after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.station.clinic import Clinic, running
from vitals import wire
from vitals.model import US, Numeric


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


def care(clinic: Clinic) -> wire.CareMsg:
    (room,) = clinic.hub.snapshot().rooms
    assert room.care is not None
    return room.care


def marks(clinic: Clinic) -> list[wire.MarkMsg]:
    (room,) = clinic.hub.snapshot().rooms
    return [mark for mark in room.marks if mark.kind == "mark"]


def pressure(clinic: Clinic, sys: float) -> None:
    at_us = clinic.clock.now_us()
    clinic.say(*(Numeric("cuff", c, at_us, v) for c, v in (("nibp_sys", sys), ("nibp_dia", 80))))


async def heard(clinic: Clinic, kind: str) -> list[dict[str, Any]]:
    """The messages of a kind that wait for a page now."""
    box = clinic.hub.subscribe()
    try:
        await box.take()  # the snapshot
        await asyncio.sleep(0)
        clinic.station._tell_care(clinic.station._rooms["room-1"])
        if not len(box):
            return []
        frame = wire.split(await box.take())
        return [
            wire.msgspec.json.decode(raw) for raw in frame if f'"t":"{kind}"'.encode() in bytes(raw)
        ]
    finally:
        clinic.hub.unsubscribe(box)


def test_it_is_there_with_the_session_and_gone_without(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as clinic:
            (room,) = clinic.hub.snapshot().rooms
            assert room.care is None
            await clinic.act("open_session", subject_ref="P-1", route="iv")
            assert care(clinic).gate["state"] == "no_readings"
            assert len(care(clinic).criteria) == 7
            assert care(clinic).criteria[0] == {
                "id": "minutes", "label": "At least 120 min since the last dose start",
                "met": False, "auto": True, "words": "no dose yet", "override": "",
            }  # fmt: skip
            assert (care(clinic).met_us, care(clinic).earliest_us) == (None, None)
            await clinic.act("close_session")
            (room,) = clinic.hub.snapshot().rooms
            assert room.care is None

    run(main())


def test_a_command_changes_it_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as clinic:
            await clinic.act("open_session", subject_ref="P-1", route="iv")
            assert "checkin:plan" in dict(care(clinic).owed)
            await clinic.act("check_in", opioids=True)
            assert care(clinic).gate["concerns"] == ["Opioids"]
            await clinic.act("dose")
            (room,) = clinic.hub.snapshot().rooms
            assert room.session is not None
            assert room.session.dose_us is not None
            assert care(clinic).earliest_us == room.session.dose_us + 120 * 60 * US
            assert "gate" in dict(care(clinic).owed)

    run(main())


def test_values_change_it_within_a_second_and_nothing_new_is_not_told(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as clinic:
            await clinic.act("open_session", subject_ref="P-1", route="iv")
            clinic.value("spo2", 97)
            pressure(clinic, 150)
            await clinic.until(lambda: care(clinic).gate["state"] == "hold", "the gate is told")
            assert care(clinic).gate["words"] == ["BP 150/80 is above 140/90."]
            assert await heard(clinic, "care") == []
            await clinic.act("check_in", maoi=True)
            assert await heard(clinic, "care") == []

    run(main())


def test_a_mark_that_is_corrected_comes_again_under_its_id(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as clinic:
            await clinic.act("open_session", subject_ref="P-1", route="iv")
            await clinic.act("mark", text="calm")
            (before,) = marks(clinic)
            assert (before.text, before.by, before.first_us) == ("calm", "nurse A", None)
            (room,) = clinic.hub.snapshot().rooms
            assert room.session is not None
            args = {"mark": before.id, "at_us": room.session.started_us, "reason": "slip"}
            assert (await clinic.act("correct_mark", **args)).ok
            (after,) = marks(clinic)
            assert (after.id, after.at_us, after.first_us, after.by) == (
                before.id, room.session.started_us, before.at_us, "nurse A",
            )  # fmt: skip

    run(main())


@pytest.mark.parametrize("more", [False, True])
def test_after_a_restart_it_is_as_it_was(tmp_path: Path, more: bool) -> None:
    async def main() -> None:
        async with running(tmp_path) as clinic:
            await clinic.act("open_session", subject_ref="P-1", route="iv")
            clinic.value("spo2", 97)
            pressure(clinic, 128)
            await clinic.act("check_in", opioids=True)
            await clinic.act("mark", kind="antihypertensive")
            (mark,) = marks(clinic)
            (room,) = clinic.hub.snapshot().rooms
            assert room.session is not None
            at_us = room.session.started_us
            await clinic.act("correct_mark", mark=mark.id, at_us=at_us, reason="slip")
            await clinic.act("gate", decision="go")
            if more:
                await clinic.act("dose")
                await clinic.act("score", scale="moaas", value=4)
                await clinic.act("adverse_event", what="Headache", severity="mild")
            before, point = care(clinic), marks(clinic)
            session = clinic.reader.open_sessions()[0].session.id
            await clinic.until(
                lambda: clinic.reader.numerics(session, "nibp_dia").at_us.size, "values"
            )
        async with running(tmp_path) as clinic:
            (room,) = clinic.hub.snapshot().rooms
            assert room.session is not None
            assert room.session.gate["decision"] == "go"
            after = care(clinic)
            assert after.gate == before.gate
            assert after.owed == before.owed
            assert [line["met"] for line in after.criteria] == [
                line["met"] for line in before.criteria
            ]
            assert after.earliest_us == before.earliest_us
            (again,) = marks(clinic)
            assert (again.id, again.at_us, again.first_us, again.by, again.text) == (
                mark.id, at_us, point[0].first_us, "nurse A", "Antihypertensive given",
            )  # fmt: skip
            assert {due.what: due.state for due in room.due}["recheck-1"] == "coming"
            assert (await clinic.act("correct_mark", mark=mark.id, reason="x",
                                     at_us=at_us + 1)).ok  # fmt: skip

    run(main())


def test_a_fault_in_the_view_stops_neither_the_answer_nor_the_beat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(room: object, now_us: int) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("vitals.publisher.care_view", broken)

    async def main() -> None:
        async with running(tmp_path) as clinic:
            result = await clinic.act("open_session", subject_ref="P-1", route="iv")
            assert result.ok
            assert (await clinic.act("mark", text="calm")).ok
            await clinic.until(lambda: clinic.hub.snapshot().beat is not None, "beats")

    run(main())
    told = [record for record in caplog.records if "cannot be shown" in record.message]
    assert len(told) == 1
