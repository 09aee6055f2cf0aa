"""Technical conditions of one room: what is missing, since when, and why.

Each `Fact` names a technical rule of the profile. The delays (5 s, 30 s, 120 s …) are the
rule's levels, so they are data like every other limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vitals.model import US, Due, Link, Notice, StoreState

PER_DEVICE = ("link-lost", "battery-low")
"""Rules that a room has once for each of its devices, as `rule:device`."""
MEASURING_S = 180.0
"""An overdue reading is deferred while the cuff is measuring, at most this long."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A technical condition that is present since `since_us`.

    `worst` caps the level that it may reach by itself; no level is met before `not_before_us`.
    """

    rule: str
    since_us: int
    text: str
    worst: int = 99
    not_before_us: int = 0


@dataclass(frozen=True, slots=True)
class RoomFacts:
    """What the room knows about its devices, its record and its due list.

    Attributes:
        spo2_us: last time that SpO2 was valid (session start if never); None = no oximeter here.
        spo2_device: device that gave it, or should.
        links: last link state by device.
        link_since_us: since when a device has not been streaming.
        notices: active notices by (device, code).
        nibp_failures: failed readings in a row, with the last one's time and reason.
        measuring_us: when the running cuff measurement started.
        measured_us: when the last one ended.
        marked_us: when the dose was marked, which may be later than it was given.
        due: the session's due list.
        store: state of the record.
        slack_us: extra patience of a demo that runs faster than real time.
    """

    spo2_us: int | None
    spo2_device: str
    links: Mapping[str, Link]
    link_since_us: Mapping[str, int]
    notices: Mapping[tuple[str, str], Notice]
    nibp_failures: int
    nibp_failed: Notice | None
    measuring_us: int | None
    measured_us: int
    marked_us: int
    due: tuple[Due, ...]
    store: StoreState | None
    slack_us: int = 0


def facts(room: RoomFacts, now_us: int) -> Iterator[Fact]:
    """The technical conditions that are present, or may become so when time passes."""
    if room.spo2_us is not None:
        since_us = room.spo2_us + room.slack_us
        yield Fact("spo2-no-data", since_us, f"No SpO2: {_why_no_spo2(room)}")
    for device, since_us in room.link_since_us.items():
        if device == room.spo2_device and room.spo2_us is not None:
            continue  # one cause, one alarm: "no SpO2" already says that the link is lost
        detail = room.links[device].detail
        text = f"Link to {device} lost" + (f": {detail}" if detail else "")
        yield Fact(f"link-lost:{device}", since_us + room.slack_us, text)
    if room.nibp_failures and room.nibp_failed is not None:
        reason = room.nibp_failed.detail or "no reason given"
        text = f"BP failed: {reason}" + ("" if room.nibp_failures > 1 else "; repeat")
        yield Fact(
            "nibp-failed", room.nibp_failed.at_us, text, worst=min(room.nibp_failures, 2) - 1
        )
    yield from _overdue(room, now_us)
    for (device, code), notice in room.notices.items():
        if code == "low_battery":
            yield Fact(f"battery-low:{device}", notice.at_us, f"Battery of {device} low")
    if room.store is not None and not room.store.recording:
        yield Fact("not-recording", room.store.at_us, "NOT RECORDING")


def _why_no_spo2(room: RoomFacts) -> str:
    link = room.links.get(room.spo2_device)
    if link is not None and link.state != "streaming":
        return f"link {link.state}" + (f", {link.detail}" if link.detail else "")
    for code, words in (
        ("no_sensor", "no sensor"),
        ("sensor_off", "sensor off"),
        ("sensor_fault", "sensor fault"),
        ("searching", "searching pulse"),
        ("low_perfusion", "low perfusion"),
    ):
        if any(c == code for _, c in room.notices):
            return words
    return "no valid value"


def _overdue(room: RoomFacts, now_us: int) -> Iterator[Fact]:
    owed = [due for due in room.due if due.state in ("due", "overdue")]
    if not owed:
        return
    deferred_us = room.measured_us
    if room.measuring_us is not None:
        deferred_us = room.measuring_us + round(MEASURING_S * US)
        if now_us < deferred_us:
            return
    first = min(owed, key=lambda due: due.at_us)
    # Nobody can have seen an alarm before the dose was marked, or while it was put off.
    not_before_us = max(room.marked_us, deferred_us)
    yield Fact("nibp-overdue", first.at_us, f"{first.label} overdue", not_before_us=not_before_us)
