"""Bytes leave one after the other, at the line's speed, however time is cut into steps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from devices.driver import SerialSettings
from simulators.uart import Uart, byte_ns

MS = 1_000_000
BYTE = byte_ns(SerialSettings(9600))


def test_a_byte_has_start_and_stop_bits_and_perhaps_parity() -> None:
    assert BYTE == 1_041_667
    assert byte_ns(SerialSettings(9600, parity="O")) == 1_145_833
    assert byte_ns(SerialSettings(1200, stopbits=2)) == 9_166_667
    assert byte_ns(None) == 0


def test_a_line_takes_its_time() -> None:
    uart = Uart(BYTE)
    uart.put(b"x" * 96, 0)
    assert len(uart.take(50 * MS)) == 47
    assert len(uart.take(99 * MS)) == 48
    assert len(uart.take(101 * MS)) == 1
    assert uart.take(1000 * MS) == b""


def test_what_comes_meanwhile_waits_and_what_comes_later_does_not() -> None:
    uart = Uart(BYTE)
    uart.put(b"first", 0)
    uart.put(b"second", 1 * MS)
    assert uart.take(round(5.5 * BYTE)) == b"first"
    assert uart.take(20 * MS) == b"second"
    uart.put(b"third", 100 * MS)
    assert uart.take(100 * MS) == b""
    assert uart.take(106 * MS) == b"third"


def test_without_a_line_everything_leaves_when_it_is_due() -> None:
    uart = Uart(0)
    uart.put(b"now", 0)
    uart.put(b"later", 5)
    assert uart.take(5) == b"now"
    assert uart.take(6) == b"later"


def test_what_is_forgotten_delays_nothing() -> None:
    uart = Uart(BYTE)
    uart.put(b"x" * 1000, 0)
    uart.clear()
    uart.put(b"new", 0)
    assert uart.take(4 * BYTE) == b"new"


@given(
    st.lists(st.tuples(st.integers(0, 50 * MS), st.binary(max_size=20)), max_size=8),
    st.lists(st.integers(1, 200 * MS), max_size=20),
)
def test_no_way_of_asking_changes_what_has_left(
    said: list[tuple[int, bytes]], asked: list[int]
) -> None:
    often, once = Uart(BYTE), Uart(BYTE)
    for at_ns, data in sorted(said):
        often.put(data, at_ns)
        once.put(data, at_ns)
    left = b"".join(often.take(until_ns) for until_ns in sorted(asked))
    assert left == once.take(max(asked, default=0))
