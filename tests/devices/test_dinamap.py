"""What is special about DINAMAP: a dialogue, and readings that must be new to be readings."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices import registry
from devices.driver import Chunk, Decoder, Event
from devices.drivers.dinamap import Monitor, message
from tests.devices.decoding import (
    T0,
    FakePatient,
    decode,
    latest,
    notices,
    numerics,
    vectors,
)
from vitals.channels import NIBP
from vitals.clock import US
from vitals.errors import CommandError
from vitals.model import Notice, Quality, StartNibp, StopNibp

DRIVER = registry.get("dinamap")
COMMANDS = {
    known["text"].strip(): bytes.fromhex(known["hex"]) for known in vectors("dinamap")["commands"]
}
NA, OA, RA, NC0, ND = (COMMANDS[text] for text in ("NA", "OA", "RA", "NC0", "ND"))
BPS = {"nibp_sys": 128.0, "nibp_dia": 79.0, "nibp_map": 95.0}


def na(status: int, counter: int, bp: str = "118076090") -> bytes:
    return message(f"NA{status}00{counter:04d}{bp}".encode())


def bps(events: list[Event]) -> list[tuple[float | None, ...]]:
    """Readings as (sys, dia, map)."""
    found = [n.value for n in numerics(events) if n.channel in NIBP]
    return list(zip(found[0::3], found[1::3], found[2::3], strict=True))


@dataclass
class Dialogue:
    """Decoder and simulated monitor on a perfect line, at 10 Hz."""

    patient: FakePatient = field(default_factory=lambda: FakePatient(spo2=97, pr=70, **BPS))
    unit_s: float = 1.0
    now_us: int = T0
    said: list[bytes] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.decoder: Decoder = DRIVER.decoder("bed-1")
        self.monitor = Monitor(self.patient, self.unit_s)

    def run(self, seconds: float, each: Callable[[], None] = lambda: None) -> list[Event]:
        """Goes on for some seconds; returns what came of it."""
        before = len(self.events)
        for _ in range(round(seconds * 10)):
            self.monitor.poll(self.now_us)
            each()
            while said := self.decoder.due(self.now_us):
                self.said.append(said)
                answer = self.monitor.receive(said, self.now_us)
                self.events += self.decoder.feed(Chunk(answer, self.now_us))
            self.now_us += US // 10
        return self.events[before:]

    def start(self) -> None:
        self.decoder.request(StartNibp(), self.now_us)

    def stop(self) -> None:
        self.decoder.request(StopNibp(), self.now_us)


# --- what is sent -----------------------------------------------------------------------------


@pytest.mark.parametrize("text", COMMANDS)
def test_messages_are_the_published_ones(text: str) -> None:
    assert message(text.encode()) == COMMANDS[text]


def test_polls_each_once_a_second_one_at_a_time() -> None:
    dialogue = Dialogue()
    dialogue.run(10)
    assert {text: dialogue.said.count(text) for text in (NA, OA, RA)} == {NA: 10, OA: 10, RA: 10}
    assert dialogue.said[:3] == [NA, OA, RA]


def test_waits_half_a_second_for_a_reply_then_counts_and_goes_on() -> None:
    decoder = DRIVER.decoder("bed-1")
    assert decoder.due(T0) == NA
    assert decoder.due(T0 + 499_999) == b""
    assert decoder.rejected == 0
    assert decoder.due(T0 + 500_000) == OA
    assert decoder.rejected == 1
    assert decoder.due(T0 + US) == RA
    assert decoder.due(T0 + 3 * US // 2) == NA


def test_another_reply_does_not_end_the_wait() -> None:
    decoder = DRIVER.decoder("bed-1")
    decoder.due(T0)
    decoder.feed(Chunk(message(b"OA1098"), T0))
    assert decoder.due(T0) == b""
    decoder.feed(Chunk(na(1, 5), T0))
    assert decoder.due(T0) == OA


def test_a_garbled_reply_is_counted_once() -> None:
    decoder = DRIVER.decoder("bed-1")
    decoder.due(T0)
    decoder.feed(Chunk(b"!" + na(1, 5), T0))
    decoder.due(T0 + US)
    assert decoder.rejected == 1


def test_start_goes_before_the_polls_and_after_the_reply_that_is_awaited() -> None:
    decoder = DRIVER.decoder("bed-1")
    assert decoder.due(T0) == NA
    decoder.request(StartNibp(), T0)
    assert decoder.due(T0) == b""
    decoder.feed(Chunk(na(1, 5), T0))
    assert decoder.due(T0) == NC0
    decoder.feed(Chunk(b"whatever it says\r", T0))
    assert decoder.due(T0) == OA


def test_a_silent_answer_to_start_is_no_fault() -> None:
    decoder = DRIVER.decoder("bed-1")
    decoder.request(StartNibp(), T0)
    assert decoder.due(T0) == NC0
    assert decoder.due(T0 + US) == NA
    assert decoder.rejected == 0


def test_a_second_start_is_refused_while_one_is_queued_or_runs() -> None:
    decoder = DRIVER.decoder("bed-1")
    decoder.request(StartNibp(), T0)
    for now_us in (T0, T0 + 60 * US):
        with pytest.raises(CommandError, match=r"bed-1: .*already running; wait for it or cancel"):
            decoder.request(StartNibp(), now_us)
        decoder.due(now_us)
    decoder.request(StartNibp(), T0 + 181 * US)


def test_stop_also_takes_back_a_queued_start() -> None:
    decoder = DRIVER.decoder("bed-1")
    decoder.request(StartNibp(), T0)
    decoder.request(StopNibp(), T0)
    said = [decoder.due(T0 + i * US) for i in range(5)]
    assert said[0] == ND
    assert NC0 not in said


def test_start_can_follow_stop_at_once() -> None:
    dialogue = Dialogue()
    dialogue.start()
    dialogue.run(3)
    dialogue.stop()
    dialogue.start()
    dialogue.run(1)
    assert [text for text in dialogue.said if text in (NC0, ND)] == [NC0, ND, NC0]
    assert dialogue.monitor.inflating


# --- a determination --------------------------------------------------------------------------


def test_a_reading_is_announced_taken_and_given_once() -> None:
    dialogue = Dialogue()
    dialogue.run(5)
    dialogue.start()
    events = dialogue.run(120)
    assert notices(events) == [("cuff_inflating", True), ("cuff_inflating", False)]
    assert bps(events) == [(128, 79, 95)]
    assert len({n.at_us for n in numerics(events) if n.channel in NIBP}) == 1
    assert {n.quality for n in numerics(events)} == {Quality.GOOD}


def test_the_reading_is_of_the_moment_it_ends() -> None:
    dialogue = Dialogue()
    dialogue.start()
    seen = []

    def rising() -> None:
        dialogue.patient.values["nibp_sys"] = 110 + len(seen) // 10
        seen.append(dialogue.monitor.inflating)

    events = dialogue.run(60, rising)
    inflated_s = seen.count(True) / 10
    assert 19.9 <= inflated_s <= 40  # the first tick had passed when it began
    assert bps(events)[0][0] == pytest.approx(110 + inflated_s, abs=1)


def test_a_reading_taken_at_the_monitor_itself_is_given_too() -> None:
    dialogue = Dialogue()
    dialogue.run(5)
    dialogue.monitor.receive(NC0, dialogue.now_us)
    assert bps(dialogue.run(60)) == [(128, 79, 95)]
    assert notices(dialogue.events) == []


def test_cancelling_deflates_and_charts_nothing() -> None:
    dialogue = Dialogue()
    dialogue.start()
    dialogue.run(10)
    assert dialogue.monitor.inflating
    dialogue.stop()
    events = dialogue.run(60)
    assert not dialogue.monitor.inflating
    assert bps(dialogue.events) == []
    assert notices(events) == [("cuff_inflating", False)]


@pytest.mark.parametrize("fault", ["cuff_loose", "cuff_motion", "cuff_failure"])
def test_a_failure_is_said_once_each_time(fault: str) -> None:
    dialogue = Dialogue()
    dialogue.patient.faults.add(fault)
    for _ in range(2):
        dialogue.start()
        events = dialogue.run(60)
        assert notices(events) == [
            ("cuff_inflating", True),
            ("cuff_inflating", False),
            ("nibp_failed", True),
        ]
        assert bps(events) == []
    dialogue.patient.faults.clear()
    dialogue.start()
    assert bps(dialogue.run(60)) == [(128, 79, 95)]


def test_a_failure_shown_before_we_started_is_not_ours() -> None:
    dialogue = Dialogue()
    dialogue.patient.faults.add("cuff_loose")
    dialogue.monitor.receive(NC0, T0)
    dialogue.now_us += 60 * US
    assert notices(dialogue.run(10)) == []


def test_a_failure_of_ours_counts_though_the_counter_has_not_told_the_one_before() -> None:
    decoder = DRIVER.decoder("bed-1")
    before = na(1, 60) + na(2, 61) + na(3, 62)
    assert notices(decoder.feed(Chunk(before, T0))) == [("nibp_failed", True)]
    decoder.request(StartNibp(), T0)
    decoder.due(T0)
    events = decoder.feed(Chunk(na(2, 63) + na(3, 0), T0 + 30 * US))
    assert notices(events)[1:] == [("cuff_inflating", False), ("nibp_failed", True)]


def test_a_failure_whose_counter_drops_later_is_said_once() -> None:
    events = decode(DRIVER, na(1, 60) + na(2, 61) + na(3, 62) + na(3, 0) + na(3, 1))
    assert notices(events) == [("nibp_failed", True)]


def test_a_second_failure_with_the_same_status_is_told_by_the_counter() -> None:
    assert notices(decode(DRIVER, na(3, 60) + na(3, 0) + na(3, 1))) == [("nibp_failed", True)]


def test_a_reading_between_two_failures_makes_them_two() -> None:
    first = na(1, 60) + na(2, 61) + na(3, 62)
    second = na(1, 0, "131084101") + na(2, 30) + na(3, 0)
    assert notices(decode(DRIVER, first + second)) == [("nibp_failed", True)] * 2


def test_failure_names_the_status() -> None:
    events = decode(DRIVER, na(1, 400) + na(2, 401) + na(7, 402))
    assert [e.detail for e in events if isinstance(e, Notice)] == ["the monitor reports status 7"]


def test_inflating_cannot_stick() -> None:
    decoder = DRIVER.decoder("bed-1")
    decoder.request(StartNibp(), T0)
    decoder.due(T0)
    events = []
    for second in range(200):
        events += decoder.feed(Chunk(na(1, 400 + second), T0 + second * US))
    assert notices(events) == [
        ("cuff_inflating", True),
        ("cuff_inflating", False),
        ("nibp_failed", True),
    ]
    ended = [e for e in events if isinstance(e, Notice)][1]
    assert ended.at_us == T0 + 180 * US
    assert bps(events) == []


# --- is it new? -------------------------------------------------------------------------------


def test_the_reading_that_was_there_before_us_is_never_given() -> None:
    assert bps(decode(DRIVER, b"".join(na(1, counter) for counter in range(300)))) == []


def test_a_new_connection_begins_with_a_baseline() -> None:
    dialogue = Dialogue()
    dialogue.start()
    dialogue.run(60)
    dialogue.decoder = DRIVER.decoder("bed-1")
    assert bps(dialogue.run(60)) == []


def test_the_counter_running_over_is_no_reading() -> None:
    assert bps(decode(DRIVER, na(1, 9999) + na(1, 0))) == []
    assert bps(decode(DRIVER, na(1, 9999) + na(1, 0, "119077091"))) == [(119, 77, 91)]


def test_the_same_values_again_are_a_reading_when_we_asked_for_one() -> None:
    decoder = DRIVER.decoder("bed-1")
    decoder.feed(Chunk(na(1, 9999), T0))
    decoder.request(StartNibp(), T0)
    decoder.due(T0)
    assert bps(decoder.feed(Chunk(na(1, 0), T0 + 30 * US))) == [(118, 76, 90)]


def test_columns_that_were_filled_before_us_are_no_reading_however_fresh() -> None:
    assert bps(decode(DRIVER, na(2, 0) + na(1, 1))) == []


def test_values_coming_back_after_blank_columns_are_new_only_with_a_fresh_counter() -> None:
    blank = na(2, 0, "000000000")
    assert bps(decode(DRIVER, blank + na(1, 300))) == []
    assert bps(decode(DRIVER, blank + na(1, 1))) == [(118, 76, 90)]


@pytest.mark.parametrize("bp", ["300076090", "118118118", "118090076", "   076090", "---------"])
def test_a_reading_that_cannot_be_is_invalid(bp: str) -> None:
    found = [n for n in numerics(decode(DRIVER, na(1, 400) + na(1, 0, bp))) if n.channel in NIBP]
    assert len(found) == 3
    assert found[0].value is None
    assert found[0].quality is Quality.INVALID


@settings(max_examples=30, deadline=None)
@given(
    unit_s=st.sampled_from([1.0, 60.0]),
    acts=st.lists(
        st.tuples(
            st.sampled_from(["start", "stop", "button", "loose", "fixed", "garbage"]),
            st.integers(1, 600).map(lambda tenths: tenths / 10),
        ),
        max_size=8,
    ),
)
def test_each_determination_is_given_once_and_nothing_else_is(
    unit_s: float, acts: list[tuple[str, float]]
) -> None:
    dialogue = Dialogue(unit_s=unit_s)
    monitor = dialogue.monitor
    truth: list[tuple[float, ...]] = []
    overtaken: set[tuple[float, ...]] = set()
    landed: list[int | None] = [None]

    def watch() -> None:
        if monitor._landed_us != landed[-1]:
            landed.append(monitor._landed_us)
            truth.append((100.0 + len(truth), 70.0, 80.0))
        if monitor.inflating and truth and dialogue.now_us - (landed[-1] or 0) < 1.2 * US:
            overtaken.add(truth[-1])  # the next one began before this one was polled
        # every reading has a systolic of its own
        dialogue.patient.values |= dict(zip(NIBP, (100.0 + len(truth), 70.0, 80.0), strict=True))

    dialogue.run(2, watch)
    for act, seconds in acts:
        if act == "start":
            with suppress(CommandError):  # one is running already
                dialogue.start()
        elif act == "stop":
            dialogue.stop()
        elif act == "button":
            dialogue.monitor.receive(NC0, dialogue.now_us)
        elif act == "garbage":
            dialogue.decoder.feed(Chunk(b" NA1000000\xff\r NA", dialogue.now_us))
        else:
            dialogue.patient.faults = {"cuff_loose"} if act == "loose" else set()
        dialogue.run(seconds, watch)
    dialogue.run(45, watch)  # whatever was begun is over, and was asked for
    found = bps(dialogue.events)
    assert found == sorted(set(found) & set(truth))
    if unit_s == 1.0:  # within one minute the second of two cannot be told from the first
        assert set(truth) - set(found) <= overtaken


def test_a_reading_overtaken_by_the_next_start_is_given_when_that_one_is_cancelled() -> None:
    landed_while_running = na(1, 60) + na(2, 0, "131084101") + na(2, 3, "131084101")
    events = decode(DRIVER, landed_while_running + na(1, 5, "131084101"))
    assert bps(events) == [(131, 84, 101)]


def test_a_counter_that_restarts_with_the_inflation_makes_no_reading_of_the_old_one() -> None:
    cancelled = na(1, 60) + na(2, 0) + na(2, 3) + na(1, 5)
    assert bps(decode(DRIVER, cancelled)) == []
    finished = na(1, 60) + na(2, 0) + na(2, 3) + na(1, 25, "131084101")
    assert bps(decode(DRIVER, finished)) == [(131, 84, 101)]


# --- oximetry, line noise, the wrong mode -----------------------------------------------------


def test_oximetry_does_not_wait_for_a_blood_pressure() -> None:
    dialogue = Dialogue(FakePatient(spo2=97, pr=151))
    assert latest(dialogue.run(2)) == {"spo2": 97, "pr": 151}


@pytest.mark.parametrize("fault", ["sensor_off", "no_sensor", "searching"])
def test_no_oximetry_without_a_sensor_on_the_finger(fault: str) -> None:
    dialogue = Dialogue(FakePatient(fault, spo2=97, pr=70))
    assert latest(dialogue.run(2)) == {"spo2": None, "pr": None}


def test_a_patient_without_a_pressure_makes_the_reading_fail() -> None:
    dialogue = Dialogue(FakePatient(spo2=97, pr=70))
    dialogue.start()
    assert ("nibp_failed", True) in notices(dialogue.run(60))


@pytest.mark.parametrize("reply", [b"OA1 98", b"OA198", b"OA1", b"OA2098", b"OA1abc", b"OA"])
def test_a_saturation_is_read_from_its_columns_or_not_at_all(reply: bytes) -> None:
    found = latest(decode(DRIVER, message(reply)))
    assert found == {"spo2": 98.0 if reply == b"OA1 98" else None}


def test_lines_of_another_kind_are_stepped_over() -> None:
    decoder = DRIVER.decoder("bed-1")
    assert decoder.feed(Chunk(message(b"XX99") + message(b"RC1072") + b"\r\n\r", T0)) == []
    assert decoder.rejected == 0


def test_the_wrong_mode_ends_with_the_first_reply() -> None:
    binary = next(v["hex"] for v in vectors("dinamap")["vectors"] if v["id"] == "binary-mode")
    events = decode(DRIVER, bytes.fromhex(binary) * 3 + b"\r" + message(b"OA1098") * 2)
    assert notices(events) == [("wrong_mode", True), ("wrong_mode", False)]
    assert "ASCII host mode" in next(e.detail for e in events if isinstance(e, Notice))


# --- device side ------------------------------------------------------------------------------


def test_monitor_is_silent_to_a_wrong_checksum() -> None:
    monitor = Monitor(FakePatient(spo2=97))
    assert monitor.receive(b" OA!4\r", T0) == b""
    assert monitor.receive(b" NC0!F\r", T0) == b""
    assert not monitor.inflating
    assert monitor.receive(b"\n" + OA, T0) == message(b"OA1097")


def test_monitor_understands_a_command_in_pieces() -> None:
    monitor = Monitor(FakePatient(spo2=97))
    answers = [monitor.receive(OA[i : i + 1], T0) for i in range(len(OA))]
    assert answers == [b""] * (len(OA) - 1) + [message(b"OA1097")]


@pytest.mark.parametrize(("unit_s", "counter"), [(1.0, b"0150"), (60.0, b"0002")])
def test_monitor_counts_in_its_unit(unit_s: float, counter: bytes) -> None:
    monitor = Monitor(FakePatient(**BPS), unit_s)
    monitor.receive(NC0, T0)
    monitor.poll(T0 + 20 * US)
    assert monitor.receive(NA, T0 + 170 * US)[6:10] == counter


def test_monitor_does_not_begin_again_while_it_inflates() -> None:
    monitor = Monitor(FakePatient(**BPS))
    monitor.receive(NC0, T0)
    monitor.receive(NC0, T0 + 15 * US)
    monitor.poll(T0 + 20 * US)
    assert not monitor.inflating


def test_monitor_repeats_the_old_reading_while_it_takes_a_new_one() -> None:
    monitor = Monitor(FakePatient(**BPS))
    monitor.receive(NC0, T0)
    monitor.poll(T0 + 60 * US)
    monitor.receive(NC0, T0 + 60 * US)
    assert monitor.inflating
    assert monitor.receive(NA, T0 + 61 * US)[10:19] == b"128079095"
