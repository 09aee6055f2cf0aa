"""How much a caller may ask, and how long a request may be."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard import bodies
from dashboard.limits import BODY_BYTES, HEAVY, LIGHT, Limits, cost
from dashboard.server import Access
from tests.api import programs
from tests.api.programs import ONE, Program
from tests.dashboard.people import Browser
from vitals.model import US


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A clinic where a caller has 40 units a minute, 20 of them at once."""
    folder = tmp_path_factory.mktemp("strict")
    with programs.clinic(folder, Access(units_a_minute=40.0)) as trio:
        yield trio


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A clinic with the shares of the default, where no test uses up another's."""
    with programs.clinic(tmp_path_factory.mktemp("clinic"), Access()) as trio:
        yield trio


def test_who_asks_too_much_is_told_when_to_ask_again(strict: Any) -> None:
    _, web, shown = strict
    busy, other = Program(web, shown["research"]), Program(web, shown["one-room"])
    statuses = [busy.get("/api/v1/state").status for _ in range(25)]
    assert statuses[:20] == [200] * 20
    refused = busy.get(f"/api/v1/sessions/{ONE}/report.pdf")
    assert refused.status == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert "too many requests" in refused.error
    assert other.get("/api/v1/state").status == 200


def test_pages_and_the_way_in_are_not_counted(strict: Any) -> None:
    browser = Browser(strict[1])
    assert browser.sign_in("ann").status == 200
    assert [browser.get("/auth/who").status for _ in range(30)] == [200] * 30
    browser.close()


def test_heavy_requests_cost_more() -> None:
    assert cost("GET", "/api/v1/state") == LIGHT
    assert cost("GET", f"/api/v1/sessions/{ONE}/report.pdf") == HEAVY
    assert cost("GET", f"/api/v1/sessions/{ONE}/rems.pdf") == HEAVY
    assert cost("POST", "/api/v1/jobs/export") == HEAVY
    assert LIGHT < cost("GET", f"/api/v1/sessions/{ONE}/numerics") < HEAVY


def test_by_default_it_is_600_light_or_60_heavy_requests_a_minute() -> None:
    for units, most in ((LIGHT, 600), (HEAVY, 60)):
        limits, now_us, done = Limits(), 0, 0
        while limits.wait_s("x", units, now_us) == 0.0:
            done += 1
        assert done == most / 2
        for _ in range(60 * 100):
            now_us += US // 100
            done += limits.wait_s("x", units, now_us) == 0.0
        assert most * 1.5 - 1 <= done <= most * 1.5


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b"]),
            st.sampled_from([LIGHT, HEAVY]),
            st.integers(-5 * US, 60 * US),
        )
    )
)
def test_nobody_ever_gets_more_than_his_share(asked: list[tuple[str, float, int]]) -> None:
    limits, now_us, longest_us = Limits(60.0), 0, 0
    given_units = {"a": 0.0, "b": 0.0}
    for caller, units, passed_us in asked:
        now_us += passed_us
        longest_us += max(0, passed_us)
        wait_s = limits.wait_s(caller, units, now_us)
        assert 0 <= wait_s <= units
        if not wait_s:
            given_units[caller] += units
        # a clock that goes back and forth again gives nothing twice
        assert given_units[caller] <= 30 + longest_us / US + 1e-6


def test_waiting_as_long_as_it_says_is_enough() -> None:
    limits = Limits(60.0)
    while limits.wait_s("x", HEAVY, 0) == 0.0:
        pass
    wait_s = limits.wait_s("x", HEAVY, 0)
    assert limits.wait_s("x", HEAVY, round(wait_s * US) + 1) == 0.0


def test_callers_are_forgotten_but_not_those_that_are_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dashboard.limits.MOST", 2)
    limits = Limits(60.0)
    for n in range(30):
        assert limits.wait_s("busy", 1.0, 0) == 0.0
        limits.wait_s(f"other-{n}", 1.0, 0)
    assert limits.wait_s("busy", 1.0, 0) > 0


# --- how long a request may be ----------------------------------------------------------------


def raw(web: Any, sent: bytes) -> bytes:
    """What the server answers to these very bytes, up to its end."""
    with socket.create_connection(("127.0.0.1", int(web.address.rsplit(":", 1)[1])), 20) as line:
        line.sendall(sent)
        found = b""
        while part := line.recv(65536):
            found += part
    return found


def head(clinic: Any, more: str) -> bytes:
    _, web, shown = clinic
    host = web.address.removeprefix("http://")
    return (
        f"POST /api/v1/jobs/export HTTP/1.1\r\nHost: {host}\r\n"
        f"Authorization: Bearer {shown['one-room']}\r\n{more}\r\n\r\n"
    ).encode()


def test_a_long_body_is_refused_before_it_is_sent(clinic: Any) -> None:
    answer = raw(clinic[1], head(clinic, f"Content-Length: {BODY_BYTES + 1}\r\nConnection: close"))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"send less" in answer


def test_a_long_body_without_a_length_is_refused_at_its_bound(clinic: Any) -> None:
    part = f"{1 << 15:x}\r\n".encode() + b"x" * (1 << 15) + b"\r\n"
    sent = head(clinic, "Transfer-Encoding: chunked\r\nConnection: close") + part * 3
    assert raw(clinic[1], sent).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_never_ends_is_given_up(clinic: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies.read_body, "__kwdefaults__", {"most": BODY_BYTES, "within_s": 0.3})
    began = time.monotonic()
    answer = raw(clinic[1], head(clinic, "Content-Length: 10\r\nConnection: close") + b"{")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began < 15


@pytest.mark.parametrize("length", ["-1", "1e3", "abc"])
def test_a_length_that_is_none_is_refused(clinic: Any, length: str) -> None:
    answer = raw(clinic[1], head(clinic, f"Content-Length: {length}\r\nConnection: close"))
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_a_header_cannot_be_smuggled_into_an_answer(clinic: Any) -> None:
    _, web, shown = clinic
    line = http.client.HTTPConnection("127.0.0.1", int(web.address.rsplit(":", 1)[1]))
    headers = {"Authorization": f"Bearer {shown['gone']}"}
    line.request("GET", "/api/v1/sessions/%0d%0aX-Evil:%20yes/numerics", headers=headers)
    answer = line.getresponse()
    answer.read()
    line.close()
    assert answer.headers["X-Evil"] is None


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/sessions/../../../etc/passwd",
        "/api/v1/sessions/..%2f..%2f..%2fetc%2fpasswd",
        "/api/v1/sessions/%2e%2e/%2e%2e/vitals.db",
        "/api/v1/jobs/..%2f..%2fward.db.people/file",
        "/api/v1/sessions/x%00/numerics",
        "/api/../metrics",
        "/metrics/../api/v1/state",
    ],
)
def test_no_path_leads_out(clinic: Any, path: str) -> None:
    _, web, shown = clinic
    answer = Program(web, shown["one-room"]).get(path)
    assert answer.status in (403, 404, 429)
    assert b"root:" not in answer.body
    assert b"SQLite" not in answer.body
