"""Several devices make one patient: who speaks for which channel."""

from __future__ import annotations

from vitals.bedside.sources import Sources
from vitals.model import US, Numeric

T0 = 1_800_000_000 * US
MONITOR = ("hr", "spo2", "pr", "nibp_sys", "nibp_dia", "nibp_map")
PROBE = ("spo2", "pr")
CUFF = ("nibp_sys", "nibp_dia", "nibp_map")


def value(device: str, channel: str, second: float, value: float) -> tuple[int, Numeric]:
    at_us = T0 + round(second * US)
    return at_us, Numeric(device, channel, at_us, value)


def test_the_first_named_speaks_and_the_other_is_heard_only_when_it_is_silent() -> None:
    sources = Sources({"monitor": MONITOR, "probe": PROBE})
    assert sources.take(*value("probe", "spo2", 0, 95)) is not None, "nobody else is there yet"
    assert sources.take(*value("monitor", "spo2", 0.5, 97)) is not None
    assert sources.take(*value("probe", "spo2", 1, 95)) is None
    assert sources.of("spo2") == "monitor"
    assert sources.take(*value("probe", "spo2", 3.6, 95)) is not None, "the monitor is silent"
    assert sources.of("spo2") == "probe"
    assert sources.take(*value("monitor", "spo2", 4, 97)) is not None, "it is back"
    assert sources.of("spo2") == "monitor"


def test_a_preference_of_one_channel_stands_above_the_order_of_the_devices() -> None:
    sources = Sources({"monitor": MONITOR, "probe": PROBE}, prefer={"spo2": ("probe",)})
    assert sources.of("spo2") == "probe"
    assert sources.of("pr") == "monitor"
    assert sources.take(*value("probe", "spo2", 0, 95)) is not None
    assert sources.take(*value("monitor", "spo2", 0.5, 97)) is None
    assert sources.take(*value("monitor", "pr", 0.5, 70)) is not None


def test_a_device_is_not_heard_on_channels_that_it_is_not_bound_to() -> None:
    sources = Sources({"monitor": ("hr", "nibp_sys"), "probe": PROBE})
    assert sources.take(*value("monitor", "spo2", 0, 97)) is None
    assert sources.last("spo2") is None


def test_one_reading_never_mixes_two_cuffs() -> None:
    sources = Sources({"monitor": MONITOR, "cuff": CUFF})
    assert sources.take(*value("cuff", "nibp_sys", 0, 130)) is not None
    # the better one speaks up between the values of a determination
    assert sources.take(*value("monitor", "nibp_sys", 0.1, 150)) is not None
    assert sources.take(*value("cuff", "nibp_dia", 0.2, 80)) is None
    assert sources.take(*value("monitor", "nibp_dia", 0.3, 90)) is not None
    assert {sources.of(channel) for channel in CUFF} == {"monitor"}


def quality_of(*values: float) -> list[str]:
    sources = Sources({"probe": PROBE})
    seen = []
    for second, spo2 in enumerate(values):
        judged = sources.take(*value("probe", "spo2", second, spo2))
        assert judged is not None
        seen.append(judged.quality.value)
    return seen


def test_a_step_that_no_patient_makes_is_questionable_until_the_value_is_back() -> None:
    assert quality_of(97, 97, 85, 84, 90, 96) == ["good"] * 2 + ["questionable"] * 2 + ["good"] * 2


def test_a_step_that_lasts_is_believed_after_30_s() -> None:
    assert quality_of(97, 97, *[85] * 32) == ["good"] * 2 + ["questionable"] * 30 + ["good"] * 2


def test_a_fall_of_ten_or_a_slower_one_is_no_step() -> None:
    assert quality_of(97, 87) == ["good"] * 2
    assert quality_of(97, 95, 93, 91, 89, 87, 85, 83) == ["good"] * 8


def test_a_rise_of_spo2_is_no_implausible_step() -> None:
    sources = Sources({"probe": PROBE})
    sources.take(*value("probe", "spo2", 0, 80))
    judged = sources.take(*value("probe", "spo2", 1, 96))
    assert judged is not None
    assert judged.quality.value == "good"
