"""The quick check of all seals says, byte for byte, what each seal was made of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import ANY

import apsw
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.store.build import fill, raw
from vitals.store import seal_check, seal_halves
from vitals.store.seal import Digest, digest
from vitals.store.seal_check import check, lines
from vitals.store.verify import verify

_TEXT = st.text(max_size=6)
_FLOAT = st.floats(allow_nan=False) | st.none()
_INT = st.integers(-(2**63), 2**63 - 1)


@given(st.lists(st.tuples(_INT, _INT, _INT, _FLOAT, _INT, _TEXT, _INT | st.none()), max_size=5))
@example([(1, 1, 1, 1e-5, 0, "", None), (2, 1, 1, 97.0, 0, "", None)])
@example([(1, 1, 1, 1e16, 0, "", None)])
@example([(1, 1, 1, float("inf"), 0, "", None)])
@example([(1, 1, 1, -0.0, 0, 'ä\n["', 5)])
@example([(1, 1, 1, 97.0, 0, "\x7f", None)])
def test_lines_are_those_that_a_seal_is_made_of(rows: list[tuple[Any, ...]]) -> None:
    exact = [json.dumps(["numeric", *row], separators=(",", ":")) for row in rows]
    assert lines("numeric", rows) == "".join(text + "\n" for text in exact).encode()


@pytest.fixture
def connection(path: Path) -> Any:
    """Three sessions whose samples lie among each other, with values of all sorts."""
    found = raw(path)
    dice = Random(7)  # noqa: S311 - the same dice every time
    found.execute("BEGIN")
    for session in (1, 2, 3):
        found.execute(
            "INSERT INTO session VALUES (?, ?, 'r', 'P', 'im', 'real', 'X', 1, NULL, NULL, '',"
            " 'open', 0, '', '')",
            (session, f"s-{session}"),
        )
        for key, kind in (("spo2", "numeric"), ("pr", "numeric"), ("pleth", "wave")):
            found.execute(
                "INSERT INTO channel(session_id, device, key, unit, kind, rate_hz)"
                " VALUES (?, ?, ?, '%', ?, 1.0)",
                (session, f"öxi-{session}", key, kind),
            )
    for seq in range(10, 600):
        channel = dice.randrange(9) + 1
        if channel % 3:
            value = dice.choice([97.0, 97.5, None, 1e-7, dice.random(), 1e17])
            flags = dice.choice(["", "artifact,sensor_off"])
            found.execute(
                "INSERT INTO numeric VALUES (?, ?, ?, ?, 0, ?, NULL)",
                (seq, channel, seq, value, flags),
            )
        else:
            data, scale = dice.randbytes(20), dice.choice([1.0, 3e-6, 0.25])
            found.execute(
                "INSERT INTO wave VALUES (?, ?, ?, 75.0, 10, ?, 0.0, ?, 0)",
                (seq, channel, seq, scale, data),
            )
    found.execute("COMMIT")
    yield found
    found.close()


@pytest.mark.parametrize("rows", [1, 7, 100_000])
def test_it_finds_the_same_as_each_seal_by_itself(
    connection: apsw.Connection, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(seal_check, "_ROWS", rows)
    ranges: dict[int, Sequence[tuple[int, int]]] = {
        1: [(10, 60), (61, 61), (62, 400)],
        2: [(100, 599), (600, 900)],
        3: [],
    }
    assert check(connection, ranges) == {
        session: [digest(connection, session, *one) for one in wanted]
        for session, wanted in ranges.items()
    }


def test_samples_between_and_around_the_ranges_are_passed_over(
    connection: apsw.Connection,
) -> None:
    wanted = [(50, 100), (200, 201), (300, 310)]
    assert check(connection, {1: wanted}) == {1: [digest(connection, 1, *one) for one in wanted]}
    assert check(connection, {1: [(1, 5)]}) == {1: [Digest(0, _SHA256_OF_NOTHING)]}


def test_no_more_is_read_than_is_wanted(connection: apsw.Connection) -> None:
    whole = [digest(connection, 1, 300, 400)]
    assert check(connection, {1: [(300, 400)]}, after=299, to=400) == {1: whole}
    part = check(connection, {1: [(300, 400)]}, after=310, to=400)
    assert part == {1: [(digest(connection, 1, 311, 400).rows, ANY)]} != {1: whole}


def test_a_large_record_is_checked_by_two_processes_as_by_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(path)
    alone = verify(path)
    monkeypatch.setattr(seal_halves, "WORTH_BYTES", 0)
    monkeypatch.setattr(seal_halves.os, "cpu_count", lambda: 2)
    records: list[tuple[str, bool]] = []
    elsewhere = seal_halves._outcome

    def outcome(beside: Any) -> Any:
        found = elsewhere(beside)
        records.append(("other", found is not None))
        return found

    monkeypatch.setattr(seal_halves, "_outcome", outcome)
    assert verify(path) == alone
    assert alone.ok
    for seq in _ends(path):
        _turn(path, seq)
        assert "were changed after they were sealed" in verify(path).broken
        _turn(path, seq)
    monkeypatch.setattr(seal_halves, "_elsewhere", None)  # the other process dies of it
    assert verify(path) == alone
    assert records == [("other", True)] * 3 + [("other", False)]


def _ends(path: Path) -> list[int]:
    """A sample of the first session and one of the last."""
    connection = raw(path)
    try:
        sql = "SELECT min(seq), max(seq) FROM numeric WHERE quality <> 1"
        return [*connection.execute(sql).fetchall()[0]]
    finally:
        connection.close()


def _turn(path: Path, seq: int) -> None:
    """Changes a sample as somebody would who knows SQL; twice is as before."""
    connection = raw(path)
    guard = "SELECT sql FROM sqlite_schema WHERE name = 'numeric_no_update'"
    text = connection.execute(guard).get
    connection.execute("DROP TRIGGER numeric_no_update")
    connection.execute("UPDATE numeric SET quality = 2 - quality WHERE seq = ?", (seq,))
    connection.execute(text)
    connection.close()


_SHA256_OF_NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
