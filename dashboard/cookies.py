"""The cookies of a browser that has signed in, and the token against forged requests.

Cookies know no ports, so their names carry the station: two stations on one computer do not sign
each other out. Under TLS they have the prefix `__Host-`, which no other host can set.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path

from starlette.responses import Response

CSRF_HEADER = "X-CSRFToken"
DEVICE_S = 180 * 86_400


@dataclass(frozen=True, slots=True)
class Cookies:
    """Names of the cookies.

    Attributes:
        screen: holds the id of the signed-in screen, unreadable for scripts.
        device: holds what the person is known by in this browser, unreadable for scripts.
        csrf: holds the token that our scripts send back in `CSRF_HEADER`.
        secure: whether the pages are served over TLS.
    """

    screen: str
    device: str
    csrf: str
    secure: bool

    @classmethod
    def of(cls, store: Path, *, secure: bool) -> Cookies:
        """The names for the station of a record."""
        station = hashlib.sha256(str(store.resolve()).encode()).hexdigest()[:8]
        prefix = "__Host-" if secure else ""
        screen, device, csrf = (f"{prefix}kv-{n}-{station}" for n in ("screen", "device", "csrf"))
        return cls(screen, device, csrf, secure)

    def set(self, response: Response, screen: str, device: str) -> None:
        """Gives a browser new ids. The screen's lasts as long as the browser runs."""
        self._set(response, self.screen, screen)
        self._set(response, self.device, device, max_age=DEVICE_S)
        self._set(response, self.csrf, csrf_token(screen), readable=True)

    def clear(self, response: Response) -> None:
        """Takes the screen's id from a browser; it stays a known one."""
        for name in (self.screen, self.csrf):
            response.delete_cookie(name, path="/", secure=self.secure, samesite="strict")

    def _set(
        self,
        response: Response,
        name: str,
        value: str,
        *,
        max_age: int | None = None,
        readable: bool = False,
    ) -> None:
        response.set_cookie(
            name,
            value,
            max_age=max_age,
            path="/",
            secure=self.secure,
            httponly=not readable,
            samesite="strict",
        )


def csrf_token(screen: str) -> str:
    """The token of a screen: it can be made of the id in the cookie, and not the other way."""
    return hmac.digest(screen.encode(), b"kap-vitals csrf", hashlib.sha256).hex()
