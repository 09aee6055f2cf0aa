"""A network that is lost in the middle of an act: nothing is lost, and nothing is done twice."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.conftest import OpenPage, eventually
from tests.dashboard.live_clinic import at_room
from vitals import wire

pytestmark = pytest.mark.usefixtures("without_charts")

PRESS_AT_ONCE = """
() => {
  let pressed = false;
  kv.on("frame", () => {
    if (pressed || kv.model.rooms.get("room-1").session.gate.decision !== "hold") return;
    pressed = true;
    document.querySelector('[data-gate] button[data-act="gate"]').click();
  });
}
"""


@pytest.fixture
def deaf(clinic: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """(clinic, web, mute): while `mute` holds True the station acts and its answers are lost."""
    station, web = clinic
    monkeypatch.setattr("dashboard.live.ANSWER_S", 0.3)
    real, mute = station.station.on_command, [False]

    def lossy(message: wire.CommandMsg, reply: Any) -> None:
        lost = mute[0]
        real(message, lambda result: None if lost else reply(result))

    monkeypatch.setattr(station.station, "on_command", lossy)
    return station, web, mute


def note(page: Page) -> Any:
    return page.get_by_role("textbox", name="Note", exact=True)


def test_a_form_stays_open_until_its_outcome_is_known_and_a_repeat_is_the_same_command(
    deaf: Any, open_page: OpenPage
) -> None:
    station, web, mute = deaf
    station.dosed(1)
    page = at_room(open_page, web)
    page.get_by_role("button", name="Note…").click()
    note(page).fill("asks for water")
    mute[0] = True
    page.get_by_role("button", name="Save note").click()
    expect(page.get_by_role("dialog").locator(".form-wrong")).to_contain_text("answer")
    expect(note(page)).to_have_value("asks for water")
    mute[0] = False
    page.get_by_role("button", name="Save note").click()
    expect(page.locator(".outcome-line")).to_have_text("Note: done")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert station.told("mark") == [{"text": "asks for water"}]
    assert [mark.text for mark in station.room().marks].count("asks for water") == 1


def test_a_dose_whose_answer_was_lost_is_not_given_twice_even_after_a_reload(
    deaf: Any, open_page: OpenPage
) -> None:
    station, web, mute = deaf
    station.dosed(1)
    page = at_room(open_page, web)
    page.get_by_role("button", name="Booster…").click()
    mute[0] = True
    page.get_by_role("button", name="Booster given now").click()
    expect(page.get_by_role("dialog").locator(".form-wrong")).to_contain_text("answer")
    mute[0] = False
    page.reload()
    again = page.get_by_role("button", name="Booster given now")
    expect(again).to_be_visible()  # it is open again, as it was
    again.click()
    expect(page.locator(".outcome-line")).to_have_text("Booster: done")
    assert [dose["kind"] for dose in station.session().doses] == ["dose", "booster"]
    assert len({each.id for each in station.commands if each.kind == "booster"}) == 1


def test_a_form_with_what_was_written_outlives_a_reload_and_escape_but_not_cancel(
    clinic: Any, open_page: OpenPage
) -> None:
    station, web = clinic
    station.dosed(1)
    page = at_room(open_page, web)
    page.get_by_role("button", name="Note…").click()
    note(page).fill("half a sen")
    page.reload()
    expect(note(page)).to_have_value("half a sen")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Note…").click()
    expect(note(page)).to_have_value("half a sen")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Note…").click()
    expect(note(page)).to_have_value("")


def test_what_was_written_for_one_patient_never_meets_the_next(
    clinic: Any, open_page: OpenPage
) -> None:
    station, web = clinic
    station.dosed(1)
    page = at_room(open_page, web)
    page.get_by_role("button", name="Note…").click()
    note(page).fill("of the first one")
    station.empty()
    expect(page.get_by_role("dialog")).to_have_count(0)
    station.dosed(1)
    page.get_by_role("button", name="Note…").click()
    expect(note(page)).to_have_value("")


def test_a_command_waits_while_the_server_is_away(clinic: Any, open_page: OpenPage) -> None:
    station, web = clinic
    station.dosed(1)
    page = at_room(open_page, web)
    page.get_by_role("button", name="Note…").click()
    note(page).fill("while the server was away")
    web.stop()
    try:
        expect(page.locator("body")).to_have_attribute("data-link", "lost")
        page.get_by_role("button", name="Save note").click()
        expect(note(page)).to_have_value("while the server was away")
    finally:
        web.start()
    expect(page.locator("body")).to_have_attribute("data-link", "live", timeout=15_000)
    if page.get_by_role("dialog").count():  # it had to give up waiting
        dialog, again = page.get_by_role("dialog"), page.locator("dialog button:enabled")
        again = again.filter(has_text="Save note")
        # Counted and not asked: the dialog may go by itself between two questions.
        eventually(page, lambda: dialog.count() == 0 or again.count() == 1)
        if again.count():
            again.click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert station.told("mark") == [{"text": "while the server was away"}]


def test_the_gate_is_looked_at_again_when_somebody_else_was_faster(
    clinic: Any, open_page: OpenPage
) -> None:
    station, web = clinic
    station.arrive()
    page = at_room(open_page, web)
    gate = page.locator("[data-gate]")
    go = gate.get_by_role("button", name="Go", exact=True)
    expect(go).to_be_visible()
    # pressed in the same moment: nobody can have read the one before the other
    page.evaluate(PRESS_AT_ONCE)
    station.done("gate", decision="hold", reason="wait", name="Anna")
    said = page.locator(".outcome-line")
    expect(said).to_contain_text("Anna: gate")
    expect(said).to_contain_text("Look again, then confirm")
    assert station.session().gate["decision"] == "hold"
    go.click()
    eventually(page, lambda: station.session().gate["decision"] == "go")
