"""Holding the cuff, where the monitor itself does not stop."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from tests.station.clinic import CONFIG, DEVICES, running
from vitals.model import Notice


def test_a_cuff_that_does_not_stop_is_held_nevertheless(tmp_path: Path) -> None:
    async def main() -> None:
        can = frozenset({"start_nibp", "stop_nibp"})
        cuff = replace(DEVICES["cuff"], can=can)
        async with running(tmp_path, CONFIG, {**DEVICES, "cuff": cuff}) as clinic:
            clinic.link("ox")
            clinic.link("cuff")
            await clinic.act("open_session", subject_ref="P-1", route="im")
            clinic.say(Notice("cuff", clinic.clock.now_us(), "cuff_inflating", True))
            clinic.keepers["cuff"].refuses = "it is busy"
            assert (await clinic.act("hold_cuff", reason="asleep")).ok
            (room,) = clinic.hub.snapshot().rooms
            assert "skipped" in {due.state for due in room.due}

    asyncio.run(main())
