"""The outside world of a pager: programs that write down what they are given, and a web server."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

Row = dict[str, Any]


def script(folder: Path, name: str, body: str) -> list[str]:
    """Command that runs a piece of shell; `$OUT` is a file of its own, `$1` the sentence."""
    path = folder / f"{name}.sh"
    path.write_text(f"OUT='{folder / name}'\n{body}\n")
    return ["/bin/sh", str(path)]


def recorder(folder: Path, name: str = "paged", then: str = "") -> list[str]:
    """Command that writes a line with its sentence, and the facts of its environment."""
    facts = folder / f"{name}.env"
    return script(folder, name, f"env > '{facts}'; printf '%s\\n' \"$1\" >> \"$OUT\"; {then}")


def said(folder: Path, name: str = "paged") -> list[str]:
    path = folder / name
    return path.read_text().splitlines() if path.exists() else []


def environment(folder: Path, name: str = "paged") -> Mapping[str, str]:
    lines = (folder / f"{name}.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def wait_for(condition: Callable[[], object], limit_s: float = 10.0) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "never came true"
        time.sleep(0.01)


def gone(pid: int) -> bool:
    """Whether a process has ended; one that only waits to be reaped has."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class Receiver:
    """A web server on this computer; answers with `statuses` in turn, then with 200."""

    def __init__(self, *statuses: int, location: str = "", certificate: Path | None = None) -> None:
        self.bodies: list[Row] = []
        self.paths: list[str] = []
        self.headers: list[Mapping[str, str]] = []
        answers = list(statuses)
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                receiver.bodies.append(json.loads(self.rfile.read(length)))
                receiver.paths.append(self.path)
                receiver.headers.append(dict(self.headers))
                self.send_response(answers.pop(0) if answers else 200)
                if location:
                    self.send_header("Location", location)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                return

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                return  # a client that refuses our certificate

        self._server = Server(("127.0.0.1", 0), Handler)
        scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            scheme = "https"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}/hook/s3cret?a=b"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
