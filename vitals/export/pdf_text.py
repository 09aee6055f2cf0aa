"""Text for the fonts that every PDF reader has: they know Latin 1 only."""

from __future__ import annotations

import unicodedata

_SPELLED = {
    "≥": ">=", "≤": "<=", "→": "->", "–": "-", "—": "-", "…": "...", "−": "-", "₂": "2",
    "“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "•": "-", "Δ": "d", "ł": "l", "Ł": "L",
}  # fmt: skip


def latin(text: str) -> str:
    """A text on one line in Latin 1: signs spelled out, letters without what it does not know."""
    text = " ".join("".join(_SPELLED.get(char, char) for char in text).split())
    return "".join(_plain(char) for char in text)


def _plain(char: str) -> str:
    if char < "\u0100":
        return char if char.isprintable() else " "
    base = unicodedata.normalize("NFKD", char)
    known = "".join(one for one in base if one < "\u0100")
    return known or "?"
