"""What people have entered and corrected is the same after a restart, and in a replay."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.station.clinic import Clinic, running
from tests.station.test_roaming import KNOWN, ROAMING, held, measure
from vitals.folded import alarm_of
from vitals.model import Numeric
from vitals.replay import recorded
from vitals.store.reader import Reader


def whole(clinic: Clinic) -> object:
    """What pages see of the session, without what a restart adds."""
    room = next(room for room in clinic.hub.snapshot().rooms if room.id == "room-1")
    assert room.session is not None
    assert room.care is not None
    seen = room.session
    told = (seen.phase, seen.dose_us, seen.doses, seen.rev, seen.infusion_end_us)
    taken = [n for n in room.numerics if n.channel == "nibp_sys"]
    newest = max(((n.at_us, n.device, n.flags) for n in taken), default=None)
    due = [(due.what, due.at_us) for due in room.due]
    return told, room.care.gate, room.care.criteria, due, newest


def survives(folder: Path, acts: Callable[[Clinic], Awaitable[None]]) -> None:
    """Does the acts, starts again, and folds the record once more."""

    async def main() -> None:
        async with running(folder, ROAMING, KNOWN) as clinic:
            for device in clinic.keepers:
                clinic.link(device)
            assert (await clinic.act("open_session", subject_ref="P-1", route="iv")).ok
            await acts(clinic)
            clinic.station.tick()
            before = whole(clinic)
        async with running(folder, ROAMING, KNOWN) as clinic:
            await clinic.until(lambda: clinic.hub.snapshot().rooms[0].session, "resumed")
            assert whole(clinic) == before
            assert (await clinic.act("close_session", reason="over")).ok

    asyncio.run(main())
    reader = Reader(folder / "vitals.db")
    (record,) = reader.sessions()
    session = recorded(reader, record.session.id)
    logged = [alarm_of(row.body["after"]) for row in session.rows if row.kind == "alarm"]
    folded = [change.after for change in session.transitions()]
    assert sorted(map(str, folded)) == sorted(map(str, logged))


def now_us(clinic: Clinic) -> int:
    return clinic.clock.now_us()


def test_the_dose_clock_after_a_boosters_time_was_corrected(tmp_path: Path) -> None:
    async def acts(clinic: Clinic) -> None:
        assert (await clinic.act("dose")).ok
        given_us = now_us(clinic)
        assert (await clinic.act("booster")).ok
        assert (await clinic.act("correct_dose", n=2, at_us=given_us, reason="late")).ok

    survives(tmp_path, acts)


def test_the_dose_clock_after_its_own_correction(tmp_path: Path) -> None:
    async def acts(clinic: Clinic) -> None:
        given_us = now_us(clinic)
        assert (await clinic.act("dose")).ok
        assert (await clinic.act("correct_dose", n=1, at_us=given_us, reason="late")).ok
        assert (await clinic.act("infusion_end")).ok

    survives(tmp_path, acts)


def test_a_claimed_reading_beside_one_of_the_rooms_own_cuff(tmp_path: Path) -> None:
    async def acts(clinic: Clinic) -> None:
        clinic.value("spo2", 97.0)
        at_us = now_us(clinic)
        measure(clinic, 150, 95)
        clinic.say(Numeric("cuff", "nibp_sys", at_us, 120), Numeric("cuff", "nibp_dia", at_us, 70))
        assert (await clinic.act("claim_reading", held=held(clinic)[0].id)).ok

    survives(tmp_path, acts)
