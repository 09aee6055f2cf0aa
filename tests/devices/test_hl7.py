from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.hl7 import MAX_MESSAGE, Frames, answer, frame, frame_bytes, parse, time_us
from tests.devices.decoding import T0
from tests.devices.hl7_messages import oru
from vitals.model import US

HEAD = rb"MSH|^~\&|a|b|c|d|20270115||ORU^R01|1|P|2.6"


def text(message: bytes) -> str:
    return message.strip(b"\x0b\x1c\r").decode()


# --- frames -----------------------------------------------------------------------------------


def test_frames_are_cut_out_of_a_stream() -> None:
    stream = frame("one") + frame("two\r") + b"\x0bthree\x1c\n\x0bfour\x1c"
    assert Frames().feed(stream) == [b"one", b"two\r", b"three", b"four"]


def test_what_is_between_frames_is_counted() -> None:
    assert Frames().feed(b"abc" + frame("one") + b"\r\n\x1cx\r" + frame("two")) == [
        *(3, b"one", 2, b"two")
    ]


def test_a_frame_that_is_begun_anew_is_refused() -> None:
    assert Frames().feed(b"\x0bcut off" + frame("whole")) == [8, b"whole"]


def test_a_frame_that_is_too_long_is_refused_and_the_next_one_read() -> None:
    longest = b"x" * (MAX_MESSAGE - 1)
    assert Frames().feed(frame_bytes(longest)) == [longest]
    found = Frames().feed(frame_bytes(longest + b"x") + frame("next"))
    assert b"next" in found
    assert sum(piece for piece in found if isinstance(piece, int)) >= MAX_MESSAGE


@given(
    pieces=st.lists(
        st.one_of(st.binary(max_size=5), st.sampled_from([frame("one"), b"\x0b", b"\x1c\r"])),
        max_size=12,
    ),
    cut=st.integers(1, 7),
)
def test_any_split_gives_the_same_frames_and_refusals(pieces: list[bytes], cut: int) -> None:
    def read(chunks: Iterator[bytes]) -> tuple[list[bytes], int]:
        frames = Frames()
        found = [piece for chunk in chunks for piece in frames.feed(chunk)]
        messages = [piece for piece in found if isinstance(piece, bytes)]
        return messages, sum(piece for piece in found if isinstance(piece, int))

    stream = b"".join(pieces)
    parts = (stream[i : i + cut] for i in range(0, len(stream), cut))
    assert read(parts) == read(iter([stream]))


# --- messages ---------------------------------------------------------------------------------


def test_fields_are_counted_as_hl7_counts_them() -> None:
    message = parse(HEAD + b"\rPID|||p1~p2^x\rOBX|1\rOBX|2\r")
    assert message is not None
    assert [message.field("MSH", n) for n in (1, 2, 3, 9, 12, 13)] == [
        *("|", "^~\\&", "a", "ORU^R01", "2.6", "")
    ]
    assert message.repetitions(message.field("PID", 3)) == ["p1", "p2^x"]
    assert message.components(message.field("PID", 3)) == ["p1"]
    assert [segment[1] for segment in message.all("OBX")] == ["1", "2"]
    assert message.field("PV1", 3) == ""


def test_separators_are_those_of_the_message() -> None:
    message = parse(b"MSH#*!/+#a\nPV1##I#ICU*1*/S/2")
    assert message is not None
    assert message.components(message.field("PV1", 3)) == ["ICU", "1", "*2"]


def test_escapes_are_resolved_after_the_cut() -> None:
    message = parse(HEAD + rb"|\F\S^\T\R\S\R\E\H\x" + b"\r")
    assert message is not None
    assert message.components(r"a\S\b^c\T\d\E\e\R\f\F\g\.br\h") == ["a^b", r"c&d\e~f|gh"]


def test_text_that_is_not_utf_8_is_read_all_the_same() -> None:
    message = parse(HEAD + b"\rPV1||I|B\xe4r")
    assert message is not None
    assert message.field("PV1", 3) == "Bär"


@pytest.mark.parametrize("head", [b"", b"MSH", b"PID|1", b"MSHaaaaaaa", b"MSH|^^^^|"])
def test_what_has_no_usable_head_is_no_message(head: bytes) -> None:
    assert parse(head) is None


@given(st.binary(max_size=300))
def test_no_bytes_make_it_raise(data: bytes) -> None:
    message = parse(HEAD + data)
    if message is not None:
        answer(message, "", T0)
        time_us(message.field("MSH", 7), T0)


# --- times ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stamp",
    [
        "20270115080000+0000",
        "20270115080000.0000+0000",
        "20270115133000+0530",
        "20270115023000-0530",
    ],
)
def test_times_with_a_zone(stamp: str) -> None:
    assert time_us(stamp, T0) == T0


@pytest.fixture
def india(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "IST-5:30")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("india")
def test_a_time_without_a_zone_is_the_stations() -> None:
    assert time_us("20270115133000.25", T0) == T0 + US // 4


@pytest.mark.parametrize(
    "stamp", ["", "2027", "202701150800", "20271315080000", "20270115080000+9900", "00000000000000"]
)
def test_what_is_no_time_to_the_second(stamp: str) -> None:
    assert time_us(stamp, T0) is None


# --- answers ----------------------------------------------------------------------------------


def test_an_answer_names_the_message_and_goes_back_to_its_sender() -> None:
    message = parse(oru(sent="20270115080000", control="77").strip(b"\x0b\x1c\r"))
    assert message is not None
    assert answer(message, "", T0) == (
        b"\x0bMSH|^~\\&|||MONITOR^00A0^EUI-64|MAKER|20270115080000+0000||ACK^R01^ACK"
        b"|1800000000000000|P|2.6\rMSA|AA|77\r\x1c\r"
    )
    assert text(answer(message, "no such bed", T0)).endswith("\rMSA|AE|77|no such bed")


@pytest.mark.parametrize(
    ("asked", "good", "bad"),
    [
        ("|", "AA", "AE"),
        ("NE|AL", "AA", "AE"),
        ("AL|NE", "CA", "CE"),
        ("AL|", "CA", "CE"),
        ("AL|AL", "AA", "AE"),
        ("NE|NE", "", ""),
        ("NE|ER", "", "AE"),
        ("SU|NE", "CA", ""),
    ],
)
def test_answers_come_as_the_sender_wants_them(asked: str, good: str, bad: str) -> None:
    message = parse(oru(answers=asked).strip(b"\x0b\x1c\r"))
    assert message is not None
    for error, code in (("", good), ("wrong", bad)):
        said = answer(message, error, T0)
        assert (f"MSA|{code}|42" in text(said)) if code else not said


def test_an_acknowledgment_is_never_acknowledged() -> None:
    message = parse(oru(kind="ACK^R01^ACK").strip(b"\x0b\x1c\r"))
    assert message is not None
    assert answer(message, "", T0) == b""


def test_an_answer_repeats_no_more_than_the_beginning_of_a_field() -> None:
    message = parse(oru(control="x" * 60_000, kind="ORU^" + "y" * 1000).strip(b"\x0b\x1c\r"))
    assert message is not None
    assert len(answer(message, "", T0)) < 1000


def test_an_answer_repeats_no_data_of_the_patient() -> None:
    message = parse(oru(pid="P77", bed="ICU^1").strip(b"\x0b\x1c\r"))
    assert message is not None
    for error in ("", "wrong"):
        said = answer(message, error, T0)
        assert not any(word in said for word in (b"P77", b"ICU", b"DOE"))
