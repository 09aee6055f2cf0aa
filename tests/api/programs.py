"""A clinic with accounts, tokens and two recorded sessions, and a program that asks it."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dashboard import tokens
from dashboard.server import Access
from tests.dashboard import people, ward
from tests.export import records
from vitals.model import US, Numeric, Session
from vitals.store.rows import AuditRow, SessionRecord
from vitals.store.writer import Writer

ONE = records.UUID
"""A session with everything in it, in room 1."""
TWO = "6a0c7a52-6e1b-5d9b-8a55-0123456789ab"
"""A short one that is still open, in room 2."""
GENEROUS = Access(units_a_minute=1e9)
TOKENS: dict[str, tuple[str, tuple[str, ...]]] = {
    "research": ("clinician", ()),
    "one-room": ("nurse", ("room-1",)),
    "scraper": ("metrics", ()),
    "old": ("clinician", ()),
    "gone": ("clinician", ()),
}
"""Name -> role and rooms; `old` has expired, `gone` was revoked."""


def write(store: Path) -> None:
    """Two sessions."""
    records.write(store, 600)
    writer = Writer(store, now_us=lambda: records.NOW_US)
    writer.start()
    session = Session(TWO, "room-2", "KV-0900", "im", records.NOW_US, mode="demo")
    body = {"cause": "opened", "phase": "CHECK_IN"}
    row = AuditRow(50_000, records.NOW_US, TWO, "room-2", "Bob", "nurse", "session_change", body)
    writer.put_audit(row, session=SessionRecord(session, "+0100", "", ""))
    for n in range(5):
        writer.put_numeric(TWO, 50_001 + n, Numeric("oxi", "pr", records.NOW_US + n * US, 70.0 + n))
    assert writer.close(30)


def make_tokens(store: Path) -> dict[str, str]:
    """Name -> what is shown."""
    now_us = people.now_us()
    shown = {}
    with people.accounts_of(store) as accounts:
        for name, (role, rooms) in TOKENS.items():
            made_us = now_us - 1000 * US if name == "old" else now_us
            ends_us = made_us + (999 if name == "old" else 3600) * US
            shown[name] = tokens.add(
                accounts,
                name,
                role=role,
                rooms=rooms,
                expires_us=ends_us,
                now_us=made_us,
                by="root",
            )
        tokens.revoke(accounts, "gone", now_us, "root")
    return shown


@contextlib.contextmanager
def clinic(folder: Path, access: Access | None = GENEROUS) -> Iterator[Any]:
    """(station, web, tokens by name) with the people of `people.clinic`."""
    store = folder / "ward.db"
    write(store)
    people.add(store, "ann", name="Ann K.")
    people.add(store, "theo", "therapist", ["room-1"], name="Theo L.")
    people.add(store, "bea", "prescriber", name="Bea M.")
    shown = make_tokens(store)
    at = ward.now_us()
    beds = [ward.room(n, session=ward.session(f"room-{n}", at)) for n in (1, 2)]
    with ward.ward(folder, beds, access=access) as (station, web):
        yield station, web, shown


class Answer:
    """Of one request."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        return str(self.json["error"])


class Program:
    """Asks with a token, or with none."""

    def __init__(self, web: Any, token: str = "") -> None:
        place = urlsplit(web.address)
        self._where = (str(place.hostname), place.port)
        self._token = token

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str | None
    ) -> Answer:
        """One request on a connection of its own."""
        sent: dict[str, str | None] = {
            "Authorization": f"Bearer {self._token}" if self._token else None,
            "Accept": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        line = http.client.HTTPConnection(*self._where, timeout=60)
        try:
            named = {name: value for name, value in sent.items() if value is not None}
            line.request(method, path, body, named)
            return Answer(line.getresponse())
        finally:
            line.close()

    def get(self, path: str, **headers: str | None) -> Answer:
        return self.ask("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str | None) -> Answer:
        return self.ask("POST", path, json.dumps(body).encode(), **headers)
