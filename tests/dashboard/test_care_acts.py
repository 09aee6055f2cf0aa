"""What a nurse enters about the patient: few presses, the right command, the state everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.conftest import PHONE, WIDE, OpenPage
from tests.dashboard.ward import now_us, room, session, ward
from vitals.model import US

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("without_charts")]


def room_page(open_page: OpenPage, web: Any, **more: Any) -> Page:
    page = open_page(web.address + "/room/room-1", **more)
    expect(page.locator("body")).to_have_attribute("data-link", "live")
    expect(page.locator(".room-name")).not_to_be_empty()
    return page


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=str)
def test_a_symptom_is_an_alarm_at_one_press(
    two: Any, open_page: OpenPage, size: tuple[int, int]
) -> None:
    station, web = two
    page = room_page(open_page, web, size=size)
    for known in (
        "Chest pain", "Shortness of breath", "Severe headache", "Visual change", "Seizure"
    ):  # fmt: skip
        expect(page.get_by_role("button", name=known)).to_be_visible()
    page.get_by_role("button", name="Chest pain").click()
    expect(page.locator('[data-alarm="symptom"]')).to_contain_text("SYMPTOM: Chest pain")
    assert station.told == [("symptom", {"text": "Chest pain"})]


def test_another_symptom_is_written_and_enter_raises_what_was_written(
    two: Any, open_page: OpenPage
) -> None:
    station, web = two
    page = room_page(open_page, web)
    page.get_by_role("button", name="Other…").click()
    page.get_by_role("dialog").get_by_role("textbox", name="Symptom").fill("numb left arm")
    page.keyboard.press("Enter")
    expect(page.locator(".outcome-line")).to_have_text("Symptom: done")
    assert station.told == [("symptom", {"text": "numb left arm"})]


def test_words_can_follow_a_symptom(two: Any, open_page: OpenPage) -> None:
    station, web = two
    page = room_page(open_page, web)
    page.get_by_role("button", name="Visual change").click()
    page.get_by_role("button", name="Add words on “Visual change”…").click()
    page.get_by_role("textbox", name="Note", exact=True).fill("sees double")
    page.get_by_role("button", name="Save note").click()
    expect(page.locator(".outcome-line")).to_have_text("Note: done")
    assert station.told[-1] == ("mark", {"text": "Visual change: sees double"})


def test_off_monitor_counts_down_on_room_page_and_tile_and_ends_by_one_press(
    two: Any, open_page: OpenPage
) -> None:
    station, web = two
    page, all_rooms = room_page(open_page, web), open_page(web.address)
    page.get_by_role("button", name="Off monitor…").click()
    page.get_by_role("dialog").get_by_role("button", name="Toilet").click()
    expect(page.locator(".room-off")).to_contain_text("OFF MONITOR 09:5")
    expect(page.locator(".room-off")).to_contain_text("Toilet")
    tile = all_rooms.locator('.tile[data-room="room-1"]')
    expect(tile).to_have_attribute("data-off", "yes")
    expect(tile).to_contain_text("OFF MONITOR 09:5")
    expect(page.get_by_role("button", name="Off monitor…")).to_be_hidden()
    page.get_by_role("button", name="Extend off monitor").click()
    expect(page.get_by_role("button", name="Extend off monitor")).to_be_hidden()  # once only
    page.get_by_role("button", name="Back on monitor").click()
    expect(page.locator(".room-off")).to_be_hidden()
    expect(tile).not_to_have_attribute("data-off", "yes")
    assert station.told == [
        ("off_monitor", {"reason": "Toilet"}),
        ("extend_off_monitor", {}),
        ("on_monitor", {}),
    ]


def test_a_battery_change_has_three_minutes(two: Any, open_page: OpenPage) -> None:
    station, web = two
    page = room_page(open_page, web)
    page.get_by_role("button", name="Off monitor…").click()
    page.get_by_role("button", name="Battery change").click()
    expect(page.locator(".room-off")).to_contain_text("OFF MONITOR 02:5")
    assert station.told == [("off_monitor", {"reason": "Battery change", "battery": True})]


def test_time_off_the_monitor_that_has_run_out_stays_at_zero(two: Any, open_page: OpenPage) -> None:
    station, web = two
    now = station.now_us
    off = {"off_since_us": now - 700 * US, "off_until_us": now - 100 * US}
    page = room_page(open_page, web)
    station.publish(session("room-1", now, **off))
    expect(page.locator(".room-off")).to_have_text("OFF MONITOR 00:00")


def test_the_cuffs_arm_is_recorded_and_shown(two: Any, open_page: OpenPage) -> None:
    station, web = two
    page = room_page(open_page, web)
    arm = page.get_by_role("button", name="Cuff on the oximeter's arm")
    expect(arm).to_have_attribute("aria-pressed", "false")
    arm.click()
    expect(arm).to_have_attribute("aria-pressed", "true")
    arm.click()
    expect(arm).to_have_attribute("aria-pressed", "false")
    assert station.told == [("arms", {"same": True}), ("arms", {"same": False})]


def test_a_devices_own_alarm_counts_only_when_it_has_one_and_a_nurse_has_looked(
    tmp_path: Path, open_page: OpenPage
) -> None:
    one = room(1, session=session("room-1", now_us()))
    one.devices[0].own_alarm = one.devices[1].own_alarm = "yes"
    with ward(tmp_path, [one]) as (station, web):
        page, all_rooms = room_page(open_page, web), open_page(web.address)
        words = all_rooms.locator('.tile[data-room="room-1"] .tile-own')
        expect(words).to_have_text("device alarm not confirmed")
        for device in ("oximeter", "cuff"):
            row = page.locator(f'[data-device="{device}"]')
            expect(row).to_contain_text("device alarm not confirmed")
            row.get_by_role("button").click()
            expect(row).to_contain_text("device alarm on, confirmed by nurse")
            expect(row.get_by_role("button")).to_have_count(0)
        expect(words).to_have_text("")
        assert station.told == [
            ("confirm_own_alarm", {"device": "oximeter"}),
            ("confirm_own_alarm", {"device": "cuff"}),
        ]


@pytest.mark.parametrize("own_alarm", ["no", "unknown"])
def test_a_device_that_may_have_no_alarm_is_never_relied_on(
    tmp_path: Path, open_page: OpenPage, own_alarm: str
) -> None:
    seen = {"oximeter": "Bea", "cuff": "Bea"}
    one = room(1, session=session("room-1", now_us(), own_alarm_by=seen))
    for device in one.devices:
        device.own_alarm = own_alarm
    with ward(tmp_path, [one]) as (_, web):
        page = open_page(web.address)
        expect(page.locator(".tile-own")).to_have_text("device alarm not confirmed")


def test_relative_limits_off_is_said_after_the_dose_without_a_baseline(
    two: Any, open_page: OpenPage
) -> None:
    station, web = two
    page = room_page(open_page, web)
    said = page.locator(".room-relative")
    expect(said).to_be_visible()
    expect(said).to_have_text("relative limits OFF")
    station.publish(session("room-1", station.now_us, baseline={"nibp_sys": 124.0}))
    expect(said).to_be_hidden()
    station.publish(session("room-1", station.now_us, dosed_min=None))
    expect(said).to_be_hidden()  # before the dose it is not yet decided


def test_a_phase_is_set_by_hand_and_monitoring_is_finished_in_the_discharge_check(
    two: Any, open_page: OpenPage
) -> None:
    station, web = two
    page = room_page(open_page, web)
    page.get_by_role("button", name="Phase…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Discharge check").click()
    dialog.get_by_label("Reason").fill("calm, walks")
    dialog.get_by_role("button", name="Change phase").click()
    expect(page.locator(".outcome-line")).to_have_text("Phase: done")
    station.publish(session("room-1", station.now_us, phase="DISCHARGE_CHECK"))
    page.get_by_role("button", name="Finish monitoring…").click()
    page.get_by_role("dialog").get_by_role("button", name="Finish monitoring").click()
    expect(page.locator(".outcome-line")).to_have_text("Finish monitoring: done")
    assert station.told == [
        ("phase", {"to": "DISCHARGE_CHECK", "reason": "calm, walks"}),
        ("finished", {}),
    ]


def test_without_a_session_nothing_can_be_entered(tmp_path: Path, open_page: OpenPage) -> None:
    with ward(tmp_path, [room(1)]) as (_, web):
        page = room_page(open_page, web)
        for label in ("Chest pain", "By hand…", "Off monitor…", "Phase…", "Device alarm is on"):
            expect(page.get_by_role("button", name=label)).to_have_count(0)


def test_an_act_that_the_station_refuses_says_why(two: Any, open_page: OpenPage) -> None:
    from vitals import wire

    station, web = two
    station.answer = wire.ResultMsg(id="", ok=False, error="a nurse may not symptom")
    page = room_page(open_page, web)
    page.get_by_role("button", name="Seizure").click()
    expect(page.locator(".outcome-line")).to_have_text("Seizure: a nurse may not symptom")
