"""One HTTP POST of JSON to an address of the clinic's choice.

TLS is verified against the system's certificates (`SSL_CERT_FILE` names others), no redirect is
followed, no proxy is used, and of the answer only the status counts.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import ssl
import threading
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from vitals import __version__

STEP_S = 5.0
"""Longest wait for the other side at one step: connecting, TLS, an answer."""


class Webhook:
    """One POST of `body` to an http or https address."""

    def __init__(self, url: str, body: Mapping[str, object]) -> None:
        self._url = urlsplit(url)
        self._body = json.dumps(body, ensure_ascii=False).encode()
        self._lock = threading.Lock()
        self._connection: http.client.HTTPConnection | None = None
        self._stopped = False

    def __call__(self) -> str:
        """Sends it; `""`, or why that failed. The address stays unsaid: it may hold a token."""
        host = self._url.hostname or ""
        try:
            status = self._post(host)
        except ssl.SSLCertVerificationError as error:
            return f"the certificate of {host} is not trusted: {error.verify_message}"
        except ssl.SSLError as error:
            return f"TLS with {host} failed: {error.reason or 'no reason given'}"
        except socket.gaierror:
            return f"no address is known for {host}"
        except TimeoutError:
            return f"no answer from {host} in {STEP_S:g} s"
        except ConnectionRefusedError:
            return "connection refused"
        except (http.client.HTTPException, ConnectionError):
            return f"{host} ended the connection without an answer in HTTP"
        except OSError as error:
            return f"{host} cannot be reached: {error.strerror or type(error).__name__}"
        if 300 <= status < 400:
            return f"HTTP {status}: a redirect, which is not followed; name the final address"
        return "" if 200 <= status < 300 else f"HTTP {status}"

    def stop(self) -> None:
        """Gives up: what is not sent yet never is."""
        with self._lock:
            self._stopped = True
            connection = self._connection
        if connection is not None and connection.sock is not None:
            # Wakes the thread up. The plain method: TLS must not be touched from two threads.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)

    def _post(self, host: str) -> int:
        connection: http.client.HTTPConnection
        if self._url.scheme == "https":
            connection = http.client.HTTPSConnection(
                host,
                self._url.port,
                timeout=STEP_S,
                context=_trust(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")),
            )
        else:
            connection = http.client.HTTPConnection(host, self._url.port, timeout=STEP_S)
        try:
            connection.connect()
            with self._lock:
                if self._stopped:
                    raise TimeoutError
                self._connection = connection
            query = f"?{self._url.query}" if self._url.query else ""
            connection.request(
                "POST",
                (self._url.path or "/") + query,
                self._body,
                {
                    "Content-Type": "application/json",
                    "User-Agent": f"kap-vitals/{__version__}",
                    "Connection": "close",
                },
            )
            with connection.getresponse() as answer:
                return answer.status
        finally:
            connection.close()


@lru_cache(maxsize=2)
def _trust(file: str | None, folder: str | None) -> ssl.SSLContext:
    """The system's certificates, read once: reading them stops every thread for 20 ms."""
    return ssl.create_default_context()
