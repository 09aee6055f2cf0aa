"""Searching, filtering and sorting the list, against the same in plain Python."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.review.index_query import MODES, SORTS, STATES, Question, QuestionError
from dashboard.review.index_record import Head
from dashboard.review.index_table import Table
from vitals.export.list_facts import Facts

DAY_US = 86_400_000_000
START_US = 1_800_000_000_000_000
SUBJECTS = ("KV-2", "KV-10", "kv-9", "ÄRZTIN'S", 'x"; DROP TABLE session; --', "100%_", "")


def _head(n: int) -> Head:
    started = START_US + (n % 5) * DAY_US
    return Head(
        uuid=f"u{n:02}",
        room=f"room-{n % 4}",
        subject=SUBJECTS[n % len(SUBJECTS)],
        route=("im", "iv", "")[n % 3],
        mode=MODES[n % 3],
        phase="CLOSED",
        started_us=started,
        ended_us=None if n % 6 == 0 else started + 7,
        dose_us=started + n if n % 2 else None,
        resumed=n % 3,
        day=f"2027-01-{15 + n % 5}",
        utc_offset_s=3600,
    )


def _facts(n: int) -> Facts:
    return Facts(
        peak_sys=float(100 + n % 3) if n % 4 else None,
        peak_dia=70.0,
        spo2=float(n % 5) if n % 5 else None,
        high=n % 2,
        medium=n % 3,
        nibp_planned=n % 4,
        nibp_taken=1,
        owed=("MOAA/S at 40 min", "Größe") if n % 3 == 0 else (),
        signatures=n % 2,
    )


HEADS = {head.uuid: head for head in map(_head, range(40))}
KNOWN = {f"u{n:02}": _facts(n) for n in range(40) if n % 7}


@pytest.fixture(scope="module")
def table() -> Iterator[Table]:
    found = Table()
    found.grown(HEADS.values())
    for uuid, facts in KNOWN.items():
        found.worked_out(uuid, facts)
    yield found
    found.close()


def ids(table: Table, question: Question, rooms: frozenset[str] | None = None) -> list[str]:
    return [one["id"] for one in table.answer(question, rooms)["sessions"]]


def _fits(question: Question, uuid: str) -> bool:
    head, facts = HEADS[uuid], KNOWN.get(uuid, Facts())
    text = " ".join((head.subject, head.room, head.route, head.mode, head.day, uuid, *facts.owed))
    return (
        question.subject in ("", head.subject)
        and question.room in ("", head.room)
        and question.route in ("", head.route)
        and question.mode in ("", head.mode)
        and {
            "": True,
            "open": head.ended_us is None,
            "closed": head.ended_us is not None,
            "recovered": head.ended_us is not None and head.resumed > 0,
        }[question.state]
        and (not question.from_day or head.day >= question.from_day)
        and (not question.to_day or head.day <= question.to_day)
        and (not question.unfinished or head.ended_us is None or bool(facts.owed))
        and all(word in text.casefold() for word in question.words.casefold().split())
    )


_DAYS = st.sampled_from(["", "2027-01-16", "2027-01-17"])
QUESTIONS = st.builds(
    Question,
    words=st.sampled_from(["", "kv", "KV 10", "größe", "moaa/s room-1", "ärztin's", "%", "u1", "'"])
    | st.text(max_size=3),
    subject=st.sampled_from(["", *SUBJECTS]),
    room=st.sampled_from(["", "room-1", "nowhere"]),
    route=st.sampled_from(["", "im"]),
    mode=st.sampled_from(["", *MODES]),
    state=st.sampled_from(["", *STATES]),
    from_day=_DAYS,
    to_day=st.sampled_from(["", "2027-01-17", "2027-01-18"]),
    unfinished=st.booleans(),
    sort=st.sampled_from([sign + name for name in SORTS for sign in ("", "-")]),
    limit=st.just(1000),
)


@given(QUESTIONS, st.none() | st.frozensets(st.sampled_from(["room-0", "room-1", "room-9"])))
def test_an_answer_is_what_fits_and_may_be_seen(
    table: Table, question: Question, rooms: frozenset[str] | None
) -> None:
    wanted = {
        uuid
        for uuid, head in HEADS.items()
        if _fits(question, uuid) and (rooms is None or head.room in rooms)
    }
    assert set(ids(table, question, rooms)) == wanted
    answer = table.answer(replace(question, limit=3, offset=2), rooms)
    assert answer["total"] == len(wanted)
    assert [one["id"] for one in answer["sessions"]] == ids(table, question, rooms)[2:5]


KEYS: dict[str, Any] = {
    "started": lambda n: HEADS[n].started_us,
    "dose": lambda n: HEADS[n].dose_us,
    "ended": lambda n: HEADS[n].ended_us,
    "restarts": lambda n: HEADS[n].resumed,
    "mode": lambda n: HEADS[n].mode,
    "route": lambda n: HEADS[n].route or None,
    "room": lambda n: HEADS[n].room,
    "spo2": lambda n: KNOWN[n].spo2 if n in KNOWN else None,
    "owed": lambda n: len(KNOWN[n].owed) if n in KNOWN else None,
    "nibp": lambda n: 1 / KNOWN[n].nibp_planned if n in KNOWN and KNOWN[n].nibp_planned else None,
}


@pytest.mark.parametrize("name", KEYS)
def test_sorted_both_ways_with_the_unknown_last_and_the_newest_first_among_equals(
    table: Table, name: str
) -> None:
    key = KEYS[name]
    newest = sorted(HEADS, key=lambda uuid: (-HEADS[uuid].started_us, uuid))
    known = [uuid for uuid in newest if key(uuid) is not None]
    unknown = [uuid for uuid in newest if key(uuid) is None]
    up = sorted(known, key=key) + unknown
    down = sorted(known, key=key, reverse=True) + unknown
    assert ids(table, Question(sort=name, limit=1000)) == up
    assert ids(table, Question(sort=f"-{name}", limit=1000)) == down


def test_pseudonyms_are_sorted_as_people_count(table: Table) -> None:
    found = [one["subject_ref"] for one in table.answer(Question(sort="subject"), None)["sessions"]]
    order = list(dict.fromkeys(found))
    assert order.index("KV-2") < order.index("kv-9") < order.index("KV-10")


def test_what_is_shown_of_a_session_without_facts_is_nothing(table: Table) -> None:
    (one,) = table.answer(Question(words="u07"), None)["sessions"]
    assert not one["worked_out"]
    assert [one[name] for name in ("peak", "lowest_spo2", "alarms", "coverage", "nibp")] == [
        None
    ] * 5


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"from_day": "15.1.2027"}, "from is a date like 2027-01-15, not '15.1.2027'"),
        ({"to_day": "2027-02-30"}, "to is a date like"),
        ({"from_day": "20270115"}, "from is a date like"),
        ({"from_day": "2027-01-16", "to_day": "2027-01-15"}, "to lies before from"),
        ({"sort": "name"}, "sort is one of started, ended"),
        ({"sort": "--started"}, "sort is one of"),
        ({"sort": "-"}, "sort is one of"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_sentence(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(QuestionError, match=words):
        Question(**wrong)
