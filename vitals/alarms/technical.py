"""Technical conditions of one room: what is missing, since when, and why.

Each `Fact` names a technical rule of the profile. The delays (5 s, 30 s, 120 s …) are the
rule's levels, so they are data like every other limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from vitals.model import US, Due, Link, Notice, StoreState

PER_DEVICE = ("link-lost", "battery-low")
"""Rules that a room has once for each of its devices, as `rule:device`."""
OF_DEVICES = frozenset(
    {
        "spo2-no-data", "signal-lost", "link-lost", "nibp-failed", "nibp-overdue", "hr-pr-differ",
        "cuff-pr-differs", "doubtful", "battery-low",
    }
)  # fmt: skip
"""Rules that say nothing while the patient is off the monitor, or monitoring is finished."""
MEASURING_S = 180.0
"""An overdue reading is deferred while the cuff is measuring, at most this long."""
SEARCH_S = 10.0
"""A loss that was explained is one of its own so long after its explanation has ended."""
SAID_S = 60.0
"""How long a thing that happened once (a clock step, a restart) is shown."""
STATION_EVENTS = {
    "clock_step": "clock-step",
    "engine_late": "engine-late",
    "restarted": "restarted",
}
"""Notices of the station itself -> rules; each is shown for `SAID_S`."""
EXPLAINS = {"no_sensor": "no sensor", "sensor_off": "sensor off", "sensor_fault": "sensor fault"}
_WHY = {"searching": "searching pulse", "low_perfusion": "low perfusion"}


@dataclass(frozen=True, slots=True)
class Fact:
    """A technical condition that is present since `since_us`.

    Attributes:
        rule: id of its rule.
        since_us: its levels' delays count from here.
        text: what it says.
        worst: highest level that it may reach by itself.
        not_before_us: no level is met before.
        until_us: it ends by itself then.
        value: the last value, where one is missing.
        value_us: when that was measured.
        by: who entered it by hand.
    """

    rule: str
    since_us: int
    text: str
    worst: int = 99
    not_before_us: int = 0
    until_us: int | None = None
    value: float | None = None
    value_us: int | None = None
    by: str = ""


@dataclass(frozen=True, slots=True)
class Loss:
    """No valid SpO2 or pulse rate.

    Attributes:
        device: which gave it, or should.
        label: of the channel that is missing.
        since_us: last valid value, or since when one is awaited.
        value: that value.
        mattered: whether an alarm of SpO2 or pulse was pending or active when it went.
        held_until_us: the cuff on the same arm explains it until then.
        explained_us: when the device last ceased to say what explains it (a finger that is put
            back is searched for a few seconds), 0 if never.
    """

    device: str
    label: str
    since_us: int
    value: float | None
    mattered: bool
    held_until_us: int = 0
    explained_us: int = 0


@dataclass(frozen=True, slots=True)
class RoomFacts:
    """What the room knows about its devices, its record, its pages and its due list.

    Attributes:
        loss: what is missing of SpO2 and pulse; None = nothing, or no oximeter here.
        links: last link state by device.
        link_since_us: since when a device has not been streaming.
        notices: active notices by (device, code); the station's own have device `""`.
        nibp_failures: failed readings in a row.
        nibp_failed: the last one, with its reason.
        measuring_us: when the running cuff measurement started.
        measured_us: when the last one ended.
        marked_us: when the dose was marked, which may be later than it was given.
        back_us: when the patient came back to the monitor.
        due: the session's due list.
        store: state of the record.
        unheard_us: since when no page with armed sound is there; None = one is, or nobody says.
        off_until_us: end of the time off the monitor.
        quiet: nothing is said of devices: off the monitor, or finished.
        more: facts that the room has found by itself.
        slack_us: extra patience of a demo that runs faster than real time.
    """

    loss: Loss | None = None
    links: Mapping[str, Link] = field(default_factory=dict)
    link_since_us: Mapping[str, int] = field(default_factory=dict)
    notices: Mapping[tuple[str, str], Notice] = field(default_factory=dict)
    nibp_failures: int = 0
    nibp_failed: Notice | None = None
    measuring_us: int | None = None
    measured_us: int = 0
    marked_us: int = 0
    back_us: int = 0
    due: tuple[Due, ...] = ()
    store: StoreState | None = None
    unheard_us: int | None = None
    off_until_us: int | None = None
    quiet: bool = False
    more: tuple[Fact, ...] = ()
    slack_us: int = 0


def facts(room: RoomFacts) -> Iterator[Fact]:
    """The technical conditions that are present, or may become so when time passes."""
    for fact in _facts(room):
        if not (room.quiet and fact.rule.partition(":")[0] in OF_DEVICES):
            yield fact


def _facts(room: RoomFacts) -> Iterator[Fact]:
    yield from room.more
    if room.loss is not None:
        yield from _lost(room, room.loss)
    for device, since_us in room.link_since_us.items():
        if room.loss is not None and device == room.loss.device:
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
    yield from _overdue(room)
    for (device, code), notice in room.notices.items():
        if code == "low_battery":
            yield Fact(f"battery-low:{device}", notice.at_us, f"Battery of {device} low")
        elif not device and code in STATION_EVENTS:
            until_us = notice.at_us + round(SAID_S * US)
            yield Fact(STATION_EVENTS[code], notice.at_us, notice.detail, until_us=until_us)
    if room.store is not None and not room.store.recording:
        yield Fact("not-recording", room.store.at_us, "NOT RECORDING")
    elif room.store is not None and room.store.detail:
        yield Fact("disk-low", room.store.at_us, "Disk of the record nearly full")
    if room.unheard_us is not None:
        # Counted from the dose's mark: the sound has to be armed by then, not all morning.
        since_us = max(room.unheard_us, room.marked_us) + room.slack_us
        yield Fact("no-sound", since_us, "NO SOUND: arm the sound on a page")
    if room.off_until_us is not None:
        text = "OFF MONITOR has run out: connect the patient again"
        yield Fact("off-monitor", room.off_until_us, text)


def _lost(room: RoomFacts, loss: Loss) -> Iterator[Fact]:
    """No SpO2, or SIGNAL LOST where nothing harmless explains it."""
    since_us = loss.since_us + room.slack_us
    value_us = loss.since_us if loss.value is not None else None
    why, explained = _why(room, loss)
    held_us = loss.held_until_us
    last = "" if loss.value is None else f", last {loss.label} {loss.value:.0f}"
    lost = f"SIGNAL LOST{last}" + (f": {why}" if why and loss.value is None else "")
    missing = f"No {loss.label}: {why}"
    if loss.mattered:
        yield Fact("signal-lost", since_us, lost, 99, held_us, None, loss.value, value_us)
    elif explained:
        yield Fact("spo2-no-data", since_us, missing, 99, held_us, None, loss.value, value_us)
    elif loss.explained_us > loss.since_us:
        # It was explained until just now: the same alarm goes on until the loss is one of its own.
        own_us = loss.explained_us + round(SEARCH_S * US) + room.slack_us
        yield Fact("spo2-no-data", since_us, missing, 99, held_us, own_us, loss.value, value_us)
        late_us = max(held_us, own_us)
        yield Fact("signal-lost", since_us, lost, 99, late_us, None, loss.value, value_us)
    else:
        yield Fact("signal-lost", since_us, lost, 99, held_us, None, loss.value, value_us)


def _why(room: RoomFacts, loss: Loss) -> tuple[str, bool]:
    """Why there is no value, and whether that explains the loss harmlessly."""
    link = room.links.get(loss.device)
    if link is not None and link.state != "streaming":
        return f"link {link.state}" + (f", {link.detail}" if link.detail else ""), True
    active = {code for device, code in room.notices if device == loss.device}
    for code, words in EXPLAINS.items():
        if code in active:
            return words, True
    for code, words in _WHY.items():
        if code in active:
            return words, False
    return "no valid value", False


def _overdue(room: RoomFacts) -> Iterator[Fact]:
    owed = [due for due in room.due if due.state in ("due", "overdue")]
    if not owed:
        return
    deferred_us = room.measured_us
    if room.measuring_us is not None:
        deferred_us = room.measuring_us + round(MEASURING_S * US)
    first = min(owed, key=lambda due: due.at_us)
    # Nobody can have seen an alarm before the dose was marked, or while it was put off.
    not_before_us = max(room.marked_us, room.back_us, deferred_us)
    yield Fact("nibp-overdue", first.at_us, f"{first.label} overdue", not_before_us=not_before_us)
