"""People with accounts at a ward, and a browser's HTTP for them without a browser."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from collections.abc import Iterator, Sequence
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from dashboard.accounts import Accounts, Person
from dashboard.passwords import hashed
from dashboard.server import Access
from tests.dashboard import ward
from vitals import people_file, wire

PASSWORD = "correct horse 7"  # noqa: S105
PIN = "2580"
_PASSWORD_HASH, _PIN_HASH = hashed(PASSWORD), hashed(PIN)


def add(
    store: Path, user: str, role: str = "nurse", rooms: Sequence[str] = (), name: str = ""
) -> Person:
    """An account with `PASSWORD` and `PIN`."""
    accounts, at = Accounts(people_file.path_of(store), create=True), now_us()
    try:
        person = accounts.add(
            user,
            name=name,
            role=role,
            rooms=rooms,
            password=_PASSWORD_HASH,
            now_us=now_us(),
            by="t",
        )
        accounts.set_pin(person, _PIN_HASH, at, "t")
        return person
    finally:
        accounts.close()


@contextlib.contextmanager
def accounts_of(store: Path) -> Iterator[Accounts]:
    """As `vitals user` opens them, beside the running web."""
    accounts = Accounts(people_file.path_of(store))
    try:
        yield accounts
    finally:
        accounts.close()


def now_us() -> int:
    return time.time_ns() // 1000


@contextlib.contextmanager
def clinic(folder: Path, access: Access | None = None, *, rooms: int = 2) -> Iterator[Any]:
    """(station, web) with two rooms; Ann (nurse), Theo (therapist, room 1), Bea (prescriber)."""
    store = folder / "ward.db"
    add(store, "ann", name="Ann K.")
    add(store, "theo", "therapist", ["room-1"], name="Theo L.")
    add(store, "bea", "prescriber", name="Bea M.")
    at = ward.now_us()
    beds = [ward.room(n, session=ward.session(f"room-{n}", at)) for n in range(1, rooms + 1)]
    with ward.ward(folder, beds, access=access) as pair:
        yield pair


class Answer:
    """Of one request."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.text = response.read().decode(errors="replace")  # a file is no text

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def error(self) -> str:
        return str(self.json["error"])


class Browser:
    """Keeps cookies as a browser does, and sends what a page of the server sends."""

    def __init__(self, web: Any, source: str = "127.0.0.1") -> None:
        self.cookies: dict[str, str] = {}
        self.flags: dict[str, str] = {}
        self._web = web
        self._sockets = contextlib.ExitStack()
        self._used = 0.0
        self._source = source
        place = urlsplit(web.address)
        self._line = http.client.HTTPConnection(
            str(place.hostname), place.port, timeout=20, source_address=(source, 0)
        )

    @property
    def origin(self) -> str:
        return str(self._web.address)

    @property
    def csrf(self) -> str:
        return next((v for name, v in self.cookies.items() if "-csrf-" in name), "")

    @property
    def screen(self) -> str:
        return next((v for name, v in self.cookies.items() if "-screen-" in name), "")

    def ask(
        self, method: str, path: str, form: dict[str, str] | None = None, **headers: str | None
    ) -> Answer:
        sent: dict[str, str | None] = {
            "Origin": self.origin if method == "POST" else None,
            "X-CSRFToken": self.csrf if method == "POST" else None,
            "Accept": "application/json",
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()) or None,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        if form is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        named = {name: value for name, value in sent.items() if value is not None}
        if time.monotonic() - self._used > 2.0:
            self._line.close()  # the server has ended it by now, or is about to
        self._used = time.monotonic()
        self._line.request(method, path, urlencode(form) if form is not None else None, named)
        answer = Answer(self._line.getresponse())
        for line in answer.headers.get_all("set-cookie", []):
            for name, morsel in SimpleCookie(line).items():
                self.flags[name] = line
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
        return answer

    def get(self, path: str, **headers: str | None) -> Answer:
        return self.ask("GET", path, **headers)

    def post(self, path: str, form: dict[str, str] | None = None, **headers: str | None) -> Answer:
        return self.ask("POST", path, form or {}, **headers)

    def sign_in(self, user: str, password: str = PASSWORD) -> Answer:
        return self.post("/login", {"user": user, "password": password})

    def live(self, **more: Any) -> Live:
        headers = {"Cookie": "; ".join(f"{n}={v}" for n, v in self.cookies.items())}
        url = self.origin.replace("http", "ws") + "/live"
        wanted = {"origin": self.origin, "additional_headers": headers, **more}
        # One that nobody has read to its end says no good-bye: it is not waited for.
        line = connect(url, proxy=None, ping_interval=None, close_timeout=0.5, **wanted)
        return Live(self._sockets.enter_context(line))

    def close(self) -> None:
        self._sockets.close()
        self._line.close()


class Live:
    """A page's websocket."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.snapshot: Any = None
        self.who: Any = None
        self.seen: list[Any] = []
        self._number = 0
        self.until(lambda: self.snapshot is not None and self.who is not None)

    def until(self, condition: Any, limit_s: float = 10.0) -> None:
        """Takes messages until it holds."""
        end = time.monotonic() + limit_s
        while not condition():
            self._take(self.socket.recv(timeout=max(0.01, end - time.monotonic())))

    def for_a_while(self, seconds: float = 0.5) -> None:
        """Takes whatever comes; nothing may be expected of it but that it does not come."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                self._take(self.socket.recv(timeout=left))

    def command(self, kind: str, room: str, **args: Any) -> Any:
        """The answer to a command that claims to be somebody else's."""
        self._number += 1
        claimed = {"name": "Somebody Else", "role": "admin"}
        body = {"t": "command", "id": f"{id(self)}-{self._number}", "kind": kind, "room": room}
        self.socket.send(json.dumps({**body, **claimed, "args": args}))

        def answers() -> list[Any]:
            return [m for m in self.seen if m["t"] == "result" and m["id"] == body["id"]]

        self.until(answers)
        return answers()[0]

    def cut_after_s(self, limit_s: float = 10.0) -> float:
        """Seconds until the server ends it."""
        start = time.monotonic()
        try:
            while True:
                self.socket.recv(timeout=max(0.01, start + limit_s - time.monotonic()))
        except TimeoutError:
            raise AssertionError("it was never cut") from None
        except ConnectionClosed:
            pass
        return time.monotonic() - start

    @property
    def rooms(self) -> list[str]:
        return [room["id"] for room in self.snapshot["rooms"]]

    def _take(self, frame: str | bytes) -> None:
        for raw in wire.split(frame):
            message = json.loads(bytes(raw))
            self.seen.append(message)
            if message["t"] == "snapshot":
                self.snapshot = message
            if message["t"] == "who":
                self.who = message
