"""The list of the sessions of all stations: filters, order, choices; one bad station harms none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.central.cluster import Database
from vitals.central.session_list import MOST_ROOMS, choices, listed
from vitals.central.session_query import SORTS, Wanted
from vitals.clock import US
from vitals.export.list_facts import VERSION, Facts

RECORD = "ab" * 32
NOON_US = 1_800_000_000 * US
STATIONS = {
    "n-1": ("North", "Main"),
    "n-2": ("North", "Annex"),
    "s-1": ("South", "Main"),
}
COLUMNS = (
    "station", "record", "uuid", "room", "subject_ref", "route", "mode", "phase", "started_us",
    "ended_us", "dose_us", "tz", "state", "resumed", "profile_text", "config_text", "facts",
)  # fmt: skip


def put(connection: psycopg.Connection[Any], uuid: str, station: str = "n-1", **other: Any) -> None:
    """A closed session of an hour; `facts` are what its station has sent."""
    row: dict[str, Any] = {
        "station": station,
        "record": RECORD,
        "uuid": uuid,
        "room": "room-1",
        "subject_ref": "KV-1",
        "route": "im",
        "mode": "real",
        "phase": "CLOSED",
        "started_us": NOON_US,
        "ended_us": NOON_US + 3600 * US,
        "dose_us": None,
        "tz": "Europe/Berlin",
        "resumed": 0,
        "profile_text": "",
        "config_text": "",
        "facts": None,
        **other,
    }
    row["state"] = "open" if row["ended_us"] is None else "closed"
    if row["facts"] is not None:
        row["facts"] = json.dumps(row["facts"])
    marks = ", ".join(f"%({name})s" for name in COLUMNS)
    sql = f"INSERT INTO kap.session({', '.join(COLUMNS)}) VALUES ({marks})"  # noqa: S608 - ours
    connection.execute(sql.encode(), row)


def said(**facts: Any) -> dict[str, Any]:
    return {"version": VERSION, **{"owed": [], **facts}}


@pytest.fixture(scope="module")
def stations(module_database: Database) -> Database:
    for station, (site, clinic) in STATIONS.items():
        module_database.station(station, site=site, clinic=clinic)
    return module_database


@pytest.fixture
def kap(stations: Database) -> Iterator[psycopg.Connection[Any]]:
    """A connection whose sessions are gone afterwards."""
    with psycopg.connect(stations.admin) as connection:
        yield connection
        connection.rollback()


def uuids(connection: psycopg.Connection[Any], **wanted: Any) -> list[str]:
    return [line.uuid for line in listed(connection, Wanted(**wanted)).lines]


def test_each_filter_narrows(kap: psycopg.Connection[Any]) -> None:
    put(kap, "a", "n-1", subject_ref="KV-7", facts=said(owed=["discharge form"]))
    put(kap, "b", "n-2", room="room-2", route="sublingual", facts=said())
    put(kap, "c", "s-1", mode="demo", resumed=2)
    put(kap, "d", "s-1", ended_us=None, started_us=NOON_US + 1)
    for wanted, found in (
        ({}, "dabc"),
        ({"site": "North"}, "ab"),
        ({"clinic": "Main"}, "dac"),
        ({"site": "North", "clinic": "Main"}, "a"),
        ({"station": "s-1"}, "dc"),
        ({"subject": "KV-7"}, "a"),
        ({"room": "n-2:room-2"}, "b"),
        ({"room": "room-2"}, ""),
        ({"route": "sublingual"}, "b"),
        ({"mode": "demo"}, "c"),
        ({"state": "open"}, "d"),
        ({"state": "closed"}, "abc"),
        ({"state": "recovered"}, "c"),
        ({"unfinished": True}, "da"),
        ({"words": "kv-7 MAIN"}, "a"),
        ({"words": "discharge"}, "a"),
        ({"words": "annex"}, "b"),
        ({"words": "station s-1"}, "dc"),
        ({"words": "nothing"}, ""),
        ({"words": "%"}, ""),
        ({"rooms": frozenset({"n-1:room-1", "n-2:room-1"})}, "a"),
        ({"rooms": frozenset()}, ""),
    ):
        assert "".join(uuids(kap, **wanted)) == found, wanted
        assert listed(kap, Wanted(**{**wanted, "limit": 1})).total == len(found)


@pytest.mark.parametrize(
    "words", ["'", '"', "%", "%s", "\\", ";--", "\x00", "ß", "𝔘", "*", "NEAR(", "9999", "0000-13"]
)
def test_nothing_that_is_searched_for_is_an_error(kap: psycopg.Connection[Any], words: str) -> None:
    put(kap, "a", subject_ref="it's 100% \\ ß")
    assert len(uuids(kap, words=words)) == int(words in "it's 100% \\ ß")
    for name in ("site", "clinic", "station", "subject", "room", "route", "mode"):
        assert uuids(kap, **{name: words}) == []


def test_a_part_of_the_list_is_a_part_of_its_order(kap: psycopg.Connection[Any]) -> None:
    for n in range(7):
        put(kap, f"s{n}", started_us=NOON_US + n)
    whole = uuids(kap)
    assert whole == [f"s{n}" for n in reversed(range(7))]
    assert [uuids(kap, offset=n, limit=3) for n in (0, 3, 6)] == [whole[:3], whole[3:6], whole[6:]]


def test_days_are_those_of_each_clinics_own_clock(kap: psycopg.Connection[Any]) -> None:
    def at(text: str, zone: str) -> int:
        return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * US

    berlin, auckland = "Europe/Berlin", "Pacific/Auckland"
    put(kap, "b-late", tz=berlin, started_us=at("2027-01-15T23:59:59", berlin))
    put(kap, "b-next", tz=berlin, started_us=at("2027-01-16T00:00:00", berlin))
    put(kap, "a-early", tz=auckland, started_us=at("2027-01-15T00:00:00", auckland))
    put(kap, "a-before", tz=auckland, started_us=at("2027-01-14T23:59:59", auckland))
    put(kap, "fixed", tz="+0530", started_us=at("2027-01-15T00:00:00", "Asia/Kolkata"))
    put(kap, "nowhere", tz="Mars/Olympus", started_us=at("2027-01-15T12:00:00", "UTC"))
    of_day = {"b-late", "a-early", "fixed", "nowhere"}
    assert set(uuids(kap, from_day="2027-01-15", to_day="2027-01-15")) == of_day
    assert set(uuids(kap, words="2027-01-15")) == of_day
    assert set(uuids(kap, from_day="2027-01-16")) == {"b-next"}
    assert set(uuids(kap, to_day="2027-01-14")) == {"a-before"}
    assert len(uuids(kap, words="2027-01")) == len(uuids(kap, words="2027")) == 6
    assert uuids(kap, words="2026") == []
    for day in ("0001-01-01", "9999-12-31"):
        assert len(uuids(kap, from_day="0001-01-01", to_day=day)) == (6 if day[0] == "9" else 0)


def test_numbers_in_names_are_sorted_as_numbers(kap: psycopg.Connection[Any]) -> None:
    for uuid, subject in (("a", "KV-10"), ("b", "KV-9"), ("c", "kv-100"), ("d", "KV-09x")):
        put(kap, uuid, subject_ref=subject)
    assert "".join(uuids(kap, sort="subject")) == "bdac"


def test_sessions_without_a_value_come_last_in_both_directions(
    kap: psycopg.Connection[Any],
) -> None:
    put(kap, "low", facts=said(peak_sys=120, spo2=93.0, nibp_taken=1, nibp_planned=4))
    put(kap, "high", facts=said(peak_sys=180, spo2=97.0, nibp_taken=3, nibp_planned=3))
    put(kap, "none", facts=said(peak_sys=None, spo2=None))
    put(kap, "later", started_us=NOON_US + 1)
    for sort in ("peak", "spo2", "nibp"):
        assert uuids(kap, sort=sort) == ["low", "high", "later", "none"]
        assert uuids(kap, sort="-" + sort) == ["high", "low", "later", "none"]


def test_signed_after_the_last_addendum_is_more_than_signed(kap: psycopg.Connection[Any]) -> None:
    put(kap, "not", facts=said(signed_last=False, signatures=0))
    put(kap, "before", facts=said(signed_last=False, signatures=1, addenda=1))
    put(kap, "last", facts=said(signed_last=True, signatures=1))
    assert uuids(kap, sort="-signed") == ["last", "before", "not"]


_NAMES = ("version", "owed", "peak_sys", "high", "signed_last", "signatures")
_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.just("x"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_NAMES), inner),
    max_leaves=8,
)


@settings(deadline=None, max_examples=60)
@given(facts=_json)
def test_whatever_a_station_says_of_a_session_the_list_can_be_read(
    stations: Database, facts: Any
) -> None:
    with psycopg.connect(stations.admin) as kap:
        try:
            put(kap, "good", facts=said(peak_sys=120.0, high=2))
            put(kap, "bad", "s-1", facts=facts)
            for sort in SORTS:
                lines = {line.uuid: line for line in listed(kap, Wanted(sort=sort)).lines}
                assert lines["good"].facts == Facts(peak_sys=120.0, high=2)
                assert set(lines) == {"good", "bad"}
            assert "good" in uuids(kap, words="good")
            uuids(kap, unfinished=True)
        finally:
            kap.rollback()


def test_facts_that_cannot_be_believed_are_none_and_say_why(kap: psycopg.Connection[Any]) -> None:
    put(kap, "none")
    put(kap, "newer", facts={**said(), "version": VERSION + 1})
    put(kap, "wrong", facts=said(high="many"))
    lines = {line.uuid: line for line in listed(kap, Wanted()).lines}
    assert {line.facts for line in lines.values()} == {None}
    assert lines["none"].doubt == ""
    assert "another version" in lines["newer"].doubt
    assert "cannot be read" in lines["wrong"].doubt


def test_choices_are_of_what_may_be_seen(kap: psycopg.Connection[Any]) -> None:
    put(kap, "a", "n-1", room="room-10")
    put(kap, "b", "n-1", room="room-9", route="sublingual")
    put(kap, "c", "n-2", mode="test")
    put(kap, "d", "s-1", route="")
    assert choices(kap, Wanted()) == {
        "sites": ["North", "South"],
        "clinics": ["Annex", "Main"],
        "routes": ["im", "sublingual"],
        "modes": ["real", "test"],
        "rooms": ["n-1:room-9", "n-1:room-10", "n-2:room-1", "s-1:room-1"],
    }
    north = choices(kap, Wanted(site="North", clinic="Main"))
    assert north["clinics"] == ["Annex", "Main"]
    assert north["rooms"] == ["n-1:room-9", "n-1:room-10"]
    mine = choices(kap, Wanted(rooms=frozenset({"s-1:room-1"})))
    assert mine == {
        "sites": ["South"], "clinics": ["Main"], "routes": [], "modes": ["real"],
        "rooms": ["s-1:room-1"],
    }  # fmt: skip


def test_rooms_are_offered_when_they_are_few(kap: psycopg.Connection[Any]) -> None:
    for n in range(MOST_ROOMS):
        put(kap, f"s{n}", room=f"room-{n}")
    assert len(choices(kap, Wanted())["rooms"]) == MOST_ROOMS
    put(kap, "one more", "s-1")
    assert choices(kap, Wanted())["rooms"] == []
    assert choices(kap, Wanted(site="South"))["rooms"] == ["s-1:room-1"]
