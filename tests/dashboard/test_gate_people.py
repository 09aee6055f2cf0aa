"""Who gets past the gate where there are accounts: every refusal, asked of the running server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from dashboard.server import Access
from tests.dashboard import people, recorded, ward
from tests.dashboard.people import Browser

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with people.clinic(tmp_path_factory.mktemp("gate")) as pair:
        yield pair


@pytest.fixture
def nobody(clinic: Any) -> Iterator[Browser]:
    browser = Browser(clinic[1])
    yield browser
    browser.close()


@pytest.fixture
def ann(clinic: Any) -> Iterator[Browser]:
    browser = Browser(clinic[1])
    assert browser.sign_in("ann").status == 200
    yield browser
    browser.close()


@pytest.fixture
def theo(clinic: Any) -> Iterator[Browser]:
    """May see room 1 alone."""
    browser = Browser(clinic[1])
    assert browser.sign_in("theo").status == 200
    yield browser
    browser.close()


BEHIND = (
    "/", "/room/room-1", "/review", "/devices", "/metrics", "/auth/who", "/api/v1/state",
    "/api/v1/sessions", "/api/v1/sessions/x", "/api/v1/sessions/x/figure", "/assets/kv-90-main.js",
    "/assets/icon.svg", "/_dash-layout", "/_dash-dependencies", "/docs", "/nothing",
    "/login/", "/login/x", "//login", "/LOGIN", "/healthz/x", "/login/../api/v1/state",
    "/login/%2e%2e/api/v1/state", "/healthz%2f..%2fapi/v1/state", "/login;x",
)  # fmt: skip


@pytest.mark.parametrize("path", BEHIND)
def test_without_a_session_there_is_nothing_but_the_way_in(nobody: Browser, path: str) -> None:
    answer = nobody.get(path)
    assert answer.status == 401
    assert answer.error == "sign in first"


@pytest.mark.parametrize("path", ["/login", "/healthz"])
def test_sign_in_and_health_are_open(nobody: Browser, path: str) -> None:
    assert nobody.get(path).status == 200


def test_a_person_is_sent_to_sign_in_and_back(nobody: Browser) -> None:
    answer = nobody.get("/room/room-1?x=1&y", Accept="text/html,*/*")
    assert answer.status == 303
    assert answer.headers["location"] == "/login?next=%2Froom%2Froom-1%3Fx%3D1%26y"
    form = {"user": "ann", "password": people.PASSWORD, "next": "/room/room-1?x=1&y"}
    answer = nobody.post("/login", form, Accept="text/html")
    assert (answer.status, answer.headers["location"]) == (303, "/room/room-1?x=1&y")


@pytest.mark.parametrize(
    "elsewhere",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "evil", "/\r\nX: y", "/login"],
)
def test_nobody_is_sent_to_another_site_after_signing_in(nobody: Browser, elsewhere: str) -> None:
    form = {"user": "ann", "password": people.PASSWORD, "next": elsewhere}
    assert nobody.post("/login", form, Accept="text/html").headers["location"] == "/"


def test_what_was_typed_is_not_taken_for_html(nobody: Browser) -> None:
    form = {"user": '"><script>', "password": "x", "next": '/"><script>'}
    assert "<script>" not in nobody.post("/login", form, Accept="text/html").text


def test_a_websocket_from_nobody_is_refused(nobody: Browser) -> None:
    with pytest.raises(InvalidStatus) as refused:
        nobody.live()
    assert refused.value.response.status_code == 403


def test_a_made_up_session_is_nobodys(nobody: Browser, ann: Browser) -> None:
    name = next(name for name in ann.cookies if "-screen-" in name)
    for value in ("", "x", ann.screen + "x", ann.screen[:-1]):
        nobody.cookies = {name: value}
        assert nobody.get("/api/v1/state").status == 401
    nobody.cookies = {name: ann.screen}
    assert nobody.get("/api/v1/state").status == 200


def test_the_ids_cannot_be_read_by_scripts_or_sent_by_other_sites(ann: Browser) -> None:
    for name, line in ann.flags.items():
        assert "SameSite=strict" in line
        assert ("HttpOnly" in line) == ("-csrf-" not in name)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://127.0.0.1:1", "null", "http://[", None]
)
@pytest.mark.parametrize("path", ["/login", "/auth/logout", "/_dash-update-component"])
def test_a_forged_origin_is_refused_whatever_else_is_right(
    ann: Browser, path: str, origin: str | None
) -> None:
    form = {"user": "ann", "password": people.PASSWORD}
    assert ann.post(path, form, Origin=origin).status == 403
    assert ann.get("/auth/who").status == 200  # and nobody was signed out


def test_a_websocket_of_another_site_is_refused_though_the_cookie_is_right(ann: Browser) -> None:
    with pytest.raises(InvalidStatus) as refused:
        ann.live(origin="http://evil.example")
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("token", [None, "", "x", "é"])
@pytest.mark.parametrize(
    "path",
    ["/auth/lock", "/auth/logout", "/auth/unlock", "/auth/emergency", "/_dash-update-component"],
)
def test_a_post_without_its_pages_token_is_refused(
    ann: Browser, path: str, token: str | None
) -> None:
    sent = token.encode().decode("latin-1") if token else token
    answer = ann.post(path, {}, X_CSRFToken=sent)
    assert answer.status == 403
    assert "token" in answer.error
    assert ann.get("/auth/who").json["state"] == "open"


def test_the_token_of_another_session_does_not_fit(ann: Browser, theo: Browser) -> None:
    assert ann.post("/auth/lock", {}, X_CSRFToken=theo.csrf).status == 403
    assert ann.post("/auth/lock", {}).status == 200


def test_dash_itself_gets_through_with_the_token(ann: Browser) -> None:
    answer = ann.ask("POST", "/_dash-update-component", {"no": "json"})
    assert answer.status not in (401, 403)


TRAVERSALS = (
    "/assets/../gate.py", "/assets/%2e%2e/gate.py", "/assets/..%2fgate.py", "/assets/..%5cgate.py",
    "/assets/%252e%252e/gate.py", "/assets//etc/passwd", "/assets/%2fetc%2fpasswd",
    "/vendor/../../pyproject.toml", "/_dash-component-suites/dash/..%2f..%2fdash.py",
    "/_dash-component-suites/dash/../dash.py",
)  # fmt: skip


@pytest.mark.parametrize("path", TRAVERSALS)
def test_no_path_leads_out_of_the_assets(ann: Browser, path: str) -> None:
    text = ann.get(path).text
    for inside in ("class Gate", "root:", "[project]", "import", "def "):
        assert inside not in text


# --- rooms -------------------------------------------------------------------------------------


def test_a_room_that_one_may_not_see_is_in_nothing_that_is_sent(clinic: Any, theo: Browser) -> None:
    station, _ = clinic
    live = theo.live()
    assert live.rooms == ["room-1"]
    station.publish(
        ward.alarm("room-2"), ward.due("room-2", station.now_us), *ward.reading("room-2", 1)
    )
    station.vitals("room-2")
    station.vitals("room-1", spo2=91)
    live.until(lambda: any(m.get("value") == 91 for m in live.seen))
    assert not [message for message in live.seen if message.get("room") == "room-2"]
    assert [room["id"] for room in theo.get("/api/v1/state").json["rooms"]] == ["room-1"]


def test_a_new_snapshot_of_the_station_is_filtered_too(clinic: Any, theo: Browser) -> None:
    station, web = clinic
    live = theo.live()
    live.snapshot = None
    station.hang_up(0.1)
    live.until(lambda: live.snapshot is not None and live.snapshot["link"] == "live")
    assert live.rooms == ["room-1"]
    ward.wait_until(lambda: web.server.hub.link == "live")


@pytest.mark.parametrize(
    ("kind", "room", "args"),
    [
        ("mark", "room-2", {"text": "x"}),
        ("acknowledge", "room-2", {"rule": "spo2-low"}),
        ("mark", "", {}),
        ("move_session", "room-1", {"to": "room-2"}),
        ("rebind_device", "room-1", {"device": "oximeter", "to_room": "room-2"}),
        ("identify", "room-1", {"device": "somewhere-else"}),
    ],
)
def test_a_command_for_a_room_that_one_may_not_see_is_refused_in_one_sentence(
    clinic: Any, theo: Browser, kind: str, room: str, args: dict[str, Any]
) -> None:
    station, _ = clinic
    before = len(station.commands)
    result = theo.live().command(kind, room, **args)
    assert not result["ok"]
    assert result["error"].startswith("Theo L. may not see ")
    assert [c for c in station.commands[before:] if c.kind != "web_event"] == []


def test_a_command_carries_the_sessions_person_and_role_whatever_the_page_claims(
    clinic: Any, theo: Browser
) -> None:
    station, _ = clinic
    assert theo.live().command("mark", "room-1", text="calm")["ok"]
    sent = [command for command in station.commands if command.kind == "mark"][-1]
    assert (sent.name, sent.role) == ("Theo L.", "therapist")


# --- from other computers ----------------------------------------------------------------------


def test_where_others_can_reach_it_nobody_gets_in_while_there_is_no_account(tmp_path: Path) -> None:
    access = Access(required=True)
    with ward.ward(tmp_path, [ward.room(1)], access=access) as (_, web):
        browser = Browser(web)
        assert browser.get("/api/v1/state").status == 401
        assert browser.sign_in("ann").status == 401
        browser.close()


def test_without_accounts_the_page_is_told_so_and_may_act(tmp_path: Path) -> None:
    with ward.ward(tmp_path, [ward.room(1)]) as (station, web):
        browser = Browser(web)
        live = browser.live()
        assert live.who["state"] == "free"
        assert live.command("start_nibp", "room-1", device="cuff")["ok"]
        assert (station.commands[0].name, station.commands[0].role) == ("Somebody Else", "nurse")
        assert browser.sign_in("ann").status == 409
        people.add(tmp_path / "ward.db", "ann")  # the first account: from now on it is in force
        assert live.cut_after_s() < 1.5
        assert browser.get("/api/v1/state").status == 401
        browser.close()


# --- the record --------------------------------------------------------------------------------


def test_review_knows_no_session_of_a_room_that_one_may_not_see(tmp_path: Path) -> None:
    recorded.write(tmp_path / "ward.db")  # a session in room 1
    people.add(tmp_path / "ward.db", "rita", "clinician", ["room-2"])
    with people.clinic(tmp_path) as (_, web):
        for user, sees in (("theo", True), ("rita", False), ("ann", True)):
            browser = Browser(web)
            browser.sign_in(user)
            listed = browser.get("/api/v1/sessions").json["sessions"]
            assert [each["id"] for each in listed] == [recorded.UUID] * sees
            for path in (recorded.UUID, f"{recorded.UUID}/figure"):
                answer = browser.get(f"/api/v1/sessions/{path}")
                assert answer.status == (200 if sees else 404)
                assert ("KV-0417" in answer.text or "spo2" in answer.text.lower()) == sees
            browser.close()
