"""`.vital` files of Vital Recorder: compared with vitaldb, cut short, damaged, hostile."""

from __future__ import annotations

import gzip
import math
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.recordings.files import (
    DEMO_1,
    DEMO_2,
    NUMBER,
    START_US,
    TEXT,
    WAVE,
    VitalFile,
    packet,
    refusal,
    text,
)
from vitals.model import US
from vitals.recordings import Recording, RecordingError, read
from vitals.recordings.mapping import parse

CHANNELS = {
    "hr": "HR", "pr": "PLETH_HR", "spo2": "PLETH_SAT_O2", "pi": "PLETH_PERF_REL", "rr": "RR",
}  # fmt: skip


def by_vitaldb(path: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the libraries that it imports
        from vitaldb import VitalFile as Theirs

        return Theirs(str(path))


def of(found: Recording, channel: str) -> Any:
    return next(one for one in found.numbers if one.channel == channel)


@pytest.mark.parametrize("path", [DEMO_1, DEMO_2], ids=lambda path: path.stem)
def test_a_real_file_has_the_values_and_times_that_vitaldb_finds(path: Path) -> None:
    ours, theirs = read(path), by_vitaldb(path)
    for channel, name in CHANNELS.items():
        records = theirs.trks[f"Intellivue/{name}"].recs
        track = of(ours, channel)
        assert track.value.tolist() == [record["val"] for record in records]
        assert track.at_us.tolist() == [round(record["dt"] * US) for record in records]
    pleth = [wave for wave in ours.waves if wave.channel == "pleth"]
    assert pleth[0].rate_hz == 125
    records = theirs.trks["Intellivue/PLETH"].recs
    counts = np.concatenate([record["val"] for record in records])
    assert np.array_equal(np.concatenate([wave.values for wave in pleth]), counts)
    for wave, record in zip(pleth, records, strict=True):
        assert abs(wave.start_us - record["dt"] * US) < 250_000
    ecg = np.concatenate([wave.values for wave in ours.waves if wave.channel == "ecg"])
    track = theirs.trks["Intellivue/ECG_II"]
    raw = np.concatenate([record["val"] for record in track.recs]).astype(float)
    assert ecg == pytest.approx(raw * track.gain + track.offset, abs=1e-5)
    assert ours.facts.tz == "+0200"


def test_texts_of_a_real_file_are_remarks() -> None:
    said = [remark.text for remark in read(DEMO_2).remarks]
    assert said[:2] == ["Start ventolator settings", "Vent Setting 1"]
    assert len(said) == 7


def test_what_is_not_a_cuffs_pressure_never_becomes_one() -> None:
    left = {one.name: one.why for one in read(DEMO_1).left_out}
    assert {"Intellivue/ABP_SYS", "Intellivue/ABP_DIA", "Intellivue/ABP_MEAN"} <= left.keys()
    assert left["Intellivue/ECG_HR"] == "the same as Intellivue/HR"


def test_a_pressure_that_a_monitor_goes_on_showing_is_one_reading(tmp_path: Path) -> None:
    file = VitalFile()
    hr = file.track("HR")
    tracks = [file.track(f"NIBP_{name}", unit="mmHg") for name in ("SYS", "DIA", "MEAN")]
    for second in range(300):
        file.number(hr, second, 70)
        reading = (120, 80, 93) if second < 100 else (140, 90, 107)
        if second >= 30:
            for track, value in zip(tracks, reading, strict=True):
                file.number(track, second + 0.2, value)
    found = read(file.save(tmp_path / "held.vital"))
    sys = of(found, "nibp_sys")
    assert sys.value.tolist() == [120, 140]
    assert [round((at - START_US) / US, 1) for at in sys.at_us] == [30.2, 100.2]
    assert sys.quality.tolist() == [0, 0]
    assert "its 270 values are 2 readings" in found.notes[0]
    assert of(found, "nibp_dia").at_us.tolist() == sys.at_us.tolist()


def test_a_pressure_of_before_the_recording_is_questionable() -> None:
    sys = of(read(DEMO_1), "nibp_sys")
    assert (sys.value.tolist(), sys.quality.tolist()) == ([120.0], [1])


def test_the_same_pressure_measured_again_minutes_later_is_two_readings(tmp_path: Path) -> None:
    file = VitalFile()
    hr, sys, dia = file.track("HR"), file.track("NIBP_SYS"), file.track("NIBP_DIA")
    for second in range(0, 900, 5):
        file.number(hr, second, 70)
    for second in (60, 360, 660):
        file.number(sys, second, 120)
        file.number(dia, second, 80)
    assert of(read(file.save(tmp_path / "a.vital")), "nibp_sys").value.tolist() == [120] * 3


@pytest.mark.parametrize(
    ("name", "value"),
    [("HR", 0), ("HR", -1), ("SPO2", 127), ("SPO2", 255), ("PULSE", 511), ("NIBP_SYS", 0),
     ("NIBP_SYS", 8388607), ("HR", float("nan")), ("HR", float("inf")), ("RR", -32768)],
)  # fmt: skip
def test_zero_and_sentinels_are_no_value(tmp_path: Path, name: str, value: float) -> None:
    file = VitalFile()
    track, other = file.track(name), file.track("PI")
    for second, each in enumerate((60, value, 61)):
        file.number(track, second, each)
        file.number(other, second, 3)
    found = read(file.save(tmp_path / "zero.vital"))
    one = next(one for one in found.numbers if one.channel != "pi")
    real = one.value[~np.isnan(one.value)].tolist()
    assert real == [60, 61]
    if not name.startswith("NIBP"):
        assert [math.isnan(v) for v in one.value.tolist()] == [False, True, False]
        assert one.quality.tolist() == [0, 2, 0]
    assert not any("cannot be" in note for note in found.notes)


def test_a_value_that_cannot_be_is_told_and_is_none(tmp_path: Path) -> None:
    file = VitalFile()
    track = file.track("SPO2")
    for second, each in enumerate((97, 143, 98)):
        file.number(track, second, each)
    found = read(file.save(tmp_path / "wrong.vital"))
    assert found.notes == ("1 values of Bed/SPO2 cannot be, and count as none.",)
    assert math.isnan(of(found, "spo2").value[1])


@pytest.mark.parametrize(("form", "layout"), list(enumerate("fdbBhHiI", 1)))
def test_every_number_format_is_read_with_gain_and_offset(
    tmp_path: Path, form: int, layout: str
) -> None:
    file = VitalFile()
    track = file.track("HR", form=form, gain=0.5, offset=10)
    file.record(track, 0, struct.pack(f"<{layout}", 100))
    found = read(file.save(tmp_path / "form.vital"))
    assert of(found, "hr").value.tolist() == [100 if form < 3 else 60]


def test_gaps_that_a_packed_file_fills_are_gaps(tmp_path: Path) -> None:
    file = VitalFile()
    wave = file.track("PLETH", WAVE, 6, rate_hz=10)
    counts = struct.pack("<I10H", 10, 5, 6, 7, *[65535] * 4, 8, 9, 10)
    file.record(wave, 0, counts)
    waves = read(file.save(tmp_path / "packed.vital")).waves
    assert [wave.values.tolist() for wave in waves] == [[5, 6, 7], [8, 9, 10]]
    assert [wave.start_us - START_US for wave in waves] == [0, 700_000]


def test_samples_that_are_no_numbers_are_gaps(tmp_path: Path) -> None:
    file = VitalFile()
    wave = file.track("PLETH", WAVE, 1, rate_hz=10)
    samples = [1, 2, math.inf, -math.inf, math.nan, 3e38, -3e38, 4]
    file.record(wave, 0, struct.pack("<I8f", 8, *samples))
    waves = read(file.save(tmp_path / "inf.vital")).waves
    assert [(w.start_us - START_US, w.values.size) for w in waves] == [(0, 2), (500_000, 3)]
    assert all(0 <= value <= 4095 for wave in waves for value in wave.values)


def test_blocks_whose_times_waver_follow_each_other_without_a_gap(tmp_path: Path) -> None:
    file = VitalFile()
    track = file.track("PLETH", WAVE, 6, rate_hz=100)
    for n in range(10):
        at_s = n + (0.08 if n % 2 else -0.06) + (30 if n >= 5 else 0)
        file.record(track, at_s, struct.pack("<I100H", 100, *range(100)))
    waves = read(file.save(tmp_path / "waver.vital")).waves
    steps = np.diff([wave.start_us for wave in waves])
    assert steps.tolist()[:4] == [US] * 4
    assert steps[4] > 30 * US
    assert steps.tolist()[5:] == [US] * 4


def test_a_mapping_names_tracks_that_are_not_known(tmp_path: Path) -> None:
    file = VitalFile()
    odd, hr = file.track("XYZ", unit="kPa"), file.track("HR")
    file.number(odd, 20, 16.0)
    file.number(hr, 0, 60)
    said = '[[track]]\nname = "Bed/XYZ"\nchannel = "nibp_sys"\n'
    found = read(file.save(tmp_path / "odd.vital"), parse(said, tmp_path), said)
    (one,) = found.numbers
    assert (one.channel, round(one.value[0], 2)) == ("nibp_sys", 120.01)
    assert [left.name for left in found.left_out] == ["Bed/HR"]
    assert found.source.mapping == said


def test_events_that_were_reset_are_gone(tmp_path: Path) -> None:
    file = VitalFile()
    hr, event = file.track("HR"), file.track("EVENT", TEXT)
    file.number(hr, 0, 60)
    file.words(event, 1, "wrong patient")
    file.data += packet(6, bytes([6]))
    file.words(event, 2, "start")
    assert [r.text for r in read(file.save(tmp_path / "reset.vital")).remarks] == ["start"]


# --- damaged and hostile --------------------------------------------------------------------------


def test_a_file_that_is_cut_short_gives_what_stands_before(tmp_path: Path) -> None:
    whole = DEMO_2.read_bytes()
    cut = tmp_path / "cut.vital"
    cut.write_bytes(whole[: len(whole) // 2])
    found, all_ = read(cut), read(DEMO_2)
    assert "cut short" in " ".join(found.notes)
    count = of(found, "hr").at_us.size
    assert 50 < count < of(all_, "hr").at_us.size
    assert of(found, "hr").at_us.tolist() == of(all_, "hr").at_us.tolist()[:count]


@pytest.mark.parametrize(
    ("tail", "why"),
    [
        (struct.pack("<BI", 1, 0xFFFFFFF0), "says that it has"),
        (struct.pack("<BI", 1, 100) + b"x", "cut short"),
        (packet(0, b""), "shorter"),
        (packet(1, struct.pack("<HdH", 60000, 0, 1) + b"abcd"), "beyond its packet"),
        (packet(0, struct.pack("<HBBI", 9, 2, 1, 0xFFFFFFFF) + b"x"), "beyond its packet"),
        (packet(1, struct.pack("<HdH", 10, 0, 2) + struct.pack("<I", 0xFFFFFFFF)), "beyond"),
    ],
    ids=["length", "short", "empty track", "info", "name", "samples"],
)
def test_a_hostile_length_ends_the_reading_there(tmp_path: Path, tail: bytes, why: str) -> None:
    file = VitalFile()
    hr = file.track("HR")
    file.track("PLETH", WAVE, 1, rate_hz=100)
    file.number(hr, 0, 60)
    file.data += tail
    found = read(file.save(tmp_path / "hostile.vital"))
    assert of(found, "hr").value.tolist() == [60]
    assert "not whole" in found.notes[0]
    assert why in found.notes[0]


def test_a_gzip_bomb_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vitals.recordings.vital_packets.MOST_BYTES", 1_000_000)
    file = VitalFile()
    hr = file.track("HR")
    file.number(hr, 0, 60)
    for _ in range(20):
        file.data += packet(77, bytes(100_000))
    found = read(file.save(tmp_path / "bomb.vital"))
    assert "larger than" in found.notes[0]


def test_times_that_cannot_be_are_left_out_and_told(tmp_path: Path) -> None:
    file = VitalFile()
    hr = file.track("HR")
    for at_s in (0, 1, -1.6e9, 2e10, float("nan"), float("inf"), -1e300, 2):
        file.number(hr, at_s, 60)
    found = read(file.save(tmp_path / "times.vital"))
    assert [at - START_US for at in of(found, "hr").at_us.tolist()] == [0, US, 2 * US]
    assert "5 values of Bed/HR have no real time" in found.notes[0]


def test_order_and_duplicates_are_mended(tmp_path: Path) -> None:
    file = VitalFile()
    hr = file.track("HR")
    for at_s, value in ((2, 62), (0, 60), (1, 61), (1, 99), (3, 63)):
        file.number(hr, at_s, value)
    found = read(file.save(tmp_path / "order.vital"))
    assert of(found, "hr").value.tolist() == [60, 61, 62, 63]
    assert "1 values of Bed/HR came twice" in found.notes[0]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (gzip.compress(b"NOPE" + bytes(40)), "no .vital file"),
        (gzip.compress(b"VI"), "cut short"),
        (b"\x1f\x8b" + bytes(50), "damaged"),
        (b"hello, I am no gzip at all", "no .vital file"),
    ],
)
def test_what_is_no_such_file_is_one_sentence(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "no.vital"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=why) as refused:
        read(path)
    assert "\n" not in str(refused.value)


def test_a_session_of_many_days_is_refused(tmp_path: Path) -> None:
    file = VitalFile()
    hr = file.track("HR")
    file.number(hr, 0, 60)
    file.number(hr, 3 * 86_400, 60)
    with pytest.raises(RecordingError, match=r"72 hours long.*--from and --to"):
        read(file.save(tmp_path / "long.vital"))


def test_a_file_without_anything_known_names_what_it_has(tmp_path: Path) -> None:
    file = VitalFile()
    track = file.track("ABP_SYS", NUMBER)
    file.number(track, 0, 120)
    with pytest.raises(RecordingError, match=r"Bed/ABP_SYS.*--map"):
        read(file.save(tmp_path / "unknown.vital"))


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 600))
def test_no_bytes_make_the_reader_fail(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, place: int
) -> None:
    file = VitalFile()
    hr, pleth = file.track("HR"), file.track("PLETH", WAVE, 6, rate_hz=50)
    event = file.track("EVENT", TEXT)
    for second in range(5):
        file.number(hr, second, 60)
        file.record(pleth, second, struct.pack("<I50H", 50, *range(50)))
        file.words(event, second, "x")
    data = file.data[: min(place, len(file.data))] + junk + file.data[place + len(junk) :]
    path = tmp_path_factory.mktemp("fuzz") / "fuzz.vital"
    path.write_bytes(gzip.compress(data, 1))
    assert "\n" not in refusal(lambda: read(path))
    path.unlink()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_flipped_byte_of_a_real_file_is_survived(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    plain = bytearray(gzip.decompress(DEMO_1.read_bytes())[:30_000])
    for _ in range(data.draw(st.integers(1, 8))):
        plain[data.draw(st.integers(10, len(plain) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("flip") / "flip.vital"
    path.write_bytes(gzip.compress(bytes(plain), 1))
    assert "\n" not in refusal(lambda: read(path))
    path.unlink()


def test_long_names_stay_within_what_a_config_may_have(tmp_path: Path) -> None:
    file = VitalFile()
    file.data += packet(9, struct.pack("<I", 1) + text("x") + text("Bett 3/ö\n" * 20))
    hr = file.track("HR")
    file.number(hr, 0, 60)
    (device,) = read(file.save(tmp_path / "name.vital")).devices
    assert len(device) <= 40
    assert device.replace("-", "").isalnum()
