"""What the soak counts: its verdict is only as good as that."""

from __future__ import annotations

import pytest

from tests.bench.soak_listener import Ear
from tests.bench.soak_live import Sample, growth, table
from vitals import wire


def samples(*mb: float, pid: int = 1, from_s: float = 0.0) -> list[Sample]:
    return [
        Sample(from_s + 60.0 * i, {"station": pid}, {"station": each}, {"station": 20 + i})
        for i, each in enumerate(mb)
    ]


def test_growth_is_that_of_the_process_that_lives_at_the_end() -> None:
    before = samples(500, 500, 500, pid=1)
    found = before + samples(60, 61, 60, 62, 66, 65, pid=2, from_s=180.0)
    assert growth(found, "station", 0.0) == (5.0, 4)
    assert growth(found, "station", 300.0) == (3.0, 3)


def test_growth_of_a_process_that_was_seen_once_is_none() -> None:
    assert growth(samples(60.0), "station", 0.0) == (0.0, 0)
    assert growth(samples(60.0, 70.0), "web", 0.0) == (0.0, 0)


def alarm(raised_us: int, value_us: int, condition: str = "active") -> wire.AlarmMsg:
    return wire.AlarmMsg(
        room="room-1", rule="pr-high", condition=condition, raised_us=raised_us, value_us=value_us
    )


def test_an_alarm_is_timed_once_by_the_stations_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    ear, now = Ear(), [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    ear.publish(alarm(5_000_000, 5_000_000))  # before any beat: nobody knows the station's time
    ear.publish(wire.BeatMsg(now_us=7_000_000, late_ms=3.0))
    now[0] = 101.5
    ear.publish(wire.BeatMsg(now_us=8_400_000))  # came 0.1 s later than the other
    ear.publish(alarm(8_300_000, 8_300_000))
    ear.publish(alarm(8_300_000, 8_300_000))
    ear.publish(alarm(8_300_000, 8_400_000))  # decided by an earlier sample
    ear.publish(alarm(8_450_000, 8_450_000, "idle"))
    assert ear.alarm_ms == [pytest.approx(200.0)]
    assert ear.late_ms == [3.0, 0.0]


def test_a_number_over_its_bar_is_no_pass(capsys: pytest.CaptureFixture[str]) -> None:
    assert table([("one", 5.0, 5.0, ""), ("two", 900.0, None, "")])
    assert not table([("one", 5.1, 5.0, "why")])
    assert "! why" in capsys.readouterr().out
