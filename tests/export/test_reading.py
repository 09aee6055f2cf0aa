"""What a session is, before it becomes a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.export import records
from tests.export.records import DOUBT_S, GAP_S, NONE_S, UUID, at, read
from vitals.bedside.cuff import LINK_LOST, NO_VALUE
from vitals.export.people import People
from vitals.export.session_data import SessionData
from vitals.export.timeline import timeline
from vitals.model import US, Quality
from vitals.store.reader import Reader
from vitals.store.rows import AuditRow, SessionRecord, StoredAudit
from vitals.store.writer import Writer


def test_tracks_are_in_order_of_time_however_the_values_came(data: SessionData) -> None:
    for track in data.numerics:
        assert (np.diff(track.at_us) >= 0).all()
    expected = sorted(
        (n.at_us, n.value, n.quality)
        for n in records.numerics(600)
        if (n.device, n.channel) == ("oxi", "pr")
        if n.value is not None
    )
    (track,) = [t for t in data.numerics if (t.device, t.channel.key) == ("oxi", "pr")]
    known = ~np.isnan(track.value)
    assert [at for at, _, _ in expected] == track.at_us[known].tolist()
    assert [value for _, value, _ in expected] == track.value[known].tolist()
    assert (~known).sum() == NONE_S[1] - NONE_S[0]


def test_the_devices_own_time_is_kept(data: SessionData) -> None:
    (track,) = [t for t in data.numerics if (t.device, t.channel.key) == ("cuff", "nibp_sys")]
    assert track.device_at_us[0] == track.at_us[0] - 7 * US


def test_failed_readings_have_their_reason_and_no_attempt_counts_twice(data: SessionData) -> None:
    failed = [(one.at_us, one.failure) for one in data.pressures if one.failure]
    assert failed == [
        (at(records.FAILED_S), "cuff leak"),
        (at(records.SILENT_S), NO_VALUE),
        (at(records.LOST_S), LINK_LOST),
    ]
    assert data.coverage.nibp.attempts == len(data.pressures) == 4 + 1 + 3
    assert data.coverage.nibp.failed == 3


def test_a_reading_has_the_cuffs_pulse_and_never_the_oximeters(data: SessionData) -> None:
    first = data.pressures[0]
    assert (first.sys, first.dia, first.map, first.pulse) == (128.0, 79.5, 95.0, 70.0)
    assert not first.manual
    (by_hand,) = [one for one in data.pressures if one.manual]
    assert (by_hand.device, by_hand.sys, by_hand.pulse) == ("", 131.0, None)


def test_an_alarm_is_one_episode(data: SessionData) -> None:
    (alarm,) = data.alarms
    assert (alarm.from_us, alarm.acked_us, alarm.to_us) == (at(150), at(155), at(170))
    assert (alarm.priority, alarm.text, alarm.acked_by) == ("high", "SpO2 86 < 88", "nurse 1")


def test_coverage_knows_gaps_and_time_off_the_monitor(data: SessionData) -> None:
    spo2 = data.coverage.of("spo2")
    assert spo2 is not None
    assert data.coverage.off == ((at(300), at(330)),)
    assert spo2.gaps == 2  # the sensor was off, and the rest of the gap behind the time off
    off_s = NONE_S[1] - NONE_S[0]
    assert spo2.questionable == pytest.approx((DOUBT_S[1] - DOUBT_S[0]) / spo2.values)
    assert spo2.invalid == pytest.approx((off_s + 1) / spo2.values)
    assert spo2.longest is not None
    assert (spo2.longest[1] - spo2.longest[0]) / US == pytest.approx(10.3, abs=0.1)
    assert data.coverage.of("pleth") is not None
    assert data.coverage.of("pr") is not None  # of the oximeter; the cuff's comes now and then
    assert data.coverage.nibp.missed == ("BP at 5 min",)
    assert data.gaps == ((at(470), at(480)),)
    assert GAP_S[0] == 300


def test_people_are_roles_and_numbers(recorded: Path, data: SessionData) -> None:
    said = repr(data.entries) + repr(data.alarms) + repr(data.session)
    assert "Anna" not in said
    assert "Bob" not in said
    (mark,) = [entry for entry in data.entries if entry.kind == "mark"]
    assert (mark.actor, mark.role) == ("nurse 1", "nurse")
    assert mark.text == "=eyes closed, calm; nurse 1 is here"
    (score,) = [entry for entry in data.entries if entry.kind == "score"]
    assert (score.actor, score.role) == ("person 1", "")
    named = read(recorded, names=True)
    assert {entry.actor for entry in named.entries} == {"", "Anna Berger", "Bob"}
    assert named.alarms[0].acked_by == "Anna Berger"


def test_a_name_inside_another_word_stays() -> None:
    row = StoredAudit(
        1, 1, 0, UUID, "room-1", "Bo", "nurse", "mark",
        {"text": "Bo and BO; Bobsleigh, boat", "rule": "Bo", "own_alarm_by": {"Bo-oxi": "Bo"}},
        None, b"",
    )  # fmt: skip
    hidden = People([row]).hide(row)
    assert hidden.actor == "nurse 1"
    assert hidden.body["text"] == "nurse 1 and nurse 1; Bobsleigh, boat"
    assert hidden.body["rule"] == "Bo"
    assert hidden.body["own_alarm_by"] == {"Bo-oxi": "nurse 1"}


def test_the_state_of_the_session_is_folded_and_nobody_is_named_in_it(tmp_path: Path) -> None:
    dose = {"n": 1, "kind": "dose", "at_us": at(120), "marked_us": at(121), "by": "Dora Witt"}
    state = {
        "doses": [{**dose, "mg": 70.0, "lot": "L7", "witness": "Emil"}],
        "signed": {"by": "Fritz"},
    }
    gate = {"gate": {"decision": "override", "order_by": "Gerda Holm", "reason": "Gerda agreed"}}
    mark = {"id": "m", "text": "nausea"}
    rows = [
        AuditRow(500, at(121), UUID, "room-1", "Dora Witt", "", "session_change",
                 {"cause": "dose", "phase": "DOSING", "state": state | gate}),
        AuditRow(501, at(122), UUID, "room-1", "", "", "mark", mark),
        AuditRow(502, at(100), UUID, "room-1", "", "", "mark", mark | {"first_us": at(122)}),
    ]  # fmt: skip
    path = records.write(tmp_path / "vitals.db", 20, pleth=False, rows=rows)
    found = read(path)
    (given,) = found.session.doses
    assert (given.mg, given.lot) == (70.0, "L7")
    assert given.by.startswith("person ")
    for name in ("Dora", "Emil", "Fritz", "Gerda"):
        assert name not in repr(found)
    assert found.session.gate["reason"].startswith("person ")
    nausea = [point for point in timeline(found.entries) if point.text == "nausea"]
    assert [point.at_us for point in nausea] == [at(100)]  # as corrected last


def test_the_config_never_leaves_and_the_limits_do(data: SessionData) -> None:
    assert "secret" not in repr(data.facts())
    assert data.record.profile_text.startswith("#") or "rule" in data.record.profile_text


def test_the_head_is_that_of_the_record(recorded: Path, data: SessionData) -> None:
    from vitals.store.verify import verify

    assert data.head == verify(recorded).head
    assert data.station == "clinic-a"


def test_one_moment_is_kept_while_the_station_writes(tmp_path: Path) -> None:
    path = tmp_path / "vitals.db"
    writer = Writer(path, now_us=lambda: 0)
    writer.start()
    rows = list(records.audit_rows(600))
    open_session = records.session(600, ended_us=None, phase="ONSET_PEAK")
    answered: list[bool] = []
    writer.put_audit(rows[0], answered.append, session=SessionRecord(open_session, "+0100", "", ""))
    _until(lambda: answered)
    reader = Reader(path)
    with reader.at_one_moment() as held:
        before = held.head()
        writer.put_audit(rows[8], answered.append)
        _until(lambda: len(answered) == 2)
        assert held.head() == before
        assert len(held.audit(UUID)) == len(reader.audit(UUID)) - 1
    assert reader.head() != before
    assert writer.close()


def test_an_open_session_reaches_to_the_last_thing_recorded(tmp_path: Path) -> None:
    path = records.write(tmp_path / "vitals.db", 120, ended_us=None, phase="ONSET_PEAK")
    found = read(path)
    assert found.record.state == "open"
    # the rows of the audit trail go on behind the last value
    assert found.to_us == max(entry.at_us for entry in found.entries)
    assert found.facts()["ended"] == ""


def test_a_session_without_anything_is_read(tmp_path: Path) -> None:
    path = tmp_path / "vitals.db"
    writer = Writer(path, now_us=lambda: 0)
    writer.start()
    first = next(iter(records.audit_rows(600)))
    empty = records.session(0, ended_us=None, dose_us=None, resumed=0)
    writer.put_audit(first, session=SessionRecord(empty, "", "", ""))
    assert writer.close()
    found = read(path)
    assert (found.numerics, found.waves, found.pressures, found.alarms) == ((), (), (), ())
    assert found.to_us == records.START_US
    assert found.coverage.sentence() == "nothing was measured"
    assert len(found.entries) == 1


def test_an_unknown_channel_is_kept_by_its_key(tmp_path: Path) -> None:
    from tests.store.build import raw

    path = records.write(tmp_path / "vitals.db", 20, pleth=False)
    connection = raw(path)
    for trigger in ("channel_no_update",):
        connection.execute(f"DROP TRIGGER {trigger}")
    connection.execute("UPDATE channel SET key = 'etco2', loinc = NULL WHERE key = 'pi'")
    connection.close()
    found = read(path)
    assert {track.channel.key for track in found.numerics} >= {"etco2", "spo2"}


def test_questionable_is_the_worst_quality_of_a_reading(tmp_path: Path) -> None:
    from vitals.export.pressures import determinations
    from vitals.export.session_data import NumericTrack, channel_of

    def track(key: str, value: float, quality: int) -> NumericTrack:
        times = np.array([5], dtype=np.int64)
        codes = np.array([quality], dtype=np.uint8)
        return NumericTrack(
            "cuff", channel_of(key), times, np.array([value]), codes, ("",), (None,)
        )

    (one,) = determinations([track("nibp_sys", 120, 0), track("nibp_dia", 80, 1)], [])
    assert (one.quality, one.failure) == (Quality.QUESTIONABLE, "")
    (half,) = determinations([track("nibp_sys", 120, 0), track("nibp_dia", 80, 2)], [])
    assert (half.sys, half.dia, half.failure, half.quality) == (120, None, "", Quality.GOOD)
    (none,) = determinations([track("nibp_sys", 300, 2), track("nibp_dia", np.nan, 0)], [])
    assert (none.sys, none.failure) == (None, NO_VALUE)


def _until(condition: Callable[[], object]) -> None:
    from tests.store.build import until

    until(condition)
