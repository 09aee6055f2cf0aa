"""The quick check of all seals says, byte for byte, what each seal was made of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import apsw
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.store.build import raw
from vitals.store import seal_check
from vitals.store.seal import Digest, digest
from vitals.store.seal_check import check, lines

_TEXT = st.text(max_size=6)
_FLOAT = st.floats(allow_nan=False) | st.none()
_INT = st.integers(-(2**63), 2**63 - 1)


@given(st.lists(st.tuples(_INT, _INT, _INT, _FLOAT, _INT, _TEXT, _INT | st.none()), max_size=5))
@example([(1, 1, 1, 1e-5, 0, "", None), (2, 1, 1, 97.0, 0, "", None)])
@example([(1, 1, 1, 1e16, 0, "", None)])
@example([(1, 1, 1, float("inf"), 0, "", None)])
@example([(1, 1, 1, -0.0, 0, 'ä\n["', 5)])
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
    found = check(connection, ranges)
    for session, wanted in ranges.items():
        assert found[session].digests == [digest(connection, session, *one) for one in wanted]
    totals = [
        sum(one.rows for one in each.digests) + each.between + each.behind
        for each in found.values()
    ]
    assert sum(totals) == 590
    assert found[1].between == 0
    assert found[2].between == digest(connection, 2, 0, 99).rows > 0
    assert (found[3].between, found[3].behind) == (0, digest(connection, 3, 0, 999).rows)
    assert found[1].behind == digest(connection, 1, 401, 999).rows > 0


def test_a_sample_between_two_ranges_is_counted_as_such(connection: apsw.Connection) -> None:
    found = check(connection, {1: [(10, 100), (200, 599)]})[1]
    assert found.between == digest(connection, 1, 101, 199).rows > 0
    assert found.behind == 0


def test_nothing_before_a_counter_is_read_when_that_is_wanted(connection: apsw.Connection) -> None:
    found = check(connection, {1: [(300, 599)]}, after=299)[1]
    assert found.digests == [digest(connection, 1, 300, 599)]
    assert found.between == 0
    assert check(connection, {1: [(1, 5)]})[1].digests[0] == Digest(0, _SHA256_OF_NOTHING)


_SHA256_OF_NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
