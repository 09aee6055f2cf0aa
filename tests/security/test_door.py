"""The penetration list, part one: getting in. Every try meets the running `vitals web`."""

from __future__ import annotations

import json
import re
import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.dashboard import people
from tests.dashboard.people import Browser
from tests.security.conftest import NewBrowser
from tests.security.house import raw, statuses

POSTS = (
    "/login", "/auth/logout", "/auth/lock", "/auth/unlock", "/auth/emergency",
    "/api/v1/jobs/export", "/api/v1/jobs/what-if", "/_dash-update-component",
)  # fmt: skip
FOREIGN = ("https://evil.example", "null", "http://127.0.0.1", "http://127.0.0.1:1", "file://", "x")


# --- passwords ----------------------------------------------------------------------------------


def test_guessing_a_password_is_slowed_down_and_words_tell_nothing(new_browser: NewBrowser) -> None:
    def guessed(user: str, source: str) -> list[tuple[int, str]]:
        thief = new_browser(source=source)
        answers = [thief.sign_in(user, f"guess number {n}") for n in range(8)]
        return [(each.status, re.sub(r"\d+", "N", each.error)) for each in answers]

    there, not_there = guessed("otto", "127.0.0.11"), guessed("nobody", "127.0.0.12")
    assert there == not_there
    assert [status for status, _ in there][:5] == [401] * 5
    assert there[-1][0] == 429
    home = new_browser(source="127.0.0.13")  # the thief has locked nobody out
    assert home.sign_in("otto").status == 200


def test_a_user_who_does_not_exist_takes_as_long(new_browser: NewBrowser) -> None:
    """In turns, so that a busy computer is as slow for one as for the other."""
    took: dict[str, list[float]] = {"bea": [], "nobody": []}
    for n in range(4):
        for user, seconds in took.items():
            thief = new_browser(source=f"127.0.1.{n + 1}")
            began = time.monotonic()
            assert thief.sign_in(user, "wrong wrong wrong").status == 401
            seconds.append(time.monotonic() - began)
    ratio = statistics.median(took["bea"]) / statistics.median(took["nobody"])
    assert 1 / 3 < ratio < 3  # without a hash for nobody it would be a hundred


@pytest.mark.parametrize(
    "user",
    [
        "' OR 1=1 --", "ann'--", "ann\x00", "ann\nann", "%", "_nn", "*", "ann;DROP TABLE person",
        "𝕒nn\u200b", "a" * 4000, "../ann", "${jndi:ldap://x}", '{"$ne":""}',
    ],
)  # fmt: skip
def test_a_user_name_is_no_program(new_browser: NewBrowser, user: str) -> None:
    answer = new_browser(source="127.0.0.14").sign_in(user)
    assert answer.status in (401, 413, 429)
    assert not new_browser().screen


def test_fields_given_twice_or_as_lists_let_nobody_in(new_browser: NewBrowser) -> None:
    thief = new_browser(source="127.0.0.15")
    for body in (
        b"user=nobody&user=ann&password=correct+horse+7",
        b"user[]=ann&password[]=correct+horse+7",
        b'{"user":"ann","password":"correct horse 7"}',
        b"password=correct+horse+7",
        b"user=ann",
        b"",
        b"user=ann&password=correct+horse+8" + b"&x=1" * 100,
        b"\xff\xfe\x00user=ann",
    ):
        thief._line.request("POST", "/login", body, {"Origin": thief.origin})
        answer = people.Answer(thief._line.getresponse())
        assert answer.status in (400, 401, 413)
        assert "set-cookie" not in answer.headers


# --- sessions and cookies -----------------------------------------------------------------------


def test_a_planted_session_is_replaced_and_the_old_one_ends(new_browser: NewBrowser) -> None:
    browser = new_browser("otto")
    first = dict(browser.cookies)
    name = next(each for each in first if "-screen-" in each)
    for planted in (first[name], "planted-by-a-thief", "x" * 43):
        other = new_browser()
        other.cookies[name] = planted
        assert other.sign_in("otto").status == 200
        assert other.screen not in (planted, first[name])
    stale = new_browser()
    stale.cookies.update(first)
    assert stale.get("/auth/who").status == 401


def test_cookies_are_for_this_server_and_not_for_scripts(new_browser: NewBrowser) -> None:
    browser = new_browser("otto")
    kinds = {name.split("-")[1]: line for name, line in browser.flags.items()}
    assert set(kinds) == {"screen", "device", "csrf"}
    for kind, line in kinds.items():
        flags = {part.strip().casefold() for part in line.split(";")[1:]}
        assert {"samesite=strict", "path=/"} <= flags
        assert ("httponly" in flags) == (kind != "csrf")
        assert not any(flag.startswith("domain") for flag in flags)
    assert len(browser.screen) >= 43  # 256 bits
    assert browser.screen not in json.dumps(browser.get("/auth/who").json)


@pytest.mark.parametrize("sent", ["", "x" * 5000, "; ; =;;", "a=b; a=c", "\xff\xfe", "kv=\x01"])
def test_cookies_of_any_kind_are_nobodys(new_browser: NewBrowser, sent: str) -> None:
    assert new_browser().get("/auth/who", Cookie=sent).status in (400, 401)


def test_after_signing_out_nothing_answers_any_more(new_browser: NewBrowser) -> None:
    browser = new_browser("otto")
    kept = dict(browser.cookies)
    live = browser.live()
    assert browser.post("/auth/logout").status == 200
    assert live.cut_after_s() < 10
    thief = new_browser()
    thief.cookies.update(kept)
    assert thief.get("/api/v1/state").status == 401
    assert thief.post("/auth/unlock", {"user": "otto", "pin": people.PIN}).status == 401
    with pytest.raises(InvalidStatus) as refused:
        thief.live()
    assert refused.value.response.status_code == 403


# --- other sites --------------------------------------------------------------------------------


@pytest.mark.parametrize("path", POSTS)
def test_another_site_cannot_post(signed_in: Callable[[str], Browser], path: str) -> None:
    ann = signed_in("ann")
    for origin in (*FOREIGN, None):
        assert ann.post(path, Origin=origin).status == 403
    for token in (None, "", "0" * 64, ann.screen, ann.csrf.upper(), ann.csrf[:-1]):
        if path != "/login":  # there is no session yet whose token it could have
            assert ann.post(path, X_CSRFToken=token).status == 403


@pytest.mark.parametrize("origin", [*FOREIGN, None])
def test_another_site_cannot_open_the_socket(
    signed_in: Callable[[str], Browser], origin: str | None
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        signed_in("ann").live(origin=origin)
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("cookie", [None, "kv-screen=made up", "x" * 3000])
def test_the_socket_is_for_people_who_have_signed_in(house: Any, cookie: str | None) -> None:
    web = house[1]
    headers = {"Cookie": cookie} if cookie else {}
    for path in ("/live", "/live?waves=room-1", "/_dash-ws-callback", "/", "/nothing", "//live"):
        with pytest.raises(InvalidStatus) as refused:
            connect(
                web.address.replace("http", "ws") + path,
                origin=web.address,
                additional_headers=headers,
                proxy=None,
            )
        assert refused.value.response.status_code in (403, 404)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "evil.example:80", "", "127.0.0.1@evil.example",
     "[::2]", "0", "127.0.0.1, evil.example", "127.1", "2130706433", "\xff"],
)  # fmt: skip
def test_a_name_that_is_not_ours_is_refused(house: Any, host: str) -> None:
    request = f"GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    answer = raw(house[1].where, request.encode("latin-1"))
    assert statuses(answer)[0] in (400, 403)
    assert b"set-cookie" not in answer.lower()


def test_two_hosts_or_none_are_refused(house: Any) -> None:
    where = house[1].where
    ours = f"Host: {where[0]}:{where[1]}\r\n".encode()
    for hosts in (b"", ours + b"Host: evil.example\r\n", b"Host: evil.example\r\n" + ours):
        answer = raw(where, b"GET /healthz HTTP/1.1\r\n" + hosts + b"Connection: close\r\n\r\n")
        assert statuses(answer)[0] in (400, 403)


@pytest.mark.parametrize("name", ["X-Forwarded-Host", "X-Forwarded-For", "Forwarded", "X-Real-IP",
                                  "X-Original-URL", "X-HTTP-Method-Override"])  # fmt: skip
def test_headers_of_proxies_are_not_believed(new_browser: NewBrowser, name: str) -> None:
    value = {"X-Original-URL": "/healthz", "X-HTTP-Method-Override": "POST"}.get(name, "127.0.0.1")
    assert new_browser().ask("GET", "/api/v1/state", **{name: value}).status == 401


# --- files --------------------------------------------------------------------------------------

OUT = (
    "/assets/../{}", "/assets/%2e%2e/{}", "/assets/..%2f{}", "/assets/..%5c{}", "/assets//{}",
    "/assets/....//{}", "/assets/%252e%252e%252f{}", "/assets/%c0%ae%c0%ae/{}", "/assets/\\{}",
    "/vendor/../{}", "/vendor/..%2f{}", "/_dash-component-suites/dash/../../{}",
    "/_dash-component-suites/..%2f..%2f{}", "/api/v1/../../{}", "/api/v1/sessions/..%2f..%2f{}",
    "/api/v1/sessions/..%2f{}/report.pdf", "/api/v1/jobs/..%2f..%2f{}/file",
    "/api/v1/jobs/%2e%2e/file", "/api/v1/jobs/..%5c{}/file", "/{}", "//{}", "/%00{}",
)  # fmt: skip


@pytest.mark.parametrize("form", OUT)
def test_no_address_leads_to_a_file(
    house: Any, signed_in: Callable[[str], Browser], form: str
) -> None:
    clinic, web = house
    store = clinic.config.station.store
    inside = store.read_bytes()[:16]
    for target in ("etc/passwd", store.name, f"{store.name}.people", f"{store.name}.feed",
                   "dashboard/server.py", "../" * 12 + str(store).lstrip("/")):  # fmt: skip
        path = form.format(target)
        cookie = "; ".join(f"{n}={v}" for n, v in signed_in("ann").cookies.items())
        request = (
            f"GET {path} HTTP/1.1\r\nHost: {web.where[0]}:{web.where[1]}\r\n"
            f"Cookie: {cookie}\r\nConnection: close\r\n\r\n"
        )
        answer = raw(web.where, request.encode())
        (status,) = statuses(answer)
        assert status < 500, path
        for secret in (inside, b"SQLite format", b"root:", b'"token"', b"def create("):
            assert secret not in answer, path


# --- what every answer says ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/", "/login", "/review", "/api/v1/state", "/api/v1/docs", "/nothing", "/healthz",
             "/assets/kv-90-main.js", "/assets/none.js", "/vendor/none.js", "/auth/who"],
)  # fmt: skip
def test_every_answer_keeps_itself_to_this_server(
    signed_in: Callable[[str], Browser], path: str
) -> None:
    headers = signed_in("ann").get(path).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert "'unsafe-inline'" not in policy["script-src"]
    assert "'unsafe-eval'" not in policy["script-src"]
    assert policy["default-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["object-src"] == policy["base-uri"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    assert headers["referrer-policy"] in ("no-referrer", "same-origin")
    assert "server" not in headers
    assert "access-control-allow-origin" not in headers
    if not path.startswith(("/assets", "/vendor")):
        assert headers["cache-control"] == "no-store"


def test_no_other_site_may_read_anything(signed_in: Callable[[str], Browser]) -> None:
    ann = signed_in("ann")
    for method in ("OPTIONS", "GET"):
        answer = ann.ask(
            method, "/api/v1/state", Origin="https://evil.example",
            Access_Control_Request_Method="POST",
        )  # fmt: skip
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]
