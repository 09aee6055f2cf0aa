"""What the web tells of itself is recorded by the station, and is no input of any room."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.station.clinic import Clinic, running
from vitals.session.acts import ACTS
from vitals.session.permissions import MAY, ROLES, acts_of
from vitals.store.verify import verify

LOGIN = {"what": "login", "user": "ann", "at_us": 5, "screen": "0011aabb"}


def test_it_is_one_row_of_the_audit_chain_however_often_it_is_told(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as clinic:
            for _ in range(3):
                result = await clinic.act("web_event", "e-1", room="", role="system", **LOGIN)
                assert (result.ok, result.recorded) == (True, True)
            (row,) = [r for r in clinic.reader.audit(None) if r.body.get("event") == "web"]
            assert (row.kind, row.room, row.actor, row.role) == (
                "station_event", "", "nurse A", "system",
            )  # fmt: skip
            assert row.body["told"] == LOGIN

    asyncio.run(main())
    assert verify(tmp_path / "vitals.db").ok

    async def again() -> None:  # after a restart, too
        async with running(tmp_path) as clinic:
            result = await clinic.act("web_event", "e-1", room="", role="system", **LOGIN)
            assert (result.ok, result.recorded) == (True, True)
            found = [r for r in clinic.reader.audit(None) if r.body.get("event") == "web"]
            assert len(found) == 1

    asyncio.run(again())


@pytest.mark.parametrize("role", [*ROLES, "operator", "demo", ""])
def test_no_person_can_write_it(tmp_path: Path, role: str) -> None:
    async def main() -> None:
        async with running(tmp_path) as clinic:
            for room in ("", "room-1"):
                result = await clinic.act("web_event", room=room, role=role, **LOGIN)
                assert not result.ok
            assert not [r for r in clinic.reader.audit(None) if r.body.get("event") == "web"]

    asyncio.run(main())


async def _asked(clinic: Clinic, role: str, kind: str) -> str:
    return (await clinic.act(kind, role=role)).error


def test_the_station_asks_the_role_again_for_every_command(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as clinic:
            for kind in set(MAY) & set(ACTS) - {"move_session"}:  # asks for its room first
                for role in (*ROLES, "system", "boss", ""):
                    error = await _asked(clinic, role, kind)
                    assert (error == f"a {role} may not {kind}") == (role not in MAY[kind])
            for kind in set(MAY) - set(ACTS):  # an act of a later version does not fell a room
                assert await _asked(clinic, "admin", kind)

    asyncio.run(main())


def test_a_therapist_looks_marks_scores_and_calls_and_a_clinician_reviews() -> None:
    everything = set(MAY) - {"web_event"}
    session = {"open_session", "close_session", "dose", "start_nibp", "pause_audio", "rule_off"}
    assert {"mark", "score", "symptom", "call_nurse", "acknowledge", "emergency"} <= set(
        acts_of("therapist")
    )
    assert not set(acts_of("therapist")) & (session | {"set_limit", "sign_record"})
    assert {"acknowledge", "emergency", "addendum", "sign_record"} <= set(acts_of("clinician"))
    assert not set(acts_of("clinician")) & (session | {"set_limit", "mark", "score"})
    assert session <= set(acts_of("nurse"))
    assert "set_limit" not in acts_of("nurse")
    assert set(acts_of("prescriber")) == everything
    assert not set(acts_of("system")) - {"web_event"}
