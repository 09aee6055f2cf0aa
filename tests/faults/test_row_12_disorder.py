"""Row 12: values come twice, and out of order.

Made: twenty minutes of a patient whose SpO2 falls twice (three in a test). What a station has
counted goes to the writer shuffled by up to a minute, a tenth of it twice, as after a link that
repeats what was not confirmed; what a monitor has measured goes to a room with its own times
shuffled by up to a minute, a tenth of it twice, as from a monitor that sends what it has stored.

Bar: the stored set is the same as without, and no alarm is raised that is not raised without.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.faults.reached import Fault, Number, Result, all_of, logged
from tests.room.world import T0_US, World
from tests.store.build import T0, audit, dice_of, opened, pleth, until
from vitals.model import US, AlarmChange, Input, Numeric, Waveform
from vitals.store.reader import Reader
from vitals.store.verify import verify

MINUTES, MINUTES_SHORT, TIMES, TIMES_SHORT = 20, 3, 10, 3
SHUFFLE_S = 60.0
TWICE = 0.1
LIMITS = ("spo2-low", "spo2-very-low", "pr-high", "pr-low", "hr-high", "hr-low")
NOTHING_TO_TELL = "– (nothing is lost, so nobody need know)"


@dataclass(frozen=True, slots=True)
class Sent:
    """What goes to the writer under one counter."""

    seq: int
    value: Numeric | Waveform | None

    def put(self, writer: object) -> None:
        put = {Numeric: "put_numeric", Waveform: "put_wave"}.get(type(self.value), "")
        if put:
            getattr(writer, put)("session-a", self.seq, self.value)
        else:
            writer.put_audit(audit(self.seq, command_id=f"c{self.seq}"))  # type: ignore[attr-defined]


def disordered(length: int, rate_hz: float, dice: Random) -> list[int]:
    """Places 0..length-1 in the order in which they arrive, some of them twice."""
    at = [(i / rate_hz + dice.uniform(0, SHUFFLE_S), i) for i in range(length)]
    again = [i for i in range(length) if dice.random() < TWICE]
    at += [(i / rate_hz + dice.uniform(0, SHUFFLE_S), i) for i in again]
    return [i for _, i in sorted(at)]


def stream(seconds: int) -> list[Sent]:
    """One number, one block of a waveform and now and then a note each second."""
    sent: list[Sent] = []
    for second in range(seconds):
        spo2 = Numeric("ox", "spo2", T0 + second * US, 90.0 + second % 9)
        for value in (spo2, pleth(second, range(75)), *([None] if second % 10 == 0 else [])):
            sent.append(Sent(len(sent) + 2, value))
    return sent


def stored(path: Path) -> tuple[object, ...]:
    """Everything of the session that was put, in an order of its own."""
    reader = Reader(path)
    values = reader.numerics("session-a", "spo2")
    waves = [(w.start_us, w.values.tobytes()) for w in reader.waves("session-a", "pleth")]
    notes = {(row.seq, row.command_id) for row in reader.audit_by_kind("session-a", {"note"})}
    return (
        tuple(zip(values.at_us.tolist(), values.value.tolist(), strict=True)),
        tuple(waves),
        notes,
    )


def written(path: Path, sent: list[Sent]) -> tuple[object, ...]:
    writer = opened(path)
    for one in sent:
        one.put(writer)
    until(lambda: writer.health().queued == 0, 60)
    assert writer.health().refused == 0
    assert writer.close()
    found = verify(path)
    assert found.ok, found.broken
    return stored(path)


def course(seconds: int) -> list[Numeric]:
    """SpO2 and pulse; the first falls to 84 % for forty seconds, twice."""
    found = []
    for second in range(1, seconds):
        low = any(0 <= second - start < 40 for start in (seconds // 4, seconds * 5 // 8))
        at_us = T0_US + second * US
        found += [
            Numeric("ox", "spo2", at_us, 84.0 if low else 97.0),
            Numeric("ox", "pr", at_us, 72.0),
        ]
    return found


def raised(seconds: int, arrival: list[tuple[int, Numeric]]) -> list[str]:
    """Alarms that a room raises when these arrive at those times."""
    world = World().open(dose=True)
    waiting = sorted(arrival, key=lambda pair: pair[0])
    end_us, i = T0_US + (seconds + round(SHUFFLE_S)) * US, 0
    while world.now_us < end_us:
        world.now_us += US // 2
        while i < len(waiting) and waiting[i][0] <= world.now_us:
            numeric = waiting[i][1]
            i += 1
            # what the station does: the time of an input is the value's own
            item = Input(len(world.inputs) + 1, numeric.at_us, numeric)
            world.inputs.append(item)
            world.outputs += world.room.step(item)
        world.tick()
    changes = [o for o in world.outputs if isinstance(o, AlarmChange)]
    return [
        change.after.rule
        for change in changes
        if change.after.rule in LIMITS
        and change.before.condition != change.after.condition == "active"
    ]


def measure(folder: Path, full: bool) -> Result:
    seconds = 60 * (MINUTES if full else MINUTES_SHORT)
    times = TIMES if full else TIMES_SHORT
    dice, sent = dice_of(12), stream(seconds)
    numerics = course(max(seconds, 600))
    with logged() as log:
        plain = written(folder / "plain.db", sent)
        same = repeats = 0
        for number in range(times):
            order = [sent[i] for i in disordered(len(sent), len(sent) / seconds, dice)]
            repeats += len(order) - len(sent)
            same += written(folder / f"{number}.db", order) == plain
        untouched = raised(max(seconds, 600), [(one.at_us, one) for one in numerics])
        more: list[list[str]] = []
        for _ in range(times):
            late = [(one.at_us + round(dice.uniform(0, SHUFFLE_S) * US), one) for one in numerics]
            late += [
                (at + round(dice.uniform(0, SHUFFLE_S) * US), one)
                for at, one in late
                if dice.random() < TWICE
            ]
            more.append(raised(max(seconds, 600), late))
    second = sum(max(0, len(rules) - len(untouched)) for rules in more)
    missing = sum(not rules for rules in more)
    numbers = (
        all_of(f"stored sets the same as in order ({repeats:,} repeats)", same, times),
        Number(f"alarms more than the {len(untouched)} in order, {times} times", second, 0),
        Number("times without any alarm", missing, 0),
    )
    return Result(numbers, NOTHING_TO_TELL, " · ".join(log.lines[:1]) or NOTHING_TO_TELL)


FAULT = Fault(12, "twice, and out of order", "shuffled by up to 60 s, 10 % twice", measure)


def test_what_comes_twice_or_late_is_stored_once_and_alarms_once(tmp_path: Path) -> None:
    measure(tmp_path, full=False).check()


def test_a_value_older_than_the_newest_of_its_device_is_neither_judged_nor_shown() -> None:
    world = World().open(dose=True)
    world.vitals(range(1, 11))
    old = Numeric("ox", "spo2", T0_US + 5 * US, 70.0)
    world.put(old)
    assert world.room.judged is None
    assert not world.room.primary(old)
    again = Numeric("ox", "spo2", T0_US + 10 * US, 97.0)  # the newest once more
    world.put(again)
    assert world.room.judged == again
    assert world.room.primary(again)


def test_a_blood_pressure_that_is_told_late_counts() -> None:
    world = World().open(dose=True)
    world.at(20).reading(120)
    told = Numeric("cuff", "nibp_sys", T0_US + 15 * US, 190.0)
    world.put(told)
    assert world.room.judged is not None
    assert world.room.primary(told)
