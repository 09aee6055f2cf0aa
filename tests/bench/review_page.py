"""Measures the page of one session: `python -m tests.bench.review_page [--seconds 7200]`.

A session of two hours with a pleth is written by the real writer and looked at through the real
web process in Chromium; interactive means that the trend is drawn and the first window of the
pleth is there. One line a measurement: what, value, what the issue asks for.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import json
import shutil
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page, sync_playwright

from dashboard.review import course, held, session
from tests import chromium
from tests.dashboard import ward
from tests.export import records
from tests.export.records import UUID, at
from vitals.model import Numeric
from vitals.store.writer import Writer

READY = "canvas[data-from]"
DRAWN = "[data-section=course][data-draw-ms]"


def told(what: str, value: float, unit: str, goal: str = "") -> None:
    print(f"{what:<58} {value:>10.1f} {unit:<4} {goal}")  # noqa: T201


def get(address: str) -> tuple[float, bytes]:
    """Milliseconds, and the answer as it was sent: compressed."""
    request = urllib.request.Request(address, headers={"Accept-Encoding": "gzip"})  # noqa: S310
    started = time.perf_counter()
    with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
        body: bytes = answer.read()
    return (time.perf_counter() - started) * 1e3, body


def median_of(address: str, times: int) -> float:
    return statistics.median(get(address)[0] for _ in range(times))


@contextlib.contextmanager
def opened(browser: Any) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    try:
        yield context.new_page()
    finally:
        context.close()


def navigate(page: Page, address: str) -> float:
    """Milliseconds from the start of navigation until the trend and the pleth are there."""
    page.goto(address, wait_until="commit")
    page.wait_for_selector(DRAWN, timeout=120_000)
    page.wait_for_selector(READY, timeout=120_000)
    now: float = page.evaluate("performance.now()")
    return now


def pages(web: Any, times: int) -> None:
    address = f"{web.address}/review/{UUID}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.whole(), args=chromium.FLAGS)
        with opened(browser) as page:
            told(
                "first navigation of all: processes and caches are new",
                navigate(page, address),
                "ms",
            )
            loads = [navigate(page, address) for _ in range(times)]
            told("navigation, median", statistics.median(loads), "ms", "<= 1000")
            told("navigation, longest", max(loads), "ms")
            told("Plotly's drawing", float(page.get_attribute(DRAWN, "data-draw-ms") or 0), "ms")
            page.goto(web.address + "/review")
            link = page.get_by_role("link", name="KV-0417")
            link.wait_for()
            started = time.perf_counter()
            link.click()
            page.wait_for_selector(READY, timeout=120_000)
            told(
                "from the list, by a click", (time.perf_counter() - started) * 1e3, "ms", "<= 1000"
            )
        browser.close()


def answers(web: Any) -> None:
    path = f"{web.address}/api/v1/sessions/{UUID}"
    _, body = get(path)
    stamp = json.loads(gzip.decompress(body))["stamp"]
    sent = [body, get(f"{path}/figure?stamp={stamp}")[1], get(f"{path}/audit?stamp={stamp}")[1]]
    window = f"{path}/wave?channel=pleth&from_us={at(2000)}&to_us={at(2060)}&px=1246"
    sent.append(get(window)[1])
    told("data of the page, compressed", sum(map(len, sent)) / 1000, "kB", "<= 250")
    told("facts over HTTP, median of 20", median_of(path, 20), "ms")
    told("figure over HTTP, median of 20", median_of(f"{path}/figure?stamp={stamp}", 20), "ms")
    told("a minute of pleth over HTTP, median of 50", median_of(window, 50), "ms", "<= 100")
    slowest = max(get(window)[0] for _ in range(50))
    told("a minute of pleth over HTTP, longest of 50", slowest, "ms", "<= 100")


def readings(store: Path) -> None:
    for what in ("session read and told (CPU)", "told again (CPU)"):
        started = time.process_time()
        session.session(store, UUID)
        told(what, (time.process_time() - started) * 1e3, "ms")
    started = time.process_time()
    course.figure(store, UUID)
    told("figure built (CPU)", (time.process_time() - started) * 1e3, "ms")


def million(folder: Path) -> None:
    """A million values out of order."""
    store = records.write(folder / "million.db", pleth=False)
    writer = Writer(store, now_us=lambda: records.START_US)
    writer.start()
    order = np.random.default_rng(1).permutation(1_000_000)
    for seq, n in enumerate(order.tolist(), 10_000):
        writer.put_numeric(UUID, seq, Numeric("second", "spo2", at(n / 1800), 90.0 + n % 9))
        if seq % 20_000 == 0:
            time.sleep(0.2)  # the writer's queue has an end
    assert writer.close(600)
    started = time.perf_counter()
    body = session.session(store, UUID)
    figure = course.figure(store, UUID)
    told(
        "a million values out of order: read, told, drawn",
        (time.perf_counter() - started) * 1e3,
        "ms",
    )
    assert body is not None
    assert figure is not None
    told("  its figure, compressed", len(gzip.compress(figure, 5)) / 1000, "kB", "<= 250")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=7200)
    parser.add_argument("--times", type=int, default=9)
    parser.add_argument("--million", action="store_true", help="also a million values")
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="kap-vitals-bench-"))
    try:
        store = records.write(folder / "ward.db", chosen.seconds)
        readings(store)
        held.forget()
        with ward.ward(folder, [ward.room(1)]) as (_, web):
            pages(web, chosen.times)
            answers(web)
        if chosen.million:
            million(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
