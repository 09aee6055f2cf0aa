from __future__ import annotations

import asyncio
import contextlib
import errno
import grp
import os
import select
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import serial
from serial.rfc2217 import PortManager

from devices.driver import SerialSettings
from devices.transports import serial_port
from devices.transports.serial_faults import cannot_open
from tests.devices.pty_port import PtyPort
from tests.loop import run, until
from vitals.clock import ManualClock
from vitals.errors import TransportError
from vitals.model import Chunk

pytestmark = pytest.mark.usefixtures("no_thread_left")
EVERY_BYTE = bytes(range(256))


class Wire:
    """An open link and all that came over it."""

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []
        self.clock = ManualClock()
        self.port: serial_port.SerialPort

    @property
    def data(self) -> bytes:
        return b"".join(chunk.data for chunk in self.chunks)


@contextlib.asynccontextmanager
async def opened(url: str, settings: SerialSettings | None = None) -> AsyncIterator[Wire]:
    wire = Wire()
    wire.port = await serial_port.connect(
        url, settings or SerialSettings(), wire.chunks.append, wire.clock
    )
    try:
        yield wire
    finally:
        await wire.port.close()


async def sentence(url: str) -> str:
    with pytest.raises(TransportError) as error:
        await serial_port.connect(url, SerialSettings(), lambda _: None, ManualClock())
    return str(error.value)


def test_every_byte_arrives_as_it_was_sent_with_its_time(port: PtyPort) -> None:
    async def main() -> None:
        async with opened(port.url) as wire:
            wire.clock.advance(7)
            port.send(EVERY_BYTE)
            await until(lambda: len(wire.data) == 256)
            assert wire.data == EVERY_BYTE
            assert {chunk.at_us for chunk in wire.chunks} == {wire.clock.now_us()}
            assert {chunk.source for chunk in wire.chunks} == {""}

    run(main())


def test_a_burst_is_few_chunks(port: PtyPort) -> None:
    async def main() -> None:
        async with opened(port.url) as wire:
            port.send(b"x" * 2000)
            await until(lambda: len(wire.data) == 2000)
            assert len(wire.chunks) <= 5

    run(main())


def test_every_byte_is_written(port: PtyPort) -> None:
    async def main() -> None:
        async with opened(port.url, SerialSettings(115200)) as wire:
            await wire.port.write(EVERY_BYTE)
            got = bytearray()
            await until(lambda: got.extend(port.received()) or len(got) == 256)
            assert got == EVERY_BYTE

    run(main())


def test_unplugging_is_told_in_one_sentence(port: PtyPort) -> None:
    async def main() -> None:
        async with opened(port.url) as wire:
            port.send(b"abc")
            await until(lambda: wire.data == b"abc")
            port.unplug()
            error = await wire.port.lost()
            assert str(error) == f"{port.link} was unplugged; plug it in again"
            with pytest.raises(TransportError):
                await wire.port.write(b"x")

    run(main())


def test_the_name_is_resolved_at_every_open(port: PtyPort) -> None:
    async def main() -> None:
        first = os.readlink(port.link)
        async with opened(port.url):
            keep = os.open(first, os.O_RDWR | os.O_NOCTTY)  # so that the number is not reused
            port.unplug()
        port.plug_in()
        os.close(keep)
        assert os.readlink(port.link) != first
        async with opened(port.url) as wire:
            port.send(b"again")
            await until(lambda: wire.data == b"again")

    run(main())


def test_closing_frees_the_port_and_is_harmless_twice(port: PtyPort) -> None:
    async def main() -> None:
        for _ in range(3):
            async with opened(port.url) as wire:
                await wire.port.close()
                port.send(b"late")
                assert "closed" in str(await wire.port.lost())
                assert wire.chunks == []

    run(main())


def test_no_chunk_comes_after_the_close(port: PtyPort) -> None:
    async def main() -> None:
        async with opened(port.url) as wire:
            port.send(b"x")
            # in the middle of a delivery: the thread has read, the loop has not been told yet
            select.select([], [], [], 0.05)
            await wire.port.close()
            seen = len(wire.chunks)
            await asyncio.sleep(0)
            assert len(wire.chunks) == seen == 0

    run(main())


def test_two_devices_with_one_port_are_told_so(port: PtyPort) -> None:
    async def main() -> None:
        async with opened(port.url):
            assert "already open for another device" in await sentence(port.url)

    run(main())


def test_the_program_that_holds_a_port_is_named(port: PtyPort) -> None:
    code = (
        "import serial,sys; s=serial.Serial(sys.argv[1],exclusive=True); print(flush=True); input()"
    )
    command = [sys.executable, "-c", code, str(port.link)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        said: list[str] = []

        async def main() -> None:
            said.append(await sentence(port.url))

        run(main())
        assert f"is in use by python (process {other.pid})" in said[0].replace("python3", "python")
        other.communicate(b"\n")


def test_a_missing_port_says_to_plug_it_in(tmp_path: Path) -> None:
    async def main() -> None:
        assert "is not there: plug the adapter in" in await sentence(f"serial://{tmp_path}/none")

    run(main())


def test_a_file_is_no_serial_port(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    async def main() -> None:
        assert "is not a serial port" in await sentence(f"serial://{tmp_path}/file")

    run(main())


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (0o660, "run `sudo usermod -aG {group} $USER`, then log out and in again"),
        (0o600, "give it to a group with a udev rule"),
    ],
)
def test_a_forbidden_port_names_its_group_and_the_cure(
    tmp_path: Path, mode: int, expected: str
) -> None:
    node = tmp_path / "ttyUSB0"
    node.write_bytes(b"")
    node.chmod(mode)
    group = grp.getgrgid(node.stat().st_gid).gr_name
    error = serial.SerialException(errno.EACCES, "could not open port: Permission denied")
    assert expected.format(group=group) in cannot_open(f"serial://{node}", error)


def test_a_write_that_does_not_end_blocks_neither_loop_nor_reading(
    port: PtyPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serial_port, "WRITE_S", 0.3)

    async def main() -> None:
        async with opened(port.url) as wire:
            writing = asyncio.create_task(wire.port.write(b"x" * 200_000))
            await asyncio.sleep(0.02)
            port.send(b"meanwhile")
            await until(lambda: wire.data == b"meanwhile")
            assert not writing.done()
            with pytest.raises(TransportError, match="takes no data"):
                await writing

    run(main())


def test_closing_waits_for_a_write_so_that_no_other_port_gets_its_bytes(
    port: PtyPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serial_port, "WRITE_S", 0.3)
    order: list[str] = []
    write, close = serial_port._write, serial_port._close
    monkeypatch.setattr(serial_port, "_write", lambda *a: _then(write, a, order, "written"))
    monkeypatch.setattr(serial_port, "_close", lambda *a: _then(close, a, order, "closed"))

    async def main() -> None:
        async with opened(port.url) as wire:
            writing = asyncio.create_task(wire.port.write(b"x" * 200_000))
            await asyncio.sleep(0.02)
            await wire.port.close()
            with pytest.raises(TransportError):
                await writing
        assert order == ["written", "closed"]

    run(main())


def _then(call, arguments, order: list[str], word: str) -> None:
    try:
        call(*arguments)
    finally:
        order.append(word)


def test_a_cancelled_open_leaves_nothing_behind(
    port: PtyPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, really = threading.Event(), serial_port._open

    def slow(*arguments: object) -> serial.Serial:
        gate.wait()
        return really(*arguments)

    monkeypatch.setattr(serial_port, "_open", slow)

    async def main() -> None:
        opening = asyncio.create_task(
            serial_port.connect(port.url, SerialSettings(), lambda _: None, ManualClock())
        )
        await asyncio.sleep(0.01)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        gate.set()
        monkeypatch.undo()
        # while the loop lives, so that only the cancelled one can have let go of the port
        await until(lambda: f"port {port.url}" not in {t.name for t in threading.enumerate()})
        async with opened(port.url):
            pass

    run(main())


def test_a_loop_that_ends_first_is_no_error(port: PtyPort) -> None:
    async def main() -> None:
        await serial_port.connect(port.url, SerialSettings(), lambda _: None, ManualClock())

    run(main())
    port.send(b"to nobody")


# --- behind a TCP converter -------------------------------------------------------------------


@contextlib.contextmanager
def server() -> Iterator[tuple[str, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(5)
        yield f"socket://127.0.0.1:{listening.getsockname()[1]}", listening


def test_a_converter_streams_and_is_written_to() -> None:
    async def main() -> None:
        with server() as (url, listening):
            async with opened(url) as wire:
                device, _ = listening.accept()
                with device:
                    device.sendall(EVERY_BYTE * 8)
                    await until(lambda: len(wire.data) == 2048)
                    assert wire.data == EVERY_BYTE * 8
                    assert len(wire.chunks) < 10
                    await wire.port.write(b"start")
                    assert device.recv(100) == b"start"

    run(main())


@pytest.mark.parametrize("abruptly", [False, True])
def test_a_converter_that_hangs_up_is_noticed(abruptly: bool) -> None:
    async def main() -> None:
        with server() as (url, listening):
            async with opened(url) as wire:
                device, _ = listening.accept()
                if abruptly:
                    device.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                device.close()
                assert "has ended the connection" in str(await wire.port.lost())

    run(main())


def test_a_converter_that_was_switched_off_is_found_by_the_system() -> None:
    async def main() -> None:
        with server() as (url, listening):
            async with opened(url) as wire:
                device, _ = listening.accept()
                with device, socket.socket(fileno=os.dup(wire.port._port.fileno())) as twin:
                    assert twin.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
                    assert twin.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 10

    run(main())


def test_a_converter_that_is_not_there_is_one_sentence() -> None:
    with server() as (url, _):
        pass

    async def main() -> None:
        assert "refuses the connection" in await sentence(url)
        for wrong in ("socket://127.0.0.1", "socket://127.0.0.1:x", "rfc2217://127.0.0.1"):
            assert "HOST:PORT" in await sentence(wrong)

    run(main())


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")
def test_a_port_server_of_rfc_2217() -> None:
    stop = threading.Event()

    def serve(listening: socket.socket) -> None:
        """The smallest server around pyserial's half of the protocol; its port echoes."""
        device, _ = listening.accept()
        with device, device.makefile("wb", buffering=0) as out:
            device.settimeout(0.02)
            with serial.serial_for_url("loop://", timeout=0) as local:
                manager = PortManager(local, out)
                while not stop.is_set():
                    with contextlib.suppress(TimeoutError):
                        local.write(b"".join(manager.filter(device.recv(1024))))
                    out.write(b"".join(manager.escape(local.read(local.in_waiting))))

    async def main() -> None:
        with server() as (url, listening):
            thread = threading.Thread(target=serve, args=(listening,))
            thread.start()
            try:
                async with opened(url.replace("socket:", "rfc2217:")) as wire:
                    await wire.port.write(EVERY_BYTE)
                    await until(lambda: wire.data == EVERY_BYTE)
                    stop.set()
                    assert "has ended the connection" in str(await wire.port.lost())
            finally:
                stop.set()
                thread.join()

    run(main())
