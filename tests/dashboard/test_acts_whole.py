"""A whole session at the bedside: few taps, the keyboard alone, every screen, readable words."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.conftest import LAPTOP, PHONE, WIDE, OpenPage, eventually
from tests.dashboard.live_clinic import at_room

pytestmark = pytest.mark.long

MOST_TAPS = 15
# Words of the acts whose contrast against what lies behind them is below 4.5.
PALE = """
() => {
  const light = ([r, g, b]) => {
    const f = c => { c /= 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
    return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b);
  };
  const parts = text => text.match(/[\\d.]+/g).map(Number);
  const behind = e => {
    const stack = [];
    for (; e; e = e.parentElement) {
      const [r, g, b, a = 1] = parts(getComputedStyle(e).backgroundColor);
      if (a > 0) stack.push([r, g, b, a]);
      if (a === 1) break;
    }
    let colour = [11, 15, 20];
    for (const [r, g, b, a] of stack.reverse())
      colour = [r, g, b].map((c, i) => c * a + colour[i] * (1 - a));
    return colour;
  };
  const bad = [];
  const area = '.room-acts *, .room-stage *, .sheet *, .room-due *, .room-marks *, .room-given *';
  for (const e of document.querySelectorAll(area)) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.offsetParent || e.closest('.chart, :disabled')) continue;
    const [a, b] = [light(parts(getComputedStyle(e).color)), light(behind(e))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) bad.push([e.textContent.slice(0, 30), contrast.toFixed(2)]);
  }
  return bad;
}
"""
SMALL = """
() => [...document.querySelectorAll('.room button, .room input, .room textarea, #kv-header button')]
  .filter(e => e.offsetParent && !e.closest('.alarm'))
  .map(e => [e.textContent || e.name, e.getBoundingClientRect()])
  .filter(([, r]) => r.height && (r.height < 43.5 || r.width < 43.5))
  .map(([text, r]) => [text, r.width, r.height])
"""
SIDEWAYS = "() => document.querySelector('.view').scrollWidth - innerWidth"


def act(page: Page, kind: str) -> Any:
    return page.locator(f'[data-act="{kind}"]:visible')


def test_an_uneventful_infusion_needs_at_most_fifteen_taps(
    clinic: Any, open_page: OpenPage
) -> None:
    station, web = clinic
    page = at_room(open_page, web)
    page.get_by_role("button", name="Arm sound").click()  # of the shift, not of the session
    page.get_by_role("button", name="I heard it").click()
    taps: list[str] = []

    def tap(what: Any, name: str) -> None:
        what.click()
        taps.append(name)

    tap(page.get_by_label("Pseudonym"), "pseudonym")
    page.keyboard.type("KV-0500")
    tap(page.locator('[data-route="iv"]'), "route opens")
    for group in ("drugs", "conditions"):
        tap(page.locator(f'[data-group="{group}"]').get_by_role("button", name="All no"), group)
    station.pressure(124, 78)
    station.skip(5.5)
    station.pressure(126, 80)
    tap(page.locator("[data-gate]").get_by_role("button", name="Go", exact=True), "go")
    tap(act(page, "dose"), "dose")
    tap(act(page, "dose"), "dose given")
    eventually(page, lambda: station.session().doses)
    station.skip(40)
    tap(act(page, "infusion_end"), "infusion")
    tap(act(page, "infusion_end"), "infusion ended")
    eventually(page, lambda: station.session().infusion_end_us)
    station.skip(82)
    tap(page.get_by_role("tab", name="Discharge"), "discharge")
    tap(page.get_by_role("button", name="Go to the discharge check"), "discharge check")
    expect(page.locator(".room-phase")).to_have_text("Discharge check")
    tap(act(page, "finished"), "finish")
    tap(act(page, "finished"), "finished")
    eventually(page, lambda: station.session().finished_us)
    tap(page.locator(".discharge").get_by_role("button", name="Close session…"), "close")
    tap(page.get_by_role("dialog").get_by_role("button", name="Close session"), "closed")
    expect(page.locator(".room-nosession")).to_be_visible()
    assert len(taps) <= MOST_TAPS, taps


def test_a_dose_a_mark_and_a_score_by_keyboard_alone(clinic: Any, open_page: OpenPage) -> None:
    station, web = clinic
    station.arrive()
    page = at_room(open_page, web)

    def reach(what: Any) -> None:
        for _ in range(160):
            if what.evaluate("e => e === document.activeElement"):
                return
            page.keyboard.press("Tab")
        pytest.fail("the keyboard cannot reach it")

    reach(act(page, "dose"))
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")  # the form's own button has the focus
    expect(page.locator(".outcome-line")).to_have_text("Dose: done")
    assert len(station.session().doses) == 1
    page.keyboard.press("n")
    eventually(page, lambda: station.told("mark") == [{"kind": "nausea"}])
    reach(page.get_by_role("tab", name="Trend"))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Scores")).to_be_focused()
    reach(page.locator('[data-scale="pain"] [data-value="3"]'))
    page.keyboard.press("Space")
    eventually(page, lambda: station.told("score") == [{"scale": "pain", "value": 3}])


@pytest.mark.parametrize("size", [WIDE, LAPTOP, PHONE], ids=str)
def test_every_view_of_the_room_is_whole_readable_and_made_for_fingers(
    clinic: Any, open_page: OpenPage, size: tuple[int, int]
) -> None:
    station, web = clinic
    page = at_room(open_page, web, size=size)

    def good(view: str) -> None:
        assert page.evaluate(PALE) == [], view
        assert page.evaluate(SMALL) == [], view
        assert page.evaluate(SIDEWAYS) <= 0, view

    good("no session")
    station.arrive()
    station.done("check_in", opioids=True, weight_kg=70, drug="Ketamine", plan_mg=35)
    station.pressure(152, 94)
    expect(page.locator("[data-gate]")).to_have_attribute("data-gate", "hold")
    good("check-in")
    act(page, "dose").click()
    expect(page.locator('.vital [data-channel="nibp_sys"]')).to_be_in_viewport(ratio=0.9)
    good("dose form")
    page.keyboard.press("Escape")
    station.done("dose")
    station.done("mark", kind="nausea")
    station.done("adverse_event", what="vomiting", severity="mild")
    for tab in ("Trend", "Check-in", "Scores", "Discharge"):
        page.get_by_role("tab", name=tab).click()
        good(tab)
    for form in ("By hand…", "Adverse event…", "Phase…", "Off monitor…"):
        page.get_by_role("button", name=form).click()
        expect(page.get_by_role("dialog")).to_be_visible()
        for channel in ("spo2", "pr", "nibp_sys"):
            number = page.locator(f'.vital [data-channel="{channel}"]')
            expect(number).to_be_in_viewport(ratio=0.9)
        good(form)
        page.keyboard.press("Escape")
    station.done("emergency")
    expect(page.locator(".emergency-clock")).to_be_visible()
    good("emergency")


def test_a_session_goes_to_a_free_room(clinic: Any, open_page: OpenPage) -> None:
    station, web = clinic
    station.dosed(1)
    page = at_room(open_page, web)
    page.get_by_role("button", name="Move session…").click()
    page.get_by_role("dialog").get_by_role("button", name="To Room 2").click()
    expect(page.locator(".room-nosession")).to_be_visible()
    assert station.session("room-2").subject_ref == "KV-0417"


def test_a_therapist_sees_only_what_a_therapist_may_do(clinic: Any, open_page: OpenPage) -> None:
    station, web = clinic
    station.dosed(1)
    page = at_room(open_page, web)
    expect(act(page, "part")).to_be_visible()
    may = ["mark", "symptom", "score", "emergency"]
    page.evaluate("may => kv.emit('frame', [{t: 'who', ...kv.who.told, may}])", may)
    expect(act(page, "part")).to_have_count(0)
    expect(page.get_by_role("button", name="Chest pain")).to_be_visible()
    expect(page.locator('[data-mark="nausea"]')).to_be_visible()
    expect(page.locator(".emergency-button")).to_be_visible()
