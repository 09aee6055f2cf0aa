"""Addenda and signatures from the page to the record: the real station, the real web, Chromium."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from dashboard.review import addenda as review
from tests.dashboard import live_clinic, people
from tests.dashboard.conftest import LAPTOP, PHONE, OpenPage, eventually
from tests.dashboard.people import Browser
from tests.dashboard.several import Visit, write
from tests.dashboard.test_gate import ask, text
from tests.dashboard.ward import wait_until
from vitals import wire
from vitals.afterwards import KINDS
from vitals.model import US
from vitals.store.reader import Reader
from vitals.store.verify import verify

pytestmark = pytest.mark.long

# --- what the page is told ------------------------------------------------------------------------


def told(store: Path, uuid: str, rooms: frozenset[str] | None = None) -> Any:
    found = review.addenda(store, uuid, rooms=rooms)
    return None if found is None else json.loads(found)


def test_the_page_is_told_what_was_added_and_what_can_be_corrected(tmp_path: Path) -> None:
    store = tmp_path / "ward.db"
    write(store, [Visit("a", added=2), Visit("b", room="room-2"), Visit("open", closed=False)])
    found = told(store, "a")
    assert [one["text"] for one in found["additions"]] == ["Addendum 1", "Addendum 2"]
    assert found["last_n"] == found["additions"][-1]["n"]
    assert (found["closed"], found["signed_n"]) == (True, 0)
    assert [one["text"] for one in found["correctable"]][:2] == ["dose ONSET_PEAK", "eyes closed"]
    assert {one["key"] for one in found["statements"]} == {
        "reviewed", "countersigned", "addenda_seen",
    }  # fmt: skip
    assert told(store, "open")["closed"] is False
    assert told(store, "b", frozenset({"room-1"})) is None
    assert told(store, "nobody") is None
    assert review.intact(store, "b", None, 0, 0, rooms=frozenset({"room-1"})) is None
    whole = json.loads(review.intact(store, "a", None, 0, 0) or b"")
    assert (whole["broken"], whole["next"]) == ("", None)
    assert whole["to_n"] == Reader(store).last_row("a")


# --- with accounts --------------------------------------------------------------------------------


@pytest.fixture(scope="module", autouse=True)
def patience() -> Iterator[None]:
    """A busy computer is slow, and still right."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vitals.closed_desk.LOOK_S", 30.0)
        patch.setattr("vitals.answer.RECORDED_S", 20.0)
        yield


@pytest.fixture(scope="module")
def manned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """(clinic, web) with Ann (nurse), Theo (therapist, room 1), Nina (nurse, room 1), Cho
    (clinician) and Bea (prescriber), and a closed session in each room."""
    folder: Path = tmp_path_factory.mktemp("addenda")
    store = folder / "vitals.db"
    people.add(store, "ann", name="Ann K.")
    people.add(store, "nina", "nurse", ["room-1"], name="Nina O.")
    people.add(store, "theo", "therapist", ["room-1"], name="Theo L.")
    people.add(store, "cho", "clinician", name="Dr. Cho")
    with live_clinic.live_clinic(folder) as (clinic, web):
        for room in ("room-1", "room-2"):
            visit(clinic, room)
        yield clinic, web


def visit(clinic: Any, room: str = "room-1", subject: str = "KV-0417") -> str:
    """A session that was opened, dosed and closed; its id."""
    clinic.done("open_session", room, subject_ref=subject, route="im")
    clinic.pressure(124, 78, room)
    clinic.done("mark", room, text="eyes closed")
    clinic.done("dose", room, drug="Ketamine", mg=70.0)
    uuid = str(clinic.session(room).id)
    clinic.done("close_session", room, reason="the end of it")
    store = clinic.config.station.store
    wait_until(lambda: (r := Reader(store).session(uuid)) and r.state == "closed", "closed")
    return uuid


def sessions(clinic: Any) -> dict[str, str]:
    """room -> the newest session."""
    return {r.session.room: r.session.id for r in Reader(clinic.config.station.store).sessions()}


def rows(clinic: Any, uuid: str) -> list[Any]:
    return Reader(clinic.config.station.store).audit_by_kind(uuid, KINDS)


@pytest.fixture
def at_screen(manned: Any) -> Iterator[Any]:
    """Signs somebody in; gives (browser, websocket)."""
    browsers: list[Browser] = []

    def sign_in(user: str) -> tuple[Browser, Any]:
        browser = Browser(manned[1])
        browsers.append(browser)
        assert browser.sign_in(user).status == 200
        return browser, browser.live()

    yield sign_in
    for browser in browsers:
        browser.close()


def test_what_a_person_adds_stands_under_the_name_of_the_account(
    manned: Any, at_screen: Any
) -> None:
    clinic, _ = manned
    uuid = sessions(clinic)["room-1"]
    _, live = at_screen("ann")
    result = live.command("addendum", "room-1", session=uuid, text="Called at home: well.")
    assert (result["ok"], result["recorded"]) == (True, True)
    row = rows(clinic, uuid)[-1]
    assert (row.actor, row.role, row.body["identity"]) == ("Ann K.", "nurse", "account")
    assert verify(clinic.config.station.store).ok


def test_nobody_adds_to_a_session_of_a_room_that_is_not_theirs(manned: Any, at_screen: Any) -> None:
    clinic, _ = manned
    mine, other = sessions(clinic)["room-1"], sessions(clinic)["room-2"]
    browser, live = at_screen("nina")
    before = len(rows(clinic, other))
    refused = live.command("addendum", "room-2", session=other, text="x")
    assert "may not see room-2" in refused["error"]
    smuggled = live.command("addendum", "room-1", session=other, text="x")
    assert smuggled["error"] == f"there is no session {other!r} in 'room-1'"
    assert len(rows(clinic, other)) == before
    assert live.command("addendum", "room-1", session=mine, text="mine")["ok"]
    assert browser.get(f"/api/v1/sessions/{mine}/addenda").status == 200
    for part in ("addenda", "intact", "across"):
        hidden = browser.get(f"/api/v1/sessions/{other}/{part}")
        assert (hidden.status, hidden.error) == (404, f"there is no session {other!r}")


def test_roles_are_the_stations_affair(manned: Any, at_screen: Any) -> None:
    clinic, _ = manned
    uuid = sessions(clinic)["room-1"]
    _, live = at_screen("theo")
    assert live.command("addendum", "room-1", session=uuid, text="x")["error"] == (
        "a therapist may not addendum"
    )
    _, live = at_screen("ann")
    signed = live.command("sign_record", "room-1", session=uuid, statement="reviewed")
    assert signed["error"] == "a nurse may not sign_record"


def test_a_signature_wants_a_fresh_pin_or_password(manned: Any, at_screen: Any) -> None:
    clinic, web = manned
    uuid = sessions(clinic)["room-2"]
    browser, live = at_screen("cho")
    signed = live.command("sign_record", "room-2", session=uuid, statement="reviewed")
    assert signed["ok"], signed  # the password was given just now
    screens = web.server.auth._screens
    (screen,) = [each for each in screens.values() if each.key == people_key(browser)]
    screens[screen.key] = replace(screen, password_us=screen.password_us - 600 * US)
    again = live.command("sign_record", "room-2", session=uuid, statement="countersigned")
    assert (again["ok"], again.get("locked")) == (False, True)
    assert again["error"] == "give a PIN or a password to sign"
    assert len(rows(clinic, uuid)) == 1
    assert browser.post("/auth/unlock", {"user": "cho", "pin": people.PIN}).status == 200
    again = live.command("sign_record", "room-2", session=uuid, statement="countersigned")
    assert (again["ok"], again.get("recorded")) == (True, True), again
    last = rows(clinic, uuid)[-1]
    assert (last.actor, last.role, last.body["statement"]) == (
        "Dr. Cho", "clinician", "countersigned",
    )  # fmt: skip


def people_key(browser: Browser) -> str:
    from dashboard.screens import key_of

    return key_of(browser.screen)


def test_emergency_access_signs_nothing(manned: Any, at_screen: Any) -> None:
    clinic, _ = manned
    uuid = sessions(clinic)["room-2"]
    browser, live = at_screen("cho")
    assert browser.post("/auth/lock").status == 200
    assert browser.post("/auth/emergency", {"reason": "nobody has a PIN"}).status == 200
    signed = live.command("sign_record", "room-2", session=uuid, statement="reviewed")
    assert signed["error"] == "a nurse may not sign_record"
    assert live.command("addendum", "room-2", session=uuid, text="in an emergency")["ok"]
    assert rows(clinic, uuid)[-1].body["identity"] == "emergency"


def test_a_page_cannot_say_that_it_is_somebodys(manned: Any, at_screen: Any) -> None:
    clinic, _ = manned
    uuid = sessions(clinic)["room-1"]
    _, live = at_screen("ann")
    body = {"t": "command", "id": "forged-1", "kind": "sign_record", "room": "room-1"}
    body |= {"name": "Dr. Cho", "role": "clinician", "identity": "typed"}
    body["args"] = {"session": uuid, "statement": "reviewed"}
    live.socket.send(json.dumps(body))
    live.until(lambda: any(m["t"] == "result" and m["id"] == "forged-1" for m in live.seen))
    (answer,) = [m for m in live.seen if m["t"] == "result" and m["id"] == "forged-1"]
    assert answer["error"] == "a nurse may not sign_record"


def test_at_a_locked_screen_nothing_is_added(manned: Any, at_screen: Any) -> None:
    clinic, _ = manned
    uuid = sessions(clinic)["room-1"]
    browser, live = at_screen("ann")
    assert browser.post("/auth/lock").status == 200
    before = len(rows(clinic, uuid))
    result = live.command("addendum", "room-1", session=uuid, text="x")
    assert result["locked"] is True
    assert len(rows(clinic, uuid)) == before
    assert browser.get(f"/api/v1/sessions/{uuid}/addenda").status == 423


# --- the page, without accounts -------------------------------------------------------------------


def at_record(open_page: OpenPage, web: Any, uuid: str, size: tuple[int, int] = LAPTOP) -> Page:
    page: Page = open_page(f"{web.address}/review/{uuid}", size)
    expect(page.locator("body")).to_have_attribute("data-link", "live")
    expect(page.locator("[data-section=addenda] .added-acts")).to_be_visible()
    return page


def open_form(page: Page, name: str) -> Any:
    page.get_by_role("button", name=name).click()
    form = page.locator(f"form[data-form={'addendum' if 'addendum' in name else 'signature'}]")
    expect(form).to_be_visible()
    return form


def test_an_addendum_is_written_with_the_keyboard_and_then_signed(
    clinic: Any, open_page: OpenPage
) -> None:
    station, web = clinic
    uuid = visit(station)
    page = at_record(open_page, web, uuid)
    section = page.locator("[data-section=addenda]")
    expect(section).to_contain_text("Nothing was added, and nobody has signed.")
    open_button = page.get_by_role("button", name="Write an addendum …")
    open_button.focus()
    page.keyboard.press("Enter")
    expect(page.locator("form[data-form=addendum] textarea")).to_be_focused()
    page.keyboard.type("Called at home: <b>well</b>,\nno nausea.")
    form = page.locator("form[data-form=addendum]")
    expect(form.locator(".added-who")).to_contain_text("not authenticated")
    form.locator("select").select_option(index=1)
    form.get_by_role("button", name="Add to the record").focus()
    page.keyboard.press("Enter")
    item = section.locator("li.added")
    expect(item).to_have_count(1)
    expect(item.locator(".added-text").first).to_have_text(
        "Called at home: <b>well</b>,\nno nausea."
    )
    expect(item).to_contain_text("Corrects row")
    expect(item).to_contain_text("name not authenticated")
    expect(form.locator(".outcome")).to_have_text("Recorded.")
    expect(form.locator("textarea")).to_have_value("")

    sign = open_form(page, "Sign this record …")
    sign.get_by_role("button", name="Sign the record").click()
    expect(sign.locator(".outcome")).to_have_text("Choose what you sign.")
    sign.get_by_label("I have reviewed this record.").check()
    sign.get_by_role("button", name="Sign the record").click()
    expect(section.locator("li.added")).to_have_count(2)
    expect(section.locator("li.added").last).to_contain_text("I have reviewed this record.")
    expect(section.locator(".added-check")).to_contain_text("Nothing was changed", timeout=20_000)

    form.locator("textarea").fill("One thing more.")
    form.get_by_role("button", name="Add to the record").click()
    expect(section.locator("li.added")).to_have_count(3)
    expect(section.locator("li.added").nth(1)).to_contain_text("Signed before the last addendum.")
    kinds = [(row.kind, row.body["identity"]) for row in rows(station, uuid)]
    assert kinds == [("addendum", "typed"), ("signature", "typed"), ("addendum", "typed")]
    assert verify(station.config.station.store).ok


def test_while_the_station_is_away_what_was_written_stays_also_over_a_reload(
    clinic: Any, open_page: OpenPage
) -> None:
    station, web = clinic
    uuid = visit(station, subject="KV-0500")
    page = at_record(open_page, web, uuid)
    form = open_form(page, "Write an addendum …")
    form.locator("textarea").fill("Not to be lost")
    take = station.station.on_command
    first: list[str] = []

    def silent(message: wire.CommandMsg, _reply: Any) -> None:
        first.append(message.id)

    station.station.on_command = silent
    try:
        form.get_by_role("button", name="Add to the record").click()
        expect(form.locator(".outcome")).to_contain_text("has not answered", timeout=20_000)
    finally:
        station.station.on_command = take
    expect(form.locator("textarea")).to_have_value("Not to be lost")
    page.reload()
    form = page.locator("form[data-form=addendum]")
    expect(form.locator("textarea")).to_have_value("Not to be lost")
    expect(form).to_be_visible()
    expect(page.locator("body")).to_have_attribute("data-link", "live")
    form.get_by_role("button", name="Add to the record").click()
    expect(page.locator("li.added")).to_have_count(1)
    (row,) = rows(station, uuid)
    assert row.command_id == first[0]  # the same command, however often it was sent


def test_what_the_disk_does_not_take_is_said_not_to_be_recorded(
    clinic: Any, open_page: OpenPage
) -> None:
    station, web = clinic
    uuid = visit(station, subject="KV-0501")
    page = at_record(open_page, web, uuid, PHONE)
    form = open_form(page, "Write an addendum …")
    form.locator("textarea").fill("Later")
    take = station.station.on_command

    def unrecorded(message: wire.CommandMsg, reply: Any) -> None:
        reply(wire.ResultMsg(id=message.id, ok=True, recorded=False))

    station.station.on_command = unrecorded
    try:
        form.get_by_role("button", name="Add to the record").click()
        expect(form.locator(".outcome")).to_contain_text("NOT RECORDED yet")
    finally:
        station.station.on_command = take
    expect(form.locator("textarea")).to_have_value("Later")
    form.get_by_role("button", name="Add to the record").click()
    expect(page.locator("li.added")).to_have_count(1)
    ids = [message.id for message in station.commands if message.kind == "addendum"]
    assert len(rows(station, uuid)) == 1
    assert len(set(ids[-2:])) == 1
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


def test_an_open_session_is_noted_in_the_room(clinic: Any, open_page: OpenPage) -> None:
    station, web = clinic
    station.done("open_session", subject_ref="KV-0502", route="iv")
    uuid = station.session().id
    page: Page = open_page(f"{web.address}/review/{uuid}", LAPTOP)
    section = page.locator("[data-section=addenda]")
    expect(section).to_contain_text("This session is not closed yet")
    expect(section.get_by_role("link")).to_have_attribute("href", "/room/room-1")
    expect(section.locator("form")).to_have_count(0)


def test_other_sessions_of_the_patient_stand_beside_it(clinic: Any, open_page: OpenPage) -> None:
    station, web = clinic
    first = visit(station, "room-2", "KV-0600")
    second = visit(station, "room-1", "KV-0600")
    page: Page = open_page(f"{web.address}/review/{second}", LAPTOP)
    section = page.locator("[data-section=across]")
    section.scroll_into_view_if_needed()
    expect(section.locator("tbody tr")).to_have_count(2)
    expect(section.locator("tbody tr").first).to_contain_text("this session")
    expect(section.locator("svg.across-chart")).to_be_visible()
    section.get_by_role("link").focus()
    lines = section.locator(f"[data-session='{first}'].across-line")
    expect(lines.first).to_have_attribute("data-hot", "yes")
    section.get_by_role("link").click()
    eventually(page, lambda: page.url.endswith(first))
    assert ask(web, f"/api/v1/sessions/{second}/across").status == 200
    answer = ask(web, f"/api/v1/sessions/{second}/intact?row=x")
    assert answer.status == 400
    assert json.loads(text(answer))["error"] == "row is a whole number, not 'x'"
