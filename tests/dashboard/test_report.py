"""Report and REMS sheet from the page: one click, for whom, and noted in the record."""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from playwright.sync_api import expect

from dashboard.review import report
from tests.dashboard import people, recorded, ward
from tests.dashboard.conftest import LAPTOP, PHONE, OpenPage
from tests.dashboard.people import Browser
from tests.dashboard.test_gate import text
from tests.dashboard.told import Page
from tests.export.whole import texts
from vitals.store.reader import Reader

UUID = recorded.UUID
PATH = f"/api/v1/sessions/{UUID}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record with one session of room-1."""
    folder = tmp_path_factory.mktemp("report")
    recorded.write(folder / "ward.db")
    return folder


@pytest.fixture(scope="module")
def web(folder: Path) -> Iterator[Any]:
    with ward.ward(folder, [ward.room(1)]) as pair:
        yield pair


def ask(web: Any, path: str) -> Any:
    """With a patience that also a busy computer has: the figure process comes last everywhere."""
    try:
        return urllib.request.urlopen(web.address + path, timeout=120)  # noqa: S310 ours
    except urllib.error.HTTPError as error:
        return error


def pages(answer: Any) -> list[str]:
    with answer:
        return texts(answer.read())


def exports(station: Any) -> list[dict[str, Any]]:
    noted = {each.id: each.args for each in station.commands if each.kind == "web_event"}
    return [args for args in noted.values() if args["what"] == "export"]


def test_the_report_is_two_pages_with_nobodys_name(web: Any) -> None:
    answer = ask(web[1], f"{PATH}/report.pdf")
    assert answer.headers["content-type"] == "application/pdf"
    name = "DEMO_KV-0417_2027-01-15_im_report.pdf"
    assert answer.headers["content-disposition"] == f'inline; filename="{name}"'
    found = pages(answer)
    assert len(found) == 2
    assert "Lowest SpO2 71 %" in found[0]
    assert all("DEMO" in page for page in found)
    assert not any("Anna" in page for page in found)


def test_the_sheet_is_one_page_and_the_same_as_its_fields(web: Any) -> None:
    (page,) = pages(ask(web[1], f"{PATH}/rems.pdf"))
    told = json.loads(text(ask(web[1], f"{PATH}/rems")))
    assert told["title"] == "REMS-style sheet"
    assert told["disclaimer"].startswith("Staff aid")
    fields = [field for section in told["sections"] for field in section["fields"]]
    assert {field["kind"] for field in fields} == {"value", "blank", "judgement"}
    for field in fields:
        assert field["label"] in page


def test_each_file_is_noted_with_its_format(web: Any) -> None:
    station, server = web
    before = len(exports(station))
    for form in ("report", "rems"):
        pages(ask(server, f"{PATH}/{form}.pdf"))

    def newest() -> list[Any]:  # notes of an earlier question may arrive meanwhile
        return exports(station)[before:][-2:]

    ward.wait_until(lambda: [row["format"] for row in newest()] == ["pdf", "rems"])
    rows = newest()
    assert {(row["session"], row["names"]) for row in rows} == {(UUID, 0)}


@pytest.mark.parametrize("file", ["report.pdf", "rems.pdf", "rems"])
def test_a_session_that_there_is_not_is_said_so(web: Any, file: str) -> None:
    station, server = web
    before = len(exports(station))
    answer = ask(server, f"/api/v1/sessions/nobody/{file}")
    assert answer.status == 404
    assert json.loads(text(answer)) == {"error": "there is no session 'nobody'"}
    assert len(exports(station)) == before


@pytest.mark.parametrize("query", ["names=2", "names=1&names=1", "what=1"])
def test_a_wrong_question_is_refused_in_one_sentence(web: Any, query: str) -> None:
    answer = ask(web[1], f"{PATH}/report.pdf?{query}")
    assert answer.status == 400
    assert len(json.loads(text(answer))["error"]) > 10


def test_names_and_rooms_are_for_those_who_may(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Ann is a nurse, Bea a prescriber, Rita a nurse of room 2 only."""
    own: Path = tmp_path_factory.mktemp("people")
    shutil.copy(folder / "ward.db", own / "ward.db")
    people.add(own / "ward.db", "rita", "nurse", ["room-2"])
    with people.clinic(own) as (_, server):
        answers: dict[str, list[int]] = {}
        for user in ("ann", "bea", "rita"):
            browser = Browser(server)
            assert browser.sign_in(user).status == 200
            page = Page(server, browser)
            files = ("report.pdf", "report.pdf?names=1", "rems")
            answers[user] = [page.ask("GET", f"{PATH}/{file}")[0] for file in files]
            browser.close()
    expected = {"ann": [200, 400, 200], "bea": [200, 200, 200], "rita": [404, 400, 404]}
    assert answers == expected


def test_people_stand_there_by_name_when_asked_for(folder: Path) -> None:
    plain = report.pdf(folder / "ward.db", UUID, "pdf")
    named = report.pdf(folder / "ward.db", UUID, "pdf", names=True)
    assert plain
    assert named
    assert "person 1" in texts(plain)[1]
    assert "Anna" not in texts(plain)[1]
    assert "Anna" in texts(named)[1]


def test_an_open_session_is_printed_as_far_as_it_is_recorded(tmp_path: Path) -> None:
    recorded.write(tmp_path / "ward.db")
    record = Reader(tmp_path / "ward.db").session(UUID)
    assert record is not None
    assert report.name(tmp_path / "ward.db", UUID, "rems") == "DEMO_KV-0417_2027-01-15_im_rems.pdf"
    assert report.name(tmp_path / "ward.db", UUID, "pdf", rooms=frozenset({"room-2"})) is None
    assert report.pdf(tmp_path / "ward.db", UUID, "pdf", rooms=frozenset({"room-2"})) is None
    assert report.rems(tmp_path / "none.db", UUID) is None


@pytest.mark.parametrize("size", [LAPTOP, PHONE])
def test_the_page_has_both_at_one_click(web: Any, open_page: OpenPage, size: Any) -> None:
    page = open_page(f"{web[1].address}/review/{UUID}", size)
    place = page.locator('[data-section="report"]')
    links = place.locator("a.report-file")
    expect(links).to_have_text(["Report (PDF)", "REMS sheet"])
    for at, file in enumerate(("report.pdf", "rems.pdf")):
        assert links.nth(at).get_attribute("href") == f"{PATH}/{file}"
        box = links.nth(at).bounding_box()
        assert box is not None
        assert box["height"] >= 44
    with page.context.expect_page() as opened:
        links.first.focus()
        page.keyboard.press("Enter")
    opened.value.close()
    expect(place.locator(".report-wrong")).to_have_text("")


def test_a_pseudonym_that_is_a_script_stays_a_text_on_the_page(
    tmp_path: Path, open_page: OpenPage
) -> None:
    """As a record of an older version may hold it: a pseudonym was not checked then."""
    hostile = "<img src=x onerror='window.hacked=1'>\"\n</script><script>window.hacked=1</script>"
    recorded.write(tmp_path / "ward.db")
    connection = apsw.Connection(str(tmp_path / "ward.db"))
    connection.execute("UPDATE session SET subject_ref = ?", (hostile,))
    connection.close()
    with ward.ward(tmp_path, [ward.room(1)]) as (_, server):
        page = open_page(f"{server.address}/review/{UUID}", LAPTOP)
        expect(page.locator("h1")).to_contain_text("<img src=x onerror=")
        expect(page.locator('[data-section="report"] a').first).to_be_visible()
        assert page.evaluate("window.hacked") is None
        page.goto(f"{server.address}/review")
        expect(page.get_by_text("<img src=x onerror=").first).to_be_visible()
        assert page.evaluate("window.hacked") is None
        answer = ask(server, f"{PATH}/report.pdf")
        assert "\n" not in answer.headers["content-disposition"]
        assert len(pages(answer)) == 2
