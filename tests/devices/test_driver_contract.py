"""What every driver promises (`devices/driver.py`), for whatever drivers there are.

A new driver is covered by being there: its own tests need only say what is special about it.
"""

from __future__ import annotations

import gc
import sys
from types import FunctionType, ModuleType
from uuid import UUID

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from devices import registry
from devices.driver import BleSettings, Chunk, Driver, Responder, SerialSettings
from devices.gatt import BATTERY, PacketDecoder, uuid
from tests.devices.decoding import (
    T0,
    VECTORS,
    FakePatient,
    arrival_us,
    bytewise,
    decode,
    feed,
    joined,
    latest,
    notices,
    numerics,
    split,
    stream_source,
    vectors,
    waveforms,
)
from vitals.channels import CHANNELS, NIBP, plausible
from vitals.clock import US
from vitals.errors import CommandError
from vitals.model import Flag, Notice, Numeric, Quality, StartNibp, StopNibp, Waveform

NAMES = registry.names()
PACKETS = [name for name in NAMES if isinstance(registry.get(name).decoder("x"), PacketDecoder)]
"""Drivers of characteristics that send packets: one chunk is one whole payload."""
STREAMS = [name for name in NAMES if name not in PACKETS]
BLE = [name for name in NAMES if registry.get(name).transport == "ble"]
CHECKED = [name for name in NAMES if registry.get(name).checked]
REQUESTS = {"start_nibp": StartNibp(), "stop_nibp": StopNibp()}

every_driver = pytest.mark.parametrize("name", NAMES)
every_stream = pytest.mark.parametrize("name", STREAMS)
every_packet = pytest.mark.parametrize("name", PACKETS)
every_ble = pytest.mark.parametrize("name", BLE)
thorough = settings(max_examples=60, deadline=None)

# Ranges that every monitor can show.
VALUES = {
    "spo2": st.integers(35, 100),
    "pr": st.integers(30, 250),
    "hr": st.integers(30, 240),
    "rr": st.integers(4, 60),
    "cuff": st.integers(0, 300),
    "pi": st.integers(2, 2000).map(lambda hundredths: hundredths / 100),
}


@st.composite
def readings(draw: st.DrawFn, driver: Driver) -> dict[str, float]:
    """Values of the driver's channels, any of them absent; a blood pressure whole or not."""
    values: dict[str, float] = {
        channel: draw(VALUES[channel])
        for channel in driver.channels
        if channel in VALUES and draw(st.booleans())
    }
    if "nibp_sys" in driver.channels and draw(st.booleans()):
        diastolic = draw(st.integers(30, 150))
        mean = diastolic + draw(st.integers(1, 50))
        systolic = mean + draw(st.integers(10, 60))
        values |= zip(NIBP, (systolic, diastolic, mean), strict=True)
    for channel, parts in vectors(driver.name).get("per_unit", {}).items():  # of its wire format
        if channel in values:
            values[channel] = max(round(values[channel] * parts), 1) / parts
    for together in vectors(driver.name).get("together", ()):  # none of them comes alone
        if not set(together) <= set(values):
            values = {key: value for key, value in values.items() if key not in together}
    return values


flag_sets = st.frozensets(st.sampled_from(list(Flag)), max_size=2)


def typical(driver: Driver) -> list[tuple[str, bytes]]:
    """Some seconds of a device's life: values that change, then none, then values again."""
    one = {"spo2": 97, "pr": 72, "hr": 73, "rr": 14, "pi": 3.5, "pleth": [0.0, 0.5, 1.0]}
    one |= {"nibp_sys": 128, "nibp_dia": 79, "nibp_map": 95}
    two = {"spo2": 88, "pr": 133, "hr": 134, "rr": 20, "pi": 0.5, "pleth": [1.0, 0.2]}
    two |= {"nibp_sys": 171, "nibp_dia": 101, "nibp_map": 124}
    life = [(one, ()), (one, ()), (two, ()), ({}, {Flag.SENSOR_OFF}), (one, {Flag.ARTIFACT})]
    return [item for values, flags in life for item in driver.encode(values, flags)]


# --- what it says of itself -------------------------------------------------------------------


@every_driver
def test_describes_itself(name: str) -> None:
    driver = registry.get(name)
    assert driver.name == name
    assert driver.title
    assert set(driver.channels) <= set(CHANNELS)
    assert driver.can <= set(REQUESTS)
    wanted = {"serial": SerialSettings, "ble": BleSettings, "mllp": type(None)}
    assert isinstance(driver.settings, wanted[driver.transport])


@every_driver
def test_file_opens_with_its_layout_and_what_nobody_tried(name: str) -> None:
    text = sys.modules[registry.get(name).decoder.__module__].__doc__ or ""
    assert "Source" in text
    assert "hardware" in text


# --- any split, noise, flipped bits, garbage --------------------------------------------------


@every_stream
def test_byte_by_byte_gives_the_same_events(name: str) -> None:
    driver = registry.get(name)
    data = joined(typical(driver))
    events = decode(driver, data)
    assert numerics(events)
    assert decode(driver, bytewise(data, stream_source(driver))) == events


@every_stream
@thorough
@given(data=st.data())
def test_any_split_gives_the_same_events_and_refusals(name: str, data: st.DataObject) -> None:
    driver = registry.get(name)
    source, items = stream_source(driver), typical(driver)
    for _ in range(data.draw(st.integers(0, 3))):
        values, flags = data.draw(readings(driver)), data.draw(flag_sets)
        items += driver.encode(values, flags)
        items.append((source, data.draw(st.binary(max_size=30))))
    stream = joined(items)
    whole, pieces = driver.decoder("bed-1"), driver.decoder("bed-1")
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=20))
    assert feed(pieces, split(stream, cuts, source)) == feed(whole, [(source, stream)])
    assert pieces.rejected == whole.rejected


@every_stream
@thorough
@given(noise=st.binary(min_size=1, max_size=7))
def test_noise_costs_at_most_the_first_frame(name: str, noise: bytes) -> None:
    driver = registry.get(name)
    assume(not decode(driver, noise))  # a whole message is not noise
    stream = joined(typical(driver))
    events = decode(driver, noise + stream)
    lost = range(vectors(name)["frame_bytes"] + 1)
    assert any(events == decode(driver, stream[k:]) for k in lost)


@every_driver
def test_noise_between_notifications_costs_nothing(name: str) -> None:
    driver = registry.get(name)
    items = typical(driver)
    noisy = [piece for source, data in items for piece in ((source, b"\x00"), (source, data))]
    values = {(n.channel, n.value) for n in numerics(decode(driver, items))}
    assert {(n.channel, n.value) for n in numerics(decode(driver, noisy))} <= values


@pytest.mark.parametrize("name", CHECKED)
def test_every_flipped_bit_is_refused(name: str) -> None:
    driver = registry.get(name)
    items = typical(driver)

    def shown(pieces: list[tuple[str, bytes]]) -> set[object]:
        found = numerics(decode(driver, pieces))
        return {(n.channel, n.value, n.quality, n.flags) for n in found if n.value is not None}

    honest = shown(items)
    assert honest
    for i, (source, data) in enumerate(items):
        for bit in range(8 * len(data)):
            flipped = bytearray(data)
            flipped[bit // 8] ^= 1 << bit % 8
            invented = shown([*items[:i], (source, bytes(flipped)), *items[i + 1 :]]) - honest
            assert not invented, f"bit {bit} of item {i}"


@every_driver
@thorough
@given(data=st.data())
def test_no_bytes_raise_or_show_what_cannot_be(name: str, data: st.DataObject) -> None:
    driver = registry.get(name)
    real = st.sampled_from(typical(driver))
    mixed = st.one_of(real, st.tuples(st.sampled_from(sources(driver)), st.binary(max_size=300)))
    decoder = driver.decoder("bed-1")
    at_us, rejected = T0, 0
    for source, piece in data.draw(st.lists(mixed, max_size=30)):
        at_us += data.draw(st.integers(0, 5 * US))
        for event in decoder.feed(Chunk(piece, at_us, source)):
            assert event.device == "bed-1"
            if isinstance(event, Numeric):
                assert event.channel in driver.channels
                assert (event.value is None) == (event.quality is Quality.INVALID)
                assert event.value is None or plausible(event.channel, event.value)
            elif isinstance(event, Waveform):
                assert event.channel in driver.channels
                assert np.isfinite(event.values).all()
            else:
                assert isinstance(event, Notice)
                assert event.code
        assert decoder.rejected >= rejected
        rejected = decoder.rejected
        decoder.due(at_us)


def real_source(driver: Driver) -> str:
    return typical(driver)[0][0]


def sources(driver: Driver) -> list[str]:
    """Everything it may hear from."""
    if isinstance(driver.settings, BleSettings):
        return [*driver.settings.notify, *driver.settings.read]
    return [""]


# --- characteristics --------------------------------------------------------------------------


def accepted(driver: Driver, source: str, data: bytes) -> bool:
    """Whether a payload is read; a refused one is counted once, and does nothing else."""
    decoder = driver.decoder("bed-1")
    events = decoder.feed(Chunk(data, T0, source))
    assert decoder.rejected in (0, 1)
    assert not (events and decoder.rejected)
    return not decoder.rejected


@every_ble
def test_uuids_are_in_full_and_are_those_it_reads(name: str) -> None:
    driver = registry.get(name)
    known = driver.settings
    assert isinstance(known, BleSettings)
    assert known.match
    assert known.notify
    services = [text for text in known.match if not text.startswith("name:")]
    for text in (*services, *sources(driver), *([known.write] if known.write else [])):
        assert str(UUID(text)) == text
    sent = [source for source, _ in typical(driver)]
    assert set(sent) <= set(known.notify)


@every_ble
def test_any_form_of_a_uuid_is_the_same_characteristic(name: str) -> None:
    driver = registry.get(name)
    items = typical(driver)
    for form in (str.upper, lambda text: text[4:8] if uuid(text[4:8]) == text else text):
        assert decode(driver, [(form(source), data) for source, data in items]) == decode(
            driver, items
        )


@every_ble
def test_what_comes_from_another_characteristic_is_refused(name: str) -> None:
    driver = registry.get(name)
    for source in ("2a00", "", "0000fff1-0000-1000-8000-00805f9b34fb"):
        for _, data in typical(driver):
            decoder = driver.decoder("bed-1")
            assert decoder.feed(Chunk(data, T0, source)) == []
            assert decoder.rejected == 1


@every_packet
@thorough
@given(data=st.data())
def test_a_payload_that_is_too_short_or_too_long_is_refused(name: str, data: st.DataObject) -> None:
    driver = registry.get(name)
    values, flags = data.draw(readings(driver)), data.draw(flag_sets)
    for source, payload in driver.encode(values, flags):
        assert accepted(driver, source, payload)
        for size in range(len(payload)):
            assert not accepted(driver, source, payload[:size]), size
        assert not accepted(driver, source, payload + data.draw(st.binary(min_size=1, max_size=1)))


@pytest.mark.parametrize("name", [n for n in BLE if BATTERY in sources(registry.get(n))])
def test_a_low_battery_is_told_when_it_begins_and_when_it_ends(name: str) -> None:
    driver = registry.get(name)
    assert isinstance(driver.settings, BleSettings)
    assert BATTERY in driver.settings.read
    items = [(BATTERY, bytes([percent])) for percent in (80, 20, 19, 3, 21, 24, 25, 19)]
    told = [(e.code, e.active, e.detail) for e in decode(driver, items) if isinstance(e, Notice)]
    low = "low_battery"
    assert told == [(low, True, "19 %"), (low, False, "25 %"), (low, True, "19 %")]
    assert not accepted(driver, BATTERY, bytes([101]))
    assert not accepted(driver, BATTERY, bytes([50, 0]))


GARBAGE = {
    "random": np.random.default_rng(1).bytes(1_000_000),
    "zeros": bytes(1_000_000),
    "ones": b"\xff" * 1_000_000,
    "spaces": b" " * 1_000_000,
    "headers": b"\x01\x81" * 500_000,
}


@pytest.mark.long
@every_driver
@pytest.mark.parametrize("kind", GARBAGE)
def test_a_megabyte_of_garbage_is_counted_and_not_kept(name: str, kind: str) -> None:
    driver = registry.get(name)
    decoder = driver.decoder("bed-1")
    source, garbage = real_source(driver), GARBAGE[kind]
    first = rejected = 0
    for start in range(0, len(garbage), 20_000):
        decoder.feed(Chunk(garbage[start : start + 20_000], T0, source))
        first = first or decoder.rejected
        rejected = decoder.rejected
    assert 0 < first < rejected
    assert kept_bytes(decoder) < 20_000


def kept_bytes(root: object) -> int:
    """Size of everything an object holds on to, itself included."""
    seen: dict[int, object] = {}
    waiting = [root]
    while waiting:
        thing = waiting.pop()
        if id(thing) not in seen and not isinstance(thing, (type, ModuleType, FunctionType)):
            seen[id(thing)] = thing
            waiting += gc.get_referents(thing)
    return sum(sys.getsizeof(thing) for thing in seen.values())


@every_driver
def test_good_frames_after_garbage_are_read(name: str) -> None:
    driver = registry.get(name)
    decoder = driver.decoder("bed-1")
    source, items = real_source(driver), typical(driver)
    feed(decoder, [(source, GARBAGE["random"][:5000])])
    feed(decoder, items)  # garbage may claim the first frame
    assert latest(feed(decoder, items)) == latest(decode(driver, items))


# --- values there and back --------------------------------------------------------------------


@every_driver
@thorough
@given(data=st.data())
def test_encode_then_decode_gives_the_values_back(name: str, data: st.DataObject) -> None:
    driver = registry.get(name)
    values = data.draw(readings(driver))
    found = latest(decode(driver, driver.encode(values, ())))
    for channel, value in values.items():
        assert found[channel] == value
    for channel in set(found) - set(values):
        assert found[channel] is None


OUTSIDE = [("spo2", 0), ("spo2", 101), ("spo2", 120), ("pr", 5), ("pr", 301), ("pi", 30)]


@every_driver
@pytest.mark.parametrize(("channel", "value"), OUTSIDE)
def test_what_cannot_be_is_invalid(name: str, channel: str, value: int) -> None:
    driver = registry.get(name)
    values = {"spo2": 97, "pr": 72, "pi": 2.5} | {channel: value}
    assert latest(decode(driver, driver.encode(values, ()))).get(channel) is None


@every_driver
def test_a_wave_comes_in_its_order_and_size(name: str) -> None:
    driver = registry.get(name)
    ramp = [i / 99 for i in range(100)]
    items = driver.encode({"spo2": 97, "pr": 72, "pleth": ramp}, ())
    pleth = [wave for wave in waveforms(decode(driver, items)) if wave.channel == "pleth"]
    for wave in pleth:
        assert (np.diff(wave.values) >= 0).all()
        assert len(set(wave.values.tolist())) > 0.75 * len(wave.values)
        assert wave.quality is Quality.GOOD
    assert bool(pleth) == ("pleth" in driver.channels)
    if pleth:
        assert pleth[0].values[0] < 0.1 * max(wave.values.max() for wave in pleth)


@every_driver
@thorough
@given(data=st.data())
def test_flags_never_change_a_value(name: str, data: st.DataObject) -> None:
    driver = registry.get(name)
    values, flags = data.draw(readings(driver)), data.draw(flag_sets)
    for numeric in numerics(decode(driver, driver.encode(values, flags))):
        assert numeric.value in (values.get(numeric.channel), None)
        assert numeric.flags <= flags


@every_driver
def test_no_value_is_passed_on_while_the_sensor_is_off(name: str) -> None:
    driver = registry.get(name)
    values = {"spo2": 97, "pr": 72, "hr": 72, "pi": 2.5}
    found = latest(decode(driver, driver.encode(values, {Flag.SENSOR_OFF})))
    assert {found.get("spo2"), found.get("pr")} <= {None}


# --- what it says to the device ---------------------------------------------------------------


@every_driver
def test_due_comes_to_an_end(name: str) -> None:
    decoder = registry.get(name).decoder("bed-1")
    for second in range(20):
        now_us = T0 + second * US
        assert b"" in [decoder.due(now_us) for _ in range(10)]


@every_driver
@pytest.mark.parametrize("kind", REQUESTS)
def test_request_is_sent_or_refused_in_a_sentence(name: str, kind: str) -> None:
    driver = registry.get(name)
    decoder = driver.decoder("bed-1")
    if kind in driver.can:
        decoder.request(REQUESTS[kind], T0)
        assert decoder.due(T0)
    else:
        with pytest.raises(CommandError, match=r"bed-1: .* "):
            decoder.request(REQUESTS[kind], T0)


def responder(driver: Driver, patient: FakePatient) -> Responder | None:
    """The device side, where the protocol has one."""
    try:
        return driver.responder(patient)
    except CommandError:
        return None


@every_driver
@pytest.mark.parametrize("kind", ["random", "spaces"])
def test_simulated_device_keeps_no_garbage(name: str, kind: str) -> None:
    if device := responder(registry.get(name), FakePatient()):
        for start in range(0, 100_000, 1000):
            device.receive(GARBAGE[kind][start : start + 1000], T0)
        assert kept_bytes(device) < 20_000


@every_driver
def test_simulated_device_shows_the_patient(name: str) -> None:
    driver = registry.get(name)
    values = {"spo2": 96.0, "pr": 81.0, "hr": 81.0, "pi": 2.5, "rr": 14.0}
    values |= {"nibp_sys": 131.0, "nibp_dia": 84.0, "nibp_map": 101.0}
    patient = FakePatient(**values)
    decoder = driver.decoder("bed-1")
    device = responder(driver, patient)
    if "start_nibp" in driver.can:
        decoder.request(StartNibp(), T0)
    events = []
    for now_us in range(T0, T0 + 60 * US, US // 10):
        if device is None:
            if (now_us - T0) % US == 0:
                events += feed(decoder, driver.encode(values, ()), now_us)
            continue
        answer = device.poll(now_us) + device.receive(decoder.due(now_us), now_us)
        events += decoder.feed(Chunk(answer, now_us, stream_source(driver)))
    expected = {key: values[key] for key in driver.channels if key in values}
    found = latest(events)
    found.pop("cuff", None)  # comes and goes with a reading
    assert found == expected


# --- known bytes ------------------------------------------------------------------------------

KNOWN = [
    pytest.param(name, vector, id=f"{name}-{vector['id']}")
    for name in NAMES
    if (VECTORS / f"{name}.json").exists()
    for vector in vectors(name)["vectors"]
]


@every_driver
def test_has_vectors_that_say_where_they_come_from(name: str) -> None:
    known = vectors(name)
    assert known["driver"] == name
    assert known["vectors"]
    for vector in known["vectors"]:
        assert vector["kind"] in ("captured", "composed", "vendor")
        assert vector["source"]


@pytest.mark.parametrize("pieces", ["whole", "byte by byte"])
@pytest.mark.parametrize(("name", "vector"), KNOWN)
def test_decodes_known_bytes(name: str, vector: dict[str, object], pieces: str) -> None:
    data = bytes.fromhex(str(vector["hex"]))
    decoder = registry.get(name).decoder("bed-1")
    source = str(vector.get("source_uuid", ""))
    whole = pieces == "whole" or name in PACKETS
    items = [(source, data)] if whole else bytewise(data, source)
    events = feed(decoder, items, arrival_us(vector))
    found = {
        "numerics": [
            [n.channel, n.value, n.quality.value, sorted(n.flags)] for n in numerics(events)
        ],
        "notices": [list(pair) for pair in notices(events)],
        "waveforms": [[w.channel, len(w.values)] for w in waveforms(events)],
        "rejected": decoder.rejected,
    }
    assert found == vector["expected"]
