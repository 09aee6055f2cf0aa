"""What a token lets a program do, and what not."""

from __future__ import annotations

import http.client
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from dashboard import tokens
from dashboard.tokens import Token
from tests.api.conftest import Ask
from tests.api.programs import ONE, TWO
from tests.dashboard import people, ward
from tests.dashboard.people import Browser


@pytest.mark.parametrize(
    ("shown", "why"),
    [
        ("", "sign in first"),
        ("kv_wrong", "not known here"),
        ("old", "has expired"),
        ("gone", "was revoked"),
        ("ä'; DROP TABLE token", "not known here"),
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/sessions", "/api/v1/state", "/metrics"])
def test_without_a_good_token_there_is_nothing(
    program: Ask, shown: str, why: str, path: str
) -> None:
    answer = program(shown).get(path)
    assert answer.status == 401
    assert why in answer.error


def test_a_wrong_token_beside_a_good_session_is_refused_all_the_same(clinic: Any) -> None:
    browser = Browser(clinic[1])
    assert browser.sign_in("ann").status == 200
    assert browser.get("/api/v1/sessions", Authorization="Bearer kv_wrong").status == 401
    assert browser.get("/api/v1/sessions", Authorization="Basic eA==").status == 200
    browser.close()


def test_a_token_reads_the_record(program: Ask) -> None:
    sessions = program("research").get("/api/v1/sessions").json["sessions"]
    assert len(sessions) == 2
    assert program("research").get(f"/api/v1/sessions/{ONE}").status == 200
    assert program("research").get("/api/v1/state").status == 200


BEYOND = (
    "", "/numerics", "/events", "/alarms", "/figure", "/numerics?channel=pr", "/events?kind=mark",
)  # fmt: skip


@pytest.mark.parametrize("what", BEYOND)
def test_a_session_of_another_room_is_one_that_there_is_not(program: Ask, what: str) -> None:
    path, _, query = what.partition("?")
    address = f"/api/v1/sessions/{TWO}{path}" + (f"?{query}" if query else "")
    nowhere = address.replace(TWO, "nothing")
    assert program("research").get(address).status == 200
    hidden, none = program("one-room").get(address), program("one-room").get(nowhere)
    assert (hidden.status, none.status) == (404, 404)
    assert hidden.error.replace(TWO, "nothing") == none.error
    tag = program("research").get(address).headers["ETag"]
    assert program("one-room").get(address, If_None_Match=tag or "*").status == 404


def test_the_state_and_the_list_are_those_of_its_rooms(program: Ask) -> None:
    state = program("one-room").get("/api/v1/state").json
    assert [room["id"] for room in state["rooms"]] == ["room-1"]
    found = program("one-room").get("/api/v1/sessions").json["sessions"]
    assert "KV-0900" not in str(found)
    assert len(found) == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["/auth/logout", "/api/v1/sessions", "/_dash-update-component"])
def test_a_token_never_acts(program: Ask, method: str, path: str) -> None:
    answer = program("research").ask(method, path, b"{}")
    assert answer.status == 403
    assert "token" in answer.error


@pytest.mark.parametrize("path", ["/", "/review", "/devices", "/auth/who", "/assets/kv-90-main.js"])
def test_a_token_is_not_for_pages(program: Ask, path: str) -> None:
    answer = program("research").get(path, Accept="text/html")
    assert (answer.status, "sign in for the pages" in answer.error) == (403, True)


def test_a_token_opens_no_socket(clinic: Any) -> None:
    _, web, shown = clinic
    url = web.address.replace("http", "ws") + "/live"
    bearer = {"Authorization": f"Bearer {shown['research']}"}
    with (
        pytest.raises(InvalidStatus) as refused,
        connect(url, origin=web.address, additional_headers=bearer, proxy=None),
    ):
        pass
    assert refused.value.response.status_code == 403


def test_a_token_does_not_open_what_another_site_asks_for(program: Ask) -> None:
    evil = {"Origin": "http://evil.example"}
    assert program("research").post("/api/v1/jobs/export", {}, **evil).status == 403
    assert program("research").get("/api/v1/state", Host="evil.example").status == 403


def test_metrics_are_for_that_role_alone_and_it_for_nothing_else(program: Ask, clinic: Any) -> None:
    assert program("scraper").get("/metrics").status == 200
    for path in ("/api/v1/state", "/api/v1/sessions", f"/api/v1/sessions/{ONE}", "/api/v1/docs"):
        assert program("scraper").get(path).status == 403
    assert program("research").get("/metrics").status == 403
    browser = Browser(clinic[1])
    browser.sign_in("bea")
    answer = browser.get("/metrics")
    assert (answer.status, "--role metrics" in answer.error) == (403, True)
    browser.close()


def test_names_are_for_roles_that_may_have_them(program: Ask) -> None:
    named = program("research").get(f"/api/v1/sessions/{ONE}/events?names=1")
    assert "Anna Berger" in named.text
    plain = program("research").get(f"/api/v1/sessions/{ONE}/events")
    assert "Anna" not in plain.text
    refused = program("one-room").get(f"/api/v1/sessions/{ONE}/events?names=1")
    assert (refused.status, "clinicians and prescribers" in refused.error) == (400, True)
    asked = {"session": ONE, "format": "csv", "names": True}
    refused = program("one-room").post("/api/v1/jobs/export", asked)
    assert (refused.status, "clinicians" in refused.error) == (400, True)


def test_a_revoked_token_is_out_within_a_moment_and_a_used_one_is_known(clinic: Any) -> None:
    _, web, _ = clinic
    store = web._store
    with people.accounts_of(store) as accounts:
        now_us = people.now_us()
        shown = tokens.add(
            accounts, "brief", role="nurse", rooms=(), expires_us=None, now_us=now_us, by="t"
        )

    def status() -> int:
        line = http.client.HTTPConnection("127.0.0.1", int(web.address.rsplit(":", 1)[1]))
        line.request("GET", "/api/v1/state", headers={"Authorization": f"Bearer {shown}"})
        found = line.getresponse().status
        line.close()
        return found

    ward.wait_until(lambda: status() == 200, "the new token is known")
    with people.accounts_of(store) as accounts:
        tokens.revoke(accounts, "brief", people.now_us(), "t")
    ward.wait_until(lambda: status() == 401, "the revoked token is refused")

    web.server.auth._seen_us = 0  # it is time to store what was in use

    def used() -> Token:
        with people.accounts_of(store) as accounts:
            return next(each for each in tokens.tokens(accounts) if each.name == "brief")

    ward.wait_until(lambda: used().used_us, "its use is stored")


def test_wrong_tokens_are_told_to_the_record_without_what_was_shown(
    clinic: Any, program: Ask
) -> None:
    station, _, _ = clinic
    program("kv_guessed").get("/api/v1/state")

    def told() -> list[Any]:
        events = [c.args for c in station.commands if c.kind == "web_event"]
        return [e for e in events if e["what"] == "login_failed" and e["user"] == "a token"]

    ward.wait_until(told)
    assert "kv_guessed" not in str(told())
