"""What is special about SunTech: a result that stays, letters, and a cuff that must empty."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices import registry
from devices.driver import Chunk, Decoder, Event
from devices.drivers.suntech import (
    ABORT,
    GET_CUFF,
    GET_RESULT,
    REASONS,
    START,
    Module,
    ack,
    cuff,
    packet,
    result,
)
from simulators.monitor import SimulatedMonitor
from simulators.patient import Patient
from tests.devices.decoding import T0, FakePatient, decode, latest, notices, numerics, vectors
from vitals.channels import NIBP
from vitals.errors import CommandError
from vitals.model import US, Notice, Quality, StartNibp, StopNibp

DRIVER = registry.get("suntech")
COMMANDS = {known["text"]: bytes.fromhex(known["hex"]) for known in vectors("suntech")["commands"]}
BPS = {"nibp_sys": 128.0, "nibp_dia": 79.0, "nibp_map": 95.0}
OLD = result((111, 70, 84), 0)
NEW = result((128, 79, 95), 0)


def bps(events: list[Event]) -> list[tuple[float | None, ...]]:
    """Readings as (sys, dia, map)."""
    found = [n.value for n in numerics(events) if n.channel in NIBP]
    return list(zip(found[0::3], found[1::3], found[2::3], strict=True))


def reasons(events: list[Event]) -> list[str]:
    return [e.detail for e in events if isinstance(e, Notice) and e.code == "nibp_failed"]


@dataclass
class Dialogue:
    """Decoder and module on a line that may be deaf or lose packets, at 20 Hz."""

    patient: FakePatient = field(default_factory=lambda: FakePatient(**BPS))
    now_us: int = T0
    said: list[tuple[int, bytes]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    change: Callable[[bytes, bytes], bytes] = lambda command, answer: answer

    def __post_init__(self) -> None:
        self.decoder: Decoder = DRIVER.decoder("bed-1")
        self.module = Module(self.patient)

    def run(self, seconds: float) -> list[Event]:
        """Goes on for some seconds; returns what came of it."""
        before = len(self.events)
        for _ in range(round(seconds * 20)):
            said = self.decoder.due(self.now_us)
            assert not self.decoder.due(self.now_us)
            if said:
                self.said.append((self.now_us, said))
            answer = self.module.receive(said, self.now_us)
            answer = self.change(said, answer)
            self.events += self.decoder.feed(Chunk(answer, self.now_us))
            self.now_us += US // 20
        return self.events[before:]

    def start(self) -> None:
        self.decoder.request(StartNibp(), self.now_us)

    def stop(self) -> None:
        self.decoder.request(StopNibp(), self.now_us)

    def count(self, command: bytes) -> int:
        return [text for _, text in self.said].count(command)


# --- what is sent -----------------------------------------------------------------------------


def test_commands_are_the_published_ones() -> None:
    assert COMMANDS["start BP adult"] == START
    assert COMMANDS["abort BP"] == ABORT
    assert COMMANDS["get cuff pressure"] == GET_CUFF
    assert COMMANDS["get BP data (last result)"] == GET_RESULT


def test_every_packet_of_both_sides_sums_to_zero() -> None:
    known = [*COMMANDS.values(), ack(b"K"), cuff(258), cuff(None), NEW, result(None, 87)]
    assert {sum(data) & 0xFF for data in known} == {0}
    assert packet(0x3E, 0x05, 0x02, 0x01) == bytes.fromhex("3e050201ba")


def test_asks_for_the_old_result_first_then_for_a_sign_of_life_each_second() -> None:
    dialogue = Dialogue()
    dialogue.run(10)
    assert dialogue.said[0][1] == GET_RESULT
    assert {text for _, text in dialogue.said[1:]} == {GET_CUFF}
    assert dialogue.count(GET_CUFF) == 10
    assert dialogue.events == []


def test_commands_keep_their_distance() -> None:
    dialogue = Dialogue()
    dialogue.start()
    dialogue.run(40)
    times = [at for at, _ in dialogue.said]
    assert min(b - a for a, b in pairwise(times)) >= US // 10


def test_never_sends_what_could_harm() -> None:
    dialogue = Dialogue()
    dialogue.start()
    dialogue.run(40)
    dialogue.start()
    dialogue.run(5)
    dialogue.stop()
    dialogue.run(10)
    assert {text for _, text in dialogue.said} == {START, ABORT, GET_CUFF, GET_RESULT}


# --- a reading --------------------------------------------------------------------------------


def test_a_reading_is_announced_shown_as_it_goes_and_given_once() -> None:
    dialogue = Dialogue()
    dialogue.run(2)
    dialogue.start()
    events = dialogue.run(60)
    assert notices(events) == [("cuff_inflating", True), ("cuff_inflating", False)]
    assert bps(events) == [(128, 79, 95)]
    assert len({n.at_us for n in numerics(events) if n.channel in NIBP}) == 1
    pressures = [n for n in numerics(events) if n.channel == "cuff"]
    assert len(pressures) == pytest.approx(5 * 30.6, abs=3)  # 4 s up to 180, then down to 47
    assert max(n.value or 0 for n in pressures) > 170


def test_the_next_reading_may_be_exactly_the_same() -> None:
    dialogue = Dialogue()
    for _ in range(2):
        dialogue.start()
        assert bps(dialogue.run(60)) == [(128, 79, 95)]


def test_the_reading_is_of_the_moment_the_module_said_it_was_done() -> None:
    dialogue = Dialogue(change=lambda said, answer: b"" if said == GET_RESULT else answer)
    dialogue.start()
    while not dialogue.module.inflating:
        dialogue.run(0.05)
    while dialogue.module.inflating:
        dialogue.run(0.05)
    ended_us = dialogue.now_us - US // 20
    dialogue.run(1)
    dialogue.change = lambda said, answer: answer
    events = dialogue.run(3)
    assert bps(events) == [(128, 79, 95)]
    assert {n.at_us for n in numerics(events)} == {ended_us}


def test_cuff_pressure_is_silent_while_nothing_runs() -> None:
    assert decode(DRIVER, cuff(0) + cuff(3) + cuff(None)) == []


def test_joins_a_reading_that_runs_when_the_link_comes_back() -> None:
    dialogue = Dialogue()
    dialogue.start()
    dialogue.run(10)
    dialogue.decoder = DRIVER.decoder("bed-1")
    events = dialogue.run(50)
    assert notices(events) == [("cuff_inflating", True), ("cuff_inflating", False)]
    assert bps(events) == [(128, 79, 95)]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("cuff_loose", REASONS[87]), ("cuff_motion", REASONS[2]), ("cuff_failure", REASONS[90])],
)
def test_a_failure_is_said_once_with_its_reason(fault: str, reason: str) -> None:
    dialogue = Dialogue()
    dialogue.patient.faults.add(fault)
    for _ in range(2):
        dialogue.start()
        events = dialogue.run(60)
        assert reasons(events) == [reason]
        assert bps(events) == []
    dialogue.patient.faults.clear()
    dialogue.start()
    assert bps(dialogue.run(60)) == [(128, 79, 95)]


def test_error_codes_are_decimal_and_no_number_comes_with_one() -> None:
    for error in range(1, 256):
        events = decode(DRIVER, ack(b"O") + ack(b"K") + result((128, 79, 95), error))
        assert bps(events) == []
        assert reasons(events) == [REASONS.get(error, f"the module reports error {error}")]


def test_the_error_that_was_once_typed_as_hexadecimal() -> None:
    assert REASONS[0x57] == "the cuff does not fill: a leak, or it is loose"
    assert not set(REASONS) & {0x85, 0x86, 0x87, 0x88, 0x89, 0x90, 0x91, 0x97, 0x99}


# --- is it new? -------------------------------------------------------------------------------


def test_a_kept_result_is_never_a_reading() -> None:
    assert bps(decode(DRIVER, OLD * 3 + ack(b"K") + OLD)) == []


def test_executed_without_received_belongs_to_another_command() -> None:
    assert bps(decode(DRIVER, OLD + ack(b"K") + NEW)) == []


def test_a_quick_executed_with_the_old_result_does_not_end_the_reading() -> None:
    decoder = DRIVER.decoder("bed-1")
    events = decoder.feed(Chunk(OLD + ack(b"O") + ack(b"K") + OLD, T0))
    assert bps(events) == []
    events += decoder.feed(Chunk(ack(b"K") + NEW, T0 + 30 * US))
    assert bps(events) == [(128, 79, 95)]


def test_without_executed_a_new_result_is_found_and_the_old_one_is_not_taken() -> None:
    lost = Dialogue(change=lambda said, answer: answer.replace(ack(b"K"), b""))
    lost.start()
    assert bps(lost.run(60)) == [(128, 79, 95)]
    lost.start()
    again = lost.run(200)
    assert bps(again) == []
    assert reasons(again) == ["no result within 180 s"]


def test_an_old_executed_after_cancelling_does_not_end_the_next_reading() -> None:
    dialogue = Dialogue()
    dialogue.start()
    dialogue.run(10)
    dialogue.stop()
    dialogue.start()
    events = dialogue.run(60)
    assert reasons(events) == []
    assert bps(events) == [(128, 79, 95)]
    assert dialogue.count(START) == 2


# --- cancelling -------------------------------------------------------------------------------


def test_cancelling_is_sent_at_once_and_charts_nothing() -> None:
    dialogue = Dialogue()
    dialogue.start()
    dialogue.run(10)
    dialogue.stop()
    at_us = dialogue.now_us
    events = dialogue.run(60)
    assert next(at for at, text in dialogue.said if text == ABORT) <= at_us + US // 10
    assert not dialogue.module.inflating
    assert bps(dialogue.events) == []
    assert notices(events) == [("cuff_inflating", False)]
    assert dialogue.count(ABORT) == 1


def test_cancelling_does_not_wait_for_an_answer_that_does_not_come() -> None:
    decoder = DRIVER.decoder("bed-1")
    assert decoder.due(T0) == GET_RESULT
    decoder.request(StopNibp(), T0)
    assert decoder.due(T0) == b""
    assert decoder.due(T0 + US // 10) == ABORT


def test_a_lost_abort_is_repeated_until_the_cuff_empties() -> None:
    heard: list[bytes] = []
    dialogue = Dialogue()
    dialogue.start()
    dialogue.run(10)
    receive = dialogue.module.receive

    def deaf_once(data: bytes, now_us: int) -> bytes:
        heard.extend([ABORT] * (data == ABORT))
        return receive(b"" if data == ABORT and len(heard) == 1 else data, now_us)

    dialogue.module.receive = deaf_once  # type: ignore[method-assign]
    dialogue.stop()
    dialogue.run(10)
    assert len(heard) == 2
    assert not dialogue.module.inflating
    assert reasons(dialogue.events) == []


def test_a_cuff_that_never_empties_is_said_and_blocks_the_next_start() -> None:
    decoder = DRIVER.decoder("bed-1")
    aborts, events = 0, []
    decoder.request(StopNibp(), T0)
    for tenths in range(600):
        now_us = T0 + tenths * US // 10
        said = decoder.due(now_us)
        aborts += said == ABORT
        events += decoder.feed(Chunk(cuff(200) if said == GET_CUFF else b"", now_us))
    assert aborts == 5
    assert reasons(events) == ["the cuff does not empty; take it off the arm"]
    with pytest.raises(CommandError, match="bed-1: the cuff does not empty"):
        decoder.request(StartNibp(), now_us)
    decoder.feed(Chunk(cuff(5), now_us))
    decoder.request(StartNibp(), now_us)


def test_a_start_waits_until_the_cuff_has_emptied() -> None:
    decoder = DRIVER.decoder("bed-1")
    decoder.request(StopNibp(), T0)
    decoder.request(StartNibp(), T0)
    started = []
    for tenths in range(50):
        now_us = T0 + tenths * US // 10
        said = decoder.due(now_us)
        started += [tenths] * (said == START)
        answers = {GET_CUFF: cuff(120 if tenths < 20 else 5), ABORT: ack(b"A"), GET_RESULT: OLD}
        decoder.feed(Chunk(answers.get(said, b""), now_us))
    assert len(started) == 1
    assert started[0] > 20


def test_an_abort_that_was_received_is_no_reading() -> None:
    decoder = DRIVER.decoder("bed-1")
    decoder.feed(Chunk(cuff(0), T0))
    decoder.request(StopNibp(), T0)
    assert decoder.due(T0) == ABORT
    assert decoder.feed(Chunk(ack(b"O") + ack(b"K"), T0)) == []
    assert decoder.due(T0 + US) == GET_RESULT  # only to know the old one


def test_stop_takes_back_a_queued_start() -> None:
    dialogue = Dialogue()
    dialogue.start()
    dialogue.stop()
    dialogue.run(10)
    assert dialogue.count(START) == 0
    assert dialogue.count(ABORT) == 1


def test_a_second_start_is_refused_while_one_is_queued_or_runs() -> None:
    dialogue = Dialogue()
    dialogue.start()
    for _ in range(2):
        with pytest.raises(CommandError, match=r"bed-1: .*already running; wait for it or cancel"):
            dialogue.start()
        dialogue.run(10)


# --- answers to a start -----------------------------------------------------------------------


@pytest.mark.parametrize("letter", [b"B", b"S", b"D"])
def test_busy_is_tried_again_each_second_and_then_given_up(letter: bytes) -> None:
    dialogue = Dialogue(change=lambda said, answer: ack(letter) if said == START else answer)
    dialogue.module.receive = lambda data, now_us: OLD if data == GET_RESULT else cuff(None)  # type: ignore[method-assign]
    dialogue.start()
    events = dialogue.run(30)
    assert dialogue.count(START) == 6
    assert len(reasons(events)) == 1
    assert notices(events)[:2] == [("cuff_inflating", True), ("cuff_inflating", False)]


def test_busy_once_costs_a_second() -> None:
    refused: list[bytes] = []
    dialogue = Dialogue()
    receive = dialogue.module.receive

    def busy_once(data: bytes, now_us: int) -> bytes:
        if data == START and not refused:
            refused.append(data)
            return ack(b"B")
        return receive(data, now_us)

    dialogue.module.receive = busy_once  # type: ignore[method-assign]
    dialogue.start()
    assert bps(dialogue.run(60)) == [(128, 79, 95)]
    assert reasons(dialogue.events) == []


@pytest.mark.parametrize("letter", [b"E", b"N", b"T"])
def test_a_refused_start_has_failed(letter: bytes) -> None:
    decoder = DRIVER.decoder("bed-1")
    decoder.request(StartNibp(), T0)
    assert decoder.due(T0) == GET_RESULT
    decoder.feed(Chunk(OLD, T0))
    assert decoder.due(T0 + US) == START
    assert reasons(decoder.feed(Chunk(ack(letter), T0 + US)))[0].startswith("the module says: ")


def test_a_refusal_of_something_else_does_not_end_the_reading() -> None:
    decoder = DRIVER.decoder("bed-1")
    decoder.feed(Chunk(OLD, T0))
    decoder.request(StartNibp(), T0)
    said = [decoder.due(T0 + i * US // 2) for i in range(1, 4)]
    assert said == [GET_RESULT, START, GET_CUFF]
    assert reasons(decoder.feed(Chunk(ack(b"E"), T0 + 2 * US))) == []


def test_a_start_without_effect_has_failed() -> None:
    dialogue = Dialogue()
    dialogue.module.receive = lambda data, now_us: cuff(None) if data == GET_CUFF else b""  # type: ignore[method-assign]
    dialogue.start()
    assert reasons(dialogue.run(10)) == ["the module does not answer the start"]


def test_a_lost_received_is_made_up_for_by_the_cuff() -> None:
    dialogue = Dialogue(change=lambda said, answer: answer.replace(ack(b"O"), b""))
    dialogue.start()
    assert bps(dialogue.run(60)) == [(128, 79, 95)]


def test_a_reading_aborted_at_the_module_has_failed() -> None:
    events = decode(DRIVER, ack(b"O") + ack(b"A") + ack(b"K"))
    assert reasons(events) == ["aborted at the module"]


def test_a_result_that_does_not_come_has_failed() -> None:
    dialogue = Dialogue(change=lambda said, answer: b"" if said == GET_RESULT else answer)
    dialogue.start()
    assert reasons(dialogue.run(60)) == ["the module does not give its result"]
    assert dialogue.decoder.rejected >= 5


# --- the line ---------------------------------------------------------------------------------


def test_a_false_start_of_a_long_packet_holds_up_the_answers_for_half_a_second_only() -> None:
    dialogue = Dialogue()
    dialogue.run(1)
    dialogue.decoder.feed(Chunk(b"\x3e\x43", dialogue.now_us))
    dialogue.start()
    assert bps(dialogue.run(60)) == [(128, 79, 95)]


@pytest.mark.parametrize("bp", [(0, 0, 0), (79, 128, 95), (95, 79, 128), (300, 79, 95)])
def test_a_reading_that_cannot_be_is_invalid(bp: tuple[int, int, int]) -> None:
    found = [n for n in numerics(decode(DRIVER, ack(b"O") + ack(b"K") + result(bp, 0)))]
    assert len(found) == 3
    assert found[0].value is None
    assert found[0].quality is Quality.INVALID


@settings(max_examples=40, deadline=None)
@given(
    acts=st.lists(
        st.tuples(
            st.sampled_from(["start", "stop", "loose", "fixed", "garbage", "cut"]),
            st.integers(1, 800).map(lambda tenths: tenths / 20),
        ),
        max_size=8,
    )
)
def test_each_reading_is_given_once_and_nothing_else_is(acts: list[tuple[str, float]]) -> None:
    dialogue = Dialogue()
    truth: list[tuple[float, ...]] = []
    poll = dialogue.module.poll

    def watched(now_us: int) -> bytes:
        # every reading has a systolic of its own
        dialogue.patient.values |= dict(zip(NIBP, (100.0 + len(truth), 70.0, 80.0), strict=True))
        said = poll(now_us)
        if said and not dialogue.patient.faults:
            truth.append((100.0 + len(truth), 70.0, 80.0))
        return said

    dialogue.module.poll = watched  # type: ignore[method-assign]
    for act, seconds in acts:
        if act == "start":
            with suppress(CommandError):
                dialogue.start()
        elif act == "stop":
            dialogue.stop()
        elif act == "garbage":
            dialogue.decoder.feed(Chunk(b"\x3e\x43\x3e\x18\x00\x3e", dialogue.now_us))
        elif act == "cut" and not dialogue.module.inflating:
            dialogue.decoder = DRIVER.decoder("bed-1")
        else:
            dialogue.patient.faults = {"cuff_loose"} if act == "loose" else set()
        dialogue.run(seconds)
    dialogue.run(45)
    found = bps(dialogue.events)
    assert found == sorted(set(found) & set(truth))


# --- device side ------------------------------------------------------------------------------


def test_module_says_it_does_not_understand_and_goes_on() -> None:
    module = Module(FakePatient(**BPS))
    assert module.receive(b"\x3a\x20\xa7" + GET_CUFF, T0) == ack(b"D") + cuff(0)
    assert not module.inflating


def test_module_understands_a_command_in_pieces() -> None:
    module = Module(FakePatient(**BPS))
    answers = [module.receive(GET_CUFF[i : i + 1], T0) for i in range(len(GET_CUFF))]
    assert answers == [b""] * 4 + [cuff(0)]


def test_module_is_busy_while_it_measures() -> None:
    module = Module(FakePatient(**BPS))
    assert module.receive(START, T0) == ack(b"O")
    assert module.receive(START, T0 + US) == ack(b"B")


def test_simulated_module_gives_the_patients_pressure() -> None:
    patient = Patient(1)
    monitor = SimulatedMonitor(DRIVER, patient)
    decoder = DRIVER.decoder("bed-1")
    decoder.request(StartNibp(), monitor.now_us)
    events: list[Event] = []
    for _ in range(1200):
        patient.advance(0.1)
        monitor.receive(decoder.due(monitor.now_us))
        events += decoder.feed(Chunk(monitor.advance(0.1), monitor.now_us))
    assert len(bps(events)) == 1
    found = latest(events)
    assert found["nibp_sys"] == pytest.approx(patient.value("nibp_sys"), abs=15)
    assert decoder.rejected == 0
