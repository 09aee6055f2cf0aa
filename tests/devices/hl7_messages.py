"""HL7 messages of a monitor that does not exist, for the tests of driver and transport."""

from __future__ import annotations

from datetime import UTC, datetime

from devices.hl7 import frame
from tests.devices.decoding import T0
from vitals.model import US

_CODES = {
    "hr": "147842^MDC_ECG_HEART_RATE^MDC|1.5.1.1|{}|264864^MDC_DIM_BEAT_PER_MIN^MDC",
    "pr": "149530^MDC_PULS_OXIM_PULS_RATE^MDC|1.3.1.1|{}|264864^MDC_DIM_BEAT_PER_MIN^MDC",
    "spo2": "150456^MDC_PULS_OXIM_SAT_O2^MDC|1.3.1.2|{}|262688^MDC_DIM_PERCENT^MDC",
    "nibp_sys": "150021^MDC_PRESS_BLD_NONINV_SYS^MDC|1.1.9.1|{}|266016^MDC_DIM_MMHG^MDC",
    "nibp_dia": "150022^MDC_PRESS_BLD_NONINV_DIA^MDC|1.1.9.2|{}|266016^MDC_DIM_MMHG^MDC",
    "nibp_map": "150023^MDC_PRESS_BLD_NONINV_MEAN^MDC|1.1.9.3|{}|266016^MDC_DIM_MMHG^MDC",
}


def stamp(seconds: float = 0.0) -> str:
    """A time stamp, so many seconds after T0."""
    return datetime.fromtimestamp(T0 / US + seconds, UTC).strftime("%Y%m%d%H%M%S+0000")


def obx(channel: str, value: object, time: str = "", status: str = "R", mark: str = "") -> str:
    """One observation."""
    return f"OBX|1|NM|{_CODES[channel].format(value)}||{mark}|||{status}|||{time}"


def nibp(sys: int, dia: int, mean: int, time: str = "") -> list[str]:
    """The three of one determination."""
    return [obx(f"nibp_{key}", v, time) for key, v in (("sys", sys), ("dia", dia), ("map", mean))]


def oru(
    *lines: str,
    sent: str = "",
    control: str = "42",
    bed: str = "",
    pid: str = "",
    kind: str = "ORU^R01^ORU_R01",
    answers: str = "|",
    mode: str = "P",
) -> bytes:
    """A whole framed report; `sent` and times are empty unless given."""
    head = [
        rf"MSH|^~\&|MONITOR^00A0^EUI-64|MAKER|||{sent}||{kind}|{control}|{mode}|2.6|||{answers}",
        f"PID|||{pid}^^^Hospital^PI||DOE^JANE",
        f"PV1||I|{bed}",
        "OBR|1|||182777000^monitoring of patient^SCT",
    ]
    return frame("".join(line + "\r" for line in (*head, *lines)))
