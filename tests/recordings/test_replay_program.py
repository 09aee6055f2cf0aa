"""`vitals replay` as a process: the real station, the real web, the record that it makes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from tests import chromium
from tests.e2e.clinic import Program, free_port, wait_for
from tests.recordings.files import DEMO_1, DEMO_2
from vitals.cli import main
from vitals.recordings import Recording, read
from vitals.store.reader import Reader

pytestmark = pytest.mark.long

SPEED = 30


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Recording, str]]:
    """One replay from beginning to end, stopped by itself."""
    folder = tmp_path_factory.mktemp("replay")
    program = Program(
        folder, "replay", str(DEMO_2), "--speed", str(SPEED), "--port", str(free_port()),
        "--no-open", "--folder", str(folder / "kept"), "--stop", "--dose-at", "+0:40",
    )  # fmt: skip
    try:
        wait_for(lambda: program.process.poll() is not None, "the end of the recording", 120)
        assert program.process.returncode == 0, program.said()
        yield folder / "kept" / "vitals.db", read(DEMO_2), program.said()
    finally:
        program.stop()


def test_what_is_recorded_is_what_was_in_the_file(played: tuple[Path, Recording, str]) -> None:
    store, found, _ = played
    reader = Reader(store)
    (record,) = reader.sessions()
    for one in found.numbers:
        series = reader.numerics(record.session.id, one.channel)
        assert series.value.tolist() == one.value.tolist()
        assert list(series.device_at_us) == one.at_us.tolist()
        shift = set((series.at_us - one.at_us).tolist())
        assert len(shift) == 1  # every time is the recording's, moved as a whole
    pleth = [v for wave in reader.waves(record.session.id, "pleth") for v in wave.values]
    assert pleth == [v for w in found.waves if w.channel == "pleth" for v in w.values]


def test_the_session_is_a_closed_test_that_is_called_a_replay(
    played: tuple[Path, Recording, str],
) -> None:
    store, found, said = played
    reader = Reader(store)
    (record,) = reader.sessions()
    session = record.session
    assert (session.mode, record.state) == ("test", "closed")
    assert session.subject_ref == "REPLAY test_intellivue_demo2"
    assert "The recording is over." in said
    assert "A recording, no live patient" in said
    first = reader.numerics(session.id, "hr").at_us[0]
    shift_us = first - next(n for n in found.numbers if n.channel == "hr").at_us[0]
    assert session.dose_us == found.from_us + 40_000_000 + shift_us


def test_its_texts_are_marks_at_their_times(played: tuple[Path, Recording, str]) -> None:
    store, found, _ = played
    reader = Reader(store)
    (record,) = reader.sessions()
    marks = [row for row in reader.audit(record.session.id) if row.kind == "mark"]
    assert [row.body["text"] for row in marks] == [r.text for r in found.remarks]
    gaps = {row.at_us - remark.at_us for row, remark in zip(marks, found.remarks, strict=True)}
    assert len(gaps) == 1


def test_pages_say_replay_while_it_runs_and_stay_until_ctrl_c(tmp_path: Path) -> None:
    port = free_port()
    program = Program(
        tmp_path, "replay", str(DEMO_1), "--speed", "1", "--port", str(port), "--no-open",
        "--folder", str(tmp_path / "kept"),
    )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}/"
        ended = program.process.poll
        wait_for(lambda: url in program.said() or ended() is not None, "the pages", 90)
        assert program.process.poll() is None, program.said()
        look(url)
        assert 'label = "REPLAY"' in (tmp_path / "kept" / "clinic.toml").read_text()
        # a station that dies goes on at the right place of the recording
        store = tmp_path / "kept" / "vitals.db"
        wait_for(lambda: store.exists() and _values(store) > 3, "values", 60)
        program.kill("station")
        wait_for(lambda: "The recording is over." in program.said(), "its end", 90)
        (record,) = Reader(store).sessions()
        assert record.session.resumed == 1
        series = Reader(store).numerics(record.session.id, "hr")
        theirs = [at for at in series.device_at_us if at is not None]
        assert len(set((series.at_us - theirs).tolist())) == 1
        assert program.process.poll() is None
    finally:
        program.stop()
    assert program.process.returncode == 0


def look(url: str) -> None:
    """What a person sees."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium.headless(), args=chromium.FLAGS)
        page = browser.new_page()
        page.goto(url)
        room = page.locator("[data-room=replay]").first
        expect(room.locator("[data-channel=spo2][data-state=fresh]")).to_have_text(
            "95", timeout=60_000
        )
        expect(room.locator("[data-channel=hr]")).to_have_text("60")
        expect(page.get_by_text("REPLAY", exact=True).first).to_be_visible()
        expect(page.get_by_text("TEST", exact=True).first).to_be_visible()
        browser.close()


def _values(store: Path) -> int:
    sessions = Reader(store).sessions()
    return Reader(store).numerics(sessions[0].session.id, "hr").value.size if sessions else 0


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (["gone.vital"], "it cannot be read"),
        ([str(DEMO_1), "--speed", "100"], "0.1<=x<=60"),
        ([str(DEMO_1), "--route", "nose"], "known are"),
        ([str(DEMO_1), "--dose-at", "+9:00"], "is not within the recording"),
    ],
)
def test_what_cannot_be_played_is_one_sentence(
    capsys: pytest.CaptureFixture[str], args: list[str], why: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["replay", *args, "--no-open"])
    assert ended.value.code == 2
    assert why in " ".join(capsys.readouterr().err.split())
