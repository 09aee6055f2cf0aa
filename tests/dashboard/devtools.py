"""Chromium over its own DevTools protocol, for what Playwright changes by watching.

Playwright's `evaluate` counts as a click, which lets a page play sound, and it keeps every page in
front. Here nothing is a gesture but a real mouse event or key, and a tab that another one covers
is hidden.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any, Self

from websockets.sync.client import ClientConnection, connect

from tests import chromium
from tests.dashboard.ward import DEADLINE_S, wait_until


class Tab:
    """One tab."""

    def __init__(self, target: str, socket: ClientConnection) -> None:
        self.target = target
        self._socket = socket
        self._number = 0

    def ask(self, method: str, **params: Any) -> Any:
        """Sends a command of the protocol; its result."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while True:
            answer = json.loads(self._socket.recv(timeout=DEADLINE_S))
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def value(self, expression: str) -> Any:
        """What JavaScript gives; this is no gesture of a user."""
        result = self.ask(
            "Runtime.evaluate", expression=expression, returnByValue=True, userGesture=False
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def hook(self, name: str) -> Any:
        """A data- attribute of the body."""
        return self.value(f"document.body && document.body.dataset.{name}")

    def text(self, selector: str) -> str:
        """The text of an element that can be seen, else ""."""
        seen = (
            f"(e => e && e.offsetParent ? e.innerText : '')(document.querySelector({selector!r}))"
        )
        return str(self.value(seen))

    def wait(self, condition: str) -> None:
        """Waits until an expression is true."""
        wait_until(lambda: self.value(condition), condition)

    def press(self, label: str) -> None:
        """Clicks the visible button that is called so, with the mouse."""
        find = (
            "(b => { if (!b) return ''; const r = b.getBoundingClientRect();"
            " return [r.x + r.width / 2, r.y + r.height / 2]; })"
            "([...document.querySelectorAll('button')]"
            f".find(b => b.offsetParent && b.innerText === {label!r}))"
        )
        wait_until(lambda: self.value(find), f"button {label!r}")
        x, y = self.value(find)
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)


class Chromium:
    """A browser that ends with the `with` block."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self._profile = folder / "profile"
        self._sockets = contextlib.ExitStack()
        self._process = subprocess.Popen(
            [
                chromium.whole(),
                *chromium.FLAGS,
                *flags,
                "--remote-debugging-port=0",
                f"--user-data-dir={self._profile}",
                "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self) -> Self:
        try:
            wait_until(lambda: self._port(), "Chromium's port")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self._sockets.close()
        self._process.terminate()
        try:
            self._process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _port(self) -> str:
        known = self._profile / "DevToolsActivePort"
        lines = known.read_text().split() if known.exists() else []
        return lines[0] if len(lines) > 1 else ""

    def _request(self, path: str, method: str = "PUT") -> bytes:
        url = f"http://127.0.0.1:{self._port()}/json/{path}"
        with urllib.request.urlopen(
            urllib.request.Request(url, method=method),
            timeout=DEADLINE_S,
        ) as answer:
            body: bytes = answer.read()
        return body

    def tab(self, address: str, script: str = "") -> Tab:
        """Opens an address in a tab of its own, in front; `script` runs before the page's own."""
        target = json.loads(self._request("new?about:blank"))
        connection = connect(target["webSocketDebuggerUrl"], max_size=None, proxy=None)
        tab = Tab(target["id"], self._sockets.enter_context(connection))
        tab.ask("Page.enable")
        if script:
            tab.ask("Page.addScriptToEvaluateOnNewDocument", source=script)
        tab.ask("Page.navigate", url=address)
        return tab

    def front(self, tab: Tab) -> None:
        """Brings a tab before all others, which are hidden then."""
        self._request(f"activate/{tab.target}", "GET")


def seconds_until(condition: Any) -> float:
    """How long it took to come true."""
    start = time.monotonic()
    wait_until(condition)
    return time.monotonic() - start
