"""`make bench`: the numbers of docs/measurements.md, measured on the real program under load.

Sixteen simulated rooms (oximeter with pleth, and blood pressure) on pseudo-terminals, the program
as `vitals run` starts it, thirty pages with one pleth each (one of them a real Chromium on a room
page with its trend), then the same while review figures of two hours are built without pause.
The simulators and the thirty pages share the machine with the program.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Page, sync_playwright

from tests import chromium
from tests.bench import ward
from tests.e2e.clinic import Program, free_port, wait_for
from vitals.store.reader import Reader

TOO_MANY = 429
WATCH = """
window.__text = []; window.__long = []; window.__link = [];
const now = () => performance.timeOrigin + performance.now();
new MutationObserver(list => { for (const m of list) { const n = m.target;
  if (n.dataset.state === 'fresh' && !n.dataset.channel.startsWith('nibp') && n.dataset.atUs)
    window.__text.push(now() - n.dataset.atUs / 1000);
} }).observe(document, {subtree: true, attributes: true, attributeFilter: ['data-at-us']});
new PerformanceObserver(list => { for (const e of list.getEntries()) window.__long.push(e.duration);
}).observe({type: 'longtask'});
window.__alarm = []; const seen = new Map();
new MutationObserver(() => { if (!window.kv || !kv.model) return;
  for (const room of kv.model.rooms.values()) {
    const alarm = room.alarms.get('pr-high');
    if (!alarm || alarm.condition !== 'active' || alarm.acked_by) continue;
    if (seen.get(room.id) === alarm.raised_us || alarm.raised_us !== alarm.value_us) continue;
    const on = [...document.querySelectorAll(`[data-room="${room.id}"] [data-alarm="pr-high"]`)];
    if (!on.some(node => node.dataset.condition === 'active')) continue;
    seen.set(room.id, alarm.raised_us);
    window.__alarm.push(now() - alarm.raised_us / 1000);
  } }).observe(document, {subtree: true, childList: true, attributes: true,
                          attributeFilter: ['data-condition', 'data-alarm', 'data-ack']});
addEventListener('DOMContentLoaded', () => new MutationObserver(() =>
  window.__link.push([performance.now(), document.body.dataset.link])).observe(
  document.body, {attributes: true, attributeFilter: ['data-link']}));
"""


def percentile(values: list[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0


def watched(browser: Any) -> Page:
    page: Page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.add_init_script(WATCH)
    return page


@contextlib.contextmanager
def figures(url: str, session: str) -> Iterator[list[float]]:
    """Asks for review figures from two threads as fast as it may; yields the times they took."""
    address = f"{url}api/v1/sessions/{session}/figure"
    took: list[float] = []
    end = threading.Event()

    def build() -> None:
        while not end.is_set():
            start = time.perf_counter()
            try:
                with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310 our own
                    answer.read()
            except urllib.error.HTTPError as error:
                error.close()
                if error.code != TOO_MANY:
                    raise
                end.wait(float(error.headers["Retry-After"]))
            else:
                took.append(time.perf_counter() - start)

    threads = [threading.Thread(target=build) for _ in range(2)]
    for thread in threads:
        thread.start()
    yield took
    end.set()
    for thread in threads:
        thread.join()


def answers(url: str) -> bool:
    """Whether the pages are served."""
    try:
        with urllib.request.urlopen(f"{url}healthz", timeout=2) as answer:  # noqa: S310 our own
            return bool(answer.read())
    except OSError:
        return False


class Usage:
    """CPU share and memory of a process with its children."""

    def __init__(self, pid: int) -> None:
        self.processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        self.start = time.monotonic()
        self.cpu = self._cpu()

    def _cpu(self) -> float:
        return sum(p.cpu_times().user + p.cpu_times().system for p in self.processes)

    def percent(self) -> float:
        return 100 * (self._cpu() - self.cpu) / (time.monotonic() - self.start)

    def megabytes(self) -> float:
        return sum(p.memory_info().rss for p in self.processes) / 1e6


def measure(
    page: Page, wall: Page, clinic: Program, skew_ms: float, seconds: float, title: str
) -> list[Row]:
    """One stretch of steady state; `wall` shows all rooms."""
    wall.evaluate("window.__alarm.length = 0")
    station, web = Usage(clinic.child("station")), Usage(clinic.child("web"))
    page.evaluate("window.__text.length = 0; window.__long.length = 0; window.__late = []")
    page.evaluate("""kv.__late || (kv.__late = true, setInterval(() => {
        const b = kv.model && kv.model.beat; if (b) window.__late.push(b.late_ms); }, 1000))""")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        page.wait_for_timeout(500)
    text = [value - skew_ms for value in page.evaluate("window.__text")]
    alarm = [value - skew_ms for value in wall.evaluate("window.__alarm")]
    long, late = page.evaluate("window.__long"), page.evaluate("window.__late")
    name = f"{title}: "
    return [
        (name + "sample -> text p50 ms", "", f"{percentile(text, 50):.1f}", f"n={len(text)}"),
        (name + "sample -> text p95 ms", "10", f"{percentile(text, 95):.1f}", ""),
        (name + "sample -> text p99 ms", "25", f"{percentile(text, 99):.1f}", ""),
        (
            name + "deciding sample -> alarm on screen p50 ms",
            "",
            f"{percentile(alarm, 50):.1f}",
            "",
        ),
        (
            name + "sample -> alarm on screen p99 ms",
            "100",
            f"{percentile(alarm, 99):.1f}",
            f"n={len(alarm)}",
        ),
        (
            name + "rule late p99 of each second's worst ms",
            "10",
            f"{percentile(late, 99):.1f}",
            f"n={len(late)}",
        ),
        (name + "longest browser task ms", "50", f"{max(long, default=0):.0f}", f"n={len(long)}"),
        (name + "station CPU %", "20", f"{station.percent():.1f}", ""),
        (name + "station memory MB", "120", f"{station.megabytes():.0f}", ""),
        (name + "web CPU % (with worker)", "", f"{web.percent():.1f}", ""),
        (name + "web memory MB (with worker)", "250", f"{web.megabytes():.0f}", ""),
    ]


def outage(page: Page, clinic: Program, name: str, state: str) -> list[Row]:
    """kill -9 of one process: when the page says so, and when it is live again."""
    page.evaluate("window.__link.length = 0")
    killed = page.evaluate("performance.now()")
    clinic.kill(name)
    said_so = f"() => window.__link.some(seen => seen[1] === {state!r})"
    page.wait_for_function(said_so, timeout=20_000)
    page.wait_for_selector("body[data-link=live]", timeout=30_000)
    page.wait_for_selector("[data-channel=spo2][data-state=fresh]", timeout=30_000)
    fresh = page.evaluate("performance.now()")
    said = next(at for at, link in page.evaluate("window.__link") if link == state)
    return [
        (f"kill -9 {name}: said after s", "4", f"{(said - killed) / 1000:.2f}", state),
        (f"kill -9 {name}: live again after s", "5", f"{(fresh - killed) / 1000:.2f}", ""),
    ]


Row = tuple[str, str, str, str]


def table(rows: list[Row]) -> None:
    out = sys.stdout.write
    out(f"{'':64} {'goal':>6} {'here':>8} {'ratio':>6}\n")
    for name, goal, value, note in rows:
        ratio = f"{float(value) / float(goal):6.2f}" if goal else " " * 6
        out(f"{name:64} {goal:>6} {value:>8} {ratio}  {note}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rooms", type=int, default=16)
    parser.add_argument("--clients", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    rows: list[Row] = []
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kap-bench-")))
        session = ward.past_session(folder / "vitals.db")
        beds, text = ward.bedsides(folder, options.rooms)
        port = free_port()
        (folder / "clinic.toml").write_text(
            f'[station]\nid = "bench"\nmode = "test"\nprofile = "bench.toml"\n'
            f"[web]\nport = {port}\n{text}\n"
        )
        (folder / "bench.toml").write_text(ward.PROFILE)
        for bed in beds:
            stack.enter_context(bed)
        play = stack.enter_context(sync_playwright())
        browser = play.chromium.launch(executable_path=chromium.whole(), args=chromium.FLAGS)
        stack.callback(browser.close)
        page = watched(browser)
        start = time.monotonic()
        clinic = Program(folder, "run", "--config", str(folder / "clinic.toml"))
        stack.callback(clinic.stop)
        url = f"http://127.0.0.1:{port}/"
        while not answers(url):  # as `vitals run` does before it opens the page
            time.sleep(0.05)
        page.goto(url, wait_until="commit")
        page.wait_for_selector("[data-channel=spo2][data-state=fresh]")
        rows.append(("start -> first fresh tile s", "4", f"{time.monotonic() - start:.2f}", ""))
        ward.open_all(folder / "vitals.db.feed", options.rooms)
        length = options.seconds * 3 + 120
        clients = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.clients", str(port), str(options.clients - 2),
             str(options.rooms), str(length)]
        )  # fmt: skip
        stack.callback(clients.wait)
        stack.callback(clients.send_signal, signal.SIGTERM)
        wall = watched(browser)
        wall.set_viewport_size({"width": 1920, "height": 1080})
        wall.goto(url)
        page.goto(f"{url}room/room-1")
        page.wait_for_selector("[data-channel=spo2][data-state=fresh]")
        wait_for(lambda: Reader(folder / "vitals.db").station(), "clock")
        page.wait_for_timeout(8000)
        skew = skew_ms(page, folder)
        rows += measure(page, wall, clinic, skew, options.seconds, f"{options.clients} pages")
        with figures(url, session) as took:
            page.wait_for_timeout(2000)
            rows += measure(page, wall, clinic, skew, options.seconds, "and figures built")
        rows.append(("review figures built a second", "", f"{len(took) / options.seconds:.1f}", ""))
        rows += outage(page, clinic, "station", "stale")
        page.wait_for_timeout(6000)
        rows += outage(page, clinic, "web", "lost")
    table(rows)


def skew_ms(page: Page, folder: Path) -> float:
    """How much later the page's clock shows than the station's, at the same instant."""
    station = Reader(folder / "vitals.db").station()
    assert station is not None
    wall = [time.time() * 1000 - station.clock.now_us() / 1000 for _ in range(50)]
    inner = page.evaluate("""() => { let best = []; for (let i = 0; i < 2000; i++)
        best.push(performance.timeOrigin + performance.now() - Date.now());
        return Math.min(...best); }""")
    return sorted(wall)[25] + inner


if __name__ == "__main__":
    main()
