"""The whole program in trouble: the web is killed under an open form; two people act at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.dashboard.conftest import OpenPage, eventually
from tests.dashboard.whole_bed import whole_clinic
from tests.dashboard.whole_hand import ROOM, Hand
from tests.e2e.clinic import wait_for
from tests.e2e.wards import Clinic
from vitals.store.reader import Reader
from vitals.store.rows import StoredAudit
from vitals.store.verify import verify

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("without_charts")]

BACK_MS = 30_000
"""Until another web process runs and the page has found it."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    """The program with one bed, in real time."""
    folder = tmp_path_factory.mktemp("whole")
    with whole_clinic(folder, speed=1.0, route="iv") as (_, clinic):
        yield clinic


@pytest.fixture
def dosed(running: Clinic) -> Iterator[Clinic]:
    """A session whose dose has just been given."""
    _told(running, "open_session", subject_ref="KV-0417", route="iv")
    _told(running, "dose", drug="Ketamine", mg=35.0)
    yield running
    running.tell(("acknowledge", ROOM, {"rule": "no-sound"}))
    _told(running, "close_session", reason="the next test")
    assert verify(running.store).ok


def _told(clinic: Clinic, kind: str, **args: Any) -> None:
    (result,) = clinic.tell((kind, ROOM, args))
    assert result.ok, result.error


def acts(clinic: Clinic, kind: str) -> list[StoredAudit]:
    """The commands of a kind that the open session's record has."""
    reader = Reader(clinic.store)
    (record,) = reader.open_sessions()
    rows = reader.audit_by_kind(record.session.id, ["command"])
    return [row for row in rows if row.body["command"] == kind]


def test_a_form_outlives_the_web_process_and_is_sent_once(
    dosed: Clinic, open_page: OpenPage
) -> None:
    anna = Hand.at(open_page, dosed, "Anna")
    page, body = anna.page, anna.page.locator("body")
    note = page.get_by_role("textbox", name="Note", exact=True)
    anna.tap(anna.page.get_by_role("button", name="Note…"))
    note.press_sequentially("asks for ")
    dosed.kill("web")
    expect(body).to_have_attribute("data-link", "lost")
    expect(note).to_have_value("asks for ")
    note.press_sequentially("water")
    page.get_by_role("button", name="Save note").click()
    expect(note).to_have_value("asks for water")
    expect(body).to_have_attribute("data-link", "live", timeout=BACK_MS)
    _until_sent(anna, "Save note")
    (sent,) = acts(dosed, "mark")
    assert (sent.actor, sent.body["ok"]) == ("Anna", True)
    assert sent.body["args"] == {"text": "asks for water"}
    events = page.locator(".room-marks")
    expect(events.get_by_text("asks for water")).to_have_count(1)


def test_a_booster_that_is_under_way_when_the_web_is_killed_is_given_once(
    dosed: Clinic, open_page: OpenPage
) -> None:
    anna = Hand.at(open_page, dosed, "Anna")
    page = anna.page
    anna.tap(anna.act("booster"))
    anna.form.get_by_label("Dose (mg)").fill("17.5")
    web = dosed.child("web")
    page.get_by_role("button", name="Booster given now").click()
    dosed.kill("web")
    wait_for(lambda: dosed.child("web") not in (0, web), "another web process")
    expect(page.locator("body")).to_have_attribute("data-link", "live", timeout=BACK_MS)
    _until_sent(anna, "Booster given now")
    (sent,) = acts(dosed, "booster")
    assert (sent.actor, sent.body["ok"], sent.body["args"]["mg"]) == ("Anna", True, 17.5)
    expect(page.locator("[data-dose]")).to_have_count(2)
    expect(page.locator('[data-dose="2"]')).to_contain_text("Booster: 17.5 mg")


def test_the_second_of_two_people_sees_the_act_of_the_first_and_confirms(
    dosed: Clinic, open_page: OpenPage
) -> None:
    anna, bert = (Hand.at(open_page, dosed, name) for name in ("Anna", "Bert"))
    for hand in (anna, bert):
        hand.tap(hand.act("booster"))
        hand.form.get_by_label("Dose (mg)").fill("10")
    anna.press("Booster given now")
    expect(bert.page.locator('[data-dose="2"]')).to_contain_text("by Anna")  # within the view
    bert.tap(bert.button("Booster given now"))
    expect(bert.form).to_have_attribute("data-look", "yes")
    expect(bert.form.locator(".form-wrong")).to_contain_text("Anna")
    expect(bert.form.locator(".form-wrong")).to_contain_text("booster")
    assert len([each for each in acts(dosed, "booster") if each.body["ok"]]) == 1
    bert.press("Booster given now all the same")
    for hand in (anna, bert):
        expect(hand.page.locator('[data-dose="3"]')).to_contain_text("by Bert")
    asked = [(row.actor, row.body["ok"]) for row in acts(dosed, "booster")]
    assert asked == [("Anna", True), ("Bert", False), ("Bert", True)]


def test_what_one_rings_the_other_can_silence_and_both_see_it(
    dosed: Clinic, open_page: OpenPage
) -> None:
    anna, bert = (Hand.at(open_page, dosed, name) for name in ("Anna", "Bert"))
    anna.tap(anna.page.locator('[data-mark="nausea"]'))
    expect(bert.page.locator(".room-marks").get_by_text("Nausea · Anna")).to_have_count(1)
    bert.tap(bert.button("Severe headache"))
    rings = [hand.page.locator("[data-alarm=symptom]") for hand in (anna, bert)]
    for ring in rings:
        expect(ring).to_have_attribute("data-ack", "")
    anna.tap(rings[0].get_by_role("button").first)
    for ring in rings:
        expect(ring).to_have_count(0)  # what a person has said ends when somebody has seen it
    (seen,) = [row for row in acts(dosed, "acknowledge") if row.body["args"]["rule"] == "symptom"]
    assert (seen.actor, seen.body["ok"]) == ("Anna", True)


def _until_sent(anna: Hand, button: str) -> None:
    """Where the page has given up waiting, it is pressed again: the same command."""

    def sent() -> bool:
        again = anna.page.get_by_role("button", name=button, exact=True)
        wrong = anna.form.locator(".form-wrong")
        if again.count() and wrong.inner_text():
            again.click()
        return again.count() == 0

    eventually(anna.page, sent, BACK_MS / 1000)
