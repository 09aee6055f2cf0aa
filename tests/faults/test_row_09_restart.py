"""Row 9: the station dies in the middle of a session and is started again.

Made: `vitals run` with two rooms, a session after its dose in each, an alarm that nobody has
acknowledged in one, a rule switched off and limits of the patient's own in the other; the station
is killed, 6 times (once in a test).

Bar: the same sessions go on, the gap marked, alarms and limits as they were, live within 5 s.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.wards import Clinic, Ward
from tests.faults.beds import clinic_of
from tests.faults.reached import Fault, Number, Result, all_of, line_with
from tests.faults.wards import Page, page_of
from tests.loop import run, until
from vitals import wire

RESTARTS, RESTARTS_SHORT = 6, 1
LIVE_S = 5.0
LOW, QUIET = "low", "quiet"
SPEED = 4.0


@dataclass(slots=True)
class Restarts:
    """What was the same afterwards, counted over all restarts."""

    live_s: list[float] = field(default_factory=list)
    sessions: int = 0
    gaps: int = 0
    alarms: int = 0
    limits: int = 0
    told: str = ""


def room_of(page: Page, room: str) -> wire.RoomMsg:
    found = page.heard.room(room)
    assert found is not None
    return found


def low_alarm(page: Page) -> wire.AlarmMsg | None:
    """The alarm that nobody has acknowledged."""
    alarms = room_of(page, LOW).alarms
    return next((a for a in alarms if a.rule == "spo2-low" and a.condition == "active"), None)


def limits_of(page: Page) -> object:
    """What holds for the patient in the quiet room: what is off, by whom, and own limits."""
    room = room_of(page, QUIET)
    off = [(a.rule, a.rule_state, a.rule_by) for a in room.alarms if a.rule_state != "enabled"]
    own = [
        (each.channel, each.side, each.priority, each.limit, each.why)
        for each in (room.care.limits if room.care else [])
        if each.why
    ]
    return sorted(off), sorted(own)


async def restart(page: Page, clinic: Clinic, found: Restarts) -> None:
    await until(lambda: low_alarm(page), 60)
    alarm, limits = low_alarm(page), limits_of(page)
    assert alarm is not None
    sessions = [room_of(page, room).session for room in (LOW, QUIET)]
    start, epoch = len(page.heard.messages), page.epoch
    began = time.monotonic()
    os.kill(clinic.child("station"), signal.SIGKILL)
    await until(
        lambda: (
            page.epoch != epoch
            and all(page.heard.numerics(room, since=start) for room in (LOW, QUIET))
        ),
        60,
    )
    found.live_s.append(time.monotonic() - began)
    await until(lambda: room_of(page, LOW).care and room_of(page, QUIET).care, 30)
    for before, room in zip(sessions, (LOW, QUIET), strict=True):
        after = room_of(page, room).session
        assert before is not None
        assert after is not None
        found.sessions += (after.id, after.dose_us, after.phase, after.resumed) == (
            before.id, before.dose_us, before.phase, before.resumed + 1,
        )  # fmt: skip
        found.gaps += len(after.gaps) == len(before.gaps) + 1
    again = low_alarm(page)
    found.alarms += again is not None and (again.acked_by, again.onset_us, again.priority) == (
        "", alarm.onset_us, alarm.priority,
    )  # fmt: skip
    found.limits += limits_of(page) == limits
    told = [a.text for a in room_of(page, LOW).alarms if a.rule == "restarted"]
    found.told = found.told or next(iter(told), "")


def measure(folder: Path, full: bool) -> Result:
    times = RESTARTS if full else RESTARTS_SHORT
    found, ward = Restarts(), Ward(folder, speed=SPEED)
    ward.room(LOW, "nonin-df2")
    ward.room(QUIET, "contec-v7")

    async def main(clinic: Clinic) -> None:
        async with page_of(clinic.feed) as page:
            for room in (LOW, QUIET):
                await page.open(room, dose=True)
            for kind, args in (
                ("rule_off", {"rule": "spo2-low", "reason": "cold fingers"}),
                ("set_limit", {"rule": "pr-high", "level": 1, "limit": 115, "reason": "runs"}),
            ):
                result = await page.act(kind, QUIET, role="prescriber", **args)
                assert result.ok, (kind, result.error)
            ward.fall()
            for number in range(times):
                if number:  # a child that lives shorter is started later, on purpose
                    await asyncio.sleep(5.5)
                await restart(page, clinic, found)

    with clinic_of(folder, ward) as clinic:
        run(main(clinic), 120 + 60 * times)
        line = line_with(clinic.said().splitlines(), "station ended with code -9")
    numbers = (
        all_of("sessions that go on with dose and phase", found.sessions, 2 * times),
        all_of("gaps marked", found.gaps, 2 * times),
        all_of("unacknowledged alarms as they were", found.alarms, times),
        all_of("limits and rules as they were", found.limits, times),
        Number("live again after", max(found.live_s), LIVE_S, "s", busy=4),
    )
    return Result(numbers, found.told, line)


FAULT = Fault(9, "restart in mid-session", "kill -9 of the station under `vitals run`", measure)


def test_a_session_goes_on_after_a_restart_as_it_was(tmp_path: Path) -> None:
    measure(tmp_path, full=False).check()
