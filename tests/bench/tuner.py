"""The what-if tuner and exports as the page asks for them: seconds over HTTP.

python -m tests.bench.tuner [SESSIONS]     sessions of two hours, 1 Hz; default 20
"""

from __future__ import annotations

import math
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from tests.dashboard import told, ward
from tests.dashboard.told import Page, hold
from tests.what_if.visit import Visit
from vitals.export import FORMATS

told.LIMIT_S = 1800.0
SECONDS = 7200


def course(number: int) -> Any:
    """Two hours with a desaturation, a blood pressure every 10 min, acts and a mark."""
    chance = random.Random(number)  # noqa: S311 not a secret

    def happen(visit: Visit) -> None:
        for second in range(SECONDS):
            low = 1000 < second < 1090 or 3000 < second < 3030
            visit.wait()
            visit.value("spo2", 90 if low else 97)
            visit.value("pr", round(75 + 8 * math.sin(second / 300) + chance.gauss(0, 1)))
            if second % 600 == 0:
                visit.pressure(130 + chance.gauss(0, 8), 80)
            if second in (1060, 3020):
                visit.act("mark", text="looks pale")
                visit.act("acknowledge", rule="spo2-low")

    return happen


def taken(page: Page, kind: str, **body: Any) -> float:
    """Seconds from the press to the result."""
    start = time.perf_counter()
    page.done(kind, **body)
    return time.perf_counter() - start


def main() -> None:
    """Records the sessions, asks as a page does, prints what it took."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with pytest.MonkeyPatch.context() as patch:
            visit = Visit(folder, patch)
            ids = [visit.record(course(number)) for number in range(count)]
        visit.path.rename(folder / "ward.db")
        with ward.ward(folder, [ward.room(1)]) as (_, web):
            page = Page(web)
            asked = {"session": ids[0], "rule": "spo2-low"}
            rows = [("one session, first", taken(page, "what-if", **asked, moves=hold(30)))]
            rows += [("rules of a session", _rules(page, ids[0]))]
            again = [taken(page, "what-if", **asked, moves=hold(s)) for s in range(20, 25)]
            rows += [("the same, moved again (median of 5)", sorted(again)[2])]
            other = {**asked, "session": ids[-1]}
            rows += [("another session", taken(page, "what-if", **other, moves=hold(30)))]
            many = {**asked, "last": min(count, 100)}
            rows += [(f"the last {many['last']}", taken(page, "what-if", **many, moves=hold(30)))]
            rows += [
                (f"export {form}", taken(page, "export", session=ids[0], format=form))
                for form in FORMATS
            ]
            job = page.begin("what-if", **many, moves=hold(25))
            time.sleep(1)
            start = time.perf_counter()
            page.ask("DELETE", f"/api/v1/jobs/{job['id']}")
            rows += [("cancelled", time.perf_counter() - start)]
    sys.stdout.writelines(f"{words:40}{seconds:8.2f} s\n" for words, seconds in rows)


def _rules(page: Page, uuid: str) -> float:
    page.get(f"/api/v1/sessions/{uuid}/rules")
    start = time.perf_counter()
    page.get(f"/api/v1/sessions/{uuid}/rules")
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
