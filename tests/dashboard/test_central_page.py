"""The central pages: all rooms of all stations, worst first, for information only."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard import central_ward, ward
from tests.dashboard.central_ward import facts, room
from tests.dashboard.conftest import LAPTOP, PHONE, WIDE, OpenPage, eventually
from tests.dashboard.test_axe import CONTRASTS, ROOT, SCRIPT, violations
from vitals import wire
from vitals.model import US

pytestmark = pytest.mark.long

STATIONS = [
    facts("harbour-1", "North Shore", "Harbour", "Ground floor"),
    facts("harbour-2", "North Shore", "Harbour", "First floor"),
    facts("light-1", "North Shore", "Lighthouse", "Main"),
    facts("vale-1", "Vale", "Vale clinic", "Main"),
]
CALM = "harbour-1:room-1"
COMMANDS = "button, input, select, textarea, [contenteditable]"
# Numbers and words that leave their cell or lie on one another.
CROWDED = """
() => [...document.querySelectorAll('.room-tile')].flatMap(tile => {
  const edge = tile.getBoundingClientRect().right;
  const right = e => e.getBoundingClientRect().right;
  const cells = [...tile.querySelectorAll('.vital-value')];
  const over = cells.filter(e => [...e.children].some(b => right(b) > right(e.parentElement) + 1));
  const out = [...tile.children].filter(e => !e.hidden && right(e) > edge + 1);
  const words = [...tile.querySelectorAll('.vital-note, .vital-label, .room-tile-due')];
  const cut = words.filter(e => e.scrollWidth - e.clientWidth > 1 && e.clientWidth);
  const found = [...over, ...out, ...cut];
  return found.map(e => tile.dataset.room + ': ' + e.className + ' ' + e.textContent);
})
"""
# Of alarms, what is not whole inside its tile.
CLIPPED = """
() => [...document.querySelectorAll('.room-tile-alarm:not([hidden])')].flatMap(alarm => {
  const tile = alarm.closest('.room-tile').getBoundingClientRect();
  const inner = '.room-tile-words, .room-tile-level, .room-tile-since';
  const parts = [alarm, ...alarm.querySelectorAll(inner)];
  const cut = e => e.scrollWidth - e.clientWidth > 1 || e.scrollHeight - e.clientHeight > 2;
  const out = e => { const box = e.getBoundingClientRect();
    return !box.width || box.right > tile.right + 1 || box.bottom > tile.bottom + 1; };
  const bad = parts.filter(e => out(e) || (e.clientWidth && cut(e)));
  return bad.map(e => e.className + ' ' + e.textContent);
})
"""


def stations_rooms() -> list[wire.RoomMsg]:
    """Three rooms a station, with the widest numbers; the last of each has no session."""
    now_us = ward.now_us()
    rooms = []
    for station in STATIONS:
        for number in (1, 2, 3):
            id_ = f"{station.id}:room-{number}"
            subject = f"KV-{len(rooms):04d}"
            state: dict[str, Any] = {
                "session": ward.session(id_, now_us, 42, subject_ref=subject),
                "numerics": ward.reading(id_, now_us - 5 * 60 * US, 188, 104),
                "due": [ward.due(id_, now_us + 7 * 60 * US)],
            }
            rooms.append(room(station.id, number, **(state if number < 3 else {})))
    return rooms


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("central")
    with central_ward.central(folder, STATIONS, stations_rooms()) as all_three:
        yield all_three


@pytest.fixture
def centre(shared: Any) -> Iterator[Any]:
    """(stations, centre, web); what a test has changed is as before afterwards."""
    station, centre, _ = shared
    centre.sent.clear()
    yield shared
    for known in STATIONS:
        centre.silent(known.id, 0.5)
        centre.say(known.id)
    snapshot = station.hub.snapshot()
    for each in snapshot.rooms:
        if each.session is not None:
            station.publish(ward.due(each.id, station.now_us + 7 * 60 * US))
        for alarm in each.alarms:
            station.publish(ward.alarm(each.id, alarm.rule, condition="idle", sounding=False))


def tile(page: Page, room_id: str) -> Any:
    return page.locator(f'.room-tile[data-room="{room_id}"]')


def order(page: Page) -> list[str]:
    ids = page.locator(".room-tile").evaluate_all("all => all.map(e => e.dataset.room)")
    return list(ids)


def opened(web: Any, open_page: OpenPage, path: str = "/", size: tuple[int, int] = WIDE) -> Page:
    page = open_page(web.address + path, size)
    expect(page.locator('body[data-central="yes"][data-link="live"]')).to_be_attached()
    return page


def stream(station: Any, spo2: float = 100) -> None:
    for each in stations_rooms():
        for channel, value in (("spo2", spo2), ("pr", 134)):
            station.numeric(each.id, channel, value, fresh_s=90, gone_s=90)


def test_the_worst_room_of_all_stations_comes_first_and_every_room_says_where_it_is(
    centre: Any, open_page: OpenPage
) -> None:
    station, _, web = centre
    stream(station)
    page = opened(web, open_page)
    expect(page.locator(".room-tile")).to_have_count(12)
    station.publish(ward.alarm("vale-1:room-2", priority="medium", text="PR 124 > 120"))
    station.publish(ward.alarm("light-1:room-1", onset_us=station.now_us))
    eventually(page, lambda: order(page)[:2] == ["light-1:room-1", "vale-1:room-2"])
    worst = tile(page, "light-1:room-1")
    expect(worst).to_have_attribute("data-worst", "high")
    expect(worst.locator(".room-tile-where")).to_have_text("North Shore › Lighthouse › Main")
    alarm = worst.locator('[data-alarm="spo2-low"]')
    expect(alarm).to_contain_text("SpO2 86 < 88")
    expect(alarm).to_have_attribute("data-priority", "high")
    expect(worst.locator('[data-channel="spo2"]')).to_have_attribute("data-state", "fresh")
    expect(worst.locator('[data-channel="nibp_sys"]')).to_have_text("188")
    expect(worst.locator(".vital-nibp .vital-note")).to_have_text("5 min")
    site = page.locator(".central-site", has_text="North Shore")
    expect(site.locator(".central-alarmed b")).to_have_text("1")
    expect(page.locator('.central-chip[data-only="alarm"]')).to_have_text("Alarms 2")


def test_the_centre_has_nothing_to_press_that_acts_and_makes_no_sound(
    centre: Any, open_page: OpenPage
) -> None:
    station, told, web = centre
    stream(station)
    now_us = station.now_us
    station.publish(
        ward.alarm(CALM, onset_us=now_us),
        ward.alarm(CALM, "pr-high", rule_state="off", rule_by="Anna", rule_reason="moves"),
        ward.due(CALM, now_us - 60 * US, "overdue"),
        wire.MarkMsg(room=CALM, id="m", at_us=now_us, kind="mark", text="calm", by="Anna"),
        wire.HeldMsg(id="h", device="cuff-7", at_us=now_us, values={"nibp_sys": 128.0}),
    )
    page = opened(web, open_page)
    expect(page.locator(".central-banner")).to_have_text(
        "Information only – alarms sound and are acknowledged at the station"
    )
    expect(tile(page, CALM)).to_have_attribute("data-worst", "high")
    page.mouse.click(5, 300)  # a gesture: a station's page would sound now
    assert page.locator("body[data-sounding]").count() == 0
    may = {"central-site", "central-clinic", "central-all", "central-chip", "central-toggle"}
    for button in page.locator("button:visible").all():
        assert set((button.get_attribute("class") or "").split()) & may, button.inner_text()
    tile(page, CALM).click()
    expect(page.locator('.room .alarm[data-alarm="spo2-low"]')).to_be_visible()
    expect(page.locator(".central-banner")).to_be_visible()
    assert page.locator(COMMANDS).locator("visible=true").count() == 0
    for key in "1234nbskd/?":
        page.keyboard.press(key)
    assert page.locator("dialog[open]").count() == 0
    said = page.evaluate("kv.command(kv.newId(), 'acknowledge', 'x:y', {}).then(r => r.error)")
    assert said == "Information only: nothing was done. Act at the station."
    kinds = {type(each).__name__ for each in told.sent}
    assert kinds <= {"WardQuestion", "Waves"}, kinds
    assert station.commands == []


def test_pages_that_act_are_not_at_the_centre(centre: Any, open_page: OpenPage) -> None:
    _, _, web = centre
    for path in ("/devices", "/handover", f"/room/{CALM}/quiet"):
        page = opened(web, open_page, path)
        expect(page.locator(".view .empty")).to_contain_text("station")
        assert page.locator(".view button:visible").count() == 0


def test_a_room_that_is_not_heard_says_so_and_shows_nothing_as_current(
    centre: Any, open_page: OpenPage
) -> None:
    station, told, web = centre
    stream(station)
    page = opened(web, open_page)
    lost, stale = tile(page, "vale-1:room-1"), tile(page, "light-1:room-1")
    expect(lost.locator('[data-channel="nibp_sys"]')).to_have_attribute("data-state", "fresh")
    told.silent("vale-1", 95)
    told.silent("light-1", 5)
    expect(lost.locator(".room-tile-link")).to_have_text("LINK LOST 1 min – room monitors locally")
    expect(lost).to_have_attribute("data-link", "lost")
    for channel in ("spo2", "nibp_sys"):
        expect(lost.locator(f'[data-channel="{channel}"]')).to_have_attribute("data-state", "stale")
    expect(lost.locator(".room-tile-calm")).to_have_text("alarms not known")
    expect(stale.locator(".room-tile-link")).to_contain_text("NO NEWS")
    expect(tile(page, CALM).locator(".room-tile-link")).to_be_hidden()
    expect(page.locator('.central-chip[data-only="lost"]')).to_have_text("Link lost 3")
    lost.click()
    expect(page.locator(".central-link")).to_have_text("LINK LOST 1 min – room monitors locally")
    number = page.locator('.room-vitals [data-channel="nibp_sys"]')
    expect(number).to_have_attribute("data-state", "stale")
    told.silent("vale-1", 0.5)
    expect(page.locator(".central-link")).to_be_hidden()
    expect(number).to_have_attribute("data-state", "fresh")


def test_what_is_wrong_at_a_station_stands_in_its_rooms(centre: Any, open_page: OpenPage) -> None:
    _, told, web = centre
    told.say("light-1", "its clock is 12 s off: set it", "NOT RECORDING")
    page = opened(web, open_page)
    wrong = tile(page, "light-1:room-2").locator(".room-tile-wrong")
    expect(wrong).to_have_text("its clock is 12 s off: set it · NOT RECORDING")
    expect(tile(page, CALM).locator(".room-tile-wrong")).to_be_empty()
    tile(page, "light-1:room-2").click()
    words = page.locator(".central-words")
    expect(words).to_have_text("its clock is 12 s off: set it · NOT RECORDING")


def test_a_search_begins_with_a_slash_and_the_address_keeps_it(
    centre: Any, open_page: OpenPage
) -> None:
    _, _, web = centre
    page = opened(web, open_page)
    expect(page.locator(".room-tile")).to_have_count(12)
    page.keyboard.press("/")
    page.keyboard.type("light room 2")
    expect(page.locator(".room-tile")).to_have_count(1)
    assert order(page) == ["light-1:room-2"]
    assert page.url.endswith("/?q=light+room+2")
    page.keyboard.press("ArrowDown")  # from the search to the rooms
    page.keyboard.press("Enter")
    expect(page.locator(".room-name")).to_have_text("Room 2")
    page.get_by_role("link", name="All sites").click()
    expect(page.locator(".room-tile")).to_have_count(1)
    page.reload()
    expect(page.locator(".room-tile")).to_have_count(1)
    expect(page.locator(".central-search input")).to_have_value("light room 2")
    page.keyboard.press("/")
    page.keyboard.press("Escape")
    expect(page.locator(".room-tile")).to_have_count(12)
    page.keyboard.type("nobody is called so")
    expect(page.locator(".empty", has_text="No room is like that")).to_be_visible()


def test_sites_clinics_and_chips_narrow_the_rooms(centre: Any, open_page: OpenPage) -> None:
    station, told, web = centre
    station.publish(ward.alarm("harbour-2:room-1", onset_us=station.now_us))
    page = opened(web, open_page)
    page.locator(".central-site", has_text="North Shore").click()
    expect(page.locator(".room-tile")).to_have_count(9)
    page.locator(".central-clinic", has_text="Harbour").click()
    expect(page.locator(".room-tile")).to_have_count(6)
    expect(page.locator('[aria-current="true"]')).to_have_accessible_name(
        "Harbour , 1 with alarms , 6 rooms"
    )
    page.locator('.central-chip[data-only="alarm"]').click()
    expect(page.locator(".room-tile")).to_have_count(1)
    assert page.url.endswith("/?site=North+Shore&clinic=Harbour&only=alarm")
    asked = told.asked[-1]
    assert (asked.site, asked.clinic, asked.only) == ("North Shore", "Harbour", "alarm")
    tile(page, "harbour-2:room-1").click()
    page.get_by_role("navigation", name="Where this room is").get_by_text("Harbour").click()
    expect(page.locator(".room-tile")).to_have_count(6)


def test_a_room_page_follows_its_room_alone_and_a_reload_comes_back_to_it(
    centre: Any, open_page: OpenPage
) -> None:
    station, _, web = centre
    page = opened(web, open_page, f"/room/{CALM}", LAPTOP)
    expect(page.locator(".room-name")).to_have_text("Room 1")
    assert page.evaluate("[...kv.model.rooms.keys()]") == [CALM]
    station.numeric(CALM, "spo2", 93, fresh_s=90, gone_s=90)
    expect(page.locator('.room-vitals [data-channel="spo2"]')).to_have_text("93")
    page.reload()
    expect(page.locator('.room-vitals [data-channel="spo2"]')).to_have_text("93")
    page.get_by_role("link", name="All sites").click()
    expect(page.locator(".room-tile")).to_have_count(12)
    page = opened(web, open_page, "/room/vale-1:attic")
    expect(page.locator(".empty", has_text="The centre knows no room")).to_be_visible()


def test_the_keyboard_goes_from_room_to_room(centre: Any, open_page: OpenPage) -> None:
    _, _, web = centre
    page = opened(web, open_page, size=LAPTOP)
    expect(page.locator(".room-tile")).to_have_count(12)
    ids = order(page)
    tops = page.locator(".room-tile").evaluate_all("all => all.map(e => e.offsetTop)")
    columns = tops.count(tops[0])
    focused = "document.activeElement.closest('.room-tile')?.dataset.room"
    page.locator(".room-tile-name").first.focus()
    for key, at in (("ArrowRight", 1), ("ArrowDown", 1 + columns), ("End", 11), ("Home", 0)):
        page.keyboard.press(key)
        assert page.evaluate(focused) == ids[at], key
    assert page.locator('.room-tile-name[tabindex="0"]').count() == 1
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator(f'.room[data-room="{ids[1]}"]')).to_be_visible()


def test_rooms_stay_under_a_hand_and_are_sorted_when_it_is_gone(
    centre: Any, open_page: OpenPage
) -> None:
    station, _, web = centre
    page = opened(web, open_page)
    expect(page.locator(".room-tile")).to_have_count(12)
    before = order(page)
    last = before[-1]
    tile(page, before[0]).hover()
    page.locator(".room-tile-name").first.focus()
    station.publish(ward.alarm(last, onset_us=station.now_us))
    expect(tile(page, last)).to_have_attribute("data-worst", "high")
    assert order(page) == before
    eventually(page, lambda: order(page)[0] == last)
    assert page.evaluate("document.activeElement.closest('.room-tile')?.dataset.room") == before[0]


def test_a_lost_database_is_said_and_the_question_asked_again_afterwards(
    tmp_path: Any, open_page: OpenPage
) -> None:
    with central_ward.central(tmp_path, STATIONS, stations_rooms()) as (station, told, web):
        page = opened(web, open_page, "/?q=vale")
        expect(page.locator(".room-tile")).to_have_count(3)
        station.hang_up(6)
        expect(page.locator('body[data-link="stale"]')).to_be_attached()
        expect(page.locator(".banner-lost")).to_contain_text("The central database does not answer")
        expect(page.locator(".banner-lost")).to_contain_text("Each room monitors locally")
        assert page.locator(".banner-lost button:visible").count() == 0
        expect(page.locator('body[data-link="live"]')).to_be_attached()
        told.sent.clear()
        web.stop()
        expect(page.locator('body[data-link="lost"]')).to_be_attached()
        web.start()
        expect(page.locator('body[data-link="live"]')).to_be_attached()
        eventually(page, lambda: told.asked and told.asked[-1].q == "vale")
        expect(page.locator(".room-tile")).to_have_count(3)


@pytest.mark.parametrize("size", [WIDE, LAPTOP, PHONE])
def test_nothing_is_cut_off_at_any_size(
    centre: Any, open_page: OpenPage, size: tuple[int, int]
) -> None:
    station, told, web = centre
    stream(station)
    told.silent("vale-1", 130 * 60)
    station.publish(
        ward.alarm(CALM, onset_us=station.now_us, text="No data from the oximeter for 12 s"),
        ward.alarm("light-1:room-1", onset_us=station.now_us, acked_by="Anna"),
    )
    page = opened(web, open_page, size=size)
    expect(tile(page, CALM).locator('[data-channel="spo2"]')).to_have_text("100")
    expect(page.locator(".room-tile").last).to_be_attached()
    eventually(page, lambda: page.locator(".room-tile-vitals").count() == 12)
    assert page.evaluate(CROWDED) == []
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(wide) <= 0
    words = tile(page, "light-1:room-1").locator(".room-tile-words")
    assert words.evaluate("e => e.scrollWidth - e.clientWidth") <= 1
    link = tile(page, "vale-1:room-1").locator(".room-tile-link")
    expect(link).to_have_text("LINK LOST 2 h 10 – room monitors locally")
    assert link.evaluate("e => e.getBoundingClientRect().right <= "
                         "e.parentElement.getBoundingClientRect().right + 1")  # fmt: skip


@pytest.mark.parametrize("size", [WIDE, LAPTOP, PHONE])
def test_few_rooms_say_the_whole_alarm_with_its_level_and_its_age(
    centre: Any, open_page: OpenPage, size: tuple[int, int]
) -> None:
    station, _, web = centre
    stream(station)
    long = "The program was 1.0 s late: this computer is too slow or too busy for all its rooms"
    since_us = station.now_us - 65 * US
    station.publish(
        ward.alarm(CALM, onset_us=since_us, text=long),
        ward.alarm("vale-1:room-1", onset_us=since_us, acked_by="Annabelle Featherstone"),
    )
    page = opened(web, open_page, size=size)
    alarm = tile(page, CALM).locator(".room-tile-alarm")
    expect(alarm.locator(".room-tile-words")).to_have_text(long)
    expect(alarm.locator(".room-tile-meta")).to_have_text("HIGH1 min")
    station.publish(ward.alarm(CALM, "pr-high", priority="medium", text="PR 124 > 120"))
    also = tile(page, CALM).locator(".room-tile-also")  # what is less urgent is not hidden by it
    expect(also).to_have_text("!! PR 124 > 120")
    expect(also).to_be_visible()
    acked = tile(page, "vale-1:room-1").locator(".room-tile-meta")
    expect(acked).to_have_text("by Annabelle Featherstone · HIGH✓ 1 min")
    assert page.evaluate(CLIPPED) == []
    digits = tile(page, CALM).locator(".vital-spo2 .vital-value")
    size_px = float(digits.evaluate("e => parseFloat(getComputedStyle(e).fontSize)"))
    assert size_px >= {WIDE: 40, LAPTOP: 30, PHONE: 32}[size]


def test_before_the_database_has_answered_nothing_is_counted_and_it_is_said_why(
    tmp_path: Any, open_page: OpenPage
) -> None:
    with central_ward.central(tmp_path, STATIONS, stations_rooms()) as (station, _, web):
        web.stop()
        station.hang_up(8)
        web.start()
        page = open_page(web.address, WIDE)
        expect(page.locator(".empty", has_text="Nothing is known of any room")).to_be_visible()
        expect(page.locator('.central-chip[data-only="all"]')).to_have_text("All rooms")
        expect(page.locator(".central-all .central-many")).to_be_hidden()
        expect(page.locator(".central-trouble")).to_have_text(web.server.follower.trouble)
        assert web.server.follower.trouble
        expect(page.locator('.central-chip[data-only="all"]')).to_have_text("All rooms 12")
        expect(page.locator(".central-trouble")).to_have_count(0)


def test_a_phone_shows_that_the_page_is_live_and_what_time_it_is(
    centre: Any, open_page: OpenPage
) -> None:
    _, _, web = centre
    page = opened(web, open_page, size=PHONE)
    expect(page.locator(".chip-link")).to_have_text("LIVE")
    for node in (page.locator(".chip-link"), page.locator(".bar-clock")):
        expect(node).to_be_visible()
        box = node.bounding_box()
        assert box
        assert 0 <= box["x"] <= PHONE[0] - box["width"]


def test_on_a_phone_the_sites_open_from_one_button(centre: Any, open_page: OpenPage) -> None:
    _, _, web = centre
    page = opened(web, open_page, size=PHONE)
    expect(page.locator(".room-tile")).to_have_count(12)
    expect(page.locator(".central-sites")).to_be_hidden()
    page.locator(".central-toggle").click()
    page.locator(".central-site", has_text="Vale").click()
    expect(page.locator(".central-sites")).to_be_hidden()
    expect(page.locator(".central-toggle")).to_have_text("Vale ▾")
    expect(page.locator(".room-tile")).to_have_count(3)


@pytest.mark.parametrize("path", ["/", f"/room/{CALM}"])
def test_no_central_page_has_a_serious_barrier(centre: Any, open_page: OpenPage, path: str) -> None:
    station, told, web = centre
    stream(station)
    told.silent("vale-1", 95)
    told.say("light-1", "NOT RECORDING")
    station.publish(
        ward.alarm(CALM, onset_us=station.now_us),
        ward.alarm("harbour-1:room-2", priority="medium", text="SpO2 91 < 92", limit=92),
        ward.alarm("harbour-2:room-1", priority="low", side="technical", text="BP overdue"),
        ward.alarm("harbour-2:room-2", acked_by="Anna", sounding=False),
        ward.alarm("light-1:room-1", silent=True),
        ward.alarm("light-1:room-2", condition="latched"),
    )
    if not SCRIPT.exists():
        subprocess.run(["sh", str(ROOT / ".ci" / "npm")], check=True)
    page = opened(web, open_page, path)
    expect(page.locator('[data-channel="spo2"][data-state="fresh"]').first).to_be_attached()
    for size in (WIDE, LAPTOP, PHONE):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        assert violations(page, SCRIPT.read_text()) == [], size
    for name, contrast in page.evaluate(CONTRASTS):
        assert contrast >= 7, name


def test_a_station_page_is_as_it_was(tmp_path: Any, open_page: OpenPage) -> None:
    now_us = ward.now_us()
    rooms = [ward.room(1, session=ward.session("room-1", now_us))]
    with ward.ward(tmp_path, rooms) as (_, web):
        page = open_page(web.address)
        expect(page.locator(".tile")).to_have_count(1)
        expect(page.locator(".central-banner")).to_have_count(0)
        expect(page.locator(".chip-sound")).to_be_visible()
        assert page.locator("body[data-central]").count() == 0
