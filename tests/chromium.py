"""Which Chromium the tests use, and how it is started.

`headless()` has no window frame, no tabs and no sound, and opens a page in half the time; what is
about tabs, sound or a person's browser takes `whole()`.
"""

from __future__ import annotations

import shutil

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_WHOLE = ("chromium", "chromium-browser", "google-chrome")


def whole() -> str:
    """The program a person would use.

    Raises:
        RuntimeError: there is none.
    """
    return _first(_WHOLE)


def headless() -> str:
    """The quickest there is.

    Raises:
        RuntimeError: there is none.
    """
    return _first(("chromium-headless-shell", *_WHOLE))


def _first(names: tuple[str, ...]) -> str:
    for name in names:
        if path := shutil.which(name):
            return path
    raise RuntimeError("Chromium is missing: run `make browser`")
