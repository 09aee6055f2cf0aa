"""Who is at the screen, as people see it: sign-in, lock, PIN, emergency, and signing in again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.dashboard import people, ward
from tests.dashboard.conftest import LAPTOP, PHONE, WIDE
from tests.dashboard.people import PASSWORD, PIN

pytestmark = pytest.mark.long


@pytest.fixture(autouse=True)
def patient() -> Iterator[None]:
    """Signing in takes a while on a busy computer."""
    expect.set_options(timeout=15_000)
    yield
    expect.set_options(timeout=None)


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Any]:
    with people.clinic(tmp_path) as pair:
        yield pair


@pytest.fixture
def new_page(browser: Browser) -> Iterator[Any]:
    """A browser of its own, without cookies."""
    contexts = []

    def new(size: tuple[int, int] = LAPTOP) -> Page:
        contexts.append(browser.new_context(viewport={"width": size[0], "height": size[1]}))
        return contexts[-1].new_page()

    yield new
    for context in contexts:
        context.close()


def sign_in(page: Page, web: Any, user: str = "ann", path: str = "/room/room-1") -> Page:
    page.goto(web.address + path)
    page.get_by_label("User name").fill(user)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("body")).to_have_attribute("data-link", "live")
    page.evaluate(ACTS)
    return page


ACTS = """() => {
  const act = kv.commandButton("An act", () => ({ kind: "mark", room: "room-1", args: { text: "x" } }));
  const write = kv.el("button", { type: "button" }, "Write…");
  write.addEventListener("click", async () => {
    const fields = [{ name: "text", label: "Words" }];
    const answer = await kv.ask({ title: "Write", text: "", fields, confirm: "Save" });
    const result = answer && (await kv.command(kv.newId(), "mark", "room-1", answer));
    document.body.dataset.came = result ? kv.outcomeOf(result).text : "";
  });
  const node = kv.el("div", { id: "test-acts", style: "position:fixed;bottom:60px;left:10px;z-index:9" });
  node.append(act.node, kv.actArea({}, write));
  document.body.append(node);
}"""  # noqa: E501
"""Two acts of this test's own, made as every act of the pages is."""


def act(page: Page) -> Any:
    return page.get_by_role("button", name="An act")


def done(page: Page) -> Any:
    return page.locator('#test-acts .outcome[data-outcome="done"]')


def lock(page: Page) -> None:
    page.evaluate("kv.post('/auth/lock', {})")
    expect(page.locator("body")).to_have_attribute("data-who", "locked")


def sent(station: Any) -> list[Any]:
    return [command for command in station.commands if command.kind != "web_event"]


@pytest.mark.parametrize("size", [PHONE, LAPTOP, WIDE])
def test_one_signs_in_and_is_where_one_wanted_to_be(
    clinic: Any, new_page: Any, size: tuple[int, int]
) -> None:
    _, web = clinic
    page = new_page(size)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{web.address}/room/room-2")
    for field in (page.get_by_label("User name"), page.get_by_label("Password")):
        box = field.bounding_box()
        assert box["height"] >= 44
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= size[0]
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert all(url.startswith((web.address, "data:")) for url in asked)
    page.get_by_label("User name").fill("ann")
    page.get_by_label("Password").fill("not the password")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("The user name or the password is wrong.")
    expect(page.get_by_label("User name")).to_have_value("ann")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator(".room-name")).to_have_text("Room 2")
    expect(page.locator(".chip-person")).to_have_text("Ann K. · nurse")
    expect(page.locator("#kv-who")).to_be_hidden()
    assert page.url == f"{web.address}/room/room-2"


def test_pages_are_changed_without_a_new_sign_in_and_commands_are_the_persons(
    clinic: Any, new_page: Any
) -> None:
    station, web = clinic
    page = sign_in(new_page(), web, path="/")
    page.get_by_role("link", name="Devices").click()
    expect(page.locator(".view-devices")).to_be_visible()
    page.get_by_role("link", name="All rooms").click()
    act(page).click()
    expect(done(page)).to_be_visible()
    assert [(c.kind, c.name, c.role) for c in sent(station)] == [("mark", "Ann K.", "nurse")]


def test_a_locked_screen_says_so_disables_acts_and_stays_alive(clinic: Any, new_page: Any) -> None:
    station, web = clinic
    station.publish(ward.alarm("room-1"))
    page = sign_in(new_page(), web)
    expect(act(page)).to_be_enabled()
    lock(page)
    for name in ("An act", "Write…", "Acknowledge SpO2 86 < 88"):
        expect(page.get_by_role("button", name=name)).to_be_disabled()
    expect(page.get_by_role("button", name="Locked: PIN to act")).to_be_visible()
    expect(page.locator("#test-acts fieldset").first).to_have_attribute(
        "title", "Locked: PIN to act"
    )
    station.vitals("room-1", spo2=93)
    number = page.locator('[data-channel="spo2"]').first
    expect(number).to_contain_text("93")
    expect(number).to_have_attribute("data-state", "fresh")
    expect(page.locator("body")).to_have_attribute("data-sounding", "high")
    expect(page.locator("body")).to_have_attribute("data-link", "live")
    act(page).click(force=True)
    expect(page.get_by_role("dialog", name="Locked: PIN to act")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    assert sent(station) == []


def test_a_pin_unlocks_and_another_person_may_take_over(clinic: Any, new_page: Any) -> None:
    station, web = clinic
    page = sign_in(new_page(), web)
    lock(page)
    page.get_by_role("button", name="Locked: PIN to act").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Person")).to_have_value("ann")
    dialog.get_by_role("textbox", name="PIN").fill("9999")
    page.keyboard.press("Enter")
    expect(dialog.get_by_role("alert")).to_have_text(
        "The PIN is wrong; 4 left before a password is needed."
    )
    dialog.get_by_label("Person").select_option("bea")
    dialog.get_by_role("textbox", name="PIN").fill(PIN)
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(page.locator(".chip-person")).to_have_text("Bea M. · prescriber")
    act(page).click()
    expect(done(page)).to_be_visible()
    assert sent(station)[0].name == "Bea M."


def test_what_was_typed_when_the_screen_locked_is_sent_after_the_pin(
    clinic: Any, new_page: Any
) -> None:
    station, web = clinic
    page = sign_in(new_page(), web)
    page.get_by_role("button", name="Write…").click()
    page.get_by_role("textbox", name="Words").fill("calm, eyes closed")
    lock(page)
    page.get_by_role("button", name="Save").click()
    page.get_by_role("textbox", name="PIN").fill(PIN)
    page.keyboard.press("Enter")
    expect(page.locator("body")).to_have_attribute("data-came", "done")
    assert [(c.kind, c.args) for c in sent(station)] == [("mark", {"text": "calm, eyes closed"})]


def test_a_person_locks_switches_and_signs_out_from_the_bar(clinic: Any, new_page: Any) -> None:
    _, web = clinic
    page = sign_in(new_page(), web)
    page.get_by_role("button", name="Lock", exact=True).click()
    expect(page.locator("body")).to_have_attribute("data-who", "locked")
    page.get_by_role("button", name="Locked: PIN to act").click()
    page.get_by_role("textbox", name="PIN").fill(PIN)
    page.keyboard.press("Enter")
    page.locator(".chip-person").click()
    page.get_by_role("button", name="Somebody else takes over").click()
    page.get_by_label("Person").select_option("theo")
    page.get_by_role("textbox", name="PIN").fill(PIN)
    page.get_by_role("button", name="Switch", exact=True).click()
    expect(page.locator(".chip-person")).to_have_text("Theo L. · therapist")
    page.locator(".chip-person").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{web.address}/login")
    page.goto(f"{web.address}/room/room-1")
    assert "/login" in page.url


def test_emergency_access_is_a_banner_on_every_page_until_it_ends(
    clinic: Any, new_page: Any
) -> None:
    station, web = clinic
    here = sign_in(new_page(), web, "theo")
    elsewhere = sign_in(new_page(PHONE), web, "bea", "/")
    lock(here)
    here.get_by_role("button", name="Locked: PIN to act").click()
    here.get_by_role("button", name="Emergency access…").click()
    here.get_by_label("Why is it needed?").fill("does not breathe")
    here.get_by_role("button", name="Start emergency access").click()
    expect(here.locator(".banner-emergency")).to_contain_text(
        "EMERGENCY ACCESS at this screen, 14:5"
    )
    expect(elsewhere.locator(".banner-emergency")).to_contain_text("at another screen")
    expect(elsewhere.locator(".banner-emergency")).to_contain_text("“does not breathe”")
    act(here).click()
    expect(done(here)).to_be_visible()
    assert sent(station)[0].name.startswith("EMERGENCY ")
    here.get_by_role("button", name="End it").click()
    expect(act(here)).to_be_disabled()
    expect(elsewhere.locator(".banner-emergency")).to_be_hidden()


def test_a_page_that_was_signed_out_says_so_and_loses_nothing_that_was_typed(
    clinic: Any, new_page: Any, tmp_path: Path
) -> None:
    station, web = clinic
    page = sign_in(new_page(), web)
    page.get_by_role("button", name="Write…").click()
    page.get_by_role("textbox", name="Words").fill("half a sent")
    loaded = page.evaluate("performance.timeOrigin")
    with people.accounts_of(tmp_path / "ward.db") as accounts:
        accounts.connection.execute("DELETE FROM screen")
    expect(page.locator("body")).to_have_attribute("data-link", "lost")
    expect(page.locator(".banner-out")).to_be_visible()
    expect(page.locator(".banner-out")).to_contain_text("Signed out")
    page.locator(".banner-out button").evaluate("button => button.click()")  # behind the form
    dialog = page.get_by_role("dialog", name="Sign in again")
    expect(dialog.get_by_label("User name")).to_have_value("ann")
    dialog.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator("body")).to_have_attribute("data-link", "live")
    expect(page.locator(".banner-out")).to_be_hidden()
    page.get_by_role("textbox", name="Words").press_sequentially("ence")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("body")).to_have_attribute("data-came", "done")
    assert page.evaluate("performance.timeOrigin") == loaded
    assert sent(station)[0].args == {"text": "half a sentence"}


def test_a_restart_of_the_web_signs_nobody_out(clinic: Any, new_page: Any) -> None:
    _, web = clinic
    page = sign_in(new_page(), web)
    web.stop()
    expect(page.locator("body")).to_have_attribute("data-link", "lost")
    web.start()
    expect(page.locator("body")).to_have_attribute("data-link", "live", timeout=15_000)
    expect(page.locator(".chip-person")).to_have_text("Ann K. · nurse")


def test_touching_the_page_keeps_it_open(clinic: Any, new_page: Any) -> None:
    _, web = clinic
    page = sign_in(new_page(), web)
    auth = web.server.auth
    before = next(iter(auth._screens.values())).active_us
    page.mouse.click(300, 300)
    ward.wait_until(lambda: next(iter(auth._screens.values())).active_us > before)


def test_without_accounts_every_page_says_that_anyone_may_act(
    tmp_path: Path, new_page: Any
) -> None:
    with ward.ward(tmp_path, [ward.room(1)]) as (_, web):
        page = new_page()
        page.goto(web.address)
        expect(page.locator(".chip-free")).to_have_text(
            "No accounts: anyone at this computer may act"
        )
        expect(page.locator("#kv-who")).to_be_visible()
        expect(page.locator(".chip-lock")).to_be_hidden()


# --- names in free text ------------------------------------------------------------------------

NAMES = {
    "a name": [
        "John Smith was calm", "talked with Mary-Ann O'Neill", "Mr Smith", "Dr. Weber came",
        "Frau Müller", "Smith, John", "J. Smith", "J.R. Miller", "called María García",
        "Jean de la Croix", "Øyvind Ås", "patient Anna Kowalska, calm",
    ],
    "an e-mail address": ["write to j.smith@example.org"],
    "a telephone number": ["call 555-123-4567", "+49 170 1234567", "(030) 1234 5678"],
    "a date of birth": ["DOB 1/2", "born in Ohio", "geb. 3.4.", "03/04/1975", "3.4.1975"],
}  # fmt: skip
PLAIN = [
    "", "calm, eyes closed", "Blood Pressure repeated", "Severe Headache, Visual Change",
    "Room 3", "KV-0417", "SpO2 86 for 20 s", "BP 188/104 at 10:42", "Gave Midazolam 2 mg",
    "MOAA/S 4", "Patient Drowsy", "Cuff moved to Left Arm. Reading 120/80", "10:00:00",
    "dose 0.5 mg/kg over 40 min", "Ondansetron 4 mg IV", "HR 101, 99, 98, 97", "He said: I am fine",
]  # fmt: skip


@pytest.fixture
def notes(tmp_path: Path, new_page: Any) -> Iterator[Page]:
    with ward.ward(tmp_path, [ward.room(1, session=ward.session("room-1", ward.now_us()))]) as (
        _, web,
    ):  # fmt: skip
        page = new_page()
        page.goto(f"{web.address}/room/room-1")
        expect(page.locator("body")).to_have_attribute("data-link", "live")
        yield page


def test_what_looks_like_a_name_is_seen_and_what_does_not_is_left_alone(notes: Page) -> None:
    for kind, texts in NAMES.items():
        assert {text: notes.evaluate("kv.looksLikeName", text) for text in texts} == dict.fromkeys(
            texts, kind
        )
    assert [text for text in PLAIN if notes.evaluate("kv.looksLikeName", text)] == []


def test_a_name_is_warned_about_and_never_blocked(notes: Page) -> None:
    notes.evaluate(ACTS)
    notes.get_by_role("button", name="Write…").click()
    note = notes.get_by_role("textbox", name="Words")
    note.fill("John Smith is calm")
    expect(notes.get_by_role("dialog").locator(".name-warning")).to_have_text(
        "This looks like a name. The record knows patients by their pseudonym only."
    )
    note.fill("calm")
    expect(notes.get_by_role("dialog").locator(".name-warning")).to_be_empty()
    note.fill("John Smith is calm")
    notes.get_by_role("button", name="Save").click()
    expect(notes.locator("body")).to_have_attribute("data-came", "done")
