"""Codes of what is measured, beyond those of `vitals.channels`: LOINC, IEEE 11073, UCUM units.

IEEE 11073-10101 codes are 32 bits: partition × 65536 + term. Sources: HL7/phd examples, the GE B40
HL7 manual, hl7.org/fhir observation-vitalsigns.
"""

from __future__ import annotations

from dataclasses import dataclass

from vitals.channels import NIBP
from vitals.export.session_data import NumericTrack, SessionData

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
MDC = "urn:iso:std:iso:11073:10101"
BP_PANEL = ("85354-9", "Blood pressure panel with all children optional")
NIBP_PANEL_MDC = (150020, "MDC_PRESS_BLD_NONINV")
MONITOR_MDC = (69965, "MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS")
_SPARSE_US = 15e6
"""Values further apart than this are single measurements, not a stream."""


@dataclass(frozen=True, slots=True)
class Term:
    """Codes of one quantity: (LOINC, its name) pairs, and (32-bit code, reference id)."""

    loinc: tuple[tuple[str, str], ...]
    mdc: tuple[int, str] | None


TERMS: dict[str, Term] = {
    "hr": Term((("8867-4", "Heart rate"),), (147842, "MDC_ECG_HEART_RATE")),
    "pr": Term((("8867-4", "Heart rate"),), (149530, "MDC_PULS_OXIM_PULS_RATE")),
    "spo2": Term(
        (
            ("59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry"),
            ("2708-6", "Oxygen saturation in Arterial blood"),
        ),
        (150456, "MDC_PULS_OXIM_SAT_O2"),
    ),
    "nibp_sys": Term(
        (("8480-6", "Systolic blood pressure"),), (150021, "MDC_PRESS_BLD_NONINV_SYS")
    ),
    "nibp_dia": Term(
        (("8462-4", "Diastolic blood pressure"),), (150022, "MDC_PRESS_BLD_NONINV_DIA")
    ),
    "nibp_map": Term((("8478-0", "Mean blood pressure"),), (150023, "MDC_PRESS_BLD_NONINV_MEAN")),
    "pi": Term(
        (("61006-3", "Perfusion index Tissue by Pulse oximetry"),),
        (150448, "MDC_PULS_OXIM_PERF_REL"),
    ),
    "rr": Term((("9279-1", "Respiratory rate"),), (151562, "MDC_RESP_RATE")),
    "pleth": Term((), (150452, "MDC_PULS_OXIM_PLETH")),
    "ecg": Term((), (131328, "MDC_ECG_ELEC_POTL")),
}
CUFF_PULSE = Term((("8867-4", "Heart rate"),), (149546, "MDC_PULS_RATE_NON_INV"))
"""The pulse rate of a blood pressure determination: same LOINC, another source."""

UNITS: dict[str, tuple[int, str]] = {
    "mm[Hg]": (266016, "MDC_DIM_MMHG"),
    "/min": (264864, "MDC_DIM_BEAT_PER_MIN"),
    "%": (262688, "MDC_DIM_PERCENT"),
    "1": (262656, "MDC_DIM_DIMLESS"),
}
"""UCUM unit -> IEEE 11073 unit."""
BREATHS = (264928, "MDC_DIM_RESP_PER_MIN")


def is_dense(track: NumericTrack) -> bool:
    """Whether a track is a stream of values, and not one measurement now and then."""
    return track.channel.key not in NIBP and track.spacing_us <= _SPARSE_US


def term_of(track: NumericTrack, data: SessionData) -> Term:
    """The codes of a track; its device tells a cuff's pulse from an oximeter's."""
    key = track.channel.key
    cuff = any(NIBP[0] in device.channels for device in data.devices if device.id == track.device)
    if key == "pr" and cuff and not is_dense(track):
        return CUFF_PULSE
    return TERMS.get(key, Term((), None))


def unit_of(key: str, unit: str) -> tuple[int, str] | None:
    """The IEEE 11073 unit of a channel, None where it has none."""
    return BREATHS if key == "rr" else UNITS.get(unit)
