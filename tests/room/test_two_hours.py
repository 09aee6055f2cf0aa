"""A whole session of two hours, by a manual clock and without sleeping."""

from __future__ import annotations

import time

import pytest

from devices import registry
from devices.driver import StartNibp
from simulators.monitor import SimulatedMonitor
from simulators.patient import Patient
from tests.room.world import World
from vitals.channels import NIBP
from vitals.model import (
    US,
    AlarmChange,
    Chunk,
    DeviceRequest,
    Due,
    Notice,
    Numeric,
    SessionChange,
)

TWO_HOURS_S = 2 * 3600
DOSE_S = 660


def due_states(world: World) -> dict[str, str]:
    return {item.what: item.state for item in world.room.due}


def test_a_two_hour_session_of_numerics_takes_at_most_two_seconds() -> None:
    began = time.process_time()
    world, patient = World(), Patient(3, route="iv")
    world.open("iv")
    reading_at: int | None = None
    for second in range(DOSE_S + TWO_HOURS_S + 60):
        patient.advance(1.0)
        world.at(second)
        if second == DOSE_S:
            patient.dose()
            assert world.act("dose").ok
        asked = [o for o in world.tick() if isinstance(o, DeviceRequest)]
        if asked:
            reading_at = second + 30
        for channel in ("spo2", "pr"):
            world.value(channel, patient.value(channel))
        if second == reading_at:
            for channel in NIBP:
                world.value(channel, patient.value(channel), "cuff")
    took_s = time.process_time() - began
    assert set(due_states(world).values()) == {"done"}
    assert len([what for what in due_states(world) if "repeat" not in what]) == 13
    phases = [o.session.phase for o in world.outputs if isinstance(o, SessionChange)]
    assert phases == ["CHECK_IN", "BASELINE", "ONSET_PEAK", "DESCENT", "RECOVERY"]
    assert took_s < 2.0


@pytest.mark.long
def test_a_two_hour_session_through_bytes_takes_at_most_thirty_seconds() -> None:
    began = time.process_time()
    world, patient = World(), Patient(3, route="iv")
    monitors = {
        "ox": SimulatedMonitor(registry.get("nonin-df2"), patient, seed=1),
        "cuff": SimulatedMonitor(registry.get("dinamap"), patient, seed=1),
    }
    decoders = {name: m.driver.decoder(name) for name, m in monitors.items()}
    world.open("iv")
    step_s = 0.25
    for step in range(round((DOSE_S + TWO_HOURS_S + 60) / step_s)):
        now_s = step * step_s
        patient.advance(step_s)
        world.at(now_s)
        if now_s == DOSE_S:
            patient.dose()
            assert world.act("dose").ok
        out = world.tick()
        for request in (o for o in out if isinstance(o, DeviceRequest)):
            decoders[request.device].request(StartNibp(), world.now_us)
        for name, monitor in monitors.items():
            if asked := decoders[name].due(world.now_us):
                monitor.receive(asked)
            for event in decoders[name].feed(Chunk(monitor.advance(step_s), world.now_us)):
                if isinstance(event, Numeric | Notice):
                    world.put(event)
    took_s = time.process_time() - began
    assert set(due_states(world).values()) == {"done"}
    readings = [i.body for i in world.inputs if isinstance(i.body, Numeric)]
    # one for each that the schedule asks for, and repeats of what was out, which may coincide
    taken = [n for n in readings if n.channel == "nibp_sys" and n.value]
    assert 13 <= len(taken) <= len(due_states(world))
    assert len([n for n in readings if n.channel == "spo2" and n.device == "ox"]) > TWO_HOURS_S
    technical = ("spo2-no-data", "nibp-failed", "link-lost:ox", "link-lost:cuff")
    assert not [
        o for o in world.outputs if isinstance(o, AlarmChange) and o.after.rule in technical
    ]
    assert took_s < 30.0


def test_every_owed_reading_is_told_when_due_and_when_done() -> None:
    world = World().open("intranasal", dose=True)
    world.at(20 * 60 + 1).tick()
    world.at(20 * 60 + 40).reading(140)
    told = [(o.what, o.state) for o in world.outputs if isinstance(o, Due) and "+20" in o.what]
    assert told == [("nibp+20", "coming"), ("nibp+20", "due"), ("nibp+20", "done")]
    assert world.room.due.items["nibp+20"].done_us == world.now_us
    assert (world.now_us - world.room.due.items["nibp+20"].at_us) == 40 * US
