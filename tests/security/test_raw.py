"""What is no HTTP, and no message: bytes of any kind, on real sockets of the running web.

Every answer is a refusal below 500 or a closed connection; afterwards the web still answers, its
log tells of no fault (see `conftest.house`), and it holds nothing open.
"""

from __future__ import annotations

import contextlib
import json
import random
import selectors
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from dashboard import connections, live
from tests.dashboard.people import Browser
from tests.dashboard.ward import wait_until
from tests.security.house import RunningWeb, raw, statuses

pytestmark = pytest.mark.long

SHARED = settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
LONG_S = 40.0

HEAD = b"GET /healthz HTTP/1.1\r\nHost: HERE\r\nConnection: close\r\n"
WRONG = {
    "no head": b"\r\n\r\n",
    "no http": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "ssh": b"SSH-2.0-OpenSSH_9.0\r\n",
    "http 0.9": b"GET /\r\n",
    "http 2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "http 3.7": b"GET / HTTP/3.7\r\nHost: HERE\r\n\r\n",
    "no method": b" / HTTP/1.1\r\nHost: HERE\r\n\r\n",
    "strange method": b"BREW /healthz HTTP/1.1\r\nHost: HERE\r\nConnection: close\r\n\r\n",
    "connect": b"CONNECT evil.example:80 HTTP/1.1\r\nHost: evil.example:80\r\n\r\n",
    "absolute": b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "asterisk": b"OPTIONS * HTTP/1.1\r\nHost: HERE\r\nConnection: close\r\n\r\n",
    "trace": b"TRACE /api/v1/state HTTP/1.1\r\nHost: HERE\r\nConnection: close\r\n\r\n",
    "space before colon": HEAD + b"X-Y : 1\r\n\r\n",
    "folded": HEAD + b"X-Y: a\r\n b\r\n\r\n",
    "null in header": HEAD + b"X-Y: a\x00b\r\n\r\n",
    "bare return": HEAD + b"X-Y: a\rX-Z: b\r\n\r\n",
    "no name": HEAD + b": b\r\n\r\n",
    "ten thousand headers": HEAD + b"".join(b"X-%d: y\r\n" % n for n in range(10_000)) + b"\r\n",
    "endless head": HEAD + b"X-Y: " + b"y" * 1_000_000 + b"\r\n\r\n",
    "endless address": b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: HERE\r\n\r\n",
    "wrong escapes": b"GET /%zz%/%\xff?%=%&&&= HTTP/1.1\r\nHost: HERE\r\nConnection: close\r\n\r\n",
    "letters of all kinds": b"GET /\xf0\x9f\x92\x89?\xff\xfe HTTP/1.1\r\nHost: HERE\r\n\r\n",
    "length twice": HEAD + b"Content-Length: 3\r\nContent-Length: 5\r\n\r\nabcde",
    "length and chunks": HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks of chunks": HEAD + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "strange chunks": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "endless chunk": b"POST /login HTTP/1.1\r\nHost: HERE\r\nOrigin: http://HERE\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\nabc",
    "length below nothing": HEAD + b"Content-Length: -1\r\n\r\n",
    "length with plus": HEAD + b"Content-Length: +3\r\n\r\nabc",
    "endless length": HEAD + b"Content-Length: 99999999999999999999\r\n\r\n",
    "half an upgrade": b"GET /live HTTP/1.1\r\nHost: HERE\r\nUpgrade: websocket\r\n\r\n",
    "no key": b"GET /live HTTP/1.1\r\nHost: HERE\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nOrigin: http://HERE\r\n\r\n",
    "wrong version": b"GET /live HTTP/1.1\r\nHost: HERE\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 7\r\nSec-WebSocket-Key: x\r\n\r\n",
    "h2c": HEAD[:-19] + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    b"HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n",
}  # fmt: skip


def answers(web: RunningWeb) -> bool:
    """Whether a plain request is answered."""
    head = HEAD.replace(b"HERE", _here(web)) + b"\r\n"
    return statuses(raw(web.where, head, wait_s=LONG_S)) == [200]


def _here(web: RunningWeb) -> bytes:
    return f"{web.where[0]}:{web.where[1]}".encode()


@contextlib.contextmanager
def nothing_is_left_open(web: RunningWeb) -> Iterator[None]:
    """As many connections at the end as there were before."""
    process = psutil.Process(web.process.pid)
    before = len(process.net_connections("tcp"))
    yield
    wait_until(lambda: len(process.net_connections("tcp")) <= before, "all is closed")


@pytest.mark.parametrize("what", WRONG)
def test_what_is_no_request_is_refused(house: Any, what: str) -> None:
    web = house[1]
    with nothing_is_left_open(web):
        answer = raw(web.where, WRONG[what].replace(b"HERE", _here(web)), wait_s=LONG_S)
        assert all(status < 500 for status in statuses(answer)), answer[:300]
        assert not answer.startswith(b"HTTP/1.1 101")
    assert answers(web)


PIECES = st.sampled_from(
    [b"GET ", b"POST ", b"/login ", b"/live ", b"/api/v1/state ", b"HTTP/1.1", b"\r\n", b"\n",
     b"Host: HERE", b"Origin: http://HERE", b"Content-Length: ", b"5",
     b"Transfer-Encoding: chunked",
     b"Upgrade: websocket", b"Connection: Upgrade", b"Connection: close", b"Cookie: a=", b"\x00",
     b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", b"Sec-WebSocket-Version: 13", b"0\r\n\r\n",
     b"Authorization: Bearer ", b": ", b"%", b"?", b"\xff\xfe", b"Accept: text/html"]
)  # fmt: skip


@given(st.lists(st.one_of(PIECES, st.binary(max_size=30)), max_size=25), st.booleans())
@SHARED
def test_any_bytes_are_answered_or_hung_up_on(house: Any, pieces: list[bytes], crlf: bool) -> None:
    web = house[1]
    data = (b"\r\n" if crlf else b"").join(pieces).replace(b"HERE", _here(web))
    answer = raw(web.where, data + b"\r\n\r\n", end=True)
    assert all(status < 500 for status in statuses(answer)), answer[:300]
    assert web.process.poll() is None


def test_a_million_bytes_of_noise_do_nothing(house: Any) -> None:
    web, dice = house[1], random.Random(7)  # noqa: S311
    with nothing_is_left_open(web):
        for _ in range(40):
            answer = raw(web.where, dice.randbytes(25_000), end=True)
            assert all(status < 500 for status in statuses(answer))
    assert answers(web)


def test_a_head_that_never_ends_is_hung_up_on(house: Any) -> None:
    web = house[1]
    with nothing_is_left_open(web):
        lines = [socket.create_connection(web.where, timeout=LONG_S) for _ in range(20)]
        for number, line in enumerate(lines):
            line.sendall(HEAD[: number * 3].replace(b"HERE", _here(web)))
        for line in lines:
            with contextlib.suppress(ConnectionError):
                assert all(status < 500 for status in statuses(line.recv(65536)))
            line.close()


def first_to_end(lines: list[socket.socket], how_many: int) -> list[int]:
    """Numbers of the connections that the server ends first."""
    ended: list[int] = []
    with selectors.DefaultSelector() as ready:
        for number, line in enumerate(lines):
            ready.register(line, selectors.EVENT_READ, number)
        while len(ended) < how_many:
            found = ready.select(LONG_S)
            assert found, "they are all kept"
            for key, _ in found:
                ended.append(key.data)
                ready.unregister(key.fileobj)
    return ended


def test_one_address_cannot_take_all_connections(house: Any) -> None:
    web = house[1]
    lines = []
    try:
        for _ in range(connections.MOST_OF_ONE + 40):
            lines.append(socket.create_connection(web.where, timeout=LONG_S))  # noqa: PERF401
        hung_up = first_to_end(lines, 30)
        assert all(number >= connections.MOST_OF_ONE for number in hung_up)
        with socket.create_connection(web.where, LONG_S, source_address=("127.0.0.9", 0)) as line:
            line.sendall(HEAD.replace(b"HERE", _here(web)) + b"\r\n")
            assert statuses(line.recv(65536)) == [200]
    finally:
        for line in lines:
            line.close()
    wait_until(lambda: answers(web), "the address may come again")


# --- the websocket ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page(house: Any, signed_in: Callable[[str], Browser]) -> Callable[..., ClientConnection]:
    """Opens a page's socket, with Otto's session."""

    def opened(**more: Any) -> ClientConnection:
        otto = signed_in("otto")
        cookie = "; ".join(f"{name}={value}" for name, value in otto.cookies.items())
        return connect(
            otto.origin.replace("http", "ws") + "/live",
            origin=otto.origin,  # type: ignore[arg-type]
            additional_headers={"Cookie": cookie},
            proxy=None,
            ping_interval=None,
            open_timeout=LONG_S,
            **more,
        )

    return opened


def code_of(ws: ClientConnection) -> int:
    """With which code the server has ended it."""
    try:
        while True:
            ws.recv(timeout=LONG_S)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 1006


NO_MESSAGE: tuple[str | bytes, ...] = (
    "", "null", "[]", "{}", "{", "\x00", "\U0001f489", '{"t":"command"}', '{"t":"nothing"}',
    '{"t":"auth","token":"x","v":1}', '{"t":"snapshot","rooms":[]}', '{"t":"hello"}',
    '{"t":"command","id":1,"kind":"dose","room":"room-1"}', "[" * 15_000,
    '{"t":"command","id":"x","kind":"dose","room":"room-1","args":{"a":' + "[" * 9000,
    '{"t":"waves","rooms":"room-1"}', '{"t":"waves","rooms":[null]}', '{"t":"sound","armed":"yes"}',
    '{"t":"command","id":"x","kind":"dose","room":"room-1","args":[1]}',
    b"", b"\x00\x01", b"\xff\xfe\xfd", b'{"t":"wa\xf6es","rooms":[]}', b'{"t":"nothing"}',
)  # fmt: skip


@pytest.mark.parametrize("sent", NO_MESSAGE, ids=lambda sent: repr(sent[:30]))
def test_what_is_no_message_ends_that_page_alone(page: Any, sent: str | bytes) -> None:
    with page() as bystander:
        with page() as ws:
            ws.send(sent)
            assert code_of(ws) == live.BAD_MESSAGE
        bystander.send('{"t":"active"}')
        assert bystander.recv(timeout=LONG_S)


def test_a_message_that_is_too_long_ends_that_page(page: Any) -> None:
    for size in (17_000, 1_000_000):
        with page() as ws:
            with contextlib.suppress(ConnectionClosed):
                ws.send(json.dumps({"t": "active", "more": "x" * size}))
            assert code_of(ws) in (1009, 1006)
    with page() as ws:  # in pieces, and packed: a megabyte of one letter is a kilobyte
        with contextlib.suppress(ConnectionClosed):
            ws.send("x" * 1000 for _ in range(1000))
        assert code_of(ws) in (1009, 1006)


def test_a_page_that_floods_is_ended_and_the_others_go_on(page: Any) -> None:
    with page() as bystander, page() as ws:
        with contextlib.suppress(ConnectionClosed):
            for _ in range(2000):
                ws.send('{"t":"active"}')
        assert code_of(ws) in (live.TOO_MANY, 1006)
        bystander.send('{"t":"active"}')
        assert bystander.recv(timeout=LONG_S)


def test_a_screen_has_so_many_pages_and_no_more(page: Any) -> None:
    with contextlib.ExitStack() as pages:
        for _ in range(live.MOST_PAGES_OF_ONE):
            pages.enter_context(page(compression=None))
        with pytest.raises(InvalidStatus) as refused:
            page()
        assert refused.value.response.status_code == 403

    def again() -> bool:
        with contextlib.suppress(InvalidStatus), page():
            return True
        return False

    wait_until(again, "there is room again")


TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
WORDS = st.sampled_from(
    ["command", "waves", "sound", "active", "dose", "mark", "addendum", "room-1", "room-2", "",
     "set_limit", "web_event", "acknowledge", "move_session", "correct_dose", "score", "reading"]
)  # fmt: skip
PLAIN = st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), TEXT, WORDS)
ARGS = st.dictionaries(
    st.one_of(
        st.sampled_from(
            ["drug", "mg", "at_us", "text", "kind", "session", "rule", "level", "value", "device",
             "to", "reason", "sys", "dia", "about_us", "corrects", "minutes", "id", "score", "by"]
        ),
        TEXT,
    ),
    st.one_of(PLAIN, st.lists(PLAIN, max_size=2)),
    max_size=6,
)  # fmt: skip
MESSAGES = st.one_of(
    st.fixed_dictionaries(
        {"t": st.just("command"), "id": TEXT, "kind": WORDS, "room": WORDS, "args": ARGS},
        optional={"name": TEXT, "role": TEXT, "identity": TEXT},
    ),
    st.fixed_dictionaries({"t": WORDS}, optional={"rooms": st.lists(WORDS), "armed": PLAIN}),
    st.dictionaries(TEXT, PLAIN, max_size=3),
)


@given(st.lists(MESSAGES, min_size=1, max_size=8))
@SHARED
def test_any_messages_in_any_order_are_answered_or_end_the_page(
    house: Any, page: Any, messages: list[Any]
) -> None:
    """Commands go on to the real station, with whatever arguments; it answers each."""
    web = house[1]
    with page(max_size=None) as ws:
        with contextlib.suppress(ConnectionClosed):
            for message in messages:
                ws.send(json.dumps(message))
            ws.send(b"the end")
        assert code_of(ws) in (live.BAD_MESSAGE, 1006)
    assert web.process.poll() is None


@given(st.binary(min_size=1, max_size=200), st.integers(0, 15), st.booleans())
@SHARED
def test_any_frames_end_the_connection(
    house: Any, page: Any, body: bytes, opcode: int, masked: bool
) -> None:
    """Frames that no client sends: reserved bits and kinds, no mask, lengths that lie."""
    with page() as ws:
        head = bytes([0x80 | opcode | 0x40, (0x80 if masked else 0) | min(len(body), 127)])
        with contextlib.suppress(ConnectionClosed, OSError):
            ws.socket.sendall(head + body)
            ws.socket.shutdown(socket.SHUT_WR)
        assert code_of(ws)
    assert house[1].process.poll() is None


def test_a_page_that_never_reads_costs_little_and_hinders_nobody(house: Any, page: Any) -> None:
    process = psutil.Process(house[1].process.pid)
    before = process.memory_info().rss
    with page(compression=None) as ws:
        ws.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in range(30):
            began = time.monotonic()
            assert answers(house[1])
            assert time.monotonic() - began < LONG_S
    assert process.memory_info().rss - before < 50 << 20


def test_the_station_is_well_after_all_this(house: Any) -> None:
    clinic, web = house
    assert clinic.act("mark", text="still here").ok
    assert answers(web)
    assert clinic.session().id
