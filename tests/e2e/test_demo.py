"""The whole program in real Chromium, from `vitals demo` to the record."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.clinic import VITALS, Demo, wait_for
from vitals.model import US
from vitals.store.rows import StoredAudit

FRESH = "[data-room] [data-channel=spo2][data-state=fresh]"
WATCH_LINK = """window.seen = []; new MutationObserver(() => window.seen.push(
    [performance.now(), document.body.dataset.link])).observe(
    document.body, {attributes: true, attributeFilter: ['data-link']})"""
STORY = """
route = "im"
dose_at_s = 2
[[event]]
at_s = 8
kind = "desaturation"
lasting_s = 600
to = 84
rise_s = 20
"""


def test_three_rooms_are_live_four_seconds_after_the_start(
    demo: Callable[..., Demo], new_page: Callable[..., Page], tmp_path: Path
) -> None:
    page = new_page(1920, 1080)
    start = time.monotonic()
    clinic = demo()
    page.goto(clinic.url)
    page.wait_for_selector(FRESH)
    first_s = time.monotonic() - start
    for room in ("room-1", "room-2", "room-3"):
        for channel in ("spo2", "pr"):
            number = page.locator(f"[data-room={room}] [data-channel={channel}][data-state=fresh]")
            expect(number).to_have_text(re.compile(r"^\d{2,3}$"))
    assert page.evaluate("document.body.dataset.link") == "live"
    expect(page.get_by_text("Staff aid, not a medical device").first).to_be_visible()
    expect(page.get_by_text("DEMO", exact=True).first).to_be_visible()
    # the machine may be busy with other tests; the goal itself (4 s) is measured by `make bench`
    assert first_s < 20


@pytest.mark.long
def test_the_rooms_of_a_demo_have_been_going_on_and_a_patient_was_here_before(
    demo: Callable[..., Demo], new_page: Callable[..., Page]
) -> None:
    clinic = demo("--rooms", "2")
    page = new_page()
    page.goto(f"{clinic.url}/room/room-1")
    page.wait_for_selector(FRESH)
    sessions = clinic.reader.sessions()
    here = {s.session.room: s.session for s in sessions if s.state == "open"}
    assert {(s.session.subject_ref, s.session.phase) for s in sessions if s.state == "closed"} == {
        ("DEMO-01", "CLOSED"),
    }
    assert (here["room-1"].subject_ref, here["room-1"].mode) == ("DEMO-01", "demo")
    assert here["room-1"].dose_us is not None
    assert here["room-2"].dose_us is None
    expect(page.get_by_text("expected course – not a limit").first).to_be_visible(timeout=60_000)
    gaps = clinic.reader.gaps(here["room-1"].id)
    assert len(gaps) <= 1, "nothing is missing but what passed while the station started"
    command = [*VITALS, "sessions", "verify", "--store", str(clinic.store)]
    verify = subprocess.run(command, capture_output=True, text=True, check=False)
    assert verify.returncode == 0, verify.stdout + verify.stderr


@pytest.mark.long
def test_a_desaturation_rings_in_time_and_an_acknowledgement_is_seen_by_all(
    demo: Callable[..., Demo], new_page: Callable[..., Page], tmp_path: Path
) -> None:
    (tmp_path / "story.toml").write_text(STORY)
    clinic = demo("--rooms", "2", "--scenario", str(tmp_path / "story.toml"), "--speed", "2")
    first, second = new_page(1920, 1080), new_page()
    first.goto(clinic.url)
    second.goto(f"{clinic.url}/room/room-1")
    alarm = "[data-room=room-1] [data-alarm=spo2-low][data-priority=high][data-condition=active]"
    first.wait_for_selector(alarm, timeout=40_000)
    expect(first.locator(alarm)).to_contain_text("SpO")
    expect(first.locator(alarm)).to_have_attribute("data-ack", "")

    second.locator("[data-alarm=spo2-low]").get_by_role("button").first.click()
    start = time.monotonic()
    first.wait_for_selector(f"{alarm}:not([data-ack=''])", timeout=5_000)
    assert time.monotonic() - start < 2.0

    (session,) = [s for s in clinic.reader.sessions() if s.session.room == "room-1"]

    def rows() -> list[StoredAudit]:
        found = clinic.reader.audit_by_kind(session.session.id, ["alarm"])
        return [row for row in found if row.body["rule"] == "spo2-low"]

    wait_for(
        lambda: any(row.body["cause"] == "acknowledged" and row.actor for row in rows()),
        "the acknowledgement is recorded, with a name",
    )
    low = rows()
    active = next(r for r in low if r.body["after"]["priority"] == "high")
    series = clinic.reader.numerics(session.session.id, "spo2")
    columns = zip(series.at_us.tolist(), series.value.tolist(), series.device, strict=True)
    before = [
        (at_us, value)
        for at_us, value, device in columns
        if device == "r1-oximeter" and at_us <= active.at_us
    ]
    run_us = None
    for at_us, value in reversed(before):
        if not value < 88:
            break
        run_us = at_us
    assert run_us is not None
    assert (active.at_us - run_us) / US == pytest.approx(10.0, abs=0.02)


def test_kill_of_the_station_is_said_and_mended_and_loses_nothing_acknowledged(
    demo: Callable[..., Demo], new_page: Callable[..., Page]
) -> None:
    clinic = demo("--rooms", "2", "--scenario", "calm")
    page = new_page()
    page.goto(f"{clinic.url}/room/room-1")
    page.wait_for_selector(FRESH)
    wait_for(lambda: len(clinic.reader.open_sessions()) == 2, "sessions are open")
    noted = []
    for number in range(3):
        done = subprocess.run(
            [*VITALS, "sessions", "open", "room-1", f"P-{number}", "--route", "iv", "--config",
             str(clinic.config)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        noted.append(done.stderr)
    assert all("close it first" in text for text in noted)
    page.evaluate(WATCH_LINK)
    before = {s.session.id for s in clinic.reader.open_sessions()}
    rows_before = [(r.n, r.hash) for r in clinic.reader.audit(next(iter(before)))]
    killed_ms = page.evaluate("performance.now()")
    clinic.kill("station")
    page.wait_for_function(
        "() => window.seen.some(([at, link]) => link === 'stale')", timeout=10_000
    )
    page.wait_for_selector("body[data-link=live]", timeout=20_000)
    page.wait_for_selector(FRESH, timeout=20_000)
    seen = page.evaluate("window.seen")
    stale_s = (next(at for at, link in seen if link == "stale") - killed_ms) / 1000
    live_s = (next(at for at, link in reversed(seen) if link == "live") - killed_ms) / 1000
    assert stale_s < 4.0
    assert live_s < 12.0
    after = clinic.reader.open_sessions()
    assert {s.session.id for s in after} == before
    assert all(s.session.resumed == 1 for s in after)
    kept = [(r.n, r.hash) for r in clinic.reader.audit(next(iter(before)))]
    assert kept[: len(rows_before)] == rows_before
    command = [*VITALS, "sessions", "verify", "--store", str(clinic.store)]
    verify = subprocess.run(command, capture_output=True, text=True, check=False)
    assert verify.returncode == 0, verify.stdout + verify.stderr


def test_kill_of_the_web_is_said_and_mended_and_the_record_has_no_gap(
    demo: Callable[..., Demo], new_page: Callable[..., Page]
) -> None:
    clinic = demo("--rooms", "2", "--scenario", "calm")
    page = new_page()
    page.goto(clinic.url)
    page.wait_for_selector(FRESH)
    wait_for(lambda: len(clinic.reader.open_sessions()) == 2, "sessions are open")
    station = clinic.child("station")
    page.evaluate(WATCH_LINK)
    clinic.kill("web")
    page.wait_for_function(
        "() => window.seen.some(([at, link]) => link === 'lost')", timeout=10_000
    )
    page.wait_for_selector("body[data-link=live]", timeout=20_000)
    page.wait_for_selector(FRESH, timeout=20_000)
    assert clinic.child("station") == station
    session = clinic.reader.open_sessions()[0].session.id
    wait_for(lambda: clinic.reader.numerics(session, "spo2").at_us.size > 5, "values")
    assert clinic.reader.gaps(session, longer_s=2.0) == []


@pytest.mark.long
def test_a_station_that_hangs_is_killed_and_started_again(
    demo: Callable[..., Demo], new_page: Callable[..., Page]
) -> None:
    clinic = demo("--rooms", "1")
    page = new_page()
    page.goto(clinic.url)
    page.wait_for_selector(FRESH)
    pid = clinic.child("station")
    os.kill(pid, signal.SIGSTOP)
    page.wait_for_selector("body[data-link=stale]", timeout=10_000)
    wait_for(lambda: clinic.child("station") not in (0, pid), "another station", 20)
    page.wait_for_selector("body[data-link=live]", timeout=20_000)
    assert "silent" in clinic.said()


def test_verify_finds_one_changed_byte(demo: Callable[..., Demo]) -> None:
    clinic = demo("--rooms", "1", "--speed", "5")
    wait_for(lambda: clinic.store.exists() and clinic.reader.open_sessions(), "session")
    session = clinic.reader.open_sessions()[0].session.id
    wait_for(lambda: clinic.reader.numerics(session, "pr").at_us.size > 20, "values")
    clinic.stop()

    def verify() -> int:
        command = [*VITALS, "sessions", "verify", "--store", str(clinic.store)]
        return subprocess.run(command, capture_output=True, check=False).returncode

    assert verify() == 0
    data = bytearray(clinic.store.read_bytes())
    data[data.rindex(b"nibp-baseline-1")] ^= 1
    clinic.store.write_bytes(data)
    assert verify() == 1


def test_stopping_the_demo_leaves_no_process_and_no_port(demo: Callable[..., Demo]) -> None:
    clinic = demo("--rooms", "1")
    children = [clinic.child("station"), clinic.child("web")]
    assert all(children)
    clinic.process.kill()  # not even asked: the children notice by themselves
    clinic.process.wait(5)
    wait_for(lambda: not any(psutil.pid_exists(pid) for pid in children), "children end", 15)
