"""What a nurse does on a page: asked once, sent once, answered in words."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.conftest import OpenPage, eventually
from tests.dashboard.ward import alarm, room, session, wait_until, ward
from vitals import wire

pytestmark = pytest.mark.usefixtures("without_charts")


def room_page(open_page: OpenPage, web: Any, name: str = "room-1") -> Page:
    page = open_page(f"{web.address}/room/{name}")
    expect(page.locator("body")).to_have_attribute("data-link", "live")
    expect(page.locator(".room-name")).not_to_be_empty()
    return page


def kinds(station: Any) -> list[str]:
    return [command.kind for command in station.commands]


def test_a_cuff_is_started_with_one_click_and_the_button_says_done(
    two: Any, open_page: OpenPage
) -> None:
    station, web = two
    page = room_page(open_page, web)
    page.get_by_role("button", name="Start BP").click()
    expect(page.locator(".outcome", has_text="done")).to_be_visible()
    (command,) = station.commands
    assert (command.kind, command.args) == ("start_nibp", {"device": "cuff"})
    assert len(command.id) == 32


def test_what_is_done_but_not_recorded_is_said_so(two: Any, open_page: OpenPage) -> None:
    station, web = two
    station.answer = wire.ResultMsg(id="", ok=True, recorded=False)
    page = room_page(open_page, web)
    page.get_by_role("button", name="Stop BP").click()
    expect(page.locator('.outcome[data-outcome="unrecorded"]')).to_have_text("done, NOT RECORDED")


def test_a_refusal_is_shown_in_the_stations_words(two: Any, open_page: OpenPage) -> None:
    station, web = two
    sentence = "no connected monitor in room-1 can do that; measure by hand"
    station.answer = wire.ResultMsg(id="", ok=False, error=sentence)
    page = room_page(open_page, web)
    page.get_by_role("button", name="Start BP").click()
    expect(page.locator('.outcome[data-outcome="error"]')).to_have_text(sentence)
    page.get_by_role("button", name="Start BP").click()
    wait_until(lambda: len(station.commands) == 2)
    first, second = station.commands
    assert first.id != second.id  # a refused act may be asked for again


def test_without_a_station_the_page_says_so_and_a_second_press_is_not_done_twice(
    two: Any, open_page: OpenPage, monkeypatch: Any
) -> None:
    station, web = two
    monkeypatch.setattr("dashboard.live.ANSWER_S", 0.3)
    page = room_page(open_page, web)
    station.answering = False
    page.get_by_role("button", name="Start BP").click()
    expect(page.locator('.outcome[data-outcome="error"]')).to_contain_text("start_nibp")
    station.answering = True
    page.get_by_role("button", name="Start BP").click()
    expect(page.locator('.outcome[data-outcome="done"]')).to_be_visible()
    assert len({command.id for command in station.commands}) == 1


def test_a_session_is_opened_with_pseudonym_and_route(tmp_path: Any, open_page: OpenPage) -> None:
    with ward(tmp_path, [room(1)]) as (station, web):
        page = room_page(open_page, web)
        expect(page.locator(".room-nosession")).to_be_visible()
        expect(page.get_by_role("button", name="Dose…")).to_be_hidden()
        page.get_by_role("button", name="Intranasal").click()
        expect(page.get_by_text("Write the pseudonym first.")).to_be_visible()
        page.get_by_label("Pseudonym").fill("KV-0500")
        page.get_by_role("button", name="Intranasal").click()
        expect(page.locator(".outcome-line")).to_have_text("Open session: done")
        (command,) = station.commands
        assert command.kind == "open_session"
        assert command.args == {"subject_ref": "KV-0500", "route": "intranasal"}


def test_a_dose_is_marked_only_after_a_second_yes(tmp_path: Any, open_page: OpenPage) -> None:
    one = room(1)
    one.session = session("room-1", 1_800_000_000_000_000, dosed_min=None)
    with ward(tmp_path, [one]) as (station, web):
        page = room_page(open_page, web)
        page.get_by_role("button", name="Dose…").click()
        page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
        expect(page.get_by_role("dialog")).to_have_count(0)
        assert station.commands == []
        page.get_by_role("button", name="Dose…").click()
        expect(page.get_by_role("dialog")).to_contain_text("KV-0417")
        page.get_by_role("button", name="Dose given now").click()
        expect(page.locator(".outcome-line")).to_have_text("Dose: done")
        assert kinds(station) == ["dose"]


def test_a_note_and_a_close_ask_for_their_words(two: Any, open_page: OpenPage) -> None:
    station, web = two
    page = room_page(open_page, web)
    page.get_by_role("button", name="Note…").click()
    page.get_by_role("textbox", name="Note", exact=True).fill("eyes closed, calm")
    page.get_by_role("button", name="Save note").click()
    expect(page.locator(".outcome-line")).to_have_text("Note: done")
    page.get_by_role("button", name="Close session…").click()
    page.get_by_role("dialog").get_by_label("Reason").fill("finished")
    page.get_by_role("dialog").get_by_role("button", name="Close session").click()
    eventually(page, lambda: len(station.commands) == 2)
    assert [(c.kind, c.args) for c in station.commands] == [
        ("mark", {"text": "eyes closed, calm"}),
        ("close_session", {"reason": "finished", "seen": 0}),
    ]


def test_an_alarm_can_be_acknowledged_by_keyboard_alone(two: Any, open_page: OpenPage) -> None:
    station, web = two
    page = room_page(open_page, web)
    station.publish(alarm("room-1"))
    button = page.get_by_role("button", name="Acknowledge SpO2 86 < 88")
    expect(button).to_be_visible()
    for _ in range(30):
        page.keyboard.press("Tab")
        if button.evaluate("e => e === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(page.locator('[data-alarm="spo2-low"]')).to_have_attribute("data-ack", "nurse")


def test_the_name_is_kept_in_the_browser_and_cleaned_by_the_server(
    two: Any, open_page: OpenPage
) -> None:
    station, web = two
    page = room_page(open_page, web)
    page.locator("#kv-who").fill("  Bea \u202e ")
    page.locator("#kv-who").press("Tab")
    page.get_by_role("button", name="Start BP").click()
    wait_until(lambda: station.commands)
    assert station.commands[0].name == "Bea"
    page.reload()
    expect(page.locator("#kv-who")).to_have_value("Bea \u202e")


def test_the_page_cannot_choose_its_own_role(two: Any, open_page: OpenPage) -> None:
    station, web = two
    page = room_page(open_page, web)
    page.evaluate(
        "kv.link.send({t: 'command', id: 'x', kind: 'mark', room: 'room-1', role: 'admin',"
        " name: '', args: {text: 'a'}})"
    )
    wait_until(lambda: station.commands)
    assert (station.commands[0].role, station.commands[0].name) == ("nurse", "nurse")
