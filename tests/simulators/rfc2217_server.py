"""A port server of RFC 2217 around pyserial's own half of the protocol, on loopback."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import serial
from serial.rfc2217 import PortManager


class Pty(serial.Serial):
    """A pseudo-terminal has no modem lines."""

    cts = dsr = ri = cd = False

    def _update_dtr_state(self) -> None:
        """Does nothing."""

    def _update_rts_state(self) -> None:
        """Does nothing."""


@contextlib.contextmanager
def port_server(path: str) -> Iterator[str]:
    """Serves the local port at `path` to one caller after the other; yields the url."""
    stop = threading.Event()

    def serve(listening: socket.socket) -> None:
        while not stop.is_set():
            try:
                caller, _ = listening.accept()
            except TimeoutError:
                continue
            with caller, caller.makefile("wb", buffering=0) as out:
                caller.settimeout(0.02)
                with Pty(path, timeout=0) as local, contextlib.suppress(OSError):
                    carry(local, caller, PortManager(local, out), out)

    def carry(local: serial.Serial, caller: socket.socket, manager: PortManager, out) -> None:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                data = caller.recv(1024)
                if not data:
                    return
                local.write(b"".join(manager.filter(data)))
            out.write(b"".join(manager.escape(local.read(local.in_waiting))))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.1)
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        try:
            yield f"rfc2217://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            stop.set()
            thread.join()
