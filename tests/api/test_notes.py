"""Who has read or exported a session is a row of the record."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from dashboard.auth import Auth
from dashboard.diary import AGAIN_S, Diary
from tests.api.conftest import Ask
from tests.api.programs import ONE, TWO
from tests.dashboard import people, recorded, ward
from tests.dashboard.people import Browser
from tests.dashboard.test_gate import ask
from vitals import people_file, wire
from vitals.clock import ManualClock
from vitals.errors import FeedError


def noted(station: Any, *what: str) -> list[dict[str, Any]]:
    events = {c.id: c.args for c in station.commands if c.kind == "web_event"}.values()
    return [event for event in events if event["what"] in what]


def test_reading_is_noted_once_with_who_and_which_session(clinic: Any, program: Ask) -> None:
    station, _, _ = clinic
    for path in ("", "/numerics", "/events", "/figure", ""):
        assert program("research").get(f"/api/v1/sessions/{ONE}{path}").status == 200
    assert program("one-room").get(f"/api/v1/sessions/{ONE}/numerics").status == 200
    ward.wait_until(lambda: len(noted(station, "read")) >= 2)
    rows = {row["name"]: row for row in noted(station, "read")}
    assert rows["API token research"]["session"] == ONE
    assert rows["API token research"]["role"] == "clinician"
    assert len(noted(station, "read")) == 2
    message = next(c for c in station.commands if c.args.get("what") == "read")
    assert (message.role, message.room) == ("system", "")


def test_a_session_that_may_not_be_seen_is_not_noted_and_a_list_is_no_reading(
    clinic: Any, program: Ask
) -> None:
    station, _, _ = clinic
    before = len(noted(station, "read"))
    program("one-room").get(f"/api/v1/sessions/{TWO}")
    program("research").get("/api/v1/sessions/nothing")
    program("research").get("/api/v1/sessions")
    program("research").get(f"/api/v1/sessions/{ONE}/numerics?channel=wrong")
    browser = Browser(clinic[1])
    browser.sign_in("ann")
    assert browser.get(f"/api/v1/sessions/{TWO}").status == 200
    browser.close()
    ward.wait_until(lambda: len(noted(station, "read")) > before)
    assert [row["user"] for row in noted(station, "read")[before:]] == ["ann"]


def test_every_export_is_noted(clinic: Any, program: Ask) -> None:
    station, _, _ = clinic
    for _ in range(2):
        assert program("research").get(f"/api/v1/sessions/{ONE}/rems.pdf").status == 200
    ward.wait_until(lambda: len(noted(station, "export")) == 2)
    row = noted(station, "export")[0]
    assert (row["session"], row["format"], row["name"]) == (ONE, "rems", "API token research")


def test_without_accounts_it_is_noted_too_under_no_name(tmp_path: Path) -> None:
    recorded.write(tmp_path / "ward.db")
    with ward.ward(tmp_path, [ward.room(1)]) as (station, web):
        with ask(web, f"/api/v1/sessions/{recorded.UUID}") as answer:
            assert answer.status == 200
        ward.wait_until(lambda: noted(station, "read"))
        (row,) = noted(station, "read")
        assert (row["name"], row["session"]) == ("nurse", recorded.UUID)
        assert not people_file.path_of(tmp_path / "ward.db").exists()


# --- the diary by itself ----------------------------------------------------------------------


class Follower:
    """A station that is there, or not, or cannot record."""

    def __init__(self) -> None:
        self.taken: list[wire.CommandMsg] = []
        self.there = True
        self.records = True
        self.changed = asyncio.Event()

    async def command(self, message: wire.CommandMsg, timeout_s: float) -> wire.ResultMsg:
        if not self.there:
            raise FeedError("away")
        if self.records:
            self.taken.append(message)
            self.changed.set()
        return wire.ResultMsg(id=message.id, ok=True, recorded=self.records)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "vitals.db"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def note(diary: Diary, session: str = "s-1", what: str = "read", **facts: str | int) -> None:
    diary.note(what, name="Ann K.", session=session, **facts)


async def sent(diary: Diary, follower: Follower, count: int) -> None:
    """Runs it until so many events were taken."""
    running = asyncio.create_task(diary.run())
    async with asyncio.timeout(20):
        while len(follower.taken) < count:
            follower.changed.clear()
            await follower.changed.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize("with_accounts", [True, False])
def test_notes_wait_for_the_station_and_are_sent_once(
    store: Path, clock: ManualClock, with_accounts: bool
) -> None:
    async def main() -> None:
        if with_accounts:
            people.add(store, "ann")
        auth = Auth(people_file.path_of(store), lock_s=600, required=False, clock=clock)
        follower = Follower()
        diary = Diary(auth, follower)  # type: ignore[arg-type]
        follower.there = False
        for n in range(50):
            note(diary, f"s-{n}")
        running = asyncio.create_task(diary.run())
        await asyncio.sleep(0)
        follower.there = True
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        made = 2 if with_accounts else 0  # the account and its PIN
        await sent(diary, follower, 50 + made)
        told = [m.args["session"] for m in follower.taken if m.args["what"] == "read"]
        assert told == [f"s-{n}" for n in range(50)]
        assert len({m.id for m in follower.taken}) == len(follower.taken)
        await auth.close()

    asyncio.run(main())


def test_with_accounts_what_waits_outlives_the_web(store: Path, clock: ManualClock) -> None:
    async def main() -> None:
        people.add(store, "ann")
        auth = Auth(people_file.path_of(store), lock_s=600, required=False, clock=clock)
        diary = Diary(auth, Follower())  # type: ignore[arg-type]
        note(diary)
        await diary.close()
        assert diary.waiting == 0
        await auth.close()

    asyncio.run(main())
    with people.accounts_of(store) as accounts:
        assert [f["session"] for _, f in accounts.events() if f["what"] == "read"] == ["s-1"]


def test_reading_again_within_ten_minutes_is_no_new_row_but_exporting_is(
    store: Path, clock: ManualClock
) -> None:
    async def main() -> None:
        auth = Auth(people_file.path_of(store), lock_s=600, required=False, clock=clock)
        diary = Diary(auth, Follower())  # type: ignore[arg-type]
        for _ in range(5):
            note(diary)
            clock.advance(AGAIN_S / 5)
        assert diary.waiting == 1
        clock.advance(1)
        note(diary)  # counted from the row, not from the last look
        assert diary.waiting == 2
        note(diary, "s-2")
        diary.note("read", name="Bea", session="s-1")
        assert diary.waiting == 4
        note(diary, what="export", format="csv")
        note(diary, what="export", format="csv")
        assert diary.waiting == 6
        await auth.close()

    asyncio.run(main())


def test_memory_has_a_bound(
    store: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        monkeypatch.setattr("dashboard.diary.MOST_NOTED", 3)
        auth = Auth(people_file.path_of(store), lock_s=600, required=False, clock=clock)
        diary = Diary(auth, Follower())  # type: ignore[arg-type]
        for n in range(5):
            note(diary, f"s-{n}")
        assert (diary.waiting, diary.lost) == (3, 2)
        await auth.close()

    asyncio.run(main())
