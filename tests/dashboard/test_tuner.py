"""The what-if tuner: rules in words, one of them moved, alarms that would have been."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from dashboard.review import tuner
from dashboard.review.tuner import Change
from tests.dashboard import recorded, told, ward
from tests.dashboard.conftest import LAPTOP, PHONE, OpenPage
from tests.dashboard.told import Page, hold
from vitals.alarms.profile import check
from vitals.errors import ConfigError, StoreError
from vitals.store.reader import Reader
from vitals.store.rows import SessionRecord

pytestmark = pytest.mark.long

LATER = [{}, {"hold_s": 30.0}, {}, {}]
GONE = [{}, {"limit": 89.0}, {}, {}]
WAITING = {"id": "x", "state": "waiting", "share": 0, "words": "", "before": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tuner")


@pytest.fixture(scope="module")
def sessions(folder: Path) -> list[str]:
    return told.record(folder, 3)


@pytest.fixture(scope="module")
def store(folder: Path, sessions: list[str]) -> Path:
    return folder / "ward.db"


@pytest.fixture(scope="module")
def web(store: Path) -> Iterator[Any]:
    with ward.ward(store.parent, [ward.room(1)]) as (_, web):
        yield web


def compared(store: Path, uuid: str, change: Change, rooms: Any = None) -> Any:
    steps: list[tuple[float, str]] = []
    made = tuner.compare(lambda *t: steps.append(t), Path("nowhere"), store, uuid, change, rooms)
    shares = [share for share, _ in steps]
    assert shares == sorted(shares)
    return made.facts


def test_the_rules_are_told_in_words_those_with_alarms_first(
    store: Path, sessions: list[str]
) -> None:
    body = json.loads(tuner.rules(store, sessions[0]) or b"")
    assert body["why_not"] == ""
    first = body["rules"][0]
    assert (first["title"], first["alarms"], first["unit"]) == ("SpO2 too low", 1, "%")
    medium = first["levels"][1]
    assert medium["words"][:2] == ["< 92 %", "15 s"]
    limit, delay = medium["knobs"]
    assert (limit["value"], limit["least"], limit["most"]) == (92, 85, 100)
    assert (delay["value"], delay["most"]) == (15, 30)
    assert "symptom" not in {rule["id"] for rule in body["rules"]}


def test_a_longer_delay_takes_seconds_from_the_alarm(store: Path, sessions: list[str]) -> None:
    found = compared(store, sessions[0], Change("spo2-low", LATER))
    (rule,) = found["rules"]
    assert (rule["were"]["shown"], rule["were"]["sounding_s"]) == (1, 35)
    assert (rule["would_be"]["shown"], rule["would_be"]["sounding_s"]) == (1, 20)
    (lane,) = found["lanes"]["rules"]
    (was,), (would_be,) = lane["were"], lane["would_be"]
    assert would_be["met_us"] - was["met_us"] == 15_000_000
    assert found["lanes"]["from_us"] < was["met_us"] < was["over_us"] < found["lanes"]["to_us"]
    assert found["caveat"] == "Would have been, if everybody had acted the same; not evidence."


def test_an_event_without_its_alarm_is_missed(store: Path, sessions: list[str]) -> None:
    found = compared(store, sessions[0], Change("spo2-low", GONE))
    assert found["rules"][0]["would_be"]["shown"] == 0
    (missed,) = found["events"]["missed"]
    assert (missed["text"], missed["time"]) == ("looks pale", "T + 0:01")
    assert found["lanes"]["events"][0]["missed"] is True


def test_the_lines_to_copy_are_a_profile_with_the_moved_rule(
    store: Path, sessions: list[str]
) -> None:
    found = compared(store, sessions[0], Change("spo2-low", LATER))
    profile = check('version = "mine"\n' + found["toml"], Path("mine.toml"))
    rule = next(rule for rule in profile.rules if rule.id == "spo2-low")
    assert rule.levels[1].hold_s == 30


def test_over_many_sessions_the_sums_and_each_are_told(store: Path, sessions: list[str]) -> None:
    found = compared(store, sessions[0], Change("spo2-low", GONE, last=100))
    assert found["compared"] == 3
    assert found["lanes"] is None
    assert [line["id"] for line in found["sessions"]] == sessions[::-1]
    assert {(line["were"], line["would_be"], line["missed"]) for line in found["sessions"]} == {
        (1, 0, 1)
    }
    assert compared(store, sessions[0], Change("spo2-low", GONE, last=2))["compared"] == 2


def test_the_session_whose_rules_are_looked_at_is_made_ready(
    store: Path, sessions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> Any:
        raise AssertionError("it is read again")

    monkeypatch.setattr(tuner, "_KEPT", tuner._Kept())
    none, where = frozenset({"room-2"}), (store, sessions[1])
    tuner.prepare(print, Path("nowhere"), *where, none)
    assert tuner._KEPT._found is None
    tuner.prepare(print, Path("nowhere"), *where, None)
    monkeypatch.setattr(tuner, "recorded", away)
    assert compared(*where, Change("spo2-low", GONE))["compared"] == 1
    with pytest.raises(AssertionError):
        compared(store, sessions[2], Change("spo2-low", GONE))


def test_nothing_is_written(store: Path, sessions: list[str]) -> None:
    def prints() -> dict[str, str]:
        files = [file for file in store.parent.iterdir() if not file.name.endswith("-shm")]
        return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}

    before = prints()
    compared(store, sessions[0], Change("spo2-low", GONE, last=3))
    assert prints() == before


def test_sessions_of_other_rooms_and_other_modes_are_not_among_the_last(
    store: Path, sessions: list[str], tmp_path: Path
) -> None:
    none, here = frozenset({"room-2"}), frozenset({"room-1"})
    assert tuner.rules(store, sessions[0], rooms=none) is None
    assert tuner.checked(store, sessions[0], Change("spo2-low", GONE), rooms=none) is None
    with pytest.raises(StoreError, match="there is no session"):
        compared(store, sessions[0], Change("spo2-low", GONE), rooms=none)
    assert compared(store, sessions[0], Change("spo2-low", GONE, 9), rooms=here)["compared"] == 3
    other = tmp_path / "other.db"
    recorded.write(other)  # a demo, which this program cannot replay
    with pytest.raises(StoreError, match="older version and cannot be replayed"):
        compared(other, recorded.UUID, Change("spo2-low", GONE))


def test_only_sessions_of_the_same_mode_and_of_ones_own_rooms_are_among_the_last(
    store: Path, sessions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def but_the_first(**facts: Any) -> type[Reader]:
        class Changed(Reader):
            def sessions(self) -> list[SessionRecord]:
                first, *rest = super().sessions()
                return [replace(first, session=replace(first.session, **facts)), *rest]

        return Changed

    change, here = Change("spo2-low", GONE, last=9), frozenset({"room-1"})
    monkeypatch.setattr(tuner, "Reader", but_the_first(room="room-2"))
    assert compared(store, sessions[1], change, here)["compared"] == 2
    assert compared(store, sessions[1], change)["compared"] == 3
    monkeypatch.setattr(tuner, "Reader", but_the_first(mode="real"))
    assert compared(store, sessions[1], change)["compared"] == 2


def test_sessions_that_cannot_be_compared_are_told_with_the_reason(
    store: Path, sessions: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = tuner._one
    broken = set(sessions[:2])

    def damaged(store: Path, uuid: str) -> Any:
        raise KeyError(uuid)

    def one(store: Path, record: Any, rule: Any) -> Any:
        with monkeypatch.context() as patch:
            if record.session.id in broken:
                patch.setattr(tuner, "recorded", damaged)
                patch.setattr(tuner, "_KEPT", tuner._Kept())
            return real(store, record, rule)

    monkeypatch.setattr(tuner, "_one", one)
    found = compared(store, sessions[2], Change("spo2-low", GONE, last=9))
    assert (found["compared"], len(found["skipped"])) == (1, 2)
    assert "the record is damaged" in found["skipped"][0]["why"]
    assert any("quieter than all" in note for note in found["notes"])
    broken.add(sessions[2])
    with pytest.raises(StoreError, match="none of 3 sessions could be compared; the first: sess"):
        compared(store, sessions[2], Change("spo2-low", GONE, last=9))


def test_a_session_that_is_open_says_so(tmp_path: Path) -> None:
    (uuid,) = told.record(tmp_path, left_open=True)
    store = tmp_path / "ward.db"
    assert "still open" in json.loads(tuner.rules(store, uuid) or b"")["why_not"]
    with pytest.raises(ConfigError, match="still open"):
        tuner.checked(store, uuid, Change("spo2-low", GONE))


# --- over HTTP ------------------------------------------------------------------------------------


def test_a_comparison_is_begun_followed_and_fetched_again(web: Any, sessions: list[str]) -> None:
    page = Page(web)
    job = page.done("what-if", session=sessions[0], rule="spo2-low", moves=hold(30))
    assert job["facts"]["rules"][0]["would_be"]["sounding_s"] == 20
    assert page.get(f"/api/v1/jobs/{job['id']}")["facts"] == job["facts"]
    assert page.ask("GET", f"/api/v1/jobs/{job['id']}/file")[0] == 404
    assert page.ask("DELETE", f"/api/v1/jobs/{job['id']}")[0] == 200
    assert page.ask("GET", f"/api/v1/jobs/{job['id']}")[0] == 404


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        ({"moves": [{}, {"limit": 120}, {}, {}]}, 400, "limit must be from 85 to 100 %"),
        ({"moves": [{}, {}, {}, {}]}, 400, "is as it was"),
        ({"moves": [{"limit": 90}]}, 400, "has 4 levels"),
        ({"rule": "none"}, 400, "the session had no rule 'none'"),
        ({"last": 101}, 400, "last is from 0 to 100"),
        ({"last": -1}, 400, "last is from 0 to 100"),
        ({"moves": "all"}, 400, "the request cannot be read"),
        ({"more": 1}, 400, "unknown field"),
        ({"session": "nobody"}, 404, "there is no session 'nobody'"),
        ({"session": "x" * 20_000}, 400, "longer than"),
    ],
)
def test_what_cannot_be_tried_is_refused_in_a_sentence(
    web: Any, sessions: list[str], body: dict[str, Any], status: int, why: str
) -> None:
    asked = {"session": sessions[0], "rule": "spo2-low", "moves": hold(30), **body}
    found, sentence = Page(web).refused("what-if", **asked)
    assert found == status
    assert why in sentence


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b'{"moves": NaN}', b"null"])
def test_a_body_that_is_no_request_is_refused(web: Any, body: bytes) -> None:
    status, answer, _ = Page(web).ask("POST", "/api/v1/jobs/what-if", body)
    assert status == 400
    assert "cannot be read" in answer["error"]


def test_another_site_cannot_begin_it(web: Any, sessions: list[str]) -> None:
    body = {"session": sessions[0], "rule": "spo2-low", "moves": hold(30)}
    status, _, _ = Page(web).ask("POST", "/api/v1/jobs/what-if", body, Origin="http://evil.example")
    assert status == 403


# --- on the page ----------------------------------------------------------------------------------


def open_tuner(open_page: OpenPage, web: Any, uuid: str, size: tuple[int, int]) -> Any:
    page = open_page(f"{web.address}/review/{uuid}", size)
    summary = page.get_by_text("Try another limit or delay")
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".tuner-form")).to_be_visible()
    return page


def test_a_limit_is_moved_by_keyboard_and_both_time_lines_are_shown(
    web: Any, sessions: list[str], open_page: OpenPage
) -> None:
    page = open_tuner(open_page, web, sessions[0], LAPTOP)
    level = page.get_by_role("group", name="MEDIUM – was < 92 % · 15 s")
    page.get_by_role("button", name="Compare").click()
    expect(page.locator(".tuner-wrong")).to_contain_text("Nothing is moved yet")
    level.get_by_label("Limit in %", exact=True).focus()
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    assert level.get_by_label("Limit in %, slider").input_value() == "89"
    page.keyboard.press("Enter")
    headline = page.locator(".tuner-headline")
    expect(headline).to_contain_text(
        "SpO2 too low – alarms: 1, heard for 0:35 min; would have been 0, heard for 0:00 min. "
        "Marked events missed: 1.",
        timeout=60_000,
    )
    expect(page.locator('[data-lane="were"] .lane-bar')).to_have_count(1)
    expect(page.locator('[data-lane="would-be"] .lane-bar')).to_have_count(0)
    expect(page.locator(".lane-mark[data-missed]")).to_have_count(1)
    expect(page.locator(".tuner-result")).to_contain_text("MEDIUM < 89 %, 15 s")
    expect(page.locator(".tuner-result")).to_contain_text("not evidence")
    page.get_by_text("For a profile").click()
    expect(page.locator(".tuner-toml pre")).to_contain_text("limit = 89")
    page.get_by_role("button", name="As it was").click()
    expect(page.get_by_text("of what was compared before")).to_be_visible()
    assert level.get_by_label("Limit in %", exact=True).input_value() == "92"


def test_on_a_phone_many_sessions_are_compared_and_a_comparison_is_cancelled(
    web: Any, sessions: list[str], open_page: OpenPage
) -> None:
    page = open_tuner(open_page, web, sessions[1], PHONE)
    level = page.get_by_role("group", name="MEDIUM – was < 92 % · 15 s")
    level.get_by_label("Delay in s", exact=True).fill("30")
    page.get_by_label("How many sessions").fill("3")
    page.get_by_role("button", name="Compare").click()
    expect(page.locator(".tuner-headline")).to_contain_text("in 3 sessions", timeout=60_000)
    page.get_by_text("Each session").click()
    expect(page.get_by_role("link", name="P-1")).to_have_count(3)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    page.evaluate("document.querySelector('.tuner-result').replaceChildren()")
    page.route("**/api/v1/jobs/*", lambda route: route.fulfill(json=WAITING))
    page.get_by_role("button", name="Compare").click()
    bar = page.locator(".tuner .job-bar")
    expect(bar).to_contain_text("waiting; 2 before this one")
    page.unroute("**/api/v1/jobs/*")
    bar.get_by_role("button", name="Cancel").click()
    expect(bar).to_be_hidden()
    expect(page.locator(".tuner-headline")).to_have_count(0)
