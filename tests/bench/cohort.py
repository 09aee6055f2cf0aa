"""Measures the simulated cohort and the engine on it: `python -m tests.bench.cohort`.

Prints the tables of docs/cohort.md. Takes about ten minutes on one core; `--scale 0.1` tries it.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from simulators.cohort import CohortSession, cohort, run
from simulators.cohort_summary import Tally, lines
from simulators.mishaps import CHALLENGE, ORDINARY, RESTLESS, UNDISTURBED, Mishaps
from simulators.visit import DEVICES
from vitals.alarms.profile import Profile, load
from vitals.model import Input, Priority
from vitals.room import Room

RULE = "spo2-low"
DELAYS_S = (0.0, 5.0, 10.0, 15.0, 20.0)
MOTION_PER_H = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0)


def delayed(profile: Profile, hold_s: float) -> Profile:
    """The profile with one delay for both alarm levels of low SpO2 (not for "at once")."""
    rules = [
        replace(
            rule,
            levels=tuple(
                level
                if level.samples or level.priority is Priority.INFO
                else replace(level, hold_s=hold_s)
                for level in rule.levels
            ),
        )
        if rule.id == RULE
        else rule
        for rule in profile.rules
    ]
    return replace(profile, rules=tuple(rules))


def heard(done: CohortSession, rule: str = RULE) -> int:
    """How often an alarm began to sound."""
    return sum(
        change.after.rule == rule and change.after.sounding and not change.before.sounding
        for change in done.changes
    )


def room_seconds(inputs: list[Input], done: CohortSession, profile: Profile) -> float:
    """CPU seconds of `Room.step` alone over the inputs of a visit."""
    room = Room(done.session.room, DEVICES, profile, mode="test")
    step = room.step
    began = time.process_time()
    for item in inputs:
        step(item)
    return time.process_time() - began


def tallied(
    count: int, profile: Profile, mishaps: Mishaps = ORDINARY, *, oximeter: bool = True
) -> Tally:
    """A cohort summed up."""
    tally = Tally()
    for done in cohort(
        count, 1, profile, mishaps=mishaps, oximeter=oximeter, on_held=lambda _: tally.hold()
    ):
        tally.add(done)
    return tally


def pressure(count: int, profile: Profile) -> Iterator[str]:
    """Course of blood pressure."""
    tally = tallied(count, profile, replace(ORDINARY, desaturation=0), oximeter=False)
    yield f"{count} intravenous courses, {tally.held} more held"
    yield from lines(tally)
    peaks = np.array(tally.peaks)
    error = peaks.std(axis=0) / np.sqrt(count)
    yield f"standard error of the mean peak {error[0]:.2f} / {error[1]:.2f} mmHg"


def speed(count: int, profile: Profile) -> Iterator[str]:
    """CPU time of the engine, apart from that of the simulation."""
    engine = whole = 0.0
    steps = given = 0
    for seed in itertools.count():
        if given == count:
            break
        inputs: list[Input] = []
        began = time.process_time()
        done = run(seed, profile, on_step=lambda item, _, inputs=inputs: inputs.append(item))
        if done.dose_s is None:
            continue
        given += 1
        whole += time.process_time() - began
        engine += room_seconds(inputs, done, profile)
        steps += len(inputs)
    yield f"{count} sessions of two hours, {steps} inputs"
    yield f"Room.step alone: {engine:.1f} s of CPU, {engine / steps * 1e6:.1f} µs an input"
    yield f"with the simulation: {whole:.1f} s of CPU"


def artifacts(count: int, profile: Profile) -> Iterator[str]:
    """Delays of low SpO2 against moving hands, and what they miss."""
    yield "| delay of both levels | sounded, moving hands | against 0 s | missed of true falls |"
    yield "|---|---|---|---|"
    first = None
    variants = [(f"{hold_s:g} s", delayed(profile, hold_s)) for hold_s in DELAYS_S]
    for name, rules in [*variants, ("as shipped", profile)]:
        restless = sum(map(heard, cohort(count, 1, rules, mishaps=RESTLESS)))
        true = missed = 0
        for done in cohort(count, 1, rules, mishaps=CHALLENGE):
            true += len(done.desaturations)
            missed += len(done.missed())
        first = restless if first is None else first
        change = f"{100 * (restless / first - 1):+.0f} %"
        yield f"| {name} | {restless} | {change} | {missed} of {true} |"


def quiet(count: int, profile: Profile) -> Iterator[str]:
    """Sessions without a sounding alarm, by how restless the patients are."""
    yield "| moving hands an hour | nothing severe | silent | within limits | silent |"
    yield "|---|---|---|---|---|"
    rates = [(f"{rate:g}", replace(ORDINARY, motion_per_h=rate)) for rate in MOTION_PER_H]
    for name, mishaps in [("no mishaps at all", UNDISTURBED), *rates]:
        t = tallied(count, profile, mishaps)
        yield (
            f"| {name} | {t.well} of {t.sessions} | {100 * t.well_quiet / t.well:.0f} % "
            f"| {t.within} of {t.sessions} | {100 * t.within_quiet / t.within:.0f} % |"
        )


def ordinary(count: int, profile: Profile) -> Iterator[str]:
    """Everything of an ordinary cohort."""
    yield from lines(tallied(count, profile))


SECTIONS: dict[str, tuple[Callable[[int, Profile], Iterator[str]], int]] = {
    "Blood pressure": (pressure, 1000),
    "Speed": (speed, 200),
    "Ordinary cohort": (ordinary, 400),
    "Delays": (artifacts, 60),
    "Quiet sessions": (quiet, 200),
}


def main() -> None:
    """Prints all sections, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--only", choices=SECTIONS, action="append")
    chosen = parser.parse_args()
    profile = load()
    for name in chosen.only or SECTIONS:
        measure, count = SECTIONS[name]
        began = time.process_time()
        print(f"\n## {name}")  # noqa: T201
        for line in measure(max(2, round(count * chosen.scale)), profile):
            print(line, flush=True)  # noqa: T201
        print(f"({time.process_time() - began:.0f} s of CPU)", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
