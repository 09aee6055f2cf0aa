"""Where a program that brings its own pages serves them, and how a person gets to see them."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import webbrowser

from vitals.errors import ConfigError

USUAL = 8050


def free_port(wanted: int | None) -> int:
    """The wanted port, or the usual one, or any free one when nobody asked for a certain one.

    Raises:
        ConfigError: the wanted port is taken.
    """
    for port in (wanted if wanted is not None else USUAL, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                if wanted is not None:
                    raise ConfigError(
                        f"port {wanted} is taken ({error.strerror}); choose another with --port"
                    ) from error
                continue
            free: int = probe.getsockname()[1]
            return free
    raise ConfigError("no port is free on 127.0.0.1")


def open_page(url: str) -> None:
    """Opens the page in the person's browser where there is a screen."""
    if sys.platform in ("win32", "darwin") or os.environ.get("DISPLAY"):
        with contextlib.suppress(webbrowser.Error):
            webbrowser.open(url)
