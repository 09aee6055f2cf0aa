"""Arrival on the room page: the check-in saved answer by answer, and the gate."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.conftest import LAPTOP, OpenPage, eventually
from tests.dashboard.live_clinic import at_room
from vitals import wire

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("without_charts")]


def answers(page: Page, item: str) -> Any:
    return page.locator(f'[data-checkin="{item}"]')


def test_opening_a_session_goes_straight_into_the_check_in(
    clinic: Any, open_page: OpenPage
) -> None:
    station, web = clinic
    page = at_room(open_page, web)
    page.get_by_label("Pseudonym").fill("KV-0417")
    page.locator('[data-act="open_session"][data-route="iv"]').click()
    expect(page.get_by_role("tab", name="Check-in")).to_have_attribute("aria-selected", "true")
    expect(answers(page, "consent")).to_be_visible()
    assert station.told("open_session") == [{"subject_ref": "KV-0417", "route": "iv"}]


def test_each_tap_is_saved_at_once_and_a_second_tap_takes_the_answer_back(
    clinic: Any, open_page: OpenPage
) -> None:
    station, web = clinic
    station.arrive()
    page = at_room(open_page, web)
    consent = answers(page, "consent")
    consent.get_by_role("button", name="Yes").click()
    expect(consent.locator(".answer-state")).to_have_text("✓ saved")
    expect(consent.get_by_role("button", name="Yes")).to_have_attribute("aria-pressed", "true")
    assert station.session().checkin == {"consent": True}
    consent.get_by_role("button", name="Yes").click()
    expect(consent).to_have_attribute("data-answered", "no")
    assert station.session().checkin == {}
    answers(page, "age_band").get_by_role("button", name="40–64").click()
    answers(page, "weight_kg").locator("input").fill("70,5")
    answers(page, "weight_kg").locator("input").press("Enter")
    expect(answers(page, "weight_kg")).to_have_attribute("data-answered", "yes")
    assert station.session().checkin == {"age_band": "40–64", "weight_kg": 70.5}
    expect(answers(page, "weight_kg").locator("input")).to_have_value("70.5")


def test_all_no_answers_what_is_open_with_one_tap_and_leaves_what_was_said(
    clinic: Any, open_page: OpenPage
) -> None:
    station, web = clinic
    station.arrive()
    page = at_room(open_page, web)
    answers(page, "opioids").get_by_role("button", name="Yes").click()
    expect(answers(page, "opioids")).to_have_attribute("data-concern", "yes")
    drugs = page.locator('[data-group="drugs"]')
    drugs.get_by_role("button", name="All no").click()
    expect(drugs.locator(".group-count")).to_have_text("✓")
    checkin = station.session().checkin
    assert checkin.pop("opioids") is True
    assert set(checkin.values()) == {False}
    assert "maoi" in checkin
    assert "pregnancy" not in checkin  # another group
    assert len(station.told("check_in")) == 2


def test_what_the_station_refuses_or_cannot_record_stands_beside_the_question(
    clinic: Any, open_page: OpenPage, monkeypatch: Any
) -> None:
    station, web = clinic
    station.arrive()
    page = at_room(open_page, web)
    weight = answers(page, "weight_kg")
    weight.locator("input").fill("7")
    weight.locator("input").press("Enter")
    expect(weight.locator(".answer-state")).to_have_text("Weight (kg): a number from 20 to 300")
    expect(weight.locator("input")).to_have_value("7")
    expect(weight.locator("input")).to_have_attribute("data-unsaved", "yes")
    real = station.station.on_command

    def unrecorded(message: wire.CommandMsg, reply: Any) -> None:
        real(message, lambda result: reply(_unrecorded(result)))

    monkeypatch.setattr(station.station, "on_command", unrecorded)
    fasting = answers(page, "fasting")
    fasting.get_by_role("button", name="Yes").click()
    expect(fasting.locator(".answer-state")).to_have_text("NOT RECORDED")


def _unrecorded(result: wire.ResultMsg) -> wire.ResultMsg:
    return wire.ResultMsg(id=result.id, ok=result.ok, error=result.error, recorded=False)


def test_words_that_were_typed_and_not_sent_outlive_a_reload(
    clinic: Any, open_page: OpenPage
) -> None:
    station, web = clinic
    station.arrive()
    page = at_room(open_page, web)
    drug = answers(page, "drug").locator("input")
    drug.press_sequentially("Ketam")
    assert station.told("check_in") == []
    page.reload()
    expect(drug).to_have_value("Ketam")
    expect(drug).to_have_attribute("data-unsaved", "yes")


def test_a_name_in_the_check_in_is_warned_about(clinic: Any, open_page: OpenPage) -> None:
    station, web = clinic
    station.arrive()
    page = at_room(open_page, web)
    answers(page, "drug").locator("input").fill("for Mr. Miller")
    expect(answers(page, "drug")).to_contain_text("looks like a name")


def test_the_gate_says_why_and_one_tap_goes_on(clinic: Any, open_page: OpenPage) -> None:
    station, web = clinic
    station.arrive()
    station.done("check_in", benzodiazepines=True)
    page = at_room(open_page, web, size=LAPTOP)
    gate = page.locator("[data-gate]")
    expect(gate).to_have_attribute("data-gate", "clear")
    expect(gate).to_contain_text("BP 124/78 and 126/80, SpO2 97 %")
    expect(gate.locator(".gate-concerns")).to_have_text("Benzodiazepines")
    gate.get_by_role("button", name="Go", exact=True).click()
    expect(gate).to_contain_text("GO by nurse")
    assert station.session().gate["decision"] == "go"


def test_a_nurse_overrides_with_a_verbal_order_that_was_read_back(
    clinic: Any, open_page: OpenPage
) -> None:
    station, web = clinic
    station.arrive()
    station.pressure(152, 94)
    page = at_room(open_page, web)
    gate = page.locator("[data-gate]")
    expect(gate).to_have_attribute("data-gate", "hold")
    expect(gate).to_contain_text("BP 152/94 is above 140/90.")
    expect(gate.get_by_role("button", name="Go", exact=True)).to_be_hidden()
    gate.get_by_role("button", name="Override…").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Who gave the verbal order").fill("prescriber on duty")
    form.get_by_label("Reason").fill("known white-coat effect")
    form.get_by_role("button", name="Record the order").click()
    expect(form).to_contain_text("Tick “I have read the order back”")
    assert station.told("gate") == []
    form.get_by_role("checkbox").click()
    form.get_by_role("button", name="Record the order").click()
    expect(gate).to_contain_text("OVERRIDDEN by nurse")
    expect(gate).to_contain_text("verbal order of prescriber on duty, read back")
    assert station.session().gate["read_back"] is True


def test_a_hold_needs_one_more_tap_for_its_reason(clinic: Any, open_page: OpenPage) -> None:
    station, web = clinic
    station.arrive()
    page = at_room(open_page, web)
    page.locator("[data-gate]").get_by_role("button", name="Hold…").click()
    page.get_by_role("dialog").get_by_role("button", name="Prescriber is asked").click()
    eventually(page, lambda: station.session().gate.get("decision") == "hold")
    expect(page.locator("[data-gate]")).to_contain_text("HELD by nurse")
    expect(page.get_by_role("button", name="Dose…")).to_be_enabled()  # it blocks no record
