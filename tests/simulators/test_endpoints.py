"""Endpoints: real pseudo-terminals and sockets, read as the station reads them."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import serial

from simulators.endpoints import Endpoint, PtyEndpoint, TcpEndpoint
from simulators.monitor import SimulatedMonitor
from vitals.errors import ConfigError

if sys.platform != "win32":
    import fcntl
    import termios

Until = Callable[[Callable[[], object]], None]
EVERY_BYTE = bytes(range(256))


def read(port: serial.SerialBase, count: int) -> bytes:
    """That many bytes, or fewer after the port's timeout."""
    data: bytes = port.read(count)
    return data


def hear(endpoint: Endpoint, count: int, until: Until) -> bytes:
    """That many bytes from the station."""
    heard = bytearray()

    def enough() -> bool:
        heard.extend(endpoint.read())
        return len(heard) >= count

    until(enough)
    return bytes(heard)


@pytest.fixture
def pty(monitor: SimulatedMonitor, tmp_path: Path, ending: list[Endpoint]) -> PtyEndpoint:
    endpoint = PtyEndpoint(monitor, tmp_path / "oximeter")
    ending.append(endpoint)
    return endpoint


@pytest.fixture
def tcp(monitor: SimulatedMonitor, ending: list[Endpoint]) -> TcpEndpoint:
    endpoint = TcpEndpoint(monitor)
    ending.append(endpoint)
    return endpoint


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals")
class TestPty:
    def test_every_byte_arrives_unchanged_both_ways(self, pty: PtyEndpoint, until: Until) -> None:
        with serial.Serial(pty.path, 9600, timeout=5) as port:
            pty.write(EVERY_BYTE)
            assert read(port, 256) == EVERY_BYTE
            port.write(EVERY_BYTE)
            assert hear(pty, 256, until) == EVERY_BYTE
            assert pty.read() == b""

    def test_what_was_sent_before_anybody_listened_is_not_echoed_back(
        self, pty: PtyEndpoint
    ) -> None:
        pty.write(b"hello\r\n")
        assert pty.read() == b""

    def test_the_url_is_the_stable_name(self, pty: PtyEndpoint, tmp_path: Path) -> None:
        assert pty.url == f"serial://{tmp_path}/oximeter"

    def test_without_a_link_the_url_is_the_terminal(
        self, monitor: SimulatedMonitor, ending: list[Endpoint]
    ) -> None:
        endpoint = PtyEndpoint(monitor)
        ending.append(endpoint)
        endpoint.write(b"abc")
        with serial.Serial(endpoint.path, timeout=0) as port:
            assert port.is_open

    def test_nobody_reading_blocks_nothing_and_keeps_nothing_old(
        self, pty: PtyEndpoint, until: Until
    ) -> None:
        with open(os.open(pty.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK), "rb", 0) as port:

            def waiting() -> int:
                return int.from_bytes(fcntl.ioctl(port, termios.FIONREAD, bytes(4)), sys.byteorder)

            def is_waiting(count: int) -> bool:
                return waiting() == count

            for i in range(40):
                before = waiting()
                pty.write(b"%03d" % i * 200)
                until(partial(is_waiting, 600 if before > 3500 else before + 600))
            data = port.read(65536)
        assert data
        assert len(data) <= 4096
        assert data.endswith(b"039")
        assert b"020" not in data

    def test_a_storm_that_nobody_reads_blocks_nothing(self, pty: PtyEndpoint) -> None:
        for _ in range(2000):
            pty.write(bytes(1000))

    def test_a_reader_that_comes_and_goes_finds_it_again(self, pty: PtyEndpoint) -> None:
        for word in (b"one", b"two", b"three"):
            with serial.Serial(pty.path, timeout=5) as port:
                pty.write(word)
                assert read(port, len(word)) == word

    def test_unplugging_fails_the_reader_and_takes_the_name_away(
        self, pty: PtyEndpoint, until: Until
    ) -> None:
        port = serial.Serial(pty.path, timeout=0.05)
        try:
            pty.unplug()
            failed: list[Exception] = []

            def fails() -> bool:
                try:
                    port.read(1)
                except (serial.SerialException, OSError) as error:
                    failed.append(error)
                return bool(failed)

            until(fails)
        finally:
            port.close()
        assert not os.path.lexists(pty.path)
        assert pty.read() == b""
        pty.write(b"into the void")

    def test_replugging_brings_it_back_under_the_same_name(self, pty: PtyEndpoint) -> None:
        url = pty.url
        pty.unplug()
        pty.replug()
        assert pty.url == url
        with serial.Serial(pty.path, timeout=5) as port:
            pty.write(b"back")
            assert read(port, 4) == b"back"

    def test_a_replugged_terminal_is_another_one(self, pty: PtyEndpoint) -> None:
        for _ in range(20):
            before = os.readlink(pty.path)
            pty.unplug()
            pty.replug()
            assert os.readlink(pty.path) != before

    def test_plugging_twice_changes_nothing(self, pty: PtyEndpoint) -> None:
        target = os.readlink(pty.path)
        pty.replug()
        assert os.readlink(pty.path) == target
        pty.unplug()
        pty.unplug()

    def test_stopping_leaves_no_link_and_no_open_file(
        self, monitor: SimulatedMonitor, tmp_path: Path
    ) -> None:
        before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else 0
        endpoint = PtyEndpoint(monitor, tmp_path / "gone")
        endpoint.stop()
        assert list(tmp_path.iterdir()) == []
        if before:
            assert len(os.listdir("/proc/self/fd")) == before

    def test_a_stale_link_is_taken_over(self, monitor: SimulatedMonitor, tmp_path: Path) -> None:
        path = tmp_path / "stale"
        path.symlink_to("/dev/pts/no-such")
        endpoint = PtyEndpoint(monitor, path)
        assert os.readlink(path) != "/dev/pts/no-such"
        endpoint.stop()
        assert not os.path.lexists(path)

    def test_a_name_that_another_simulator_took_is_left_to_it(
        self, monitor: SimulatedMonitor, tmp_path: Path, ending: list[Endpoint]
    ) -> None:
        first = PtyEndpoint(monitor, tmp_path / "one")
        second = PtyEndpoint(monitor, tmp_path / "one")
        ending += [first, second]
        first.stop()
        assert os.path.lexists(second.path)

    def test_a_real_file_is_never_replaced(self, monitor: SimulatedMonitor, tmp_path: Path) -> None:
        path = tmp_path / "precious"
        path.write_text("data")
        with pytest.raises(ConfigError, match="not a link of a simulator"):
            PtyEndpoint(monitor, path)
        assert path.read_text() == "data"

    def test_a_folder_that_is_not_there_is_one_sentence(
        self, monitor: SimulatedMonitor, tmp_path: Path
    ) -> None:
        with pytest.raises(ConfigError, match="cannot be made"):
            PtyEndpoint(monitor, tmp_path / "none" / "x")


class TestTcp:
    def test_every_byte_arrives_unchanged_both_ways(self, tcp: TcpEndpoint, until: Until) -> None:
        with serial.serial_for_url(tcp.url, timeout=5) as port:
            port.write(EVERY_BYTE)
            assert hear(tcp, 256, until) == EVERY_BYTE
            tcp.write(EVERY_BYTE)
            assert read(port, 256) == EVERY_BYTE

    def test_the_next_station_is_served_when_the_first_is_gone(
        self, tcp: TcpEndpoint, until: Until
    ) -> None:
        for word in (b"one", b"two"):
            with socket.create_connection(("127.0.0.1", tcp.port), timeout=5) as station:
                station.sendall(word)
                assert hear(tcp, len(word), until) == word
                tcp.write(word)
                assert station.recv(10) == word

    def test_a_second_station_is_turned_away(self, tcp: TcpEndpoint, until: Until) -> None:
        with socket.create_connection(("127.0.0.1", tcp.port), timeout=5) as first:
            first.sendall(b"x")
            until(lambda: tcp.read() == b"x")
            with socket.create_connection(("127.0.0.1", tcp.port), timeout=0.05) as second:

                def ended() -> bool:
                    tcp.read()
                    try:
                        return second.recv(1) == b""
                    except TimeoutError:
                        return False

                until(ended)
            tcp.write(b"still yours")
            assert first.recv(20) == b"still yours"

    def test_a_station_that_does_not_read_blocks_nothing(
        self, tcp: TcpEndpoint, until: Until
    ) -> None:
        with socket.create_connection(("127.0.0.1", tcp.port), timeout=5) as station:
            station.sendall(b"x")
            until(lambda: tcp.read() == b"x")
            for _ in range(20_000):
                tcp.write(b"x" * 1000)
            assert len(tcp._pending) <= 3500

    def test_unplugging_ends_the_connection_and_refuses_others(
        self, tcp: TcpEndpoint, until: Until
    ) -> None:
        with serial.serial_for_url(tcp.url, timeout=0.05) as port:
            port.write(b"x")
            until(lambda: tcp.read() == b"x")
            tcp.unplug()
            failed: list[Exception] = []

            def fails() -> bool:
                try:
                    port.read(1)
                except serial.SerialException as error:
                    failed.append(error)
                return bool(failed)

            until(fails)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", tcp.port), timeout=5)
        tcp.write(b"into the void")
        assert tcp.read() == b""

    def test_replugging_listens_on_the_same_port(self, tcp: TcpEndpoint, until: Until) -> None:
        url = tcp.url
        tcp.unplug()
        tcp.replug()
        assert tcp.url == url
        with socket.create_connection(("127.0.0.1", tcp.port), timeout=5) as station:
            station.sendall(b"x")
            until(lambda: tcp.read() == b"x")

    def test_a_port_in_use_is_one_sentence(
        self, tcp: TcpEndpoint, monitor: SimulatedMonitor
    ) -> None:
        with pytest.raises(ConfigError, match="cannot be opened"):
            TcpEndpoint(monitor, port=tcp.port)

    def test_an_address_of_version_six_is_bracketed(self, monitor: SimulatedMonitor) -> None:
        try:
            endpoint = TcpEndpoint(monitor, "::1")
        except ConfigError:  # a computer without IPv6
            return
        assert endpoint.url == f"socket://[::1]:{endpoint.port}"
        endpoint.stop()
