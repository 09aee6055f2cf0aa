"""The index of all rooms: filters, search, order, counts, ages."""

from __future__ import annotations

import time
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.who import Viewer
from vitals import wire
from vitals.central.ward import LOST_IN_SESSION, RoomFacts, StationFacts, Ward, facts_of
from vitals.model import US
from vitals.wire.ward import MOST, WardMsg, WardQuestion

NOW = 1_800_000_000 * US


def station(
    id_: str, site: str = "North", clinic: str = "Main", age_s: float = 0, **more: Any
) -> StationFacts:
    heard_us = NOW - round(age_s * US)
    return StationFacts(id_, more.pop("name", f"Station {id_}"), site, clinic, heard_us, **more)


def ward(stations: list[StationFacts], rooms: dict[str, RoomFacts]) -> Ward:
    made = Ward()
    for each in stations:
        made.station(each)
    for id_, facts in rooms.items():
        made.room(id_, id_.partition(":")[0], facts)
    return made


def shown(answer: WardMsg) -> list[str]:
    return [room.id for room in answer.rooms]


def ask(of: Ward, may: frozenset[str] | None = None, at_us: int = NOW, **question: Any) -> WardMsg:
    return of.answer(WardQuestion(**question), at_us, may)


HIGH, HIGH_ACKED, MEDIUM = 8, 7, 6


def test_the_worst_room_comes_first_then_the_order_of_places_and_labels() -> None:
    rooms = {
        "a:1": RoomFacts("Room 10"),
        "a:2": RoomFacts("Room 9"),
        "a:3": RoomFacts("R", phase="PEAK"),
        "a:4": RoomFacts("R", phase="PEAK", due=1),
        "a:5": RoomFacts("R", phase="PEAK", overdue=1),
        "a:6": RoomFacts("R", alarm=MEDIUM),
        "a:7": RoomFacts("R", alarm=HIGH_ACKED),
        "a:8": RoomFacts("R", alarm=HIGH),
        "lost:1": RoomFacts("R", phase="PEAK"),
        "lost:2": RoomFacts("R"),
    }
    stations = [station("a"), station("lost", age_s=11)]
    assert shown(ask(ward(stations, rooms))) == [
        "a:8", "a:7", "lost:1", "a:6", "a:5", "a:4", "a:3", "lost:2", "a:2", "a:1",
    ]  # fmt: skip


def test_a_station_is_stale_after_three_seconds_and_lost_after_ten() -> None:
    for age_s, link, told_s in (
        (0.0, "live", 0), (3.0, "live", 0), (3.1, "stale", 3), (10.0, "stale", 10),
        (10.1, "lost", 10), (59.9, "lost", 59), (61.0, "lost", 60), (179.0, "lost", 120),
    ):  # fmt: skip
        [room] = ask(ward([station("a", age_s=age_s)], {"a:1": RoomFacts("R")})).rooms
        assert (room.link, room.age_s) == (link, told_s), age_s


def test_what_was_never_heard_is_lost() -> None:
    [room] = ask(ward([StationFacts("a", "A", "N", "C")], {"a:1": RoomFacts("R")})).rooms
    assert room.link == "lost"


def test_all_words_must_be_found_anywhere_in_what_names_a_room() -> None:
    of = ward(
        [station("a", "North", "Clinic 2", name="Second floor"), station("b", "South")],
        {
            "a:1": RoomFacts("Room 1", phase="PEAK", subject="KV-77"),
            "a:2": RoomFacts("Room 2"),
            "b:1": RoomFacts("Room 1"),
        },
    )
    for q, found in (
        ("a:1", ["a:1"]),
        ("kv-77", ["a:1"]),
        ("SECOND room", ["a:1", "a:2"]),
        ("south", ["b:1"]),
        ("north south", []),
    ):
        assert shown(ask(of, q=q)) == found, q


def test_a_pseudonym_is_found_while_its_session_is_open_only() -> None:
    of = ward([station("a")], {"a:1": RoomFacts("R", phase="PEAK", subject="KV-77")})
    assert ask(of, q="kv-77").total == 1
    of.room("a:1", "a", RoomFacts("R"))
    assert ask(of, q="kv-77").total == 0


def test_rooms_that_may_not_be_seen_are_neither_shown_nor_counted() -> None:
    rooms = {f"a:{i}": RoomFacts("R", alarm=HIGH, phase="PEAK") for i in range(4)}
    answer = ask(ward([station("a")], rooms), may=frozenset({"a:2", "b:9"}))
    assert shown(answer) == ["a:2"]
    assert (answer.total, answer.counts.all, answer.counts.alarm) == (1, 1, 1)
    assert (answer.sites[0].rooms, answer.sites[0].clinics[0].alarm) == (1, 1)
    assert ask(ward([station("a")], rooms), may=frozenset()).sites == []


def test_a_grant_of_a_whole_station_has_its_later_rooms_and_no_other_stations() -> None:
    of = ward([station("a"), station("ab")], {"a:1": RoomFacts("R"), "ab:1": RoomFacts("R")})
    mine = frozenset({"a:*"})
    assert shown(ask(of, may=mine)) == ["a:1"]
    of.room("a:2", "a", RoomFacts("S"))
    assert shown(ask(of, may=mine)) == ["a:1", "a:2"]
    assert of.granted(mine) == {"a:*", "a:1", "a:2"}
    assert of.granted(None) is None
    somebody = Viewer(rooms=mine)
    assert [somebody.sees(room) for room in ("a:2", "a:9", "ab:1", "b:a", "a")] == [
        *(True, True, False, False, False)
    ]


def test_stations_of_rooms_that_are_shown_are_told_with_what_is_wrong_there() -> None:
    words = ("its clock is 12 s behind; set it",)
    of = ward(
        [station("a", words=words), station("b", "South", age_s=30)],
        {"a:1": RoomFacts("R"), "b:1": RoomFacts("R")},
    )
    assert ask(of, site="North").stations["a"].words == list(words)
    assert set(ask(of, site="North").stations) == {"a"}
    assert ask(of).stations["b"].link == "lost"


def test_the_version_changes_with_facts_and_not_with_being_heard() -> None:
    of = ward([station("a")], {"a:1": RoomFacts("R")})
    before = of.version
    of.station(station("a", age_s=-1))
    of.room("a:1", "a", RoomFacts("R"))
    assert of.version == before
    of.station(station("a", words=("NOT RECORDING at the station",)))
    of.room("a:1", "a", RoomFacts("R", alarm=HIGH))
    of.forget("a:1")
    assert of.version == before + 3


def test_a_station_that_is_taken_away_takes_its_rooms_along() -> None:
    of = ward([station("a"), station("b")], {"a:1": RoomFacts("R"), "b:1": RoomFacts("R")})
    assert ask(of).total == 2
    of.forget_station("a")
    assert shown(ask(of)) == ["b:1"]
    assert of.alone("a:1", NOW).rooms == []


def test_a_station_that_moves_to_another_site_is_found_there() -> None:
    of = ward([station("a")], {"a:1": RoomFacts("R")})
    assert ask(of, site="South").total == 0
    of.station(station("a", "South", "Clinic 9", name="New"))
    assert ask(of, site="South", clinic="Clinic 9", q="new").total == 1


def test_one_room_is_answered_with_its_station_alone() -> None:
    of = ward(
        [station("a", age_s=5), station("b")], {"a:1": RoomFacts("R 1"), "b:1": RoomFacts("R")}
    )
    answer = of.alone("a:1", NOW)
    [room] = answer.rooms
    assert (room.id, room.label, room.link, list(answer.stations)) == ("a:1", "R 1", "stale", ["a"])
    assert of.alone("a:9", NOW).total == 0


def test_pages_of_the_list_follow_one_another_without_overlap() -> None:
    of = ward([station("a")], {f"a:{i}": RoomFacts(f"Room {i}") for i in range(450)})
    parts = [shown(ask(of, offset=offset)) for offset in (0, MOST, 2 * MOST, 3 * MOST)]
    assert [len(part) for part in parts] == [200, 200, 50, 0]
    assert [id_ for part in parts for id_ in part] == [f"a:{i}" for i in range(450)]
    assert len(shown(ask(of, limit=10**9))) == MOST
    assert shown(ask(of, limit=-1)) == []
    assert shown(ask(of, offset=-5, limit=1)) == ["a:0"]


def test_a_label_of_any_digits_has_its_place() -> None:
    labels = ["", "9" * 5000, "²", "Room ٣", "Room 3"]
    of = ward([station("a")], {f"a:{i}": RoomFacts(label) for i, label in enumerate(labels)})
    assert ask(of).total == len(labels)


# --- facts of a room ------------------------------------------------------------------------------


def alarm(**more: Any) -> wire.AlarmMsg:
    told = {"rule": "x", "priority": "high", "condition": "active", **more}
    return wire.AlarmMsg(room="r", **told)


def open_session(**more: Any) -> wire.SessionMsg:
    return wire.SessionMsg(room="r", id="s", phase="PEAK", subject_ref="KV-1", **more)


def test_what_counts_as_an_alarm_is_what_the_pages_show_as_one() -> None:
    for told, wanted in (
        ([], 0),
        ([alarm(condition="idle")], 0),
        ([alarm(priority="info")], 0),
        ([alarm(priority="low")], 4),
        ([alarm(priority="medium", condition="latched")], 6),
        ([alarm(acked_by="Anna")], 7),
        ([alarm(silent=True)], 2),
        ([alarm(priority="low"), alarm(rule="y"), alarm(rule="z", acked_by="Anna")], 8),
    ):
        assert facts_of(wire.RoomMsg(id="r", label="R", alarms=told)).alarm == wanted, told


def test_a_session_that_has_ended_owes_nothing() -> None:
    due = [wire.DueMsg(room="r", what=str(i), at_us=1, state=state) for i, state in
           enumerate(("overdue", "due", "coming", "done"))]  # fmt: skip
    running = facts_of(wire.RoomMsg(id="r", label="R", session=open_session(), due=due))
    assert (running.phase, running.due, running.overdue, running.subject) == ("PEAK", 1, 1, "KV-1")
    for session in (open_session(ended_us=5), wire.SessionMsg(room="r"), None):
        facts = facts_of(wire.RoomMsg(id="r", label="R", session=session, due=due))
        assert (facts.phase, facts.due, facts.overdue, facts.subject) == ("", 0, 0, "")


# --- against a list that is asked one by one ------------------------------------------------------

FACTS = st.builds(
    RoomFacts,
    label=st.sampled_from(["Room 1", "Room 2", "Room 10", "Äther"]),
    alarm=st.sampled_from([0, 3, 6, 7, 8]),
    phase=st.sampled_from(["", "PEAK"]),
    due=st.integers(0, 1),
    overdue=st.integers(0, 1),
)
STATIONS = [
    station("a", "North", "One"), station("b", "North", "Two", age_s=4),
    station("c", "South", "One", age_s=99),
]  # fmt: skip
QUESTIONS = st.builds(
    WardQuestion,
    site=st.sampled_from(["", "", "North", "South", "East"]),
    clinic=st.sampled_from(["", "", "One", "Two"]),
    q=st.sampled_from(["", "", "room", "äTHER", "room 1", "a:"]),
    only=st.sampled_from(["all", "alarm", "due", "open", "lost"]),
    offset=st.integers(0, 5),
    limit=st.integers(0, 20),
)
IDS = st.builds(lambda s, n: f"{s}:{n}", st.sampled_from("abc"), st.integers(0, 5))


def naive(
    rooms: dict[str, RoomFacts], asked: WardQuestion, may: frozenset[str] | None
) -> tuple[int, dict[str, int], list[int]]:
    """Total, counts, and the urgencies of what is shown, by looking at one room after the other."""
    of = {each.id: each for each in STATIONS}
    left = []
    for id_, facts in rooms.items():
        at = of[id_[0]]
        words = f"{id_} {facts.label} {at.name} {at.clinic} {at.site}".casefold()
        if (
            (may is None or id_ in may or f"{id_[0]}:*" in may)
            and asked.site in ("", at.site)
            and asked.clinic in ("", at.clinic)
            and all(word in words for word in asked.q.casefold().split())
        ):
            left.append((facts, at.link(NOW)[0] == "lost"))
    is_a = {
        "all": lambda facts, lost: True,
        "alarm": lambda facts, lost: facts.alarm > 0,
        "due": lambda facts, lost: facts.due + facts.overdue > 0,
        "open": lambda facts, lost: bool(facts.phase),
        "lost": lambda facts, lost: lost,
    }
    counts = {only: sum(test(*each) for each in left) for only, test in is_a.items()}
    urgency = [
        max(facts.urgency, (LOST_IN_SESSION if facts.phase else 1) if lost else 0)
        for facts, lost in left
        if is_a[asked.only](facts, lost)
    ]
    urgency.sort(reverse=True)
    return len(urgency), counts, urgency[asked.offset : asked.offset + asked.limit]


@settings(max_examples=200)
@given(
    st.dictionaries(IDS, FACTS),
    st.lists(st.tuples(IDS, st.none() | FACTS)),
    QUESTIONS,
    st.none() | st.frozensets(IDS | st.sampled_from(["a:*", "b:*", "*", "x:*"])),
)
def test_any_answer_is_that_of_a_look_at_every_room(
    rooms: dict[str, RoomFacts],
    later: list[tuple[str, RoomFacts | None]],
    asked: WardQuestion,
    may: frozenset[str] | None,
) -> None:
    of = ward(STATIONS, rooms)
    of.answer(asked, NOW, may)  # what is remembered of it must not outlive the changes
    for id_, facts in later:
        if facts is None:
            of.forget(id_)
            rooms.pop(id_, None)
        else:
            of.room(id_, id_[0], facts)
            rooms[id_] = facts
    answer = of.answer(asked, NOW, may)
    total, counts, urgency = naive(rooms, asked, may)
    assert answer.total == total
    assert {only: getattr(answer.counts, only) for only in counts} == counts
    lost = {each.id for each in STATIONS if each.link(NOW)[0] == "lost"}
    assert urgency == [
        max(
            rooms[room.id].urgency,
            (LOST_IN_SESSION if rooms[room.id].phase else 1) if room.station in lost else 0,
        )
        for room in answer.rooms
    ]
    seen = [id_ for id_ in rooms if may is None or id_ in may or f"{id_[0]}:*" in may]
    assert sum(site.rooms for site in answer.sites) == len(seen)
    assert sum(clinic.alarm for site in answer.sites for clinic in site.clinics) == sum(
        rooms[id_].alarm > 0 for id_ in seen
    )


def test_ten_thousand_rooms_are_asked_for_in_less_than_20_ms() -> None:
    of = Ward()
    for s in range(625):
        of.station(station(f"st-{s}", f"Site {s // 25}", f"Clinic {s // 5}", age_s=s % 20))
        for r in range(16):
            facts = RoomFacts(f"Room {r}", alarm=8 * (r == 3), phase="PEAK", subject=f"KV-{s}")
            of.room(f"st-{s}:room-{r}", f"st-{s}", facts)
    may = frozenset(f"st-{s}:room-{r}" for s in range(400) for r in range(16))
    questions = [{}, {"q": "room 1"}, {"site": "Site 3"}, {"only": "lost"}, {"q": "kv-77"}]
    for question in questions:
        for who in (None, may):
            ask(of, who, **question)  # the first one makes the table
            took_s = []
            for _ in range(5):
                begun = time.process_time()
                answer = ask(of, who, **question)
                took_s.append(time.process_time() - begun)
            assert min(took_s) < 0.020, question
            assert answer.total > 0
