"""How every station stands at the centre, in numbers and in one sentence.

Judged by the server's clock and by what the station has sent last; nothing is asked of a station.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from psycopg import Connection

STALE_S = 3.0
LOST_S = 10.0
CLOCK_S = 5.0
"""A station's clock that is further off is told; beyond `CLOCK_FAR_S` it is told as wrong."""
CLOCK_FAR_S = 3600.0
BEHIND_S = 10.0
"""What has been recorded for so long and is not here is told."""

Link = Literal["live", "stale", "lost", "never", "removed"]

_QUESTION = """
SELECT s.id, s.name, s.site, s.clinic, r.rolname IS NOT NULL AS active,
    extract(epoch FROM clock_timestamp() - l.arrived)::float8 AS age_s,
    extract(epoch FROM l.arrived)::float8 - l.now_us / 1e6 AS clock_s,
    coalesce(l.station_live, false) AS station_live, coalesce(l.recording, false) AS recording,
    coalesce(l.detail, '') AS detail, coalesce(l.mode, '') AS mode, coalesce(l.build, '') AS build,
    coalesce(l.lag_rows, 0) AS lag_rows, coalesce(l.lag_s, 0) AS lag_s,
    coalesce(l.record, '') AS record, coalesce(l.head_n, 0) AS head_n,
    coalesce(w.n, 0) AS here_n,
    a.hash IS NULL OR l.head IS NULL OR a.hash = l.head AS same_head,
    (SELECT count(*) FROM kap.room_state t WHERE t.station = s.id AND NOT t.gone) AS rooms
FROM kap.station s
LEFT JOIN pg_roles r ON r.rolname = s.login
LEFT JOIN kap.latest l ON l.station = s.id
LEFT JOIN kap.watermark w ON w.station = s.id AND w.record = l.record AND w.lane = 'audit'
LEFT JOIN kap.audit a ON a.station = s.id AND a.record = l.record AND a.n = l.head_n
ORDER BY s.site, s.clinic, s.id
"""


@dataclass(frozen=True, slots=True)
class Status:
    """One station.

    Attributes:
        id: of its config.
        name: what people call it.
        site: where it is.
        clinic: of that site.
        active: whether its role is there.
        age_s: since its last contact, None for never.
        clock_s: server's clock less station's at its last contact, the way's time included.
        station_live: whether the station itself runs, and not only its sender.
        recording: whether the station can write its record.
        detail: what is wrong there, in its own words.
        mode: real, demo or test.
        build: of its program.
        lag_rows: recorded there, and not here at its last contact.
        lag_s: age of the oldest of them.
        record: the file it writes, by the hash of its first row.
        head_n: rows of that file's chain there.
        here_n: and here.
        same_head: whether the row of its head, if it is here, has the same hash.
        rooms: that it shows.
    """

    id: str
    name: str
    site: str
    clinic: str
    active: bool
    age_s: float | None
    clock_s: float | None
    station_live: bool
    recording: bool
    detail: str
    mode: str
    build: str
    lag_rows: int
    lag_s: float
    record: str
    head_n: int
    here_n: int
    same_head: bool
    rooms: int

    @property
    def link(self) -> Link:
        """How it is reached."""
        if not self.active:
            return "removed"
        if self.age_s is None:
            return "never"
        return "live" if self.age_s <= STALE_S else "stale" if self.age_s <= LOST_S else "lost"

    @property
    def sentence(self) -> str:
        """The worst that is to be said of it, with what to do; "" when all is well."""
        return next((words(self) for is_so, words in _SENTENCES if is_so(self)), "")

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "link": self.link, "sentence": self.sentence}


def statuses(connection: Connection[Any]) -> list[Status]:
    """All stations by site, clinic and id; a viewer's role will do."""
    return [Status(*row) for row in connection.execute(_QUESTION)]


def how_long(seconds: float) -> str:
    """A length of time as people say it: `0.4 s`, `75 s`, `12 min`, `31 h`, `9 days`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    for limit, unit, word in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / unit:.0f} {word}"
    return f"{seconds / 86_400:.0f} days"


def _clock(one: Status) -> float:
    return abs(one.clock_s or 0.0)


def _clock_words(one: Status) -> str:
    off = one.clock_s or 0.0
    if abs(off) > CLOCK_FAR_S:
        return (
            f"its clock is wrong by {how_long(abs(off))}; set date and time of that computer, its "
            "rows stand under the wrong time"
        )
    way = "behind" if off > 0 else "ahead of"
    return f"its clock is {how_long(abs(off))} {way} the server's; look at both computers' time"


_SENTENCES: tuple[tuple[Callable[[Status], bool], Callable[[Status], str]], ...] = (
    (lambda one: one.link == "removed", lambda _: ""),
    (
        lambda one: not one.same_head,
        lambda one: (
            f"row {one.head_n} of its record is another one here; run `vitals central verify "
            f"--station {one.id}`"
        ),
    ),
    (
        lambda one: one.link == "never",
        lambda _: "it has never been heard of; put [central] into its config, and look at its log",
    ),
    (
        lambda one: one.link == "lost",
        lambda one: (
            f"LINK LOST for {how_long(one.age_s or 0.0)}; its rooms monitor locally: look at its "
            "network and at its log"
        ),
    ),
    (
        lambda one: not one.station_live,
        lambda _: "its sender runs, and the station does not; somebody must go there",
    ),
    (lambda one: bool(one.detail), lambda one: one.detail),
    (
        lambda one: not one.recording,
        lambda _: "NOT RECORDING; somebody must look at that computer's disk",
    ),
    (lambda one: _clock(one) > CLOCK_S, _clock_words),
    (
        lambda one: one.lag_s > BEHIND_S,
        lambda one: (
            f"{one.lag_rows} rows are not here yet, the oldest for {how_long(one.lag_s)}; wait "
            "while this number falls, else look at its log"
        ),
    ),
    (
        lambda one: one.link == "stale",
        lambda one: f"nothing was heard of it for {how_long(one.age_s or 0.0)}",
    ),
)
"""What is to be said of a station, the worst first."""

HEAD = ("STATION", "SITE", "CLINIC", "LINK", "AGE", "ROOMS", "BEHIND", "CLOCK", "HEAD", "PROGRAM")


def line(one: Status) -> tuple[str, ...]:
    """One line of a table below `HEAD`."""
    behind = "-" if one.age_s is None else f"{one.lag_rows} rows"
    if one.lag_rows:
        behind = f"{behind}, {how_long(one.lag_s)}"
    return (
        one.id,
        one.site,
        one.clinic,
        one.link,
        "-" if one.age_s is None else how_long(one.age_s),
        str(one.rooms),
        behind,
        "-" if one.clock_s is None else f"{one.clock_s:+.1f} s",
        f"{one.here_n}/{one.head_n}" if one.record else "-",
        one.build or "-",
    )
