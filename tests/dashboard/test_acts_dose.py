"""What is given, on the room page: two taps, details afterwards, corrections in sight."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.conftest import LAPTOP, PHONE, WIDE, OpenPage, eventually
from tests.dashboard.live_clinic import at_room
from vitals.model import US

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("without_charts")]


def act(page: Page, kind: str) -> Any:
    return page.locator(f'[data-act="{kind}"]:visible')


def clock(page: Page, at_us: int) -> str:
    """A station time as the page writes it."""
    return str(page.evaluate("us => kv.words.time(us, true)", at_us))


@pytest.mark.parametrize("size", [WIDE, LAPTOP, PHONE], ids=str)
def test_a_dose_is_two_taps_and_takes_what_the_check_in_has_planned(
    clinic: Any, open_page: OpenPage, size: tuple[int, int]
) -> None:
    station, web = clinic
    station.arrive()
    station.done("check_in", drug="Ketamine", plan_mg=35, weight_kg=70)
    page = at_room(open_page, web, size=size)
    expect(act(page, "dose")).to_contain_text("Ketamine · 35 mg · 0.50 mg/kg")
    act(page, "dose").click()
    expect(page.get_by_role("dialog")).to_contain_text("0.50 mg/kg of 70 kg")
    expect(page.locator('.vital [data-channel="spo2"]')).to_be_in_viewport(ratio=0.9)
    act(page, "dose").click()  # the only one now: the form's own
    expect(page.locator('[data-dose="1"]')).to_contain_text("Ketamine · 35 mg · 0.50 mg/kg")
    (dose,) = station.session().doses
    assert (dose["drug"], dose["mg"], dose["kind"]) == ("Ketamine", 35.0, "dose")
    expect(page.get_by_role("tab", name="Trend")).to_have_attribute("aria-selected", "true")


def test_one_finger_that_bounces_marks_no_dose(clinic: Any, open_page: OpenPage) -> None:
    station, web = clinic
    station.arrive()
    page = at_room(open_page, web)
    act(page, "dose").dblclick()
    page.locator('[data-mark="nausea"]').dblclick()
    eventually(page, lambda: len(station.told("mark")) == 1)
    expect(page.locator(".outcome-line")).to_have_text("Nausea: done")
    bounce = "e => e.dispatchEvent(new MouseEvent('click', {detail: 2, bubbles: true}))"
    page.locator('[data-mark="nausea"]').evaluate(bounce)  # however soon the station has answered
    page.get_by_role("button", name="Anxiety").click()
    expect(page.locator(".outcome-line")).to_have_text("Anxiety: done")
    assert station.told("mark") == [{"kind": "nausea"}, {"kind": "anxiety"}]
    assert station.told("dose") == []


def test_the_gate_that_nobody_has_passed_is_said_and_blocks_nothing(
    clinic: Any, open_page: OpenPage
) -> None:
    station, web = clinic
    station.arrive()
    station.pressure(152, 94)
    page = at_room(open_page, web)
    expect(page.locator("[data-gate]")).to_have_attribute("data-gate", "hold")
    act(page, "dose").click()
    expect(page.get_by_role("dialog")).to_contain_text("Nobody has decided at the gate yet.")
    expect(page.get_by_role("dialog")).to_contain_text("BP 152/94 is above 140/90.")
    act(page, "dose").click()
    eventually(page, lambda: station.session().doses)


def test_details_a_part_a_booster_and_the_end_of_the_infusion_follow(
    clinic: Any, open_page: OpenPage
) -> None:
    station, web = clinic
    station.arrive()
    station.done("dose")
    page = at_room(open_page, web)
    first = page.locator('[data-dose="1"]')
    first.get_by_role("button", name="Details…").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Drug").fill("Ketamine")
    form.get_by_label("Dose (mg)").fill("40")
    form.get_by_label("Lot").fill("L-77")
    form.get_by_role("button", name="Save details").click()
    expect(first).to_contain_text("Ketamine · 40 mg")
    expect(first).to_contain_text("lot L-77")
    for kind in ("part", "booster"):
        act(page, kind).click()
        act(page, kind).click()
        eventually(page, lambda kind=kind: station.session().doses[-1]["kind"] == kind)
    expect(page.locator('[data-dose="3"]')).to_contain_text("Booster")
    act(page, "infusion_end").click()
    act(page, "infusion_end").click()
    eventually(page, lambda: station.session().infusion_end_us is not None)
    expect(page.locator(".room-given")).to_contain_text("Infusion ended")
    expect(act(page, "infusion_end")).to_have_count(0)


def test_a_doses_time_is_corrected_with_a_reason_and_the_first_entry_stays_in_sight(
    clinic: Any, open_page: OpenPage
) -> None:
    station, web = clinic
    station.dosed(10)
    page = at_room(open_page, web)
    (before,) = station.session().doses
    first = page.locator('[data-dose="1"]')
    first.get_by_role("button", name="Correct time…").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Given at").fill(clock(page, before["at_us"] - 120 * US))
    form.get_by_role("button", name="Correct the time").click()
    expect(form).to_contain_text("write something")
    form.get_by_label("Why was it wrong?").fill("marked late")
    form.get_by_role("button", name="Correct the time").click()
    expect(first).to_contain_text("marked " + clock(page, before["marked_us"])[:5])
    (after,) = station.session().doses
    assert before["at_us"] - after["at_us"] in range(119 * US, 122 * US)
    assert station.session().dose_us == after["at_us"]


def test_the_end_of_an_infusion_is_corrected_or_taken_back_with_a_reason(
    clinic: Any, open_page: OpenPage
) -> None:
    station, web = clinic
    station.dosed(10)
    station.done("infusion_end")
    page = at_room(open_page, web)
    before_us = station.session().infusion_end_us
    form = page.get_by_role("dialog")
    act(page, "correct_infusion_end").click()
    form.get_by_label("Ended").fill(clock(page, before_us - 120 * US))
    form.get_by_label("Why was it wrong?").fill("marked late")
    form.get_by_role("button", name="Correct the end").click()
    eventually(page, lambda: station.session().infusion_end_us != before_us)
    assert before_us - station.session().infusion_end_us in range(119 * US, 122 * US)
    act(page, "correct_infusion_end").click()
    form.get_by_role("checkbox", name="It has not ended, it goes on").click()
    form.get_by_label("Why was it wrong?").fill("wrong button")
    form.get_by_role("button", name="Correct the end").click()
    eventually(page, lambda: station.session().infusion_end_us is None)
    expect(act(page, "infusion_end")).to_be_visible()


def test_somebody_elses_change_is_shown_before_a_dose_is_confirmed(
    clinic: Any, open_page: OpenPage
) -> None:
    station, web = clinic
    station.arrive()
    page = at_room(open_page, web)
    act(page, "dose").click()
    station.done("gate", decision="hold", reason="prescriber is asked", name="Anna")
    page.get_by_role("button", name="Dose given now").click()
    form = page.get_by_role("dialog")
    expect(form).to_have_attribute("data-look", "yes")
    expect(form).to_contain_text("Anna: gate")
    assert station.session().doses == []
    form.get_by_role("button", name="Dose given now all the same").click()
    eventually(page, lambda: station.session().doses)
    assert len(station.told("dose")) == 2
