"""Byte faults: each does its own damage, at its own rate, the same for the same seed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.faults import (
    BANNER,
    BREAK_OFF_S,
    LINE_ENDS,
    NAMES,
    REBOOT_S,
    REPLUG_S,
    SPEEDS,
    STALL_S,
    WRONG_BAUD_S,
    Line,
    LineFault,
    at_wrong_baud,
)
from vitals.errors import ConfigError

SENT = bytes(range(1, 101))
LASTING = {
    "half-packet": BREAK_OFF_S,
    "wrong-baud": WRONG_BAUD_S,
    "stall": STALL_S,
    "reboot": REBOOT_S,
    "replug": REPLUG_S,
}


def carried(
    kind: str, *, seed: int = 1, per_minute: float = 60.0, minutes: int = 10
) -> list[bytes]:
    line = Line([LineFault(kind, per_minute)], seed=seed)
    return [line.carry(SENT, 0.1) for _ in range(minutes * 600)]


def damaged(pieces: list[bytes]) -> list[bytes]:
    return [piece for piece in pieces if piece != SENT]


def test_a_good_line_changes_nothing() -> None:
    line = Line([], seed=1)
    assert [line.carry(SENT, 0.1) for _ in range(100)] == [SENT] * 100


@pytest.mark.parametrize("kind", NAMES)
def test_the_same_seed_gives_the_same_damage(kind: str) -> None:
    assert carried(kind, seed=4, minutes=1) == carried(kind, seed=4, minutes=1)
    assert carried(kind, seed=4, minutes=1) != carried(kind, seed=5, minutes=1)


@pytest.mark.parametrize("kind", [name for name in NAMES if name not in LASTING])
def test_a_fault_strikes_about_as_often_as_asked(kind: str) -> None:
    struck = len(damaged(carried(kind, per_minute=12, minutes=60)))
    assert struck == pytest.approx(12 * 60, rel=0.12)


def test_a_bit_flip_turns_one_bit() -> None:
    for piece in damaged(carried("bit-flip")):
        turned = [a ^ b for a, b in zip(piece, SENT, strict=True) if a != b]
        assert len(turned) == 1
        assert turned[0].bit_count() == 1


def test_a_byte_is_lost_or_comes_twice() -> None:
    assert {len(piece) for piece in damaged(carried("dropped-byte"))} == {len(SENT) - 1}
    for piece in damaged(carried("doubled-byte")):
        assert len(piece) == len(SENT) + 1
        assert any(piece[:i] + piece[i + 1 :] == SENT for i in range(len(piece)))


def test_a_break_is_a_run_of_zeros() -> None:
    for piece in damaged(carried("break")):
        assert piece.replace(b"\0", b"") == SENT
        assert b"\0" * (len(piece) - len(SENT)) in piece


def test_noise_is_put_in_between() -> None:
    for piece in damaged(carried("noise")):
        more = len(piece) - len(SENT)
        assert 1 <= more < 20
        assert any(piece[:i] + piece[i + more :] == SENT for i in range(len(SENT) + 1))


def stretches(kind: str) -> list[list[bytes]]:
    """What was damaged without a pause in 40 minutes, but for strikes that met."""
    found: list[list[bytes]] = [[]]
    for piece in carried(kind, per_minute=2, minutes=40):
        if piece != SENT:
            found[-1].append(piece)
        elif found[-1]:
            found.append([])
    return [stretch for stretch in found[:-1] if len(stretch) * 0.1 < LASTING[kind] + 0.21]


@pytest.mark.parametrize("kind", LASTING)
def test_what_lasts_lasts_so_long_and_strikes_as_often_as_asked(kind: str) -> None:
    found = stretches(kind)
    assert len(found) == pytest.approx(2400 / (30 + LASTING[kind]), rel=0.4)
    lengths = [len(stretch) * 0.1 for stretch in found]
    assert lengths == pytest.approx([LASTING[kind]] * len(found), abs=0.21)


def test_half_a_packet_is_its_beginning_and_the_rest_is_lost() -> None:
    for first, *rest in stretches("half-packet"):
        assert len(first) < len(SENT)
        assert SENT.startswith(first)
        assert set(rest) == {b""}


def test_a_device_that_reboots_says_so_and_falls_silent() -> None:
    for first, *rest in stretches("reboot"):
        assert first.endswith(BANNER)
        assert SENT.startswith(first.removesuffix(BANNER))
        assert set(rest) == {b""}


def test_a_plug_that_is_out_carries_nothing() -> None:
    line = Line([LineFault("replug", 1)], seed=2)
    states = []
    for _ in range(6000):
        piece = line.carry(SENT, 0.1)
        assert line.unplugged == (piece == b"")
        states.append(line.unplugged)
    assert 0 < sum(states) < 2000


def test_line_ends_change_and_nothing_else() -> None:
    text = b"one\r\ntwo\r\nthree\r\n"
    line = Line([LineFault("line-ends", 6000)], seed=1)
    seen = {line.carry(text, 1.0) for _ in range(200)}
    assert seen == {text.replace(b"\r\n", end) for end in LINE_ENDS}


@given(st.binary(max_size=50))
def test_at_the_right_speed_every_byte_is_read(data: bytes) -> None:
    assert at_wrong_baud(data, 1.0) == data


@given(st.binary(min_size=20, max_size=60), st.sampled_from(SPEEDS))
def test_at_another_speed_there_are_no_more_bytes_than_bits_allow(data: bytes, bit: float) -> None:
    heard = at_wrong_baud(data, bit)
    assert len(heard) <= len(data) * 10 / (9 * bit) + 1


def test_known_bytes_at_half_the_speed() -> None:
    assert at_wrong_baud(b"\x00", 0.5) == b"\x00"
    assert at_wrong_baud(b"\xff", 0.5) == b"\xfe"
    # and at twice: 55 is a square wave, of which it sees every other bit
    assert at_wrong_baud(b"\x55", 2.0) == b"\xff"


def test_reboots_are_counted() -> None:
    line = Line([LineFault("reboot", 60)], seed=2)
    pieces = [line.carry(SENT, 0.1) for _ in range(6000)]
    assert line.reboots == sum(BANNER in piece for piece in pieces) > 50


def test_a_stall_holds_everything_and_then_bursts() -> None:
    pieces = carried("stall", per_minute=2)
    assert b"".join(pieces) == SENT * (len(b"".join(pieces)) // len(SENT))
    bursts = [len(piece) for piece in pieces if len(piece) > len(SENT)]
    assert bursts
    assert min(bursts) == pytest.approx(len(SENT) * (STALL_S / 0.1), rel=0.05)
    first = pieces.index(b"")
    silent = next(i for i, piece in enumerate(pieces[first:]) if piece)
    assert silent * 0.1 == pytest.approx(STALL_S, abs=0.2)


def test_a_fault_waits_for_something_to_damage() -> None:
    line = Line([LineFault("bit-flip", 60)], seed=1)
    assert {line.carry(b"", 0.1) for _ in range(600)} == {b""}
    assert line.carry(SENT, 0.1) != SENT


def test_unknown_faults_and_rates_are_refused() -> None:
    with pytest.raises(ConfigError, match='did you mean "bit-flip"'):
        LineFault("bit-flips")
    for rate in (0, -1, 6001, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="times a minute"):
            LineFault("noise", rate)
