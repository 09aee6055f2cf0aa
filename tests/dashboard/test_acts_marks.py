"""One-tap marks and their keys, readings by hand, held and missing ones, scores, adverse events."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.conftest import OpenPage, eventually
from tests.dashboard.live_clinic import at_room
from vitals.model import US

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("without_charts")]


def done(page: Page, words: str) -> None:
    expect(page.locator(".outcome-line")).to_have_text(words)


def test_a_mark_is_one_tap_or_one_key_and_owes_its_recheck(
    clinic: Any, open_page: OpenPage
) -> None:
    station, web = clinic
    station.dosed(2)
    page = at_room(open_page, web)
    nausea = page.locator('[data-mark="nausea"]')
    expect(nausea.locator("kbd")).to_have_text("n")
    nausea.click()
    done(page, "Nausea: done")
    page.keyboard.press("x")
    done(page, "Anxiety: done")
    page.locator('[data-mark="antihypertensive"]').click()
    expect(page.locator('[data-due^="recheck-"]')).to_be_visible()
    expect(page.locator(".events")).to_contain_text("Antihypertensive given · nurse")
    assert station.told("mark") == [
        {"kind": "nausea"},
        {"kind": "anxiety"},
        {"kind": "antihypertensive"},
    ]
    # of another route
    expect(page.locator('[data-mark="swallowed"]')).to_have_count(0)


def test_keys_are_silent_while_somebody_writes_or_a_form_or_the_list_is_open(
    clinic: Any, open_page: OpenPage
) -> None:
    station, web = clinic
    station.dosed(1)
    page = at_room(open_page, web)
    page.keyboard.press("/")
    page.get_by_role("textbox", name="Note", exact=True).press_sequentially("nx")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    listed = page.get_by_role("dialog", name="Keys")
    for words in ("Nausea", "Antihypertensive given", "Start a blood pressure", "Note"):
        expect(listed).to_contain_text(words)
    page.keyboard.press("n")
    page.keyboard.press("Escape")
    expect(listed).to_be_hidden()
    page.locator("#kv-who").press("r")
    page.locator("body").press("Control+n")
    page.locator(".room-name").click()
    page.keyboard.press("n")
    done(page, "Nausea: done")
    assert station.told("mark") == [{"kind": "nausea"}]


def test_a_mark_s_time_is_corrected_and_its_first_entry_stays_in_sight(
    clinic: Any, open_page: OpenPage
) -> None:
    station, web = clinic
    station.dosed(9)
    page = at_room(open_page, web)
    page.locator('[data-mark="nausea"]').click()
    event = page.locator(".events li", has_text="Nausea")
    event.get_by_role("button", name="Correct the time of Nausea").click()
    form = page.get_by_role("dialog")
    form.get_by_role("button", name="5 min earlier").click()
    form.get_by_label("Why was it wrong?").fill("told afterwards")
    form.get_by_role("button", name="Correct the time").click()
    expect(event).to_contain_text("first entered")
    (told,) = station.told("correct_mark")
    at_us = station.clock.now_us() - told["at_us"]
    assert 299 * US < at_us < 330 * US
    (mark,) = [mark for mark in station.room().marks if mark.kind == "mark"]
    assert mark.first_us is not None
    assert mark.at_us < mark.first_us


def test_a_reading_by_hand_pays_what_is_due_and_is_marked_m(
    clinic: Any, open_page: OpenPage
) -> None:
    station, web = clinic
    station.dosed(2, route="im")
    station.quiet = True
    try:
        station.clock.ahead_us += 200 * US
        page = at_room(open_page, web)
        expect(page.locator('[data-due="nibp+5"]')).to_have_attribute("data-state", "due")
        page.get_by_role("button", name="By hand…").click()
        form = page.get_by_role("dialog")
        form.get_by_role("button", name="Save reading").click()
        expect(form).to_contain_text("Enter at least one number")
        form.get_by_label("SYS").fill("84")
        form.get_by_label("DIA").fill("134")
        form.get_by_label("RR").fill("14")
        form.get_by_role("button", name="Save reading").click()
        expect(form).to_contain_text("Diastolic 134 must be below systolic 84")
        expect(form.get_by_label("SYS")).to_have_value("84")  # it waits to be put right
        form.get_by_label("SYS").fill("134")
        form.get_by_label("DIA").fill("84")
        form.get_by_role("button", name="Save reading").click()
        done(page, "Reading: done")
        expect(page.locator('.vital [data-channel="nibp_sys"]')).to_have_text("134")
        expect(page.locator('.vital [data-channel="nibp_sys"]')).to_have_attribute(
            "data-manual", "M"
        )
        expect(page.locator('.vital [data-channel="rr"]')).to_have_text("14")
        expect(page.locator('[data-due="nibp+5"]')).to_have_count(0)
    finally:
        station.quiet = False


def test_a_cuff_is_held_with_two_taps_and_what_is_due_can_be_not_obtained(
    clinic: Any, open_page: OpenPage
) -> None:
    station, web = clinic
    station.dosed(1, route="im")
    page = at_room(open_page, web)
    page.get_by_role("button", name="Hold cuff…").click()
    page.get_by_role("dialog").get_by_role("button", name="Deep in the experience").click()
    done(page, "Hold cuff: done")
    assert station.told("hold_cuff") == [{"reason": "Deep in the experience"}]
    station.quiet = True
    try:
        station.clock.ahead_us += 570 * US
        due = page.locator('[data-due="nibp+10"]')
        due.get_by_role("button", name="not obtained").click()
        page.get_by_role("dialog").get_by_role("button", name="Refused by the patient").click()
        done(page, "Not obtained: done")
        expect(due).to_have_count(0)
    finally:
        station.quiet = False
    assert station.told("not_obtained") == [{"what": "nibp+10", "reason": "Refused by the patient"}]


def test_a_score_is_one_tap_on_its_step_and_shows_its_age(clinic: Any, open_page: OpenPage) -> None:
    station, web = clinic
    station.dosed(3)
    page = at_room(open_page, web)
    page.locator('[data-score="moaas"]').click()
    scale = page.locator('[data-scale="moaas"]')
    expect(scale.locator(".score-last")).to_have_text("not scored")
    scale.get_by_role("button", name="Sedation (MOAA/S) 4 lethargic to name").click()
    expect(scale.locator(".score-last")).to_have_text("4 lethargic to name · now · by nurse")
    scale.get_by_role("button", name="Sedation (MOAA/S) 0 not roused").click()
    expect(scale.locator(".score-last")).to_contain_text("0 not roused")
    page.locator('[data-scale="rass"]').get_by_role("button", name="−2 light").click()
    page.locator('[data-scale="pain"]').get_by_role("button", name="Pain 7").click()
    expect(page.locator('[data-score="pain"] b')).to_have_text("7")
    station.skip(12)
    expect(page.locator('[data-score="pain"] small')).to_have_text("12 min ago")
    assert station.told("score") == [
        {"scale": "moaas", "value": 4},
        {"scale": "moaas", "value": "not_roused"},
        {"scale": "rass", "value": -2},
        {"scale": "pain", "value": 7},
    ]


def test_cadss_6_is_the_sum_of_six_numbers_that_outlive_a_reload(
    clinic: Any, open_page: OpenPage
) -> None:
    station, web = clinic
    station.dosed(1)
    page = at_room(open_page, web)
    page.get_by_role("tab", name="Scores").click()
    rows = page.locator('[data-scale="cadss6"] .sum-row')
    save = page.locator('[data-scale="cadss6"] [data-act="score"]')
    for number, value in enumerate((0, 1, 4), 0):
        rows.nth(number).get_by_role("button", name=str(value), exact=True).click()
    expect(save).to_have_text("Sum 5, 3 open")
    expect(save).to_be_disabled()
    page.reload()
    page.get_by_role("tab", name="Scores").click()
    expect(save).to_have_text("Sum 5, 3 open")
    for number, value in enumerate((2, 0, 0), 3):
        rows.nth(number).get_by_role("button", name=str(value), exact=True).click()
    save.click()
    expect(page.locator('[data-score="cadss6"] b')).to_have_text("7")
    items = dict(zip(("item1", "item2", "item3", "item4", "item5", "item6"), (0, 1, 4, 2, 0, 0)))  # noqa: B905
    assert station.told("score") == [{"scale": "cadss6", "value": 7, **items}]


def test_an_adverse_event_is_recorded_changed_and_ended(clinic: Any, open_page: OpenPage) -> None:
    station, web = clinic
    station.dosed(4)
    page = at_room(open_page, web)
    page.get_by_role("button", name="Adverse event…").click()
    form = page.get_by_role("dialog")
    form.get_by_label("What happened").fill("vomiting")
    form.get_by_role("button", name="Record it").click()
    expect(form).to_contain_text("How bad: choose one")
    form.get_by_role("button", name="moderate").click()
    form.get_by_role("button", name="Record it").click()
    listed = page.locator("[data-adverse]")
    expect(listed).to_contain_text("vomiting – moderate · ongoing")
    listed.get_by_role("button", name="Change…").click()
    form.get_by_label("What was done").fill("ondansetron")
    form.get_by_role("button", name="resolved", exact=True).click()
    form.get_by_role("button", name="Save changes").click()
    expect(listed).to_contain_text("vomiting – moderate · resolved · ondansetron")
    (event,) = station.session().adverse.values()
    assert (event["what"], event["outcome"], event["serious"]) == ("vomiting", "resolved", False)
    eventually(page, lambda: len(station.told("adverse_event")) == 2)
