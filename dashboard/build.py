"""Names what the pages are made of, so that an open page notices that it is outdated."""

from __future__ import annotations

import hashlib
from pathlib import Path

from plotly.offline import get_plotlyjs_version

from vitals import __version__

ASSETS = Path(__file__).parent / "assets"
BOOT = Path(__file__).parent / "boot.js"
"""Stands in every page itself, as nothing that is loaded can be sure to arrive."""


def build_id(assets: Path = ASSETS) -> str:
    """Hash of the version and of every file that a page loads; another one makes pages reload."""
    digest = hashlib.sha256(f"{__version__} {get_plotlyjs_version()}".encode())
    for path in (BOOT, *sorted(assets.iterdir())):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]
