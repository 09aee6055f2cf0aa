from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.store.build import T0, audit, pleth, spo2
from vitals.clock import US
from vitals.model import Numeric
from vitals.store.backlog import Backlog, Entry, Sample


def _note(seq: int, at: float = 0.0) -> Entry:
    return Entry(audit(seq), "{}", None, None, None, at)


def _spo2(seq: int, at: float = 0.0) -> Sample:
    return Sample(seq, "session-a", spo2(seq), at)


def _nibp(seq: int, at: float = 0.0) -> Sample:
    return Sample(seq, "session-a", Numeric("cuff", "nibp_sys", T0, 120.0), at)


def _pleth(seq: int, at: float = 0.0) -> Sample:
    return Sample(seq, "session-a", pleth(seq), at)


MAKERS = (_note, _spo2, _nibp, _pleth)


@given(st.lists(st.sampled_from(MAKERS), max_size=40), st.integers(1, 10))
def test_whatever_was_put_comes_out_once_in_order_of_its_counter(makers: list, most: int) -> None:
    backlog = Backlog(1000)
    for seq, make in enumerate(makers, 1):
        backlog.put(make(seq))
    taken = []
    while len(backlog):
        batch = backlog.take(most)
        assert 0 < len(batch.items) <= most
        assert len(batch.entries) + len(batch.samples) == len(batch.items)
        taken += [item.seq for item in batch.items]
    assert taken == list(range(1, len(makers) + 1))


def test_samples_wait_for_their_group_and_audit_rows_and_nibp_for_nothing() -> None:
    for make, due in ((_spo2, 11.0), (_pleth, 11.0), (_note, 0.0), (_nibp, 0.0)):
        backlog = Backlog(10)
        assert backlog.due_mono(1.0) is None
        backlog.put(make(1, 10.0))
        backlog.put(_spo2(2, 10.5))
        assert backlog.due_mono(1.0) == due


def test_the_oldest_item_counts_whatever_it_is() -> None:
    backlog = Backlog(10)
    assert backlog.oldest_mono is None
    backlog.put(_pleth(1, 5.0))
    backlog.put(_note(2, 6.0))
    assert backlog.oldest_mono == 5.0
    assert backlog.take(10).oldest_mono == 5.0
    assert backlog.oldest_mono is None


def test_without_room_pleth_goes_first_then_numerics_oldest_first() -> None:
    backlog = Backlog(4)
    for seq, make in enumerate((_pleth, _spo2, _pleth, _spo2, _note, _nibp, _note), 1):
        backlog.put(make(seq))
    assert backlog.shed_total == 3
    batch = backlog.take(10)
    assert [item.seq for item in batch.items] == [4, 5, 6, 7]
    shed = batch.shed["session-a"]
    assert (shed.waves, shed.numerics) == (2, 1)
    assert (shed.from_us, shed.to_us) == (T0 + 1 * US, T0 + 3 * US)


def test_audit_rows_and_nibp_are_kept_beyond_the_bound() -> None:
    backlog = Backlog(2)
    for seq, make in enumerate((_note, _nibp, _note, _nibp, _spo2), 1):
        backlog.put(make(seq))
    assert [item.seq for item in backlog.take(10).items] == [1, 2, 3, 4]


def test_what_was_shed_is_accounted_for_once() -> None:
    backlog = Backlog(1)
    backlog.put(_pleth(1))
    backlog.put(_pleth(2))
    assert backlog.take(10).shed["session-a"].waves == 1
    backlog.put(_pleth(3))
    assert backlog.take(10).shed == {}
