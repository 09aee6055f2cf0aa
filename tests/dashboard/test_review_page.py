"""The page of one session in a real browser: seen, clicked, typed at, printed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.dashboard import ward
from tests.dashboard.conftest import LAPTOP, PHONE, OpenPage, eventually
from tests.export import records
from tests.export.records import at
from vitals.store.rows import AuditRow

UUID = records.UUID
EVIL = '"><img src=x onerror=alert(1)>\n=1+1'
A4_PX = (718, 1047)  # what is printed on of A4, at 96 pixels an inch
FITS = (
    "() => [...document.querySelectorAll('.scroll')].every(n => n.scrollWidth <= n.clientWidth + 1)"
)
SMALL = """() => [...document.querySelectorAll('.page button, .page select, .page input')]
  .filter(n => n.getClientRects().length && (n.offsetHeight < 44 || n.offsetWidth < 44))
  .map(n => n.outerHTML.slice(0, 80))"""


def note(second: int, who: str, words: str) -> AuditRow:
    place = (500 + second, at(second), UUID, "room-1")
    return AuditRow(*place, who, "nurse", "mark", {"text": words})


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder: Path = tmp_path_factory.mktemp("page")
    many = [note(n, "Anna Berger", f"note {n}") for n in range(130)]
    records.write(folder / "ward.db", rows=[*many, note(200, EVIL, EVIL)], mode="demo")
    with ward.ward(folder, [ward.room(1)]) as (_, web):
        yield web


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder: Path = tmp_path_factory.mktemp("running")
    records.write(folder / "ward.db", 60, ended_us=None, subject_ref=EVIL, phase="ONSET_PEAK")
    with ward.ward(folder, [ward.room(1)]) as (_, web):
        yield web


def drawn(page: Page) -> Page:
    """The page, when all of it is there."""
    expect(page.locator("[data-section=course][data-draw-ms]")).to_be_visible(timeout=60_000)
    expect(page.locator("[data-section=audit] table")).to_be_visible()
    eventually(page, lambda: page.locator("canvas[data-from]").count() == 1)
    return page


def box_of(place: Locator) -> Any:
    """Where something lies."""
    box = place.bounding_box()
    assert box is not None
    return box


def window_us(page: Page) -> int:
    """Where the chosen window begins."""
    return int(page.locator("canvas[data-from]").get_attribute("data-from") or 0)


def moved(page: Page, from_us: float) -> None:
    eventually(page, lambda: abs(window_us(page) - from_us) < 1_500_000)


def shown(page: Page) -> list[float]:
    """The minutes of the session that the trend shows."""
    start_ms = records.START_US / 1000 + 3_600_000
    script = """start => document.querySelector('.review-plot').layout.xaxis.range.map(
      end => ((typeof end === 'number' ? end : Date.parse(end.replace(' ', 'T') + 'Z')) - start)
        / 60000)"""
    minutes: list[float] = page.evaluate(script, start_ms)
    return minutes


def test_the_page_answers_draws_and_tells_all_of_a_session(web: Any, open_page: OpenPage) -> None:
    page = drawn(open_page(f"{web.address}/review/{UUID}", LAPTOP))
    expect(page.locator("h1")).to_have_text("KV-0417 · IM")
    expect(page.locator(".facts")).to_contain_text("DEMO · 2027-01-15 09:00 – 09:10")
    answers = page.locator("[data-section=summary]")
    expect(answers.locator("[data-part=given]")).to_contain_text("ketamine 70 mg")
    for part in ("measured", "happened", "ended"):
        expect(answers.locator(f"[data-part={part}] dt").first).to_be_visible()
    box, screen = answers.bounding_box(), page.viewport_size
    assert box is not None
    assert screen is not None
    assert box["y"] + box["height"] < screen["height"]  # all of it on the first screen
    summary = page.locator("[data-section=honesty]")
    expect(summary).to_contain_text("Planned BP readings taken: 1 of 2. Not taken: BP at 5 min.")
    shares = page.evaluate(
        "async uuid => (await (await fetch('/api/v1/sessions/' + uuid)).json()).honesty.channels",
        UUID,
    )
    doubted = [math.ceil(round(each["questionable"] * 1000, 6)) / 10 for each in shares]
    assert any(each["questionable"] * 1000 % 1 > 0.01 for each in shares)  # up: 0.0 % is none
    expect(summary.locator("tbody tr")).to_have_count(len(shares))
    rows = [" ".join(row.inner_text().split()) for row in summary.locator("tbody tr").all()]
    for row, share in zip(rows, doubted, strict=True):
        assert f" {share:.1f} % " in row
    pressures = page.locator("[data-section=pressures] tbody tr")
    expect(pressures.locator("b", has_text="M")).to_have_count(1)
    expect(pressures.filter(has_text="cuff leak")).to_have_attribute("data-kind", "failed")
    expect(pressures.filter(has_text="Baseline BP 1")).to_contain_text("128 / 80")
    ring = page.locator("[data-section=ring] tbody tr")
    expect(ring).to_have_count(1)
    expect(ring).to_contain_text("86 %, limit 88 %")
    expect(ring).to_contain_text("Anna Berger after 5 s")
    expect(page.locator(".ring-lane-bar")).to_have_attribute("data-priority", "high")
    # what somebody wrote is text, whatever it looks like
    page.get_by_role("searchbox", name="Search the audit trail").fill("onerror")
    expect(page.locator("[data-section=audit] tbody tr")).to_have_count(1)
    assert page.locator("img[src=x]").count() == 0


def test_a_moment_is_reached_from_a_table_by_click_by_keyboard_and_by_its_time(
    web: Any, open_page: OpenPage
) -> None:
    page = drawn(open_page(f"{web.address}/review/{UUID}", LAPTOP))
    moved(page, at(120))  # it begins around the worst alarm
    page.locator("[data-section=ring] .jump").first.click()
    expect(page.locator("p.unseen[role=status]")).to_have_text("The trend shows 09:02:30")
    page.locator("[data-section=pressures] .jump").last.click()
    moved(page, at(470))

    field = page.get_by_role("textbox", name=re.compile("Chosen moment"))
    field.fill("09:01:00")
    field.press("Enter")
    moved(page, at(30))
    field.fill("+2")  # minutes from the dose
    field.press("Enter")
    moved(page, at(210))
    field.fill("soon")
    field.press("Enter")
    expect(field).to_have_attribute("aria-invalid", "true")
    moved(page, at(210))

    slider = page.get_by_role("slider", name="Chosen moment")
    slider.focus()
    slider.press("Home")
    moved(page, at(0))
    slider.press("End")
    moved(page, at(540))
    page.get_by_role("button", name="Earlier by one window").click()
    moved(page, at(480))
    page.get_by_role("combobox", name="Width of the window").select_option("10 s")
    moved(page, at(505))

    plot = page.locator(".review-plot")
    box = plot.bounding_box()
    assert box is not None
    left, right = 92, 88  # the margins of the plot
    middle = left + (box["width"] - left - right) / 2
    plot.click(position={"x": middle, "y": box["height"] * 0.6})
    moved(page, at(295))
    chosen, box = page.locator(".chosen").bounding_box(), plot.bounding_box()
    assert chosen is not None
    assert box is not None
    assert abs(chosen["x"] + chosen["width"] / 2 - box["x"] - middle) < 3


def test_the_trend_is_zoomed_without_a_pointer_and_the_window_follows(
    web: Any, open_page: OpenPage
) -> None:
    page = drawn(open_page(f"{web.address}/review/{UUID}", LAPTOP))
    assert shown(page) == pytest.approx([0, 10])
    zoom = page.get_by_role("combobox", name="How much of the session is shown")
    zoom.select_option("2 min")
    eventually(page, lambda: shown(page)[1] - shown(page)[0] == pytest.approx(2))
    assert shown(page)[0] < 2.5 < shown(page)[1]
    wide = page.locator(".chosen").bounding_box()
    assert wide is not None
    assert wide["width"] > 400
    zoom.select_option("Whole session")
    eventually(page, lambda: shown(page) == pytest.approx([0, 10]))


def test_the_trail_is_filtered_searched_and_shown_to_its_end(web: Any, open_page: OpenPage) -> None:
    page = drawn(open_page(f"{web.address}/review/{UUID}", LAPTOP))
    section = page.locator("[data-section=audit]")
    rows, said = section.locator("tbody tr"), section.locator(".counted")
    expect(said).to_have_text(re.compile(r"^100 of 15\d rows$"))
    section.get_by_role("button", name=re.compile("Show .. more")).click()
    expect(said).to_have_text(re.compile(r"^(15\d) of \1 rows$"))
    section.get_by_role("combobox", name="Kind of row").select_option("alarm")
    expect(rows).to_have_count(3)
    section.get_by_role("searchbox").fill("acknowledged")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("Anna Berger")
    section.get_by_role("searchbox").fill("nothing like it")
    expect(section.locator(".empty")).to_have_text("No row fits.")


def test_it_is_printed_light_whole_and_with_what_every_report_says(
    web: Any, open_page: OpenPage, tmp_path: Path
) -> None:
    page = drawn(open_page(f"{web.address}/review/{UUID}", LAPTOP))
    page.pdf(path=tmp_path / "page.pdf", prefer_css_page_size=True)
    document = pypdfium2.PdfDocument(tmp_path / "page.pdf")
    try:
        assert [round(size) for size in document[0].get_size()] == [595, 842]
        texts = [sheet.get_textpage().get_text_bounded() for sheet in document]
        sheets = [sheet.render(scale=0.3).to_numpy()[..., :3].astype(int) for sheet in document]
        light = sheets[0].mean()
        violet = [((sheet[..., 0] - sheet[..., 1]) > 8).mean() for sheet in sheets]
        filled = [(sheet.min(axis=(1, 2)) < 200).nonzero()[0].max() for sheet in sheets]
    finally:
        document.close()
    said = "\n".join(texts)
    assert "Staff aid, not a medical device" in texts[0]
    assert UUID in said.replace("\n", "").replace("\r", "")
    assert min(violet) > 0.01  # DEMO, across each of them
    assert min(filled[:-1]) > 0.75 * len(sheets[0])  # none is left half empty
    assert "cuff leak" in said
    assert "Why did it ring?" in said
    assert "Show more" not in said
    assert light > 225
    page.set_viewport_size({"width": A4_PX[0], "height": A4_PX[1]})
    page.emulate_media(media="print")
    assert page.evaluate(FITS)
    for hidden in (".review-bar", ".review-slider", "#kv-header", ".chosen"):
        assert not page.locator(hidden).first.is_visible()
    page.emulate_media(media="screen")
    expect(page.locator(".review-slider")).to_be_visible()


def test_it_fits_a_phone(web: Any, open_page: OpenPage) -> None:
    page = drawn(open_page(f"{web.address}/review/{UUID}", PHONE))
    assert page.evaluate("document.querySelector('.view').scrollWidth") <= PHONE[0]
    assert page.evaluate(SMALL) == []
    rows = page.locator("[data-section=pressures] tbody tr")
    assert max(row["height"] for row in map(box_of, rows.all())) < 80  # a line, not a card
    first = rows.first
    expect(first.locator("td:visible")).to_have_count(4)
    expect(first).to_contain_text("128 / 80")
    expect(first.locator("td.rest")).to_have_text("Baseline BP 1 · MAP 95 · PR 70 · cuff")
    missed = page.locator("[data-section=pressures] tr[data-kind=missed]")
    expect(missed.locator("td.rest")).to_have_text("BP at 5 min · not taken")
    cell = page.locator("[data-section=ring] tbody td").first
    assert "Shown" in cell.evaluate("n => getComputedStyle(n, '::before').content")


def test_a_session_that_runs_says_so_and_a_strange_name_stays_a_name(
    running: Any, open_page: OpenPage
) -> None:
    page = drawn(open_page(f"{running.address}/review/{UUID}"))
    expect(page.locator(".still-open")).to_contain_text("Not closed.")
    expect(page.locator("h1")).to_contain_text('"><img src=x onerror=alert(1)>')
    assert page.locator("img[src=x]").count() == 0
    page.get_by_role("button", name="Read again").click()
    drawn(page)


def test_facts_and_figure_are_asked_for_once_and_of_one_moment(
    web: Any, open_page: OpenPage
) -> None:
    asked: list[str] = []

    def listen(page: Page) -> None:
        page.on("request", lambda request: asked.append(request.url))

    drawn(open_page(f"{web.address}/review/{UUID}", LAPTOP, prepare=listen))
    facts = [url for url in asked if re.search(rf"/sessions/{UUID}(\?|$)", url)]
    figures = [url for url in asked if "/figure" in url]
    assert (len(facts), len(figures)) == (1, 1)
    assert facts[0].partition("stamp=at-")[2] == figures[0].partition("stamp=at-")[2] != ""


def test_the_session_is_asked_for_before_the_scripts_that_show_it_are_there(
    web: Any, open_page: OpenPage
) -> None:
    """Most of the wait for a page is its scripts: the server works meanwhile."""
    listens = """window.fetched = [];
      const real = window.fetch;
      window.fetch = (path, ...more) => (window.fetched.push(String(path)), real(path, ...more));"""

    def told(page: Page) -> None:
        def keep(route: Any) -> None:
            code = route.fetch().text()
            body = f"window.known = window.fetched.slice();\n{code}"
            route.fulfill(body=body, content_type="text/javascript")

        page.route("**/assets/kv-86-review.js*", keep)

    page = open_page(f"{web.address}/review/{UUID}", LAPTOP, script=listens, prepare=told)
    known: list[str] = page.evaluate("window.known")
    assert [url.partition("?")[0].rpartition("/")[2] for url in known] == [UUID, "figure"]


def test_a_part_that_cannot_be_built_takes_no_other_with_it(web: Any, open_page: OpenPage) -> None:
    def without_figure(page: Page) -> None:
        away = {"error": "it is away"}
        page.route("**/figure*", lambda route: route.fulfill(status=503, json=away))

    page = open_page(f"{web.address}/review/{UUID}", LAPTOP, prepare=without_figure)
    course = page.locator("[data-section=course]")
    expect(course).to_contain_text("This cannot be shown: it is away", timeout=60_000)
    expect(page.locator("[data-section=pressures] table")).to_be_visible()
    expect(page.locator("[data-section=audit] table")).to_be_visible()


def test_an_unknown_session_is_said_in_words(web: Any, open_page: OpenPage) -> None:
    page = open_page(web.address + "/review/nobody")
    expect(page.locator(".empty")).to_contain_text("there is no session 'nobody'", timeout=60_000)


def test_the_list_leads_to_a_session_and_back(web: Any, open_page: OpenPage) -> None:
    page = open_page(web.address + "/review", LAPTOP)
    page.get_by_role("link", name="KV-0417").click()
    drawn(page)
    page.go_back()
    expect(page.get_by_role("link", name="KV-0417")).to_be_visible()
