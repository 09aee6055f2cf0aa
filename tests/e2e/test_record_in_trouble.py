"""A full disk, a locked database, a damaged one: said, survived, and nothing recorded is lost."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.clinic import VITALS, wait_for
from tests.e2e.wards import Clinic, Ward, Watch, fresh, running
from vitals.model import Session
from vitals.store.rows import AuditRow, SessionRecord
from vitals.store.writer import Writer

pytestmark = pytest.mark.long

NOT_RECORDING = "body[data-recording=no]"
RECORDING = "body:not([data-recording])"
LOW = "[data-room=good] [data-alarm=spo2-low][data-priority=high][data-condition=active]"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def fill(disk: Path) -> Path:
    """Leaves not one byte; deleting the returned file gives them back."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
    return filler


@contextlib.contextmanager
def locked(store: Path) -> Iterator[None]:
    """What another program does that has opened the record and forgotten it."""
    other = apsw.Connection(str(store))
    other.set_busy_timeout(5000)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.close()


def one_room(folder: Path, speed: float = 1.0) -> Ward:
    ward = Ward(folder, speed=speed)
    ward.room("good", "nonin-df2")
    return ward


def mark(clinic: Clinic, text: str) -> bool | None:
    (result,) = clinic.tell(("mark", "good", {"text": text}))
    assert result.ok
    return result.recorded


def marks(clinic: Clinic, session: str) -> list[str]:
    return [row.body["text"] for row in clinic.reader.audit_by_kind(session, ["mark"])]


def verified(store: Path) -> None:
    command = [*VITALS, "sessions", "verify", "--store", str(store)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def longest_gap_s(clinic: Clinic, session: str) -> float:
    at_us = clinic.reader.numerics(session, "spo2").at_us
    assert at_us.size > 3
    return float(np.diff(at_us).max()) / 1e6


def test_on_a_full_disk_alarms_and_numbers_go_on_and_what_was_not_recorded_is_afterwards(
    small_disk: Path, tmp_path: Path, new_page: Callable[..., Page]
) -> None:
    ward = one_room(tmp_path, speed=4)
    with running(tmp_path, ward, store=small_disk / "vitals.db") as clinic:
        session = clinic.open_sessions(["good"])["good"]
        station = clinic.child("station")
        assert mark(clinic, "before") is True
        page = new_page(1920, 1080)
        page.goto(clinic.url)
        watch = Watch(page, "good")
        full_s = time.monotonic()
        filler = fill(small_disk)
        ward.fall()
        page.wait_for_selector(NOT_RECORDING, timeout=8_000)
        assert time.monotonic() - full_s < 5.0  # the failing commit, then 3 s
        expect(page.locator(".banner-recording")).to_contain_text("the disk is full")
        page.wait_for_selector(LOW, timeout=10_000)
        assert mark(clinic, "meanwhile") is False
        page.locator(LOW).get_by_role("button").click()
        expect(page.locator(LOW).get_by_role("status")).to_have_text("done, NOT RECORDED")
        page.wait_for_selector(f"{LOW}:not([data-ack=''])")
        assert watch.always_live()

        filler.unlink()
        page.wait_for_selector(RECORDING, timeout=5_000)
        assert mark(clinic, "after") is True
        assert clinic.child("station") == station
        assert marks(clinic, session) == ["before", "meanwhile", "after"]
        alarms = clinic.reader.audit_by_kind(session, ["alarm"])
        low = [row for row in alarms if row.body["rule"] == "spo2-low"]
        assert [row.actor for row in low if row.body["cause"] == "acknowledged"] == ["nurse"]
        assert "high" in {row.body["after"]["priority"] for row in low}
        assert any(row.body["rule"] == "not-recording" for row in alarms)
        assert longest_gap_s(clinic, session) < 2.0
        assert watch.always_live()
        verified(clinic.store)
    assert "Traceback" not in clinic.said()


def test_a_station_that_must_start_on_a_full_disk_resumes_its_sessions_and_is_seen(
    small_disk: Path, tmp_path: Path, new_page: Callable[..., Page]
) -> None:
    store = small_disk / "vitals.db"
    with running(tmp_path, one_room(tmp_path), store=store) as clinic:
        session = clinic.open_sessions(["good"])["good"]
    filler = fill(small_disk)
    with running(tmp_path, one_room(tmp_path), store=store) as clinic:
        page = new_page(1920, 1080)
        page.goto(clinic.url)
        page.wait_for_selector(f"[data-room=good][data-session='{session}']")
        page.wait_for_selector(NOT_RECORDING, timeout=8_000)
        page.wait_for_selector(fresh("good"))
        clinic.kill("station")  # again, and now in the middle of it
        page.wait_for_selector("body[data-link=stale]")
        page.wait_for_selector("body[data-link=live]", timeout=10_000)
        page.wait_for_selector(fresh("good"))
        filler.unlink()
        page.wait_for_selector(RECORDING, timeout=5_000)
        assert mark(clinic, "with room") is True
        assert marks(clinic, session) == ["with room"]
        verified(store)


def test_a_locked_record_is_said_and_not_one_second_is_lost(
    tmp_path: Path, new_page: Callable[..., Page]
) -> None:
    with running(tmp_path, one_room(tmp_path)) as clinic:
        session = clinic.open_sessions(["good"])["good"]
        page = new_page(1920, 1080)
        page.goto(clinic.url)
        watch = Watch(page, "good")
        with locked(clinic.store):
            locked_s, locked_us = time.monotonic(), time.time() * 1e6
            page.wait_for_selector(NOT_RECORDING, timeout=5_000)
            expect(page.locator(".banner-recording")).to_contain_text("another program")
            assert mark(clinic, "behind a lock") is False
            wait_for(lambda: time.monotonic() - locked_s > 8, "8 s", 10)
        page.wait_for_selector(RECORDING, timeout=4_000)
        assert mark(clinic, "open again") is True
        assert marks(clinic, session) == ["behind a lock", "open again"]
        at_us = clinic.reader.numerics(session, "spo2").at_us
        assert ((at_us > locked_us) & (at_us < locked_us + 8e6)).sum() >= 7
        assert longest_gap_s(clinic, session) < 1.6
        assert watch.always_live()
        verified(clinic.store)


def test_a_station_that_starts_behind_a_lock_resumes_and_records_when_it_goes(
    tmp_path: Path, new_page: Callable[..., Page]
) -> None:
    with running(tmp_path, one_room(tmp_path)) as clinic:
        session = clinic.open_sessions(["good"])["good"]
        page = new_page(1920, 1080)
        page.goto(clinic.url)
        Watch(page, "good")
        with locked(clinic.store):
            clinic.kill("station")
            page.wait_for_selector("body[data-link=stale]")
            page.wait_for_selector("body[data-link=live]", timeout=10_000)
            page.wait_for_selector(f"[data-room=good][data-session='{session}']")
            page.wait_for_selector(NOT_RECORDING, timeout=8_000)
        page.wait_for_selector(RECORDING, timeout=4_000)
        stored = clinic.reader.session(session)
        assert stored is not None
        assert stored.session.resumed == 1
        assert mark(clinic, "recorded again") is True
        verified(clinic.store)


def damaged_record(store: Path) -> bytes:
    """A real record whose tables were overwritten."""
    writer = Writer(store)
    session = Session("old", "good", "P-0", "iv", 1, mode="test")
    writer.put_audit(
        AuditRow(1, 1, "old", "good", "", "", "opened"), session=SessionRecord(session)
    )
    assert writer.close()
    data = bytearray(store.read_bytes())
    data[4096 : len(data) // 2] = bytes(len(data) // 2 - 4096)
    store.write_bytes(data)
    return bytes(data)


def test_a_damaged_record_is_set_aside_and_said_and_a_new_one_goes_on(
    tmp_path: Path, new_page: Callable[..., Page]
) -> None:
    store = tmp_path / "vitals.db"
    before = damaged_record(store)
    with running(tmp_path, one_room(tmp_path)) as clinic:
        (aside,) = tmp_path.glob("vitals.db.corrupt.*Z")
        assert aside.read_bytes() == before
        sentence = f"the record was damaged and set aside as {aside.name}"
        wait_for(lambda: sentence in clinic.said(), "the log says it")
        with urllib.request.urlopen(f"{clinic.url}/api/v1/state", timeout=5) as answer:  # noqa: S310
            beat = json.load(answer)["beat"]
        assert beat["recording"]
        assert sentence in beat["detail"]
        session = clinic.open_sessions(["good"])["good"]
        assert mark(clinic, "in a new record") is True
        page = new_page(1920, 1080)
        page.goto(clinic.url)
        Watch(page, "good")
        told = clinic.reader.audit_by_kind(None, ["quarantine"])
        assert [row.body["file"] for row in told] == [aside.name]
        assert marks(clinic, session) == ["in a new record"]
        verified(store)
    assert aside.read_bytes() == before
