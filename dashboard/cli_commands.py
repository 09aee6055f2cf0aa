"""`vitals web`: the pages, following a station."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import click
import uvicorn

from dashboard import server
from dashboard.connections import guarded
from dashboard.gate import LOOPBACK
from vitals import config as configuration
from vitals import crash_report, lifeline, people_file, web_address, web_config
from vitals.errors import VitalsError
from vitals.process import log_to_stderr, settle

PING_S = 10.0
RENEW_DAYS = 60
"""A certificate that is accepted for fewer days is spoken of in the log."""
READY_S = 5.0
"""The figure process is started when the first pages have what they need."""
MAX_UP = 16 << 10
"""Bytes of a message from a page."""


log = logging.getLogger(__name__)


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
    wanted = {"host": host or settings.web.host}
    station = settings.station.model_copy(update={"store": store})
    settings = settings.model_copy(
        update={"web": settings.web.model_copy(update=wanted), "station": station}
    )
    where = "--host" if host else config_path or "--host"
    web_config.check_access(settings.web, people_file.path_of(store), where)
    with listen(settings.web.host, settings.web.port if port is None else port) as listener:
        crash_report.watch(store, "web")
        serve(feed, store, listener, settings.web)


def listen(host: str, port: int) -> socket.socket:
    """Binds the address; port 0 takes any free one. Who may reach it was asked before.

    Raises:
        WebError: the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # with its protocol named: else asyncio does not switch Nagle's algorithm off, and an answer in
    # two pieces waits for the reader's delayed acknowledgement, 40 ms
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
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


def serve(
    feed: Path, store: Path, listener: socket.socket, web: web_config.WebConfig | None = None
) -> None:
    """Serves until told to stop.

    Raises:
        WebError: a task that the pages need has died, or the certificate cannot be used.
        PeopleError: the accounts cannot be read.
    """
    run(
        lambda on_death, access: server.create(feed, store, on_death, access),
        listener,
        web or web_config.WebConfig(),
    )


def run(
    build: Callable[[Callable[[str], None], server.Access], server.Web],
    listener: socket.socket,
    web: web_config.WebConfig,
) -> None:
    """Serves what `build` makes until told to stop.

    Args:
        build: is given whom to tell of a task that has died, and how the pages can be reached.
        listener: see `listen`.
        web: how they are served.

    Raises:
        WebError, PeopleError: see `serve`.
    """
    address = _address(listener, web)
    running: list[_Server] = []
    built = build(lambda cause: running[0].die(cause), _access(web))
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
        ssl_certfile=str(web.tls_cert) if web.tls_cert else None,
        ssl_keyfile=str(web.tls_key) if web.tls_key else None,
    )
    try:
        settings.load()  # the certificate, too
    except OSError as error:  # of which ssl.SSLError is one
        raise WebError(
            f"{web.tls_cert} and {web.tls_key} cannot be used together ({error}); make them anew "
            "with `vitals tls init`"
        ) from error
    settings.http_protocol_class = guarded(settings.http_protocol_class)
    running.append(_Server(settings, address))
    lifeline.watch(running[0].end)
    settle()
    try:
        running[0].run(sockets=[listener])
    finally:
        listener.close()  # uvicorn leaves it open when it is told to end while it starts
    if running[0].cause:
        raise WebError(f"{running[0].cause}; this process ends so that it is started anew")


def _access(web: web_config.WebConfig) -> server.Access:
    hosts = LOOPBACK
    if web.tls_cert is not None:
        from dashboard import tls

        hosts |= tls.names_of(web.tls_cert)
        left = tls.days_left(web.tls_cert, datetime.now(UTC))
        if left < RENEW_DAYS:
            log.warning("%s is accepted for %d more days; make a new one", web.tls_cert, left)
    elsewhere = not web_config.is_loopback(web.host)
    return server.Access(web.lock_s, web.secure, elsewhere, hosts, ready_s=READY_S)


def _address(listener: socket.socket, web: web_config.WebConfig) -> str:
    host, port = listener.getsockname()[:2]
    if web_config.is_loopback(web.host):
        return web_address.address(web.model_copy(update={"host": host, "port": port}))
    return web_address.address(web.model_copy(update={"port": port}))


def _store_of(feed: Path | None) -> Path:
    return Path(str(feed).removesuffix(".feed"))
