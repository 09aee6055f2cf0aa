"""kill -9 of the station over and over, and two stations on one record."""

from __future__ import annotations

import asyncio
import random
import subprocess
import threading
import uuid
from pathlib import Path

import pytest

from tests.e2e.clinic import VITALS, Program, wait_for
from tests.e2e.wards import Clinic, Ward, running
from vitals import wire
from vitals.errors import FeedError
from vitals.follower import ask
from vitals.store.verify import verify

pytestmark = pytest.mark.long

KILLS = 5


class Scribe(threading.Thread):
    """Somebody who writes one note after another, as fast as they are answered."""

    def __init__(self, clinic: Clinic) -> None:
        super().__init__(name="scribe", daemon=True)
        self.recorded: list[str] = []
        self.refused: list[str] = []
        self._feed = clinic.feed
        self._ended = threading.Event()

    def run(self) -> None:
        number = 0
        while not self._ended.is_set():
            number += 1
            text = f"note {number}"
            message = wire.CommandMsg(
                id=str(uuid.uuid4()), kind="mark", room="good", role="nurse", args={"text": text}
            )
            try:
                (result,) = asyncio.run(ask(self._feed, [message], 3.0))
            except FeedError:
                continue  # not answered: it may be there or not
            if not result.ok:
                self.refused.append(result.error)
            elif result.recorded:
                self.recorded.append(text)

    def stop(self) -> None:
        self._ended.set()
        self.join(10)


def test_every_note_that_was_confirmed_survives_five_kills(tmp_path: Path) -> None:
    ward = Ward(tmp_path)
    ward.room("good", "nonin-df2")
    with running(tmp_path, ward) as clinic:
        session = clinic.open_sessions(["good"])["good"]
        scribe = Scribe(clinic)
        scribe.start()
        for kill in range(KILLS):
            wanted = len(scribe.recorded) + random.Random(kill).randrange(1, 40)  # noqa: S311
            wait_for(lambda wanted=wanted: len(scribe.recorded) >= wanted, "notes are taken")
            pid = clinic.kill("station")
            wait_for(lambda pid=pid: clinic.child("station") not in (0, pid), "another station")
        wanted = len(scribe.recorded) + 5
        wait_for(lambda: len(scribe.recorded) >= wanted, "notes are taken to the end")
        scribe.stop()
        assert scribe.refused == []
        stored = clinic.reader.session(session)
        assert stored is not None
        assert stored.session.resumed == KILLS
        assert stored.state == "open"
        kept = [row.body["text"] for row in clinic.reader.audit_by_kind(session, ["mark"])]
        assert set(scribe.recorded) <= set(kept)
        assert len(kept) == len(set(kept))
        found = verify(clinic.store)
        assert found.ok, found.broken
    assert "Traceback" not in clinic.said()


def test_a_second_station_on_one_record_is_refused_and_named(tmp_path: Path) -> None:
    (tmp_path / "clinic.toml").write_text('[[room]]\nid = "r1"\n')
    first = Program(tmp_path, "station", "--config", "clinic.toml")
    try:
        wait_for(lambda: (tmp_path / "vitals.db.feed").exists(), "the first station")
        command = [*VITALS, "station", "--config", "clinic.toml"]
        (tmp_path / "vitals.db.feed").unlink()  # nothing but the record itself tells
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=20
        )
        assert done.returncode == 2
        assert done.stderr == (
            f"vitals: {tmp_path}/vitals.db: another station (process {first.process.pid}) writes "
            "this record; stop it\n"
        )
        assert first.process.poll() is None
    finally:
        first.stop()
