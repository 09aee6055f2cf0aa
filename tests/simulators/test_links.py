"""Every simulated monitor on a real link, until its values come out of the station's keeper."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from devices import registry
from simulators.endpoints import PtyEndpoint, TcpEndpoint
from tests.loop import run, until
from tests.simulators.kept import Kept, bedside, keeping, monitor
from tests.simulators.rfc2217_server import port_server
from vitals.channels import plausible
from vitals.clock import Clock
from vitals.model import Waveform

SERIAL = [name for name in registry.names() if registry.get(name).transport == "serial"]
SPEED = 10.0
"""Station seconds per real second, so that cuffs need seconds only."""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals")


@pytest.fixture(scope="module")
def wards(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Kept]:
    """Every serial driver at once, each on a pseudo-terminal of its own, until all have spoken."""
    folder = tmp_path_factory.mktemp("ports")
    wards: dict[str, Kept] = {}

    async def main() -> None:
        clock = Clock.anchored_now(SPEED)
        with ExitStack() as stack:
            for name in SERIAL:
                patient, simulated = monitor(name)
                end = PtyEndpoint(simulated, folder / name)
                stack.enter_context(bedside(patient, end, SPEED))
                wards[name] = Kept(name, end.url, clock, name)
            async with keeping(*wards.values()):
                for kept in wards.values():
                    await kept.streams()

    run(main(), 60)
    return wards


@pytest.mark.parametrize("name", SERIAL)
def test_values_of_every_channel_stream_through_a_pseudo_terminal(
    name: str, wards: dict[str, Kept]
) -> None:
    kept = wards[name]
    assert kept.seen == kept.expected
    assert {link.state for link in kept.links} == {"connecting", "streaming"}
    assert all(e.value is None or plausible(e.channel, e.value) for e in kept.numerics)


@pytest.mark.parametrize("name", [n for n in SERIAL if "pleth" in registry.get(n).channels])
def test_waves_come_without_a_gap(name: str, wards: dict[str, Kept]) -> None:
    for channel in {"pleth", "ecg"} & set(registry.get(name).channels):
        waves = [e for e in wards[name].events if isinstance(e, Waveform) and e.channel == channel]
        samples = sum(len(wave.values) for wave in waves[:-1])
        span_s = (waves[-1].start_us - waves[0].start_us) / 1e6
        assert samples / span_s == pytest.approx(waves[0].rate_hz, rel=0.1)
        assert len({value for wave in waves for value in wave.values}) > 10


def test_values_stream_through_a_converter() -> None:
    async def main() -> None:
        patient, simulated = monitor("dinamap")
        end = TcpEndpoint(simulated)
        kept = Kept("dinamap", end.url, Clock.anchored_now(SPEED))
        with bedside(patient, end, SPEED):
            async with keeping(kept):
                await kept.streams()

    run(main(), 40)


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")
def test_values_stream_through_a_port_server(tmp_path: Path) -> None:
    async def main() -> None:
        patient, simulated = monitor("contec-v7")
        end = PtyEndpoint(simulated, tmp_path / "port")
        with bedside(patient, end, 1.0), port_server(end.path) as url:
            kept = Kept("contec-v7", url, Clock.anchored_now())
            async with keeping(kept):
                await kept.streams()

    run(main(), 40)


def test_the_second_program_on_a_port_gets_one_sentence(tmp_path: Path) -> None:
    patient, simulated = monitor("nonin-df1")
    end = PtyEndpoint(simulated, tmp_path / "port")
    code = "import serial,sys; s=serial.Serial(sys.argv[1],exclusive=True); print(flush=True)"
    command = [sys.executable, "-c", f"{code}; input()", end.path]
    with (
        bedside(patient, end, 1.0),
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first,
    ):
        assert first.stdout is not None
        first.stdout.readline()

        async def main() -> None:
            second = Kept("nonin-df1", end.url, Clock.anchored_now())
            async with keeping(second):
                await until(lambda: second.state == "lost")
                said = second.links[-1].detail
                assert f"(process {first.pid}); end that program" in said
                assert "is in use by python" in said
                assert "\n" not in said
                first.communicate(b"\n")
                await second.streams()  # and as soon as the port is free it has it

        run(main(), 40)
