"""A simulated patient, as monitors see one: numbers, pleth, and what is wrong with the sensor.

Moves only by `advance`. What is true is a closed function of time (`simulators.physiology`), so
the same seed gives the same patient however time is cut into steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from simulators import course
from simulators.events import Event
from simulators.physiology import Physiology
from simulators.pulse import Array, Pulse, shape
from simulators.scenario import Scenario, check_arm

SEARCH_S = 6.0
"""How long an oximeter looks for the pulse after it has lost it."""
DETERMINATION_S = 5.0
"""Pressures asked for within this time belong to one determination and share its noise."""
SHOWN_EVERY_S = 0.5
"""How often a monitor works out a new number."""
_NIBP_NOISE = (4.0, 3.0)
_OCCLUDED_PI = 0.04
_LOST_AFTER_S = 8.0
_NEEDS_PULSE = ("pr", "spo2", "pi")


class Patient:
    """One patient at one visit; a `devices.driver.PatientView`.

    Args:
        seed: everything about this patient follows from it.
        route: how ketamine will be given, a key of `simulators.course.ROUTES`.
        cuff_arm: `"same"` when the cuff is on the oximeter's arm, else `"other"`.
        spontaneous: 2 % of patients desaturate to 88-92 % for 1-5 min after the dose; False
            keeps everything but the scenario's events uneventful.

    Raises:
        ConfigError: unknown route or arm.
    """

    def __init__(
        self,
        seed: int,
        *,
        route: str = "iv",
        cuff_arm: str = "other",
        spontaneous: bool = False,
    ) -> None:
        self.route = course.check_route(route)
        self.cuff_arm = check_arm(cuff_arm)
        self.physiology = Physiology(seed, spontaneous=spontaneous)
        self._shows: dict[str, Callable[[Array], Array]] = {
            "pr": self.physiology.averaged_rate,
            "hr": self.physiology.averaged_rate,
            "spo2": self.physiology.saturation,
            "rr": self.physiology.breathing,
            "pi": self.physiology.perfusion,
        }
        self._noise = np.random.default_rng([seed, 2])
        self._pulse = Pulse(self.physiology.instant_rate)
        self._now_ns = 0
        self._shown: dict[str, float] = {}
        self._shown_at = -1
        self._pleth_at = -1
        self._pleth_size = self._pleth_shake = 0.0
        self._breath = 2 * math.pi * self.physiology.baseline.rr / 60
        self._determined_s = -math.inf
        self._determination: dict[str, float] = {}
        self._cuff_full_s: float | None = None
        self._search_until_s = -math.inf

    # --- what moves and changes the patient ---------------------------------------------------

    @property
    def now_s(self) -> float:
        """Patient seconds since the start."""
        return self._now_ns / 1e9

    def advance(self, dt_s: float) -> None:
        """Lets time pass; nothing else does."""
        if dt_s < 0:
            raise ValueError(f"a patient cannot go back in time by {-dt_s:g} s")
        self._now_ns += round(dt_s * 1e9)

    def dose(
        self, at_s: float | None = None, *, route: str | None = None, fraction: float = 1.0
    ) -> None:
        """Gives a dose; a further one adds its own course.

        Args:
            at_s: patient time, not in the past; None = now.
            route: of this dose; None = the patient's.
            fraction: size relative to the full dose.
        """
        at_s = self.now_s if at_s is None else at_s
        if at_s < self.now_s:
            raise ValueError(f"a dose at {at_s:g} s would be in the past ({self.now_s:g} s)")
        self.physiology.doses.append((at_s, course.check_route(route or self.route), fraction))
        if self.physiology.after_dose:
            self.physiology.events.append(self.physiology.after_dose.delayed(at_s))
            self.physiology.after_dose = None
        self._changed()

    def add(self, event: Event) -> None:
        """Lets an event happen; its `at_s` is patient time, not in the past."""
        if event.at_s < self.now_s:
            raise ValueError(
                f"{event.kind} at {event.at_s:g} s would be in the past ({self.now_s:g} s)"
            )
        self.physiology.events.append(event)
        self._changed()

    def play(self, scenario: Scenario) -> None:
        """Starts a scenario now: its times count from this moment."""
        start_s = self.now_s
        self.cuff_arm = scenario.cuff_arm or self.cuff_arm
        self.route = scenario.route or self.route
        if scenario.dose_at_s is not None:
            self.dose(start_s + scenario.dose_at_s)
        for event in scenario.events:
            self.add(event.delayed(start_s))

    def cuff(self, inflated: bool) -> None:
        """Tells whether the cuff is inflated now; on the oximeter's arm it stops the pulse."""
        if inflated and self._cuff_full_s is None and self.cuff_arm == "same":
            self._cuff_full_s = self.now_s
        elif not inflated and self._cuff_full_s is not None:
            if self._lost_under_cuff():
                self._search_until_s = self.now_s + SEARCH_S
            self._cuff_full_s = None
        self._pleth_at = -1

    def _changed(self) -> None:
        self._shown_at = self._pleth_at = -1
        self._pulse.changed(self.now_s)

    # --- what a monitor sees ------------------------------------------------------------------

    def value(self, channel: str) -> float | None:
        """The number that a good monitor shows now; None where it has none.

        `pr`, `hr`, `spo2`, `rr` and `nibp_*` are whole numbers, `pi` has two decimals. `pr`,
        `spo2` and `pi` are None while the probe is off or the monitor searches for the pulse,
        `nibp_*` while the cuff fails.
        """
        if channel.startswith("nibp_"):
            return self._nibp().get(channel)
        if channel not in self._shows or (channel in _NEEDS_PULSE and self._no_pulse()):
            return None
        shown = self._show(channel)
        return min(shown, _OCCLUDED_PI) if channel == "pi" and self._occluded else shown

    def fault(self, code: str) -> bool:
        """Whether a condition of sensor, cuff or link is present now.

        Known: `sensor_off`, `searching`, `low_perfusion`, `artifact`, `out_of_track`,
        `low_battery`, `link_drop`, `cuff_failure` and its reasons
        (`simulators.events.CUFF_REASONS`).
        """
        if code == "searching":
            return self._searching()
        if code == "low_perfusion" and self._occluded:
            return True
        if code == "out_of_track" and self._lost_under_cuff():
            return True
        return any(code in event.faults for event in self.present())

    def pleth(self, offset_s: float = 0.0) -> float:
        """Pleth amplitude 0..1, `offset_s` seconds from now; flat without a finger."""
        if self._pleth_at != self._now_ns:
            self._pleth_at, self._pleth_size = self._now_ns, self._size_of_pleth()
            self._pleth_shake = sum(event.drop for event in self.present("motion"))
        if not self._pleth_size:
            return 0.0
        t = self._now_ns / 1e9 + offset_s
        breath = 0.04 * math.sin(self._breath * t)
        level = 0.1 + self._pleth_size * (shape(self._pulse.beats(t)) + breath)
        if self._pleth_shake:
            shake = math.sin(10.7 * t) + 0.6 * math.sin(19.3 * t + 1)
            level += 0.02 * self._pleth_shake * shake
        return min(1.0, max(0.0, level))

    def present(self, kind: str = "") -> list[Event]:
        """Events that last now, of one kind or all."""
        now = self.now_s
        return [
            event
            for event in self.physiology.events
            if event.present(now) and kind in ("", event.kind)
        ]

    def pressure(self) -> tuple[float, float]:
        """True systolic and diastolic pressure now, without the noise of measuring."""
        sys, dia = self.physiology.pressure(np.asarray(self.now_s))
        return float(sys), float(dia)

    def effect(self) -> float:
        """Strength of the ketamine effect now, 1 = peak of one full dose."""
        return float(self.physiology.effect(np.asarray(self.now_s)))

    def _show(self, channel: str) -> float:
        index = int(self.now_s / SHOWN_EVERY_S)
        if index != self._shown_at:
            self._shown, self._shown_at = {}, index
        if channel not in self._shown:
            exact = float(self._shows[channel](np.asarray(index * SHOWN_EVERY_S)))
            self._shown[channel] = round(exact, 2) if channel == "pi" else math.floor(exact + 0.5)
        return self._shown[channel]

    def _size_of_pleth(self) -> float:
        if self.fault("sensor_off"):
            return 0.0
        perfusion = _OCCLUDED_PI if self._occluded else self._show("pi")
        return 0.8 * perfusion / (perfusion + 0.35)

    @property
    def _occluded(self) -> bool:
        return self._cuff_full_s is not None

    def _lost_under_cuff(self) -> bool:
        full_s = self._cuff_full_s
        return full_s is not None and self.now_s - full_s >= _LOST_AFTER_S

    def _no_pulse(self) -> bool:
        return self.fault("sensor_off") or self._searching()

    def _searching(self) -> bool:
        now = self.now_s
        if self.fault("sensor_off"):
            return False
        if self._lost_under_cuff():
            return True
        back = (e.end_s for e in self.physiology.events if e.kind == "probe_off")
        return now < self._search_until_s or any(end <= now < end + SEARCH_S for end in back)

    def _nibp(self) -> dict[str, float]:
        if not self._determined_s <= self.now_s < self._determined_s + DETERMINATION_S:
            self._determined_s, self._determination = self.now_s, self._determine()
        return self._determination

    def _determine(self) -> dict[str, float]:
        noise = self._noise.standard_normal(2) * _NIBP_NOISE
        if self.fault("cuff_failure"):
            return {}
        true_sys, true_dia = self.pressure()
        sys = math.floor(true_sys + noise[0] + 0.5)
        dia = min(math.floor(true_dia + noise[1] + 0.5), sys - 10)
        mean = math.floor(dia + (sys - dia) / 3 + 0.5)
        return {"nibp_sys": float(sys), "nibp_dia": float(dia), "nibp_map": float(mean)}
