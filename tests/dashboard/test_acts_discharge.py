"""Leaving, on the room page: criteria with their numbers, what is owed, the signature, the end."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.conftest import LAPTOP, OpenPage, eventually
from tests.dashboard.live_clinic import at_room

pytestmark = pytest.mark.usefixtures("without_charts")


def line(page: Page, criterion: str) -> Any:
    return page.locator(f'[data-criterion="{criterion}"]')


def test_the_discharge_card_opens_with_its_phase_and_says_what_each_line_was_judged_on(
    clinic: Any, open_page: OpenPage
) -> None:
    station, web = clinic
    station.dosed(100)
    page = at_room(open_page, web, size=LAPTOP)
    page.get_by_role("tab", name="Discharge").click()  # it can be looked at before
    expect(line(page, "minutes")).to_contain_text("At least 120 min since the last dose start")
    expect(line(page, "minutes")).to_contain_text("100 of 120 min")
    expect(page.get_by_role("button", name="Sign discharge…")).to_be_hidden()
    page.get_by_role("button", name="Go to the discharge check").click()
    expect(page.locator(".room-phase")).to_have_text("Discharge check")
    expect(line(page, "spo2")).to_have_attribute("data-met", "met")
    expect(line(page, "sedation")).to_contain_text("not scored")
    expect(page.locator(".discharge-summary")).to_contain_text("not a clinical judgement")
    expect(page.locator(".discharge-summary")).to_have_text(re.compile(r"\d of 7 recorded"))
    assert station.session().phase == "DISCHARGE_CHECK"


def test_ticks_and_what_is_set_aside_lead_to_the_signature_and_the_end(
    clinic: Any, open_page: OpenPage
) -> None:
    station, web = clinic
    station.dosed(118)
    station.done("phase", to="DISCHARGE_CHECK")
    station.pressure(128, 82)
    station.done("score", scale="moaas", value=5)
    page = at_room(open_page, web)
    for criterion in ("ambulation", "escort"):
        line(page, criterion).get_by_role("button", name="Tick").click()
        expect(line(page, criterion)).to_have_attribute("data-met", "met")
    line(page, "escort").get_by_role("button", name="Take back").click()
    expect(line(page, "escort")).to_have_attribute("data-met", "open")
    line(page, "escort").get_by_role("button", name="Tick").click()
    line(page, "dissociation").get_by_role("button", name="Set aside").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Reason").fill("the patient declined the questions")
    form.get_by_role("button", name="Set aside").click()
    expect(line(page, "dissociation")).to_have_attribute("data-met", "aside")
    expect(line(page, "dissociation")).to_contain_text("the patient declined the questions")
    page.get_by_role("button", name="Sign discharge…").click()
    form.get_by_role("button", name="Sign as nurse").click()
    expect(form).to_contain_text("Not met: At least 120 min")  # the station's own words
    form.get_by_role("button", name="Cancel").click()
    station.skip(2.2)
    expect(page.locator(".discharge-summary")).to_contain_text("1 set aside")
    page.get_by_role("button", name="Sign discharge…").click()
    form.get_by_role("button", name="Sign as nurse").click()
    expect(page.locator(".signed")).to_contain_text("Signed by nurse")
    page.get_by_role("button", name="Finish monitoring…").click()
    form.get_by_role("button", name="Finish monitoring").click()
    eventually(page, lambda: station.session().finished_us is not None)
    page.locator(".discharge").get_by_role("button", name="Close session…").click()
    expect(form).to_contain_text("The record will say what it still owes")
    form.get_by_role("button", name="Close session").click()
    expect(form).to_contain_text("NO SOUND: arm the sound on a page is not acknowledged")
    form.get_by_label("Reason").fill("seen")
    form.get_by_role("button", name="Close session").click()
    expect(page.locator(".room-nosession")).to_be_visible()


def test_criteria_that_are_all_met_name_the_time_and_not_a_judgement(
    clinic: Any, open_page: OpenPage
) -> None:
    station, web = clinic
    station.dosed(121)
    station.done("phase", to="DISCHARGE_CHECK")
    station.pressure(128, 82)
    station.done("score", scale="moaas", value=5)
    station.done("score", scale="cadss6", value=2)
    for criterion in ("ambulation", "escort"):
        station.done("discharge", criterion=criterion, met=True)
    page = at_room(open_page, web)
    expect(page.locator(".discharge-summary")).to_have_text(
        re.compile(r"^Recorded criteria all met at \d\d:\d\d – not a clinical judgement$")
    )


def test_what_is_owed_is_counted_and_each_line_leads_to_where_it_is_done(
    clinic: Any, open_page: OpenPage
) -> None:
    station, web = clinic
    station.dosed(2)
    page = at_room(open_page, web)
    page.get_by_role("tab", name="Discharge").click()
    owed = page.locator("[data-owed]")
    count = int(str(owed.get_attribute("data-owed")))
    assert count == owed.locator("li").count() > 3
    page.locator('[data-owes="dose:1"] button').click()
    form = page.get_by_role("dialog")
    form.get_by_label("Lot").fill("L-1")
    form.get_by_role("button", name="Save details").click()
    expect(owed).to_have_attribute("data-owed", str(count - 1))
    page.locator('[data-owes="checkin:drugs"] button').click()
    expect(page.locator('[data-group="drugs"]')).to_be_in_viewport()
