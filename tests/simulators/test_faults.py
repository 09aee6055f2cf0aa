"""Byte faults: each does its own damage, at its own rate, the same for the same seed."""

from __future__ import annotations

import pytest

from simulators.faults import KINDS, NAMES, STALL_S, ByteFault, Line
from vitals.errors import ConfigError

SENT = bytes(range(1, 101))


def carried(
    kind: str, *, seed: int = 1, per_minute: float = 60.0, minutes: int = 10
) -> list[bytes]:
    line = Line([ByteFault(kind, per_minute)], seed=seed)
    return [line.carry(SENT, 0.1) for _ in range(minutes * 600)]


def damaged(pieces: list[bytes]) -> list[bytes]:
    return [piece for piece in pieces if piece != SENT]


def test_a_good_line_changes_nothing() -> None:
    line = Line([], seed=1)
    assert [line.carry(SENT, 0.1) for _ in range(100)] == [SENT] * 100


@pytest.mark.parametrize("kind", NAMES)
def test_the_same_seed_gives_the_same_damage(kind: str) -> None:
    assert carried(kind, seed=4) == carried(kind, seed=4)
    assert carried(kind, seed=4) != carried(kind, seed=5)


@pytest.mark.parametrize("kind", KINDS)
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


def test_half_a_packet_is_its_beginning() -> None:
    for piece in damaged(carried("half-packet")):
        assert len(piece) < len(SENT)
        assert SENT.startswith(piece)


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
    line = Line([ByteFault("bit-flip", 60)], seed=1)
    assert {line.carry(b"", 0.1) for _ in range(600)} == {b""}
    assert line.carry(SENT, 0.1) != SENT


def test_unknown_faults_and_rates_are_refused() -> None:
    with pytest.raises(ConfigError, match='did you mean "bit-flip"'):
        ByteFault("bit-flips")
    for rate in (0, -1, 6001, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="times a minute"):
            ByteFault("noise", rate)
