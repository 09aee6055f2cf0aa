"""Exports from the page: who may, what is refused, and a file that is whole or not there."""

from __future__ import annotations

import csv
import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from dashboard.job_process import Made, Tell
from dashboard.review import exporting
from tests.dashboard import people, recorded, told, ward
from tests.dashboard.conftest import LAPTOP, PHONE, OpenPage
from tests.dashboard.people import Browser
from tests.dashboard.told import Page
from vitals.export import FORMATS
from vitals.model import Session
from vitals.session.permissions import MAY

pytestmark = pytest.mark.long

UUID = recorded.UUID


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record with one session of room-1."""
    folder = tmp_path_factory.mktemp("exports")
    recorded.write(folder / "ward.db")
    return folder


@pytest.fixture(scope="module")
def web(folder: Path) -> Iterator[Any]:
    with ward.ward(folder, [ward.room(1)]) as (_, web):
        yield web


@pytest.fixture(scope="module")
def clinic(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """With accounts: Ann (nurse), Bea (prescriber), Rita (nurse of room 2)."""
    own: Path = tmp_path_factory.mktemp("accounts")
    shutil.copy(folder / "ward.db", own / "ward.db")
    people.add(own / "ward.db", "rita", "nurse", ["room-2"])
    with people.clinic(own) as pair:
        yield pair


@pytest.fixture
def signed_in(clinic: Any) -> Iterator[Any]:
    browsers: list[Browser] = []

    def one(user: str) -> Page:
        browsers.append(Browser(clinic[1]))
        assert browsers[-1].sign_in(user).status == 200
        return Page(clinic[1], browsers[-1])

    yield one
    for browser in browsers:
        browser.close()


def fetched(page: Page, job: Any) -> tuple[bytes, dict[str, str]]:
    status, body, headers = page.ask("GET", f"/api/v1/jobs/{job['id']}/file")
    assert status == 200
    return body if isinstance(body, bytes) else json.dumps(body).encode(), headers


def table(body: bytes, name: str) -> list[dict[str, str]]:
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        text = archive.read(name).decode()
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_made_and_can_be_fetched_twice(web: Any, form: str) -> None:
    page = Page(web)
    job = page.done("export", session=UUID, format=form)
    body, headers = fetched(page, job)
    assert len(body) == job["facts"]["bytes"] > 500
    assert job["file"].startswith("DEMO_KV-0417_2027-01-15_im")
    assert headers["content-disposition"] == f'attachment; filename="{job["file"]}"'
    assert headers["cache-control"] == "no-store"
    assert fetched(page, job)[0] == body


def test_what_is_made_is_the_session_with_nobodys_name(web: Any) -> None:
    page = Page(web)
    job = page.done("export", session=UUID, format="csv")
    rows = table(fetched(page, job)[0], "numerics.csv")
    assert len(rows) > 6000
    events = table(fetched(page, job)[0], "events.csv")
    assert "Anna" not in json.dumps(events)
    assert job["facts"]["names"] is False


def test_progress_never_goes_back_and_ends_before_the_disk(folder: Path, tmp_path: Path) -> None:
    steps: list[tuple[float, str]] = []
    for form in FORMATS:
        steps.clear()
        place = tmp_path / form
        place.mkdir()
        made = exporting.export(
            lambda *t: steps.append(t), place, folder / "ward.db", UUID, form, False, None
        )
        shares = [share for share, _ in steps]
        assert shares == sorted(shares)
        assert shares[-1] < 1
        assert {words.split()[0] for _, words in steps} == {"reading", "writing"}
        assert [file.name for file in place.iterdir()] == [made.file]


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        ("KV-0417", "KV-0417_2027-01-15_im_csv.zip"),
        ("../../etc/passwd", "etc-passwd_2027-01-15_im_csv.zip"),
        ('a"b\r\nSet-Cookie: x', "a-b-Set-Cookie-x_2027-01-15_im_csv.zip"),
        ("Ünïcode 🫀", "n-code_2027-01-15_im_csv.zip"),
        ("…", "session_2027-01-15_im_csv.zip"),
        ("x" * 500, "x" * 60 + "_2027-01-15_im_csv.zip"),
    ],
)
def test_a_files_name_is_safe_whatever_the_pseudonym(subject: str, name: str) -> None:
    session = Session(UUID, "room-1", subject, "im", recorded.START_US)
    assert exporting.file_name(session, "+0200", "csv", ".zip") == name


def test_a_missing_library_is_told_before_anything_is_begun(
    web: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(exporting.LIBRARIES, "edf", "no_such_library")
    page = Page(web)
    edf = next(each for each in page.get("/api/v1/exports")["formats"] if each["id"] == "edf")
    sentence = 'EDF+ is not installed on this computer: pip install "kap-vitals[edf]"'
    assert edf["missing"] == sentence
    assert page.refused("export", session=UUID, format="edf") == (400, sentence)


def test_the_library_of_every_extra_is_known() -> None:
    assert {about.extra for about in FORMATS.values() if about.extra} == set(exporting.LIBRARIES)


def test_an_unknown_format_or_session_is_refused(web: Any) -> None:
    status, why = Page(web).refused("export", session=UUID, format="docx")
    assert (status, "format is one of csv, fhir" in why) == (400, True)
    assert Page(web).refused("export", session="nobody", format="csv")[0] == 404


def test_without_accounts_there_are_no_names(web: Any) -> None:
    assert Page(web).get("/api/v1/exports")["names"] is False
    status, why = Page(web).refused("export", session=UUID, format="csv", names=True)
    assert (status, "names are for clinicians" in why) == (400, True)


# --- with accounts --------------------------------------------------------------------------------


def test_names_are_for_the_roles_of_the_table(signed_in: Any) -> None:
    assert MAY["export_names"] == {"clinician", "prescriber", "admin"}
    ann, bea = signed_in("ann"), signed_in("bea")
    assert ann.get("/api/v1/exports")["names"] is False
    assert ann.refused("export", session=UUID, format="csv", names=True)[0] == 400
    assert bea.get("/api/v1/exports")["names"] is True
    job = bea.done("export", session=UUID, format="csv", names=True)
    events = table(fetched(bea, job)[0], "events.csv")
    assert "Anna" in json.dumps(events)


def test_nobody_else_can_look_at_it_fetch_it_or_cancel_it(signed_in: Any) -> None:
    ann, bea = signed_in("ann"), signed_in("bea")
    job = ann.done("export", session=UUID, format="csv")
    path = f"/api/v1/jobs/{job['id']}"
    for method, where in (("GET", path), ("GET", f"{path}/file"), ("DELETE", path)):
        status, told_, _ = bea.ask(method, where)
        assert (status, "there is no such job" in told_["error"]) == (404, True)
    assert ann.ask("GET", f"{path}/file")[0] == 200


def test_a_session_of_another_room_is_one_that_there_is_not(signed_in: Any) -> None:
    rita = signed_in("rita")
    status, why = rita.refused("export", session=UUID, format="csv")
    assert (status, why) == (404, f"there is no session {UUID!r}")
    moves = told.hold(30)
    assert rita.refused("what-if", session=UUID, rule="spo2-low", moves=moves)[0] == 404
    assert rita.ask("GET", f"/api/v1/sessions/{UUID}/rules")[0] == 404


def test_a_forged_request_without_the_pages_token_is_refused(signed_in: Any) -> None:
    ann = signed_in("ann")
    body = {"session": UUID, "format": "csv"}
    status, _, _ = ann.ask("POST", "/api/v1/jobs/export", body, X_CSRFToken="wrong")
    assert status == 403
    job = ann.done("export", **body)
    status, _, _ = ann.ask("DELETE", f"/api/v1/jobs/{job['id']}", X_CSRFToken="wrong")
    assert status == 403
    assert ann.ask("GET", f"/api/v1/jobs/{job['id']}")[0] == 200


def test_each_export_that_is_fetched_is_a_row_of_the_record(clinic: Any, signed_in: Any) -> None:
    station, _ = clinic
    ann = signed_in("ann")

    def exports() -> list[dict[str, Any]]:
        return [args for kind, args in station.told if args.get("what") == "export"]

    before = len(exports())
    for form in ("fhir", "csv"):
        job = ann.done("export", session=UUID, format=form)
        fetched(ann, job)
        fetched(ann, job)
    ward.wait_until(lambda: "csv" in [row["format"] for row in exports()[before:]], "the rows")
    first, second = exports()[before:]
    assert (first["session"], first["format"], first["name"]) == (UUID, "fhir", "Ann K.")
    assert second["format"] == "csv"


# --- on the page ----------------------------------------------------------------------------------


def slow(tell: Tell, folder: Path, *_: Any) -> Made:
    """Half of a file, and then nothing for ever."""
    import time

    (folder / ".export.zip.part").write_bytes(b"half")
    tell(0.5, "writing numerics.csv")
    time.sleep(3600)
    return Made()


def test_a_file_is_saved_by_keyboard_and_once_again(web: Any, open_page: OpenPage) -> None:
    page = open_page(f"{web.address}/review/{UUID}", LAPTOP)
    page.get_by_role("button", name="Export").focus()
    page.keyboard.press("Enter")
    fhir = page.get_by_role("button", name="FHIR", exact=True)
    expect(fhir).to_be_visible()
    fhir.focus()
    with page.expect_download(timeout=60_000) as download:
        page.keyboard.press("Enter")
    assert download.value.suggested_filename == "DEMO_KV-0417_2027-01-15_im_fhir.json"
    bundle = json.loads(Path(download.value.path()).read_text())
    assert bundle["resourceType"] == "Bundle"
    with page.expect_download() as again:
        page.get_by_role("link", name="Save it again").click()
    assert json.loads(Path(again.value.path()).read_text()) == bundle
    fhir.focus()
    page.keyboard.press("Escape")
    expect(fhir).to_be_hidden()


def test_an_export_shows_progress_and_cancelling_it_leaves_no_half_file(
    web: Any, folder: Path, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "export", slow)
    page = open_page(f"{web.address}/review/{UUID}", PHONE)
    page.get_by_role("button", name="Export").click()
    page.get_by_role("button", name="CSV", exact=True).click()
    bar = page.locator('[data-section="exports"] .job-bar')
    expect(bar).to_contain_text("50 % · writing numerics.csv", timeout=60_000)
    assert list((folder / "ward.db.jobs").glob("*/.export.zip.part"))
    bar.get_by_role("button", name="Cancel").click()
    expect(bar).to_be_hidden()
    ward.wait_until(lambda: not list((folder / "ward.db.jobs").glob("*/.export.zip.part")), "gone")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


def test_a_format_that_is_not_installed_cannot_be_pressed(
    web: Any, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(exporting.LIBRARIES, "parquet", "no_such_library")
    page = open_page(f"{web.address}/review/{UUID}", LAPTOP)
    page.get_by_role("button", name="Export").click()
    expect(page.get_by_role("button", name="Parquet")).to_be_disabled()
    expect(page.locator(".export-list")).to_contain_text('pip install "kap-vitals[parquet]"')
    expect(page.get_by_text("With people's names")).to_have_count(0)
