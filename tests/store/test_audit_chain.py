from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import MappingProxyType
from typing import Any

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.store.build import fill, raw
from vitals.errors import StoreError
from vitals.store.audit import GENESIS, append, canonical, row_bytes, row_hash
from vitals.store.connection import select

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_canonical_text_reads_back_to_the_same_value_and_the_same_text(value: Any) -> None:
    text = canonical(value)
    assert text.isascii()
    assert json.loads(text) == value
    assert canonical(json.loads(text)) == text


@given(st.dictionaries(st.text(), st.integers(), min_size=2, max_size=6))
def test_order_of_keys_makes_no_difference(value: dict[str, int]) -> None:
    backwards = dict(reversed(value.items()))
    assert canonical(backwards) == canonical(value)


def test_numbers_as_keys_are_sorted_as_the_text_they_become() -> None:
    assert canonical({2: "b", 10: "a"}) == '{"10":"a","2":"b"}'


def test_other_containers_are_written_as_json_has_them() -> None:
    value = MappingProxyType({"b": (1, 2), "a": frozenset({"y", "x"})})
    assert canonical(value) == '{"a":["x","y"],"b":[1,2]}'


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), b"bytes", {"x": {1, "a"}}])
def test_what_json_cannot_say_is_refused_in_one_sentence(value: object) -> None:
    with pytest.raises(StoreError, match="cannot be recorded as JSON"):
        canonical(value)


def test_a_row_is_hashed_over_the_bytes_that_the_documentation_shows() -> None:
    row = row_bytes(
        n=1,
        prev=GENESIS,
        seq=42,
        at_us=1_800_000_000_000_000,
        session="0f7a",
        room="room-1",
        actor="Ann Ö",
        role="nurse",
        kind="note",
        body=canonical({"text": "calm", "score": 2.5}),
        command_id=None,
    )
    documented = (Path(__file__).parents[2] / "docs" / "record.md").read_text(encoding="utf-8")
    assert row.decode() in documented
    assert hashlib.sha256(row).hexdigest() in documented


@given(
    st.integers(1, 2**40),
    st.none() | st.integers(0, 2**53),
    st.integers(0, 2**53),
    st.none() | st.text(),
    st.text(),
    JSON,
)
def test_the_hashed_bytes_are_the_canonical_json_of_the_whole_row(
    n: int, seq: int | None, at_us: int, session: str | None, actor: str, body: Any
) -> None:
    fields = {
        "n": n,
        "seq": seq,
        "at_us": at_us,
        "session": session,
        "room": "room-1",
        "actor": actor,
        "role": "nurse",
        "kind": "note",
        "command_id": None,
    }
    written = row_bytes(**fields, prev=bytes(range(32)), body=canonical(body))  # type: ignore[arg-type]
    whole = {**fields, "prev": bytes(range(32)).hex(), "body": body}
    assert written.decode() == canonical(whole)


def test_a_letter_outside_ascii_in_a_changed_body_changes_the_hash() -> None:
    row: dict[str, Any] = {
        "n": 1,
        "prev": GENESIS,
        "seq": 1,
        "at_us": 1,
        "session": None,
        "room": "",
        "actor": "",
        "role": "",
        "kind": "note",
        "command_id": None,
    }
    assert row_hash(**row, body='{"a":"?"}') != row_hash(**row, body='{"a":"é"}')


def _last(connection: apsw.Connection) -> tuple[int, bytes]:
    ((n, head),) = select(connection, "SELECT n, hash FROM audit ORDER BY n DESC LIMIT 1")
    return n, head


def test_rows_added_behind_the_last_are_taken(path: Path) -> None:
    fill(path)
    connection = raw(path)
    n, head = _last(connection)
    append(connection, kind="note", at_us=1, body="{}")
    assert _last(connection)[0] == n + 1
    assert select(connection, "SELECT prev FROM audit WHERE n = ?", (n + 1,)) == [(head,)]
    connection.close()


COPY = (
    "INSERT {how} INTO audit SELECT {n}, {seq}, at_us, session_id, room, actor, role, kind,"
    " {command}, '{{}}', {prev}, {hash} FROM audit WHERE n = 5"
)
NEXT = {
    "how": "",
    "n": "(SELECT max(n) + 1 FROM audit)",
    "seq": "NULL",
    "command": "NULL",
    "prev": "(SELECT hash FROM audit ORDER BY n DESC LIMIT 1)",
    "hash": "randomblob(32)",
}


@pytest.mark.parametrize("recursive_triggers", ["ON", "OFF"])
@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE audit SET body = '{}' WHERE n = 3",
        "UPDATE audit SET at_us = at_us + 1",
        "DELETE FROM audit WHERE n = 3",
        "DELETE FROM audit WHERE n = (SELECT max(n) FROM audit)",
        "REPLACE INTO audit SELECT * FROM audit WHERE n = 3",
        COPY.format(**NEXT | {"how": "OR REPLACE", "n": "3"}),
        COPY.format(**NEXT | {"how": "OR REPLACE", "seq": "1"}),
        COPY.format(**NEXT | {"how": "OR REPLACE", "command": "'c1'"}),
        COPY.format(**NEXT | {"how": "OR REPLACE", "hash": "hash"}),
        COPY.format(**NEXT | {"how": "OR IGNORE", "prev": "randomblob(32)"}),
        COPY.format(**NEXT | {"prev": "zeroblob(32)"}),
        COPY.format(**NEXT | {"n": "(SELECT max(n) + 2 FROM audit)"}),
        COPY.format(**NEXT | {"n": "NULL"}),
    ],
)
def test_the_trail_cannot_be_rewritten_through_sql(
    path: Path, attack: str, recursive_triggers: str
) -> None:
    fill(path)
    connection = raw(path)
    connection.pragma("recursive_triggers", recursive_triggers)
    before = select(connection, "SELECT * FROM audit")
    with pytest.raises(apsw.ConstraintError, match="audit row"):
        connection.execute(attack)
    assert select(connection, "SELECT * FROM audit") == before
    connection.close()


def test_the_attack_form_itself_works_when_nothing_is_wrong_with_it(path: Path) -> None:
    fill(path)
    connection = raw(path)
    n, _ = _last(connection)
    connection.execute(COPY.format(**NEXT))
    assert _last(connection)[0] == n + 1
    connection.close()


@pytest.mark.parametrize("recursive_triggers", ["ON", "OFF"])
@pytest.mark.parametrize(
    ("rows", "attacks", "replace"),
    [
        (
            "SELECT * FROM numeric",
            ("UPDATE numeric SET value = 99", "DELETE FROM numeric"),
            "REPLACE INTO numeric SELECT seq, channel_id, at_us, 99, quality, flags, device_at_us"
            " FROM numeric",
        ),
        (
            "SELECT * FROM wave",
            ("UPDATE wave SET scale = 2", "DELETE FROM wave"),
            "REPLACE INTO wave SELECT seq, channel_id, start_us, rate_hz, n, 2, offset, data,"
            " quality FROM wave",
        ),
    ],
)
def test_samples_cannot_be_changed_deleted_or_replaced(
    path: Path, rows: str, attacks: tuple[str, ...], replace: str, recursive_triggers: str
) -> None:
    fill(path)
    connection = raw(path)
    connection.pragma("recursive_triggers", recursive_triggers)
    before = select(connection, rows)
    for attack in attacks:
        with pytest.raises(apsw.ConstraintError, match="recorded"):
            connection.execute(attack)
    connection.execute(replace)
    assert select(connection, rows) == before
    connection.close()


def test_sessions_and_channels_cannot_be_deleted(path: Path) -> None:
    fill(path)
    connection = raw(path)
    for attack in ("DELETE FROM session", "DELETE FROM channel", "UPDATE channel SET unit = 'x'"):
        with pytest.raises(apsw.ConstraintError):
            connection.execute(attack)
    connection.close()
