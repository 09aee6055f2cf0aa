"""What was given on which baseline, and how a session ended, in words for page and report. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vitals.channels import CHANNELS
from vitals.export.session_data import Entry, SessionData, doses
from vitals.export.summary import whole

_UNITS = {"mm[Hg]": "mmHg"}
_BASELINE = ("spo2", "hr", "pr", "rr")
"""What beside the blood pressure has a value at the dose, in this order."""


def weight_kg(data: SessionData) -> float | None:
    """The weight that was entered at check-in, kg."""
    weight = data.session.checkin.get("weight_kg")
    known = isinstance(weight, (int, float)) and not isinstance(weight, bool) and weight > 0
    return float(weight) if known else None  # type: ignore[arg-type]


def per_kg(data: SessionData, mg: float | None) -> str:
    """` (0.65 mg/kg at 62 kg)`; `""` where a dose or the weight was not entered."""
    weight = weight_kg(data)
    if mg is None or weight is None:
        return ""
    return f" ({mg / weight:.2f} mg/kg at {weight:g} kg)"


def total_words(data: SessionData) -> str:
    """`80 mg ketamine (1.00 mg/kg at 80 kg)` of several doses; `""` where it cannot be said."""
    given = doses(data.session)
    amounts = [dose.mg for dose in given if dose.mg is not None]
    drugs = {dose.drug for dose in given}
    if len(given) < 2 or len(amounts) < len(given) or len(drugs) > 1:
        return ""
    total = sum(amounts)
    return f"{' '.join(filter(None, (f'{total:g} mg', *drugs)))}{per_kg(data, total)}"


def baseline_words(data: SessionData) -> str:
    """`BP 135/78 mmHg, SpO2 97 %, PR 73 /min, frozen at the dose`; `""` without any."""
    frozen = data.session.baseline
    words = []
    sys, dia = frozen.get("nibp_sys"), frozen.get("nibp_dia")
    if sys is not None or dia is not None:
        both = "/".join("--" if value is None else str(whole(value)) for value in (sys, dia))
        words.append(f"BP {both} mmHg")
    for key in _BASELINE:
        if key in frozen:
            channel = CHANNELS[key]
            unit = _UNITS.get(channel.unit, channel.unit)
            words.append(f"{channel.label} {whole(frozen[key])} {unit}")
    return f"{', '.join(words)}, frozen at the dose" if words else ""


def criteria(data: SessionData) -> tuple[Mapping[str, Any], ...]:
    """The discharge criteria as they stood when somebody signed last."""
    signed = _signed(data)
    return tuple(signed.body.get("criteria", ())) if signed else ()


def criteria_words(data: SessionData) -> str:
    """`6 of 7 met; set aside: Escort is here (taxi)`; `""` where nobody has signed."""
    lines = criteria(data)
    if not lines:
        return ""
    met = sum(bool(line.get("met")) for line in lines)
    aside = [
        f"{line.get('label', '')} ({line['override']})" for line in lines if line.get("override")
    ]
    open_ = [
        str(line.get("label", ""))
        for line in lines
        if not line.get("met") and not line.get("override")
    ]
    words = [f"{met} of {len(lines)} met"]
    words += [f"set aside: {'; '.join(aside)}"] if aside else []
    words += [f"not met: {'; '.join(open_)}"] if open_ else []
    return "; ".join(words)


def signed_by(data: SessionData) -> tuple[str, int | None]:
    """Who signed the discharge, with the role, and when; `""` and None where nobody has."""
    signed = data.session.signed
    at_us = signed.get("at_us")
    if not isinstance(at_us, int):
        return "", None
    role = f" ({signed['role']})" if signed.get("role") else ""
    return f"{signed.get('by', '')}{role}", at_us


def _signed(data: SessionData) -> Entry | None:
    found = [
        e for e in data.entries if e.kind == "session_change" and e.body.get("cause") == "signed"
    ]
    return found[-1] if found else None
