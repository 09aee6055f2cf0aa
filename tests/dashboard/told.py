"""What the tests of long work share: records that can be replayed, and jobs over HTTP."""

from __future__ import annotations

import http.client
import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.dashboard.people import Browser
from tests.what_if.visit import Visit

LIMIT_S = 60.0
OVER = ("done", "failed", "cancelled")


def dip(visit: Visit, low: float = 90) -> None:
    """SpO2 is low for 40 s: a medium alarm as shipped; a mark while it is."""
    visit.vitals(60)
    visit.vitals(30, spo2=low)
    visit.act("mark", text="looks pale")
    visit.vitals(10, spo2=low)
    visit.vitals(60)


def record(folder: Path, sessions: int = 1, *, left_open: bool = False) -> list[str]:
    """`ward.db` with sessions of a real station in room-1, mode test; their ids."""

    def last(visit: Visit) -> None:
        dip(visit)
        if left_open:
            visit.leave_open()

    with pytest.MonkeyPatch.context() as patch:
        visit = Visit(folder, patch)
        courses = [*[dip] * (sessions - 1), last]
        found = [visit.record(course) for course in courses]
    shutil.move(visit.path, folder / "ward.db")
    return found


class Page:
    """Asks as a page does: JSON, with the token of its screen."""

    def __init__(self, web: Any, browser: Browser | None = None) -> None:
        self._address = web.address
        self._browser = browser

    def ask(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, Any, dict[str, str]]:
        """Status, JSON (or bytes), headers; waits as long as the server's limits want."""
        end = time.monotonic() + LIMIT_S
        while (answer := self._once(method, path, body, headers))[0] == 429:
            if "too many requests" not in answer[1]["error"] or time.monotonic() > end:
                break
            time.sleep(0.5)
        return answer

    def _once(
        self, method: str, path: str, body: Any, headers: dict[str, str]
    ) -> tuple[int, Any, dict[str, str]]:
        place = urlsplit(self._address)
        line = http.client.HTTPConnection(str(place.hostname), place.port, timeout=30)
        sent = {"Origin": self._address, "Accept": "application/json"}
        if self._browser is not None:
            cookies = self._browser.cookies.items()
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies)
            sent["X-CSRFToken"] = self._browser.csrf
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        text = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        try:
            line.request(method, path, text, {**sent, **named})
            answer = line.getresponse()
            whole = answer.read()
        finally:
            line.close()
        told = {name.lower(): value for name, value in answer.headers.items()}
        is_json = told.get("content-type") == "application/json"
        return answer.status, json.loads(whole) if is_json else whole, told

    def get(self, path: str) -> Any:
        return self.ask("GET", path)[1]

    def begin(self, kind: str, **body: Any) -> Any:
        status, job, _ = self.ask("POST", f"/api/v1/jobs/{kind}", body)
        assert status == 202, job
        return job

    def refused(self, kind: str, **body: Any) -> tuple[int, str]:
        status, told, _ = self.ask("POST", f"/api/v1/jobs/{kind}", body)
        return status, told["error"]

    def over(self, job: Any) -> Any:
        """The job when it is done, or failed."""
        end = time.monotonic() + LIMIT_S
        while job["state"] not in OVER:
            assert time.monotonic() < end, f"never over: {job}"
            time.sleep(0.1)
            status, job, _ = self.ask("GET", f"/api/v1/jobs/{job['id']}")
            assert status == 200, job
        return job

    def done(self, kind: str, **body: Any) -> Any:
        job = self.over(self.begin(kind, **body))
        assert job["state"] == "done", job
        return job


def hold(seconds: float) -> Sequence[dict[str, float]]:
    """Moves of low SpO2: another delay of the medium level."""
    return [{}, {"hold_s": seconds}, {}, {}]
