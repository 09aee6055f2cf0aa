"""What may disturb a simulated visit, and how often: moving hands, lost probes, failing cuffs.

How deep and how long an artifact is follows the published ranges; how often one comes to a
patient who lies still was found nowhere. The rates are our own choice, so results that hang on
them are given for several (docs/cohort.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from simulators.events import CUFF_REASONS, Event
from simulators.physiology import draw_desaturation
from simulators.pulse import Array

MOTION_DROP = (3.0, 15.0)
"""A moving hand makes SpO2 read this much too low, % points."""
MOTION_S = (5.0, 20.0)
_MOTION_RISE_S, _MOTION_FALL_S = 1.0, 2.0
_MOTION_JITTER = 0.7
PROBE_OFF_S = (5.0, 60.0)
LOW_PERFUSION_S = (30.0, 180.0)
_RESTLESS = 0.26
"""Shape of the gamma distribution of restlessness: the top tenth of the patients then makes 57 %
of the artifacts, as it does of the SpO2 alarms of a published simulation (Lansdowne 2016)."""


@dataclass(frozen=True, slots=True)
class Mishaps:
    """How often what happens.

    Attributes:
        motion_per_h: artifacts of a moving hand, on average; most patients have fewer.
        even: every patient is equally restless.
        motion_flagged: share of them that the oximeter notices and marks as artifact.
        probe_off_per_h: the probe comes off, for 5 to 60 s.
        low_perfusion_per_h: the finger gets cold, for 30 to 180 s; always marked.
        cuff_failure: share of blood pressure determinations that fail.
        cuff_failure_again: the same right after a failure.
        desaturation: share of patients whose SpO2 really falls after the dose.
        lowest: lowest SpO2 then reached, from and to, %.
        lasting_s: how long that lasts until recovery begins, from and to.
    """

    motion_per_h: float = 0.25
    even: bool = False
    motion_flagged: float = 0.25
    probe_off_per_h: float = 0.05
    low_perfusion_per_h: float = 0.05
    cuff_failure: float = 0.02
    cuff_failure_again: float = 0.3
    desaturation: float = 0.02
    lowest: tuple[int, int] = (88, 92)
    lasting_s: tuple[float, float] = (60.0, 300.0)


ORDINARY = Mishaps()
UNDISTURBED = Mishaps(
    motion_per_h=0, probe_off_per_h=0, low_perfusion_per_h=0, cuff_failure=0, desaturation=0
)
RESTLESS = Mishaps(motion_per_h=6, even=True)
"""Moving hands in every session."""
CHALLENGE = replace(RESTLESS, desaturation=1.0, lowest=(75, 87), lasting_s=(40.0, 300.0))
"""Everybody desaturates below 88 %, with moving hands around it: nothing may be missed."""


def draw(
    mishaps: Mishaps, rng: np.random.Generator, length_s: float
) -> tuple[list[Event], Event | None]:
    """What happens in one visit.

    Returns:
        Events of the sensor, in order of time from its start; a desaturation, its time from the
        dose, or None.
    """
    restless = 1.0 if mishaps.even else float(rng.gamma(_RESTLESS)) / _RESTLESS
    events = [
        *_motions(mishaps, rng, length_s, restless),
        *_spans(rng, "probe_off", mishaps.probe_off_per_h, PROBE_OFF_S, length_s),
        *_spans(rng, "low_perfusion", mishaps.low_perfusion_per_h, LOW_PERFUSION_S, length_s),
    ]
    falls = rng.random() < mishaps.desaturation
    fall = draw_desaturation(rng, mishaps.lowest, mishaps.lasting_s)
    return sorted(events, key=lambda event: event.at_s), fall if falls else None


def cuff_reason(mishaps: Mishaps, rng: np.random.Generator, *, again: bool) -> str:
    """Why this determination fails; `""` when it does not."""
    fails = rng.random() < (mishaps.cuff_failure_again if again else mishaps.cuff_failure)
    reason = CUFF_REASONS[int(rng.integers(len(CUFF_REASONS)))]
    return reason if fails else ""


def misread(events: list[Event], rng: np.random.Generator, seconds: Array) -> Array:
    """How much too low SpO2 reads at each second because of moving hands, % points."""
    too_low = np.zeros_like(seconds)
    for event in events:
        if event.kind == "motion":
            jitter = 1 + _MOTION_JITTER / event.drop * rng.standard_normal(len(seconds))
            too_low += event.drop * event.weight(seconds) * jitter
    return too_low


def _motions(
    mishaps: Mishaps, rng: np.random.Generator, length_s: float, restless: float
) -> list[Event]:
    count = int(rng.poisson(mishaps.motion_per_h * restless * length_s / 3600))
    return [
        Event(
            at_s=float(rng.uniform(0, length_s)),
            kind="motion",
            lasting_s=float(rng.uniform(*MOTION_S)),
            drop=float(rng.uniform(*MOTION_DROP)),
            rise_s=_MOTION_RISE_S,
            fall_s=_MOTION_FALL_S,
            noticed=bool(rng.random() < mishaps.motion_flagged),
        )
        for _ in range(count)
    ]


def _spans(
    rng: np.random.Generator,
    kind: str,
    per_h: float,
    lasting_s: tuple[float, float],
    length_s: float,
) -> list[Event]:
    count = int(rng.poisson(per_h * length_s / 3600))
    return [
        Event(
            at_s=float(rng.uniform(0, length_s)),
            kind=kind,
            lasting_s=float(rng.uniform(*lasting_s)),
            to=0.2 if kind == "low_perfusion" else 0.0,
            rise_s=3.0,
            fall_s=5.0,
        )
        for _ in range(count)
    ]
