"""The table that the list of sessions is answered from. It lives in memory; `index_file` keeps it.

Of each session it has the head (`index_record`), the facts (`vitals.export.list_facts`), and
whether these are owed: a session that is new or has grown since they were worked out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import astuple, fields
from typing import Any

import apsw

from dashboard.review import Rooms
from dashboard.review.index_query import Question
from dashboard.review.index_record import Head
from vitals.export.list_facts import Facts
from vitals.store.connection import select

DONE, REFRESH, OWED = 0, 1, 2
"""Facts are right; of a session that goes on, right some time ago; not known, or out of date."""

HEAD = tuple(one.name for one in fields(Head))
FACTS = tuple(one.name for one in fields(Facts))
_HEAD_KEYS = ("subject_key", "room_key", "head_text")
_FACT_KEYS = ("owed_text", "owed_count", "worked", "due")
COLUMNS = (*HEAD, *_HEAD_KEYS, *FACTS, *_FACT_KEYS)
SCHEMA = (
    f"CREATE TABLE IF NOT EXISTS session({', '.join(COLUMNS)}, PRIMARY KEY(uuid)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS session_due ON session(due, started_us) WHERE due"
)
_VALUES = f"INTO session({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"
PUT = f"INSERT OR REPLACE {_VALUES}"
GET = f"SELECT {', '.join(COLUMNS)} FROM session"  # noqa: S608
_LISTS = ("owed", "unreadable")
_DIGITS = re.compile(r"\d+")


class Table:
    """Sessions in memory."""

    def __init__(self) -> None:
        self.connection = apsw.Connection(":memory:")
        self.connection.execute(SCHEMA)

    def close(self) -> None:
        """Gives the memory back."""
        self.connection.close()

    def clear(self) -> None:
        """Forgets all sessions."""
        self.connection.execute("DELETE FROM session")

    def restore(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Takes rows in the order of `COLUMNS`, as `rows` gave them."""
        with self.connection:
            self.connection.executemany(PUT, rows)
            self.connection.execute(
                f"UPDATE session SET due = {REFRESH} WHERE ended_us IS NULL AND worked"  # noqa: S608
            )

    def grown(self, heads: Iterable[Head]) -> None:
        """Takes heads that are new or have changed, so that their facts are owed."""
        sets = ", ".join(f"{name} = excluded.{name}" for name in (*HEAD[1:], *_HEAD_KEYS))
        nothing = [*_flat(Facts()), "", 0, False, OWED]
        with self.connection:
            self.connection.executemany(
                f"INSERT {_VALUES} ON CONFLICT(uuid) DO UPDATE SET {sets},"
                f" due = iif(worked AND excluded.ended_us IS NULL, {REFRESH}, {OWED})",
                ([*astuple(head), *_head_keys(head), *nothing] for head in heads),
            )

    def worked_out(self, uuid: str, facts: Facts) -> None:
        """Takes the facts of a session that is in the table."""
        sets = ", ".join(f"{name} = ?" for name in (*FACTS, *_FACT_KEYS))
        values = (*_flat(facts), _folded(facts.owed), len(facts.owed), True, DONE)
        self.connection.execute(f"UPDATE session SET {sets} WHERE uuid = ?", (*values, uuid))  # noqa: S608

    def owed(self, most: int, fresh: Collection[str] = ()) -> list[str]:
        """Sessions whose facts are to be worked out, the newest first.

        Those that go on come last, and not at all while they are `fresh`.
        """
        found = select(
            self.connection,
            f"SELECT uuid FROM session WHERE due = {OWED} OR (due = {REFRESH} AND uuid NOT IN"  # noqa: S608
            " (SELECT value FROM json_each(?))) ORDER BY due DESC, started_us DESC LIMIT ?",
            (json.dumps(list(fresh)), most),
        )
        return [uuid for (uuid,) in found]

    def rows(self, uuids: Collection[str] | None = None) -> list[tuple[Any, ...]]:
        """Rows as they are kept in a file, None for all."""
        if uuids is None:
            return select(self.connection, GET)
        some = f"{GET} WHERE uuid IN (SELECT value FROM json_each(?))"  # noqa: S608
        return select(self.connection, some, (json.dumps(list(uuids)),))

    def answer(self, question: Question, rooms: Rooms) -> dict[str, Any]:
        """What is asked, of the rooms that may be seen."""
        seen, values = _seen(rooms)
        where, more = question.where
        sql = f"FROM session WHERE {seen} AND {where}"
        ((total,),) = select(self.connection, f"SELECT count(*) {sql}", (*values, *more))
        found = select(
            self.connection,
            f"{GET} JOIN (SELECT uuid {sql} ORDER BY {question.order} LIMIT ? OFFSET ?)"
            f" USING (uuid) ORDER BY {question.order}",
            (*values, *more, question.limit, question.offset),
        )
        ((pending,),) = select(
            self.connection,
            f"SELECT count(*) FROM session WHERE {seen} AND due = {OWED}",  # noqa: S608
            values,
        )
        return {
            "sessions": [_told(dict(zip(COLUMNS, row, strict=True))) for row in found],
            "total": total,
            "pending": pending,
            "facets": self._facets(seen, values),
        }

    def _facets(self, seen: str, values: Sequence[str]) -> dict[str, list[str]]:
        """What the list can be narrowed to by choosing."""
        sql = f"SELECT DISTINCT room_key, room, route, mode FROM session WHERE {seen}"  # noqa: S608
        found = sorted(select(self.connection, sql, values))
        return {
            name: [*dict.fromkeys(value for value in column if value)]
            for name, column in (
                ("rooms", [room for _, room, _, _ in found]),
                ("routes", sorted(route for *_, route, _ in found)),
                ("modes", sorted(mode for *_, mode in found)),
            )
        }


def as_told(head: Head, facts: Facts | None) -> dict[str, Any]:
    """A session as the API tells it; None for facts that are not known yet."""
    row: dict[str, Any] = dict(zip(HEAD, astuple(head), strict=True))
    row |= zip(FACTS, _flat(facts or Facts()), strict=True)
    return _told({**row, "worked": facts is not None})


def _seen(rooms: Rooms) -> tuple[str, list[str]]:
    if rooms is None:
        return "true", []
    return f"room IN ({', '.join('?' * len(rooms))})", sorted(rooms)


def _flat(facts: Facts) -> list[Any]:
    return [
        json.dumps(value, ensure_ascii=False) if isinstance(value, tuple) else value
        for value in astuple(facts)
    ]


def _head_keys(head: Head) -> tuple[str, str, str]:
    words = (head.subject, head.room, head.route, head.mode, head.day, head.uuid)
    return _natural(head.subject), _natural(head.room), _folded(words)


def _folded(texts: Iterable[str]) -> str:
    """Texts as they are searched."""
    return " " + " ".join(" ".join(texts).casefold().split())


def _natural(text: str) -> str:
    """Sorts `KV-9` before `KV-10`."""
    return _DIGITS.sub(lambda digits: digits[0].zfill(12), text.casefold())


def _told(row: dict[str, Any]) -> dict[str, Any]:
    """A session as the API tells it; facts that are not known yet are null."""
    known = bool(row["worked"])
    lists = {name: json.loads(row[name]) for name in _LISTS}
    ended, resumed = row["ended_us"], row["resumed"]
    state = "open" if ended is None else "recovered" if resumed else "closed"
    plain = ("room", "route", "mode", "phase", "started_us", "ended_us", "dose_us", "resumed")
    told = {
        "id": row["uuid"],
        "subject_ref": row["subject"],
        **{name: row[name] for name in plain},
        "state": state,
        "utc_offset_s": row["utc_offset_s"],
        "worked_out": known,
        "peak": None,
        "lowest_spo2": None,
        "alarms": None,
        "coverage": None,
        "nibp": None,
        "owed": lists["owed"],
        "addenda": row["addenda"],
        "signatures": row["signatures"],
        "signed_last": bool(row["signed_last"]),
        "unreadable": [*filter(None, [row["damage"]]), *lists["unreadable"]],
    }
    if not known:
        return told
    if row["peak_sys"] is not None:
        told["peak"] = {name: row[f"peak_{name}"] for name in ("sys", "dia", "minute")}
    if row["spo2"] is not None:
        told["lowest_spo2"] = {
            "value": row["spo2"],
            "minute": row["spo2_minute"],
            "questionable": bool(row["spo2_doubted"]),
        }
    told["alarms"] = {name: row[name] for name in ("high", "medium", "low")}
    told["coverage"] = {"spo2": row["cover_spo2"], "pulse": row["cover_pulse"]}
    told["nibp"] = {"planned": row["nibp_planned"], "taken": row["nibp_taken"]}
    return told
