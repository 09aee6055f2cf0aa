from __future__ import annotations

from vitals.store.pace import Pace, WriterSettings


def test_nothing_to_do_is_due_never() -> None:
    pace = Pace(WriterSettings())
    assert pace.due(None) is None
    assert pace.due(12.5) == 12.5
    assert pace.is_idle


def test_pauses_double_up_to_the_longest_and_a_success_ends_them() -> None:
    pace = Pace(WriterSettings(first_retry_s=0.1, last_retry_s=0.5))
    due = []
    for _ in range(5):
        pace.failed(100.0, None)
        due.append(round(pace.due(0.0) - 100.0, 6))  # type: ignore[operator]
    assert due == [0.1, 0.2, 0.4, 0.5, 0.5]
    assert pace.failing_since == 100.0
    assert not pace.is_idle
    pace.succeeded(101.0, ())
    assert pace.due(None) is None
    assert pace.is_idle
    pace.failed(102.0, None)
    assert round(pace.due(None) - 102.0, 6) == 0.1  # type: ignore[operator]


def test_rows_that_come_in_meanwhile_do_not_shorten_a_pause() -> None:
    pace = Pace(WriterSettings(first_retry_s=0.1))
    pace.failed(100.0, None)
    assert pace.due(0.0) == 100.1


def test_an_attempt_comes_no_later_than_the_moment_of_not_recording() -> None:
    pace = Pace(WriterSettings(first_retry_s=1.0, last_retry_s=1.0, stall_s=2.0))
    pace.failed(100.0, 98.5)
    assert pace.due(None) == 100.5
    pace.failed(100.5, 98.5)
    assert pace.due(None) == 101.5


def test_each_session_is_sealed_a_while_after_its_first_sample_without_a_seal() -> None:
    pace = Pace(WriterSettings(seal_s=60.0))
    pace.succeeded(100.0, {"a"})
    pace.succeeded(130.0, {"a", "b"})
    assert not pace.is_idle
    assert pace.due(None) == 160.0
    assert pace.sealed_by(159.0) == set()
    assert pace.sealed_by(160.0) == {"a"}
    pace.succeeded(160.0, {"b"})
    assert pace.due(None) == 190.0
    assert pace.sealed_by(float("inf")) == {"b"}
