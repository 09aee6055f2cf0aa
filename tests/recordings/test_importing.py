"""A recording becomes a session as if it had been watched: whole, once, and for review alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from tests.export import records
from tests.recordings.files import DEMO_2, START_US, numbers, recording
from vitals.alarms import profile
from vitals.errors import StoreError
from vitals.export.read import read_session
from vitals.importing import ImportRefused, Plan, import_recording
from vitals.model import US, Actor, Waveform
from vitals.record import Record
from vitals.recordings import Recording, read
from vitals.recordings.recording import Facts, Remark
from vitals.replay import recorded
from vitals.session import care
from vitals.store.claim import Claim, RecordInUse
from vitals.store.reader import Reader
from vitals.store.verify import verify
from vitals.what_if import of_session

PLAN = Plan(profile.load(), care.load(), Actor("Anna", "operator"), "P-7", "im")


def eventful() -> Recording:
    """Twenty minutes: a desaturation, a minute without anything, a high pressure."""
    calm, low = [97.0] * 300, [83.0] * 90
    return replace(
        recording(
            numbers("spo2", [*calm, *low, *calm], device="ox"),
            numbers("pr", [70.0] * 690, device="ox"),
            numbers("spo2", [98.0] * 400, device="ox2", from_s=760),
            numbers("nibp_sys", [124.0, 126.0, 196.0], device="cuff", every_s=310, from_s=30),
            numbers("nibp_dia", [78.0, 80.0, 118.0], device="cuff", every_s=310, from_s=30),
        ),
        remarks=(Remark(START_US + 200 * US, "eyes closed"),),
    )


def imported(store: Path, found: Recording, plan: Plan = PLAN) -> str:
    return import_recording(found, store, plan).session


def test_values_and_times_are_those_of_the_recording(tmp_path: Path) -> None:
    store, found = tmp_path / "vitals.db", read(DEMO_2)
    done = import_recording(found, store, PLAN)
    reader = Reader(store)
    for one in found.numbers:
        series = reader.numerics(done.session, one.channel)
        assert series.at_us.tolist() == one.at_us.tolist()
        assert series.value.tolist() == one.value.tolist()
        assert series.quality.tolist() == one.quality.tolist()
    assert done.values == sum(one.value.size for one in found.numbers)
    pleth = [wave for wave in found.waves if wave.channel == "pleth"]
    back = reader.waves(done.session, "pleth")
    assert [v for w in back for v in w.values] == [v for w in pleth for v in w.values]
    assert verify(store).ok


def test_an_export_that_is_imported_equals_the_record_it_is_of(tmp_path: Path) -> None:
    from vitals.export.command import write

    was = records.read(records.write(tmp_path / "old.db"))
    write(was, "csv", tmp_path / "session.zip", lambda _: None)
    found = read(tmp_path / "session.zip")
    store = tmp_path / "new.db"
    uuid = imported(store, found, replace(PLAN, subject="KV-0417", dose_us=found.facts.dose_us))
    now = records.read(store, uuid=uuid)
    assert now.session.dose_us == was.session.dose_us
    assert now.session.started_us == was.session.started_us
    for track in was.numerics:
        if track.device:
            key = (track.device, track.channel.key)
            back = next(n for n in now.numerics if (n.device, n.channel.key) == key)
            assert back.at_us.tolist() == track.at_us.tolist()
            assert repr(back.value.tolist()) == repr(track.value.tolist())
            assert (back.flags, back.device_at_us) == (track.flags, track.device_at_us)
    by_hand = [one for one in now.pressures if one.manual]
    assert [(one.sys, one.dia, one.at_us) for one in by_hand] == [
        (131.0, 84.0, records.at(records.MANUAL_S))
    ]


def test_it_is_judged_as_if_it_had_been_watched(tmp_path: Path) -> None:
    store = tmp_path / "vitals.db"
    uuid = imported(store, eventful(), replace(PLAN, dose_us=START_US + 240 * US))
    data = records.read(store, uuid=uuid)
    rang = {(one.rule, one.priority) for one in data.alarms}
    assert ("spo2-low", "high") in rang
    assert any(rule.startswith("sbp-high") for rule, _ in rang)
    assert any(rule.startswith(("no-data", "link-lost", "signal-lost")) for rule, _ in rang)
    low = next(one for one in data.alarms if one.rule == "spo2-low")
    assert 300 * US < low.from_us - START_US < 390 * US
    assert data.session.dose_us == START_US + 240 * US
    assert [one.sys for one in data.pressures] == [124, 126, 196]
    spo2 = next(one for one in data.coverage.channels if one.channel == "spo2")
    assert spo2.longest is not None
    assert round((spo2.longest[1] - spo2.longest[0]) / US) == 70


def test_it_replays_and_can_be_compared_like_any_session(tmp_path: Path) -> None:
    store = tmp_path / "vitals.db"
    uuid = imported(store, eventful(), replace(PLAN, dose_us=START_US + 240 * US))
    found = of_session(recorded(Reader(store), uuid), PLAN.profile)
    assert found.were
    assert found.were == found.would_be
    assert [event.text for event in found.events] == ["eyes closed"]


def test_its_end_overrides_nothing_unless_an_alarm_was_left(tmp_path: Path) -> None:
    calm = tmp_path / "calm.db"
    uuid = imported(calm, recording(numbers("spo2", [97.0] * 60)))
    assert "reason" not in closing(calm, uuid)
    low = tmp_path / "low.db"
    uuid = imported(low, recording(numbers("spo2", [80.0] * 120)))
    assert closing(low, uuid)["reason"] == "the recording is over"


def closing(store: Path, uuid: str) -> dict[str, object]:
    rows = Reader(store).audit_by_kind(uuid, ["session_change"])
    return next(row.body for row in rows if row.body["cause"] == "closed")


def test_what_the_station_knew_at_the_time_of_the_import_is_not_its_past(tmp_path: Path) -> None:
    store = tmp_path / "vitals.db"
    record = Record(store, "clinic", "")
    clock = record.clock(1.0)
    body = {"event": "recording", "recording": False, "detail": "disk full"}
    record.station_event(next(record.seq), clock.now_us(), body)
    early_us = START_US - 3600 * US
    record.station_event(next(record.seq), early_us, {"event": "audience", "armed": 0})
    assert record.close()
    uuid = imported(store, eventful())
    assert of_session(recorded(Reader(store), uuid), PLAN.profile).were
    station = Reader(store).station()
    assert station is not None
    assert station.id == "clinic"


def test_the_trail_says_that_and_of_what_it_was_imported(tmp_path: Path) -> None:
    store, found = tmp_path / "vitals.db", read(DEMO_2)
    uuid = imported(store, found)
    rows = Reader(store).audit(uuid)
    (row,) = (row for row in rows if row.kind == "imported")
    assert row.actor == "Anna"
    assert row.body["sha256"] == found.source.sha256
    assert row.body["file"] == DEMO_2.name
    assert row.body["reader"] == "vital"
    assert ["Intellivue/ABP", "not known"] in row.body["left_out"]
    opened = next(row for row in rows if row.body.get("cause") == "opened")
    assert opened.body["imported"] == DEMO_2.name
    words = [e.text for e in records.read(store, uuid=uuid).entries if e.kind == "imported"]
    assert words == [f"imported from {DEMO_2.name}"]


def test_it_is_a_test_session_of_the_clinics_zone_unless_it_is_real(tmp_path: Path) -> None:
    store = tmp_path / "vitals.db"
    reader = Reader(store)
    first = reader_session(reader, imported(store, eventful()))
    assert (first.session.mode, first.tz, first.state) == ("test", "+0100", "closed")
    real = replace(PLAN, mode="real", again=True)
    assert reader_session(reader, imported(store, eventful(), real)).session.mode == "real"


def reader_session(reader: Reader, uuid: str):  # type: ignore[no-untyped-def]
    found = reader.session(uuid)
    assert found is not None
    return found


def test_the_same_file_is_imported_again_only_when_somebody_wants_it(tmp_path: Path) -> None:
    store = tmp_path / "vitals.db"
    imported(store, eventful())
    before = store.read_bytes()
    with pytest.raises(StoreError, match=r"was imported already.*--again"):
        imported(store, eventful())
    assert store.read_bytes() == before
    again = replace(PLAN, again=True)
    uuids = {imported(store, eventful(), again) for _ in range(2)}
    assert len(uuids) == 2
    assert len(Reader(store).sessions()) == 3


def test_a_record_that_a_station_writes_is_left_alone(tmp_path: Path) -> None:
    store = tmp_path / "vitals.db"
    imported(store, eventful())
    claim = Claim(store)
    try:
        with pytest.raises(RecordInUse, match="another station"):
            imported(store, eventful(), replace(PLAN, again=True))
    finally:
        claim.release()
    assert len(Reader(store).sessions()) == 1


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"subject": "=cmd|x"}, "pseudonym"),
        ({"subject": ""}, "pseudonym"),
        ({"route": "nose"}, "route must be one of"),
        ({"dose_us": START_US - US}, "the dose cannot be before"),
        ({"dose_us": START_US + 86_400 * US}, "the dose cannot be before"),
    ],
)
def test_what_a_room_would_refuse_leaves_no_record(
    tmp_path: Path, change: dict[str, object], why: str
) -> None:
    store = tmp_path / "vitals.db"
    with pytest.raises(ImportRefused, match=why):
        imported(store, eventful(), replace(PLAN, **change))  # type: ignore[arg-type]
    assert not store.exists()


def test_a_write_that_fails_leaves_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "vitals.db"
    imported(store, eventful())
    head, seen = Reader(store).head(), []
    monkeypatch.setattr("vitals.importing._PATIENCE_S", 0.3)
    monkeypatch.setattr("vitals.store.samples.Samples._insert", lambda *_: _full(seen))
    with pytest.raises(StoreError, match="nothing was imported"):
        imported(store, eventful(), replace(PLAN, again=True))
    assert seen
    monkeypatch.undo()
    assert Reader(store).head() == head
    assert len(Reader(store).sessions()) == 1
    assert verify(store).ok


def _full(seen: list[int]) -> int:
    seen.append(1)
    raise apsw.FullError("database or disk is full")


def test_all_of_it_is_one_transaction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vitals.store.commit import Committer

    batches: list[int] = []
    commit = Committer.commit

    def counted(self, batch, seal_now=()):  # type: ignore[no-untyped-def]
        batches.append(len(batch.items))
        return commit(self, batch, seal_now)

    monkeypatch.setattr(Committer, "commit", counted)
    long = recording(numbers("spo2", [97.0] * 3000), numbers("pr", [70.0] * 3000))
    done = import_recording(long, tmp_path / "vitals.db", PLAN)
    assert done.values == 6000  # more than a station ever writes at once
    assert len(batches) == 1
    assert batches[0] > done.values


def test_a_damaged_record_is_not_touched(tmp_path: Path) -> None:
    store = tmp_path / "vitals.db"
    imported(store, eventful())
    data = bytearray(store.read_bytes())
    data[8192:40_000] = bytes(40_000 - 8192)
    store.write_bytes(bytes(data))
    with pytest.raises(StoreError):
        imported(store, eventful(), replace(PLAN, again=True))
    assert store.read_bytes() == bytes(data)
    assert not list(tmp_path.glob("*.corrupt*"))


def test_waves_alone_are_a_session_too(tmp_path: Path) -> None:
    import numpy as np

    samples = np.arange(75, dtype=np.float32)
    waves = tuple(Waveform("ox", "pleth", START_US + n * US, 75.0, samples) for n in range(30))
    store = tmp_path / "vitals.db"
    uuid = imported(store, recording(waves=waves, facts=Facts(tz="+0000")))
    data = read_session(
        Reader(store), reader_session(Reader(store), uuid), names=False, exported_us=START_US
    )
    assert sum(block.values.size for block in data.waves[0].blocks) == 75 * 30


def test_a_recording_with_a_long_text_or_odd_characters_is_imported(tmp_path: Path) -> None:
    odd = (Remark(START_US, "x" * 5000), Remark(START_US, "a\0b\r\n=cmd|' /C'!A0\u202e"))
    store = tmp_path / "vitals.db"
    uuid = imported(store, replace(eventful(), remarks=odd))
    marks = [row.body["text"] for row in Reader(store).audit(uuid) if row.kind == "mark"]
    assert [len(text) <= 200 for text in marks] == [True, True]
    assert all(text.isprintable() for text in marks)
