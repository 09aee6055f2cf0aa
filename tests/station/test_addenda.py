"""What is said of a closed session: recorded behind its end, once, and it changes nothing."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import loop
from tests.station.clinic import Clinic, running
from vitals import closed_desk, wire
from vitals.afterwards import KINDS, MOST_TEXT, STATEMENTS, Known, clean, row_body
from vitals.answer import unfit
from vitals.errors import CommandError
from vitals.model import US, Actor, Command, Session
from vitals.replay import recorded
from vitals.store.rows import StoredAudit
from vitals.store.verify import verify

START_US = 1_800_000_000 * US
END_US = START_US + 7200 * US
NOW_US = END_US + 86_400 * US
CLOSED = Session("s-1", "room-1", "KV-1", "im", START_US, END_US, phase="CLOSED")
OPEN = Session("s-1", "room-1", "KV-1", "im", START_US)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy computer is slow, and still right."""
    monkeypatch.setattr(closed_desk, "LOOK_S", 15.0)
    monkeypatch.setattr("vitals.answer.RECORDED_S", 15.0)


async def closed_session(clinic: Clinic) -> str:
    """A short session with an alarm, a dose and a mark, closed."""
    clinic.link("ox")
    assert (await clinic.act("open_session", subject_ref="P-1", route="iv")).ok
    (record,) = clinic.reader.open_sessions()
    for value in (97, 96, 95):
        clinic.value("spo2", value)
    assert (await clinic.act("dose")).ok
    assert (await clinic.act("mark", text="calm")).ok
    assert (await clinic.act("symptom", text="chest pain")).ok
    assert (await clinic.act("close_session", reason="test")).recorded
    return record.session.id


async def ask(
    clinic: Clinic,
    kind: str,
    session: str,
    ident: str = "",
    *,
    name: str = "Bea M.",
    role: str = "prescriber",
    identity: Any = "account",
    room: str = "room-1",
    **args: Any,
) -> wire.ResultMsg:
    got: asyncio.Future[wire.ResultMsg] = asyncio.get_running_loop().create_future()
    message = wire.CommandMsg(
        id=ident or f"{kind}-{time.monotonic_ns()}",
        kind=kind,
        room=room,
        name=name,
        role=role,
        args={"session": session, **args},
        identity=identity,
    )
    clinic.station.on_command(message, got.set_result)
    return await asyncio.wait_for(got, 20)


def added(clinic: Clinic, session: str) -> list[StoredAudit]:
    return clinic.reader.audit_by_kind(session, KINDS)


def test_an_addendum_is_one_row_behind_the_end_however_often_it_is_sent(tmp_path: Path) -> None:
    text = 'Called at home: "no nausea"\nSecond line'

    async def first() -> str:
        async with running(tmp_path) as clinic:
            session = await closed_session(clinic)
            before = clinic.reader.audit(session)
            twice = [ask(clinic, "addendum", session, "a-1", text=text) for _ in range(2)]
            for result in [*await asyncio.gather(*twice), await twice_more(clinic, session)]:
                assert (result.ok, result.recorded) == (True, True)
            (row,) = added(clinic, session)
            assert (row.actor, row.role, row.room) == ("Bea M.", "prescriber", "room-1")
            assert row.body["text"] == text
            assert row.body["identity"] == "account"
            assert row.n > max(one.n for one in before)
            assert [r for r in clinic.reader.audit(session) if r.kind != "addendum"] == before
            return session

    async def twice_more(clinic: Clinic, session: str) -> wire.ResultMsg:
        return await ask(clinic, "addendum", session, "a-1", text=text)

    kept: list[str] = []

    async def again() -> None:  # after a restart, also when the station no longer knows the id
        async with running(tmp_path) as clinic:
            clinic.record._writer._answers.clear()
            result = await ask(clinic, "addendum", kept[0], "a-1", text=text)
            assert (result.ok, result.recorded) == (True, True)
            assert len(added(clinic, kept[0])) == 1
            other = await ask(clinic, "sign_record", kept[0], "a-1", statement="reviewed")
            assert other.error == "the id 'a-1' belongs to another command"

    async def main() -> None:
        kept.append(await first())

    loop.run(main(), 60)
    assert verify(tmp_path / "vitals.db").ok
    loop.run(again(), 60)


def test_the_replay_of_a_session_does_not_see_what_was_added_to_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as clinic:
            session = await closed_session(clinic)
            before = recorded(clinic.reader, session)
            # another session runs in the room, with its own alarms, before something is added
            clinic.link("ox", "lost")
            assert (await clinic.act("open_session", subject_ref="P-2", route="im")).ok
            assert (await clinic.act("symptom", text="dizzy")).ok
            assert (await clinic.act("close_session", reason="test")).ok
            assert (await ask(clinic, "addendum", session, text="late note")).recorded
            assert (await ask(clinic, "sign_record", session, statement="reviewed")).recorded
            after = recorded(clinic.reader, session)
            assert list(after.outputs()) == list(before.outputs())
            assert after.transitions() == before.transitions() != []
            assert after.end_us == before.end_us
            logged = [row for row in after.rows if row.kind == "alarm"]
            assert len(logged) == len(
                [c for c in after.transitions() if c.after.rule != "open-session"]
            )

    loop.run(main(), 60)


def test_what_may_not_be_added_is_refused_in_one_sentence_and_leaves_no_row(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as clinic:
            assert (await clinic.act("open_session", subject_ref="P-0", route="iv")).ok
            (running_one,) = clinic.reader.open_sessions()
            still = await ask(clinic, "addendum", running_one.session.id, text="x")
            assert still.error == "this session is still open; make a note in the room instead"
            assert (await clinic.act("close_session", reason="t")).ok
            session = await closed_session(clinic)
            for uuid, room in ((session, "room-2"), ("nobody", "room-1"), ("", "")):
                result = await ask(clinic, "addendum", uuid, room=room, text="x")
                assert result.error == f"there is no session {uuid!r} in {room!r}"
            long = await ask(clinic, "addendum", session, text="x" * 40_000)
            assert long.error == "the command is longer than 32768 bytes; shorten it"
            nobody = await ask(clinic, "addendum", session, role="therapist", text="x")
            assert nobody.error == "a therapist may not addendum"
            assert added(clinic, session) == []

    loop.run(main(), 60)


def test_a_record_that_does_not_answer_holds_up_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = threading.Event()

    def hang(*_: object) -> Any:
        hanging.wait(20)
        raise AssertionError("nobody waits for this any more")

    async def main() -> None:
        async with running(tmp_path) as clinic:
            session = await closed_session(clinic)
            monkeypatch.setattr(closed_desk, "_look", hang)
            monkeypatch.setattr(closed_desk, "LOOK_S", 0.1)
            asked = asyncio.create_task(ask(clinic, "addendum", session, text="x"))
            assert (await clinic.act("open_session", subject_ref="P-2", route="iv")).ok
            result = await asked
            assert not result.ok
            assert "nothing was added" in result.error
            hanging.set()
            assert added(clinic, session) == []

    asyncio.run(main())  # the thread is let go only when the loop ends


def test_what_waits_for_the_disk_is_not_called_recorded_until_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with running(tmp_path) as clinic:
            session = await closed_session(clinic)
            monkeypatch.setattr("vitals.answer.RECORDED_S", 0.2)
            other = apsw.Connection(str(tmp_path / "vitals.db"))
            try:
                other.execute("BEGIN IMMEDIATE")
                result = await ask(clinic, "addendum", session, "a-2", text="late")
                assert (result.ok, result.recorded) == (True, False)
                assert added(clinic, session) == []
                other.execute("ROLLBACK")
            finally:
                other.close()
            await clinic.until(lambda: added(clinic, session), "row")
            result = await ask(clinic, "addendum", session, "a-2", text="late")
            assert (result.ok, result.recorded) == (True, True)
            assert len(added(clinic, session)) == 1

    loop.run(main(), 60)


def test_a_record_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as clinic:
            session = await closed_session(clinic)
            clinic.record._path = tmp_path / "gone" / "vitals.db"
            result = await ask(clinic, "addendum", session, text="x")
            assert not result.ok
            assert "vitals.db" in result.error

    loop.run(main(), 60)


def test_who_signs_has_seen_all_that_was_added_before(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as clinic:
            session = await closed_session(clinic)
            assert (await ask(clinic, "addendum", session, text="one")).ok
            late = await ask(clinic, "sign_record", session, statement="reviewed", seen=0)
            assert late.error.endswith("look again, then confirm")
            (note,) = added(clinic, session)
            words = {"statement": "reviewed", "comment": "fine\x00", "seen": note.n}
            assert (await ask(clinic, "sign_record", session, **words)).recorded
            row = added(clinic, session)[-1]
            assert row.kind == "signature"
            assert row.body["text"] == STATEMENTS["reviewed"]
            assert (row.body["comment"], row.body["seen"]) == ("fine", note.n)
            assert (await ask(clinic, "addendum", session, text="two")).ok
            assert [r.kind for r in added(clinic, session)] == ["addendum", "signature", "addendum"]

    loop.run(main(), 60)


def test_an_addendum_may_correct_a_row_of_its_own_session_only(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as clinic:
            session = await closed_session(clinic)
            mark = next(r for r in clinic.reader.audit(session) if r.kind == "mark")
            done = await ask(clinic, "addendum", session, text="was asleep", corrects=mark.n)
            assert done.recorded
            assert added(clinic, session)[0].body["corrects"] == mark.n
            other = next(r for r in clinic.reader.audit(None))
            for n in (other.n, 10**6, -1, 2**63):
                refused = await ask(clinic, "addendum", session, text="x", corrects=n)
                assert refused.error == f"row {n} is no part of this session; choose another one"
            assert len(added(clinic, session)) == 1

    loop.run(main(), 60)


# --- the rules themselves -------------------------------------------------------------------------


def made(kind: str, identity: str = "account", role: str = "prescriber", **args: Any) -> Any:
    command = Command("c", Actor("A", role), kind, "room-1", {"session": "s-1", **args})
    return row_body(command, identity, Known(CLOSED, 7, "mark"), NOW_US)


@pytest.mark.parametrize(
    ("role", "identity", "adds", "signs"),
    [
        ("nurse", "account", True, False),
        ("nurse", "typed", True, True),  # without accounts everybody is a nurse
        ("nurse", "emergency", True, False),
        ("demo", "typed", True, True),
        ("therapist", "account", False, False),
        ("therapist", "typed", False, False),
        ("clinician", "account", True, True),
        ("prescriber", "account", True, True),
        ("admin", "account", True, True),
        ("operator", "typed", True, False),
        ("system", "typed", False, False),
        ("", "typed", False, False),
    ],
)
def test_who_may(role: str, identity: str, adds: bool, signs: bool) -> None:
    for kind, args, may in (
        ("addendum", {"text": "x"}, adds),
        ("sign_record", {"statement": "reviewed"}, signs),
    ):
        if may:
            assert made(kind, identity, role, **args)["identity"] == identity
        else:
            with pytest.raises(CommandError, match=f"a {role or 'nobody'} may not {kind}"):
                made(kind, identity, role, **args)


@pytest.mark.parametrize("text", ["", "  \n\t ", "\x00\x1b", "y" * (MOST_TEXT + 1)])
def test_a_text_has_one_to_4000_characters(text: str) -> None:
    with pytest.raises(CommandError):
        made("addendum", text=text)


def test_4000_characters_of_any_script_fit() -> None:
    text = "𝄞" * MOST_TEXT
    message = wire.CommandMsg(id="i", kind="addendum", room="r", args={"text": text})
    assert not unfit(message, 32 * 1024)
    assert made("addendum", text=text)["text"] == text


@pytest.mark.parametrize("about_us", [START_US - 86_401 * US, NOW_US + 1, 1.5, True, "now", -1])
def test_the_time_it_is_about_is_near_its_session(about_us: Any) -> None:
    with pytest.raises(CommandError):
        made("addendum", text="x", about_us=about_us)
    assert made("addendum", text="x", about_us=START_US)["about_us"] == START_US


def test_an_open_session_is_signed_by_nobody() -> None:
    command = Command("c", Actor("A", "clinician"), "sign_record", "room-1", {"statement": "x"})
    with pytest.raises(CommandError, match="still open"):
        row_body(command, "account", Known(OPEN), NOW_US)


@pytest.mark.parametrize(
    "args",
    [{"statement": "anything"}, {}, {"statement": "reviewed", "comment": "x" * 1001},
     {"statement": "reviewed", "seen": "7"}],
)  # fmt: skip
def test_only_fixed_statements_are_signed(args: dict[str, Any]) -> None:
    with pytest.raises(CommandError):
        made("sign_record", **args)


@given(st.text(max_size=200))
def test_a_cleaned_text_has_no_control_characters_and_stays_as_it_is(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    assert not any(ord(c) < 32 and c != "\n" for c in once)
    assert [c for c in once if c.isalnum()] == [c for c in text if c.isalnum()]


ANY = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
NAMES = ("text", "about_us", "corrects", "statement", "comment", "seen", "session")


@given(st.dictionaries(st.sampled_from(NAMES), ANY))
def test_no_arguments_make_it_fail_otherwise_than_in_words(args: dict[str, Any]) -> None:
    for kind in ("addendum", "sign_record"):
        command = Command("c", Actor("A", "admin"), kind, "room-1", args)
        with contextlib.suppress(CommandError):
            body = row_body(command, "account", Known(CLOSED, 7, "mark"), NOW_US)
            assert body["text"]
