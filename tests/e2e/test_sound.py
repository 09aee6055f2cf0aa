"""From the loudspeaker of a page to the station's alarms, through all processes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.clinic import Demo, wait_for

pytestmark = pytest.mark.long

NO_SOUND = "[data-room=room-1] [data-alarm=no-sound]"


def test_rooms_after_the_dose_alarm_while_no_page_can_be_heard(
    demo: Callable[..., Demo], new_page: Callable[..., Page]
) -> None:
    clinic = demo("--rooms", "1", "--speed", "5")
    page, other = new_page(), new_page(390, 844)
    page.goto(clinic.url)
    other.goto(f"{clinic.url}/room/room-1")
    expect(page.locator(".chip-armed")).to_have_text("NO PAGE ARMED", timeout=20_000)
    for screen in (page, other):
        screen.wait_for_selector(f"{NO_SOUND}[data-priority=high]", timeout=60_000)

    page.get_by_role("button", name="Arm sound").click()
    page.get_by_role("button", name="I heard it").click()
    for screen in (page, other):
        expect(screen.locator(".chip-armed")).to_have_text("SOUND ARMED ON 1 PAGE")
        expect(screen.locator(NO_SOUND)).to_have_count(0, timeout=10_000)

    page.close()
    expect(other.locator(".chip-armed")).to_have_text("NO PAGE ARMED")
    other.wait_for_selector(f"{NO_SOUND}[data-condition=active]", timeout=60_000)


def test_what_a_nurse_enters_becomes_an_alarm_that_everybody_but_her_hears(
    demo: Callable[..., Demo], new_page: Callable[..., Page]
) -> None:
    clinic = demo("--rooms", "1")
    hers, others = new_page(390, 844), new_page()
    hers.goto(f"{clinic.url}/room/room-1")
    others.goto(clinic.url)
    hers.locator("#kv-who").fill("Anna")
    hers.locator("#kv-who").press("Tab")
    hers.get_by_role("button", name="Chest pain").click()
    symptom = "[data-room=room-1] [data-alarm=symptom][data-priority=high]"
    for screen in (hers, others):
        expect(screen.locator(symptom)).to_contain_text("SYMPTOM: Chest pain")
    others.wait_for_selector("body[data-sounding=high]")
    wait_for(lambda: "silent here" in hers.locator(symptom).inner_text(), "her page is silent")
    others.locator(symptom).get_by_role("button", name="Acknowledge").click()
    for screen in (hers, others):
        expect(screen.locator(symptom)).to_have_count(0)
