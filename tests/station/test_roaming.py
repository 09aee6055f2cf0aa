"""A cuff that goes from room to room: its reading waits until somebody says whose it is."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.station.clinic import CONFIG, DEVICES, Clinic, running
from vitals import wire
from vitals.model import US, Numeric, Quality
from vitals.replay import recorded
from vitals.roaming import KEPT_S, Roaming
from vitals.station_device import StationDevice
from vitals.store.reader import Reader

ROAMING = (
    CONFIG
    + """
[[device]]
id = "cuff-7"
driver = "ble-blood-pressure"
url = "ble://AA:BB:CC:DD:EE:FF"
"""
)
KNOWN = {
    **DEVICES,
    "cuff-7": StationDevice(
        "cuff-7", "ble-blood-pressure", "", ("nibp_sys", "nibp_dia", "nibp_map", "pr"),
        frozenset(), 1.0, "no", spot=True,
    ),
}  # fmt: skip


def measure(clinic: Clinic, sys: float = 128, dia: float = 82) -> None:
    now_us = clinic.clock.now_us()
    clinic.say(
        Numeric("cuff-7", "nibp_sys", now_us, sys),
        Numeric("cuff-7", "nibp_dia", now_us, dia),
        Numeric("cuff-7", "pr", now_us, 71),
    )


def held(clinic: Clinic) -> list[wire.HeldMsg]:
    return clinic.hub.snapshot().held


def numerics(clinic: Clinic, room: str) -> dict[str, float | None]:
    found = next(each for each in clinic.hub.snapshot().rooms if each.id == room)
    return {n.channel: n.value for n in found.numerics}


def test_it_belongs_to_nobody_until_somebody_says_so(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, ROAMING, KNOWN) as clinic:
            assert (await clinic.act("open_session", subject_ref="P-1", route="im")).ok
            measure(clinic)
            (waits,) = held(clinic)
            assert waits.values == {"nibp_sys": 128, "nibp_dia": 82, "pr": 71}
            assert "nibp_sys" not in numerics(clinic, "room-1")
            assert (await clinic.act("claim_reading", held=waits.id)).ok
            assert held(clinic) == []
            assert numerics(clinic, "room-1")["nibp_sys"] == 128
            room = next(r for r in clinic.hub.snapshot().rooms if r.id == "room-1")
            shown = next(n for n in room.numerics if n.channel == "nibp_sys")
            assert (shown.device, shown.flags) == ("cuff-7", ["claimed"])
            assert any(d.what == "nibp-baseline-1" and d.state == "done" for d in room.due)

    asyncio.run(main())


def test_it_is_claimed_once_and_only_for_a_session(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, ROAMING, KNOWN) as clinic:
            measure(clinic)
            (waits,) = held(clinic)
            assert not (await clinic.act("claim_reading", held=waits.id)).ok
            assert held(clinic) == [waits]
            await clinic.act("open_session", subject_ref="P-1", route="im")
            before = await clinic.act("claim_reading", held=waits.id)
            assert before.error == "it was taken before this session began"
            measure(clinic)
            newer = held(clinic)[-1]
            assert (await clinic.act("claim_reading", held=newer.id)).ok
            again = await clinic.act("claim_reading", held=newer.id)
            assert again.error == "that reading is no longer waiting"

    asyncio.run(main())


def test_a_page_cannot_bring_values_of_its_own(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, ROAMING, KNOWN) as clinic:
            await clinic.act("open_session", subject_ref="P-1", route="im")
            now_us = clinic.clock.now_us()
            forged = await clinic.act(
                "claim_reading", held="x", device="cuff-7", at_us=now_us, nibp_sys=110
            )
            assert not forged.ok
            measure(clinic)
            assert (await clinic.act("claim_reading", held=held(clinic)[0].id, nibp_sys=99)).ok
            assert numerics(clinic, "room-1")["nibp_sys"] == 128

    asyncio.run(main())


def test_one_that_is_nobodys_is_thrown_away_with_a_reason(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, ROAMING, KNOWN) as clinic:
            measure(clinic)
            (waits,) = held(clinic)
            assert not (await clinic.act("discard_reading", held=waits.id)).ok
            assert (await clinic.act("discard_reading", held=waits.id, reason="test cuff")).ok
            assert held(clinic) == []

    asyncio.run(main())


def test_a_claimed_reading_replays_to_what_was_recorded(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, ROAMING, KNOWN) as clinic:
            await clinic.act("open_session", subject_ref="P-1", route="im")
            await clinic.act("dose")
            measure(clinic, 190, 100)
            await clinic.act("claim_reading", held=held(clinic)[0].id)
            await clinic.act("acknowledge", rule="sbp-high")
            await clinic.act("close_session", reason="done")
        reader = Reader(tmp_path / "vitals.db")
        (record,) = reader.sessions()
        session = recorded(reader, record.session.id)
        logged = [(r.at_us, r.body["rule"], r.body["cause"])
                  for r in session.rows if r.kind == "alarm"]  # fmt: skip
        folded = [(c.at_us, c.after.rule, c.cause) for c in session.transitions()]
        assert sorted(folded) == sorted(logged)
        assert any(rule == "sbp-high" for _, rule, _ in logged)

    asyncio.run(main())


def test_nobody_knows_any_more_whose_an_old_reading_is() -> None:
    roaming = Roaming()
    roaming.take(Numeric("c", "nibp_sys", 0, 120))
    assert roaming.expire(round(KEPT_S * US)) == []
    (gone,) = roaming.expire(round(KEPT_S * US) + 1)
    assert gone.gone
    assert roaming.expire(10**15) == []


@pytest.mark.parametrize(
    "numeric",
    [
        Numeric("c", "pr", 0, 70),
        Numeric("c", "nibp_sys", 0, None),
        Numeric("c", "nibp_sys", 0, 120, Quality.INVALID),
        Numeric("c", "cuff", 0, 150),
    ],
)
def test_what_is_no_blood_pressure_does_not_wait(numeric: Numeric) -> None:
    assert Roaming().take(numeric) is None
