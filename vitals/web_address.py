"""Where the pages of a config are, and what the web process says of itself there."""

from __future__ import annotations

import json
import socket
import ssl
import urllib.request
from typing import Any

from vitals.web_config import WebConfig

ANY = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 (that is what they are)
"""Addresses that stand for all of a computer's own, and the one that this computer asks."""
CA = "ca.pem"
"""The authority's certificate, beside the server's own where `vitals tls init` has made both."""


def address(web: WebConfig) -> str:
    """What a person opens."""
    host = socket.gethostname() if web.host in ANY else web.host
    return _url(web, host)


def local(web: WebConfig) -> str:
    """What this computer itself asks."""
    return _url(web, ANY.get(web.host, web.host))


def trust(web: WebConfig) -> ssl.SSLContext | None:
    """Trusts the server of this config and no other; None without TLS.

    The authority that `vitals tls init` has made, else the very certificate of the config. The
    name is not looked at: this computer may have to ask by an address that is not in it.

    Raises:
        OSError: the certificate cannot be read.
    """
    if web.tls_cert is None:
        return None
    ca = web.tls_cert.with_name(CA)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cafile=str(ca if ca.is_file() else web.tls_cert))
    return context


def ask(url: str, context: ssl.SSLContext | None, timeout_s: float) -> Any:
    """A JSON answer of our own web, without the proxy that the environment may name.

    Raises:
        OSError: nobody answers, or with an error, or somebody who is not trusted.
        ValueError: it is not JSON.
        http.client.HTTPException: it is not even HTTP.
    """
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if context is not None:
        handlers.append(urllib.request.HTTPSHandler(context=context))
    with urllib.request.build_opener(*handlers).open(url, timeout=timeout_s) as answer:
        return json.loads(answer.read(10_000))


def _url(web: WebConfig, host: str) -> str:
    host = f"[{host}]" if ":" in host else host
    return f"{'https' if web.secure else 'http'}://{host}:{web.port}/"
