"""`vitals web`: the pages, following a station."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import click
import uvicorn

from dashboard import server
from vitals import config as configuration
from vitals import lifeline
from vitals.errors import VitalsError
from vitals.process import log_to_stderr

PING_S = 10.0
MAX_UP = 16 << 10
"""Bytes of a message from a page."""


class WebError(VitalsError):
    """The pages cannot be served."""


class _Server(uvicorn.Server):
    """Says where it is once it answers, and remembers why it had to end."""

    def __init__(self, settings: uvicorn.Config, address: str) -> None:
        super().__init__(settings)
        self.cause = ""
        self._address = address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit and not os.environ.get(lifeline.VARIABLE):
            click.echo(self._address)
            sys.stdout.flush()

    def end(self) -> None:
        """Stops in order; from any thread."""
        self.should_exit = True

    def die(self, cause: str) -> None:
        self.cause = self.cause or cause
        self.should_exit = True


@click.command()
@click.option("--config", "config_path", type=Path, help="The clinic's config file.")
@click.option("--feed", type=Path, help="The station's feed file (without --config).")
@click.option("--store", type=Path, help="The station's record (without --config).")
@click.option("--host", help="Address to listen on; 127.0.0.1 unless the config says otherwise.")
@click.option("--port", type=click.IntRange(0, 65535), help="0 takes any free port.")
def web(
    config_path: Path | None,
    feed: Path | None,
    store: Path | None,
    host: str | None,
    port: int | None,
) -> None:
    """Serve the pages of one station. Prints their address when they can be opened."""
    log_to_stderr("web")
    if config_path is not None:
        settings = configuration.load(config_path)
    elif store is not None or feed is not None:
        settings = configuration.Config()
    else:
        raise click.UsageError("name the clinic's file with --config, or a station with --feed")
    store = store or (settings.station.store if config_path else _store_of(feed))
    feed = feed or (settings.feed_file if config_path else Path(f"{store}.feed"))
    listener = listen(host or settings.web.host, settings.web.port if port is None else port)
    serve(feed, store, listener)


def listen(host: str, port: int) -> socket.socket:
    """Binds the address; port 0 takes any free one.

    Raises:
        WebError: the host is not this computer, or the port is taken.
    """
    configuration.check_host(host, path="--host")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":  # there it would let two servers share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise WebError(
            f"{host} port {port} cannot be used ({error.strerror or error}); another program has "
            "it, perhaps a web process that is still running: end that, or choose another --port"
        ) from error
    return listener


def serve(feed: Path, store: Path, listener: socket.socket) -> None:
    """Serves until told to stop.

    Raises:
        WebError: a task that the pages need has died.
    """
    address = _address(listener)
    running: list[_Server] = []
    built = server.create(feed, store, lambda cause: running[0].die(cause))
    settings = uvicorn.Config(
        built.asgi,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws_max_size=MAX_UP,
        ws_per_message_deflate=True,
        ws_ping_interval=PING_S,
        ws_ping_timeout=PING_S,
        timeout_graceful_shutdown=2,
    )
    running.append(_Server(settings, address))
    lifeline.watch(running[0].end)
    running[0].run(sockets=[listener])
    if running[0].cause:
        raise WebError(f"{running[0].cause}; this process ends so that it is started anew")


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def _store_of(feed: Path | None) -> Path:
    return Path(str(feed).removesuffix(".feed"))
