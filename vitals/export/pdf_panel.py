"""A rectangle of a picture with its own scale. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Panel:
    """Values grow upwards from `low` to `high`, time to the right from `from_us` to `to_us`."""

    x: float
    y: float
    w: float
    h: float
    from_us: int
    to_us: int
    low: float
    high: float

    def at(self, at_us: float, value: float) -> tuple[float, float]:
        """A point of the picture; beyond the scale it stays at the edge."""
        return self.x_at(at_us), self.y_at(value)

    def x_at(self, at_us: float) -> float:
        """Where a time is; one that is not in the picture stands at its edge."""
        inside = min(max(at_us, self.from_us), self.to_us)
        return self.x + self.w * (inside - self.from_us) / max(1, self.to_us - self.from_us)

    def y_at(self, value: float) -> float:
        """Where a value is; one that is not in the picture stands at its edge."""
        inside = min(max(value, self.low), self.high)
        return self.y + self.h * (self.high - inside) / (self.high - self.low)
