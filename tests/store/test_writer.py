from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.store.build import FAST, T0, Done, audit, fill, pleth, session, spo2, station, until
from vitals.errors import StoreError
from vitals.model import Numeric, Quality, Waveform
from vitals.store.pace import WriterSettings
from vitals.store.reader import Reader
from vitals.store.rows import SessionRecord
from vitals.store.verify import verify
from vitals.store.writer import Writer

Opened = Callable[..., Writer]
SLOW = WriterSettings(group_s=3600.0, stall_s=3600.0, seal_s=3600.0)


def _slow(path: Path) -> Writer:
    """A writer that commits samples only together with something urgent."""
    writer = Writer(path, now_us=lambda: T0, settings=SLOW)
    writer.start()
    writer.put_audit(audit(1), session=session())
    until(lambda: writer.health().queued == 0)
    return writer


def test_samples_are_committed_by_themselves_after_a_while(path: Path, opened: Opened) -> None:
    writer = opened()
    writer.put_numeric("session-a", 2, spo2(0))
    writer.put_wave("session-a", 3, pleth(0))
    until(lambda: Reader(path).numerics("session-a", "spo2").at_us.size == 1)
    until(lambda: len(Reader(path).waves("session-a", "pleth")) == 1)


def test_an_audit_row_is_committed_at_once_with_all_that_was_put_before(path: Path) -> None:
    writer, done = _slow(path), Done()
    for seq in range(2, 50):
        writer.put_numeric("session-a", seq, spo2(seq))
    writer.put_audit(audit(50), done.of(50))
    until(lambda: done.answers == [(50, True)])
    assert Reader(path).numerics("session-a", "spo2").at_us.size == 48
    assert writer.health().commits == 2
    writer.close()


def test_a_blood_pressure_is_committed_at_once(path: Path) -> None:
    writer = _slow(path)
    writer.put_numeric("session-a", 2, spo2(0))
    for seq, key in enumerate(("nibp_sys", "nibp_dia", "nibp_map"), 3):
        writer.put_numeric("session-a", seq, Numeric("cuff", key, T0, 100.0))
    until(lambda: writer.health().queued == 0)
    assert Reader(path).nibp("session-a")[0].map == 100.0
    assert Reader(path).numerics("session-a", "spo2").at_us.size == 1
    writer.close()


def test_samples_alone_wait_for_their_group(path: Path) -> None:
    writer = _slow(path)
    for seq in range(2, 200):
        writer.put_numeric("session-a", seq, spo2(seq))
    assert writer.health().commits == 1
    assert writer.health().queued == 198
    assert writer.close()
    assert Reader(path).numerics("session-a", "spo2").at_us.size == 198


def test_done_comes_when_others_can_read_the_row(path: Path, opened: Opened) -> None:
    seen: list[tuple[bool, int, str]] = []

    def done(committed: bool) -> None:
        rows = [row for row in Reader(path).audit("session-a") if row.seq == 2]
        seen.append((committed, len(rows), threading.current_thread().name))

    opened().put_audit(audit(2), done)
    until(lambda: seen)
    assert seen == [(True, 1, "store")]


def test_a_session_and_its_audit_row_come_together_and_keep_their_texts(
    path: Path, opened: Opened
) -> None:
    writer = opened()
    dosed = session(dose_us=T0 + 5, phase="ONSET", resumed=1)
    writer.put_audit(audit(2, "dose"), session=dosed)
    until(lambda: writer.health().queued == 0)
    assert Reader(path).sessions() == [SessionRecord(dosed, "Europe/Berlin", "limits", "rooms")]
    told = [row.body for row in Reader(path).audit("session-a") if row.kind == "session_row"]
    assert [(body["phase"], body["dose_us"]) for body in told] == [
        ("CHECK_IN", None),
        ("ONSET", T0 + 5),
    ]


def test_the_stations_clock_is_found_again(path: Path, opened: Opened) -> None:
    writer = opened()
    writer.put_audit(audit(2, session=None), station=station(speed=60.0))
    assert writer.close()
    again = Writer(path)
    assert again.station == station(speed=60.0)
    again.close()
    assert verify(path).ok


def test_the_counter_goes_on_behind_whatever_was_stored_last(path: Path, opened: Opened) -> None:
    assert Writer(path.with_name("new.db")).last_seq() == 0
    writer = opened()
    for seq, put in (
        (10, lambda: writer.put_numeric("session-a", 10, spo2(0))),
        (20, lambda: writer.put_wave("session-a", 20, pleth(0))),
        (30, lambda: writer.put_audit(audit(30))),
    ):
        put()
        until(lambda: writer.health().queued == 0)
        assert Reader(path).last_seq() == seq
    assert writer.close()
    again = Writer(path)
    assert again.last_seq() == 30
    again.close()


def test_what_comes_twice_is_stored_once(path: Path, opened: Opened) -> None:
    writer, done = opened(), Done()
    for _ in range(2):
        writer.put_numeric("session-a", 2, spo2(0))
        writer.put_wave("session-a", 3, pleth(0))
        writer.put_audit(audit(4, command_id="c1"), done.of(4))
        until(lambda: writer.health().queued == 0)
    assert writer.close()
    assert done.answers == [(4, True), (4, True)]
    reader = Reader(path)
    assert reader.numerics("session-a", "spo2").at_us.size == 1
    assert len(reader.waves("session-a", "pleth")) == 1
    assert len(reader.audit_by_kind("session-a", {"note"})) == 1
    assert writer.health().repeated == 3
    assert verify(path).ok


def test_a_whole_record_put_again_behind_a_restart_changes_nothing(path: Path) -> None:
    fill(path)
    before = (Reader(path).audit("session-a"), verify(path))
    writer = Writer(path, settings=FAST)
    writer.start()
    for second in range(40):
        seq = 3 + second * 8
        writer.put_numeric("session-a", seq, spo2(second, 90.0 + second / 8))
    assert writer.close()
    assert (writer.health().repeated, writer.health().refused) == (40, 0)
    assert (Reader(path).audit("session-a"), verify(path)) == before


def test_a_repeated_command_finds_its_first_answer(path: Path, opened: Opened) -> None:
    writer = opened()
    first = audit(2, "command", command_id="c1", body={"ok": True})
    assert writer.result_of("c1") is None
    writer.put_audit(first)
    assert writer.result_of("c1") == first
    writer.put_audit(audit(3, "command", command_id="c1", body={"ok": False}))
    assert writer.result_of("c1") == first
    assert writer.close()
    again = Writer(path)
    assert again.result_of("c1") == first
    again.close()


def test_a_second_answer_to_a_command_is_set_aside_and_not_lost(path: Path, opened: Opened) -> None:
    writer, done = opened(), Done()
    writer.put_audit(audit(2, "command", command_id="c1", body={"ok": True}), done.of(2))
    writer.put_audit(audit(3, "command", command_id="c1", body={"ok": False}), done.of(3))
    writer.put_audit(audit(4), done.of(4))
    until(lambda: len(done.answers) == 3)
    assert writer.close()
    assert sorted(done.answers) == [(2, True), (3, False), (4, True)]
    (refused,) = Reader(path).audit_by_kind(None, {"refused"})
    (row,) = refused.body["rows"]
    assert row["body"] == {"ok": False}
    assert "command_id c1" in row["reason"]
    assert verify(path).ok


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (lambda w: w.put_numeric("nobody", 90, spo2(0)), "there is no session nobody"),
        (lambda w: w.put_numeric("session-a", 90, Numeric("x", "zz", T0, 1.0)), "no channel 'zz'"),
        (lambda w: w.put_numeric("session-a", 2**63, spo2(0)), "int"),
        (lambda w: w.put_audit(audit(90, session="nobody")), "there is no session nobody"),
        (lambda w: w.put_audit(audit(90), session=session(mode="play")), "mode"),
        (lambda w: w.put_audit(audit(90, actor="\ud800")), "surrogates"),
        (lambda w: w.put_audit(audit(1)), "seq 1 already"),
        (
            lambda w: w.put_wave(
                "session-a", 90, Waveform("x", "pleth", T0, 0.0, np.ones(5, dtype=np.float32))
            ),
            "rate_hz",
        ),
    ],
)
def test_a_row_that_can_never_be_stored_holds_up_nothing(
    path: Path, opened: Opened, bad: Callable[[Writer], None], reason: str
) -> None:
    writer, done = opened(), Done()
    writer.put_numeric("session-a", 2, spo2(0))
    bad(writer)
    writer.put_wave("session-a", 3, pleth(0))
    writer.put_audit(audit(4), done.of(4))
    until(lambda: done.answers == [(4, True)])
    until(lambda: writer.health().refused == 1)
    assert writer.close()
    reader = Reader(path)
    assert reader.numerics("session-a", "spo2").at_us.size == 1
    assert len(reader.waves("session-a", "pleth")) == 1
    (told,) = reader.audit_by_kind(None, {"refused"})
    (item,) = told.body["rows"] + told.body["samples"]
    assert reason in item["reason"]
    assert verify(path).ok


def test_of_many_refused_samples_the_first_are_told_and_the_rest_counted(
    path: Path, opened: Opened
) -> None:
    writer = opened()
    for seq in range(2, 102):
        writer.put_numeric("nobody", seq, spo2(seq))
    assert writer.close()
    told = [row.body for row in Reader(path).audit_by_kind(None, {"refused"})]
    assert sum(len(body["samples"]) + body["more"] for body in told) == 100
    assert all(len(body["samples"]) <= 20 for body in told)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), None])
def test_what_is_no_number_is_stored_as_no_value(
    path: Path, opened: Opened, value: float | None
) -> None:
    writer = opened()
    writer.put_numeric("session-a", 2, spo2(0, value, quality=Quality.INVALID))
    assert writer.close()
    series = Reader(path).numerics("session-a", "spo2")
    assert np.isnan(series.value).tolist() == [True]
    assert verify(path).ok


def test_an_empty_packet_is_nothing(path: Path, opened: Opened) -> None:
    writer = opened()
    writer.put_wave("session-a", 2, pleth(0, ()))
    assert writer.close()
    assert Reader(path).waves("session-a", "pleth") == []
    assert writer.health().refused == 0


def test_a_body_that_is_not_json_is_refused_where_it_is_put(opened: Opened) -> None:
    with pytest.raises(StoreError, match="cannot be recorded as JSON"):
        opened().put_audit(audit(2, body={"value": float("nan")}))


def test_a_body_is_stored_as_it_was_when_it_was_put(path: Path) -> None:
    writer, body = _slow(path), {"text": "before"}
    writer.put_audit(audit(2, body=body))
    body["text"] = "after"
    assert writer.close()
    (row,) = [row for row in Reader(path).audit("session-a") if row.seq == 2]
    assert row.body == {"text": "before"}


def test_a_callback_that_fails_stops_nothing(path: Path, opened: Opened) -> None:
    def broken(committed: bool) -> None:
        raise RuntimeError("the loop is closed")

    writer, done = opened(), Done()
    writer.put_audit(audit(2), broken)
    writer.put_audit(audit(3), done.of(3))
    until(lambda: done.answers == [(3, True)])


def test_closing_commits_and_seals_everything_and_takes_nothing_more(path: Path) -> None:
    writer = _slow(path)
    writer.put_numeric("session-a", 2, spo2(0))
    assert writer.close()
    with pytest.raises(StoreError, match="is closed"):
        writer.put_numeric("session-a", 3, spo2(1))
    assert not Path(f"{path}-wal").exists()
    assert (verify(path).sealed, verify(path).unsealed) == (1, 0)


def test_a_writer_that_never_started_still_stores_what_it_was_given(path: Path) -> None:
    writer, done = Writer(path), Done()
    writer.put_audit(audit(1), done.of(1), session=session())
    assert writer.close()
    assert done.answers == [(1, True)]
    assert verify(path).ok


def test_putting_never_waits_for_the_disk(path: Path) -> None:
    gate = threading.Event()

    def stuck(folder: Path) -> int:
        gate.wait(20)
        return 10**12

    settings = WriterSettings(group_s=0.01, stall_s=3600.0, look_s=0.0)
    writer = Writer(path, settings=settings, free_bytes=stuck)
    gate.set()
    writer.start()
    gate.clear()
    writer.put_audit(audit(1), session=session())
    until(lambda: writer.health().queued == 0)
    for seq in range(2, 2000):  # the thread is in `stuck` by now or soon: nobody releases it
        writer.put_numeric("session-a", seq, spo2(seq))
        writer.result_of("c1")
        writer.stalled(0.0)
    gate.set()
    assert writer.close()
    assert Reader(path).numerics("session-a", "spo2").at_us.size == 1998
