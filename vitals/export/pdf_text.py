"""Text for the fonts that every PDF reader has: they know Latin 1 only.

Nothing that makes two texts different may be lost, a pseudonym least of all: Greek and Cyrillic are
spelled in Latin letters, and a character of which nothing is left is told by its number.
"""

from __future__ import annotations

import unicodedata

_SPELLED = {
    "≥": ">=", "≤": "<=", "→": "->", "–": "-", "—": "-", "…": "...", "−": "-", "₂": "2",
    "“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "•": "-", "Δ": "d", "ł": "l", "Ł": "L",
    "đ": "d", "Đ": "D", "ı": "i", "œ": "oe", "Œ": "OE", "€": "EUR", "ħ": "h", "Ħ": "H",
}  # fmt: skip
_CYRILLIC = {
    "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ё": "yo", "ж": "zh", "з": "z",
    "и": "i", "й": "y", "к": "k", "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r",
    "с": "s", "т": "t", "у": "u", "ф": "f", "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh",
    "щ": "shch", "ъ": "''", "ы": "y", "ь": "'", "э": "e", "ю": "yu", "я": "ya", "і": "i",
    "є": "ye", "ї": "yi", "ґ": "g", "ј": "j", "љ": "lj", "њ": "nj", "ћ": "c", "џ": "dzh", "ђ": "dj",
}  # fmt: skip
_GREEK = {
    "α": "a", "β": "b", "γ": "g", "δ": "d", "ε": "e", "ζ": "z", "η": "i", "θ": "th", "ι": "i",
    "κ": "k", "λ": "l", "μ": "m", "ν": "n", "ξ": "x", "ο": "o", "π": "p", "ρ": "r", "σ": "s",
    "ς": "s", "τ": "t", "υ": "y", "φ": "f", "χ": "ch", "ψ": "ps", "ω": "o",
}  # fmt: skip
_LETTERS = _CYRILLIC | _GREEK
_UNSEEN = frozenset({"Cf", "Mn", "Me", "Cc", "Zl", "Zp"})
"""Categories of what is no sign of its own: direction marks, accents, control characters."""


def latin(text: str) -> str:
    """A text on one line in Latin 1: `≥` is `>=`, `Łódź` `Lódz`, `Мария` `Mariya`."""
    text = " ".join("".join(_SPELLED.get(char, char) for char in text).split())
    return " ".join("".join(_plain(char) for char in text).split())


def _plain(char: str) -> str:
    if char < "\u0100":
        return char if char.isprintable() else " "
    spelled = _letter(char)
    if spelled:
        return spelled
    base = unicodedata.normalize("NFKD", char)
    known = "".join(one if one < "\u0100" else _letter(one) for one in base)
    if known:
        return known
    return "" if unicodedata.category(char) in _UNSEEN else f"[U+{ord(char):04X}]"


def _letter(char: str) -> str:
    small = char.lower()
    spelled = _LETTERS.get(small, "")
    return spelled if small == char else spelled.capitalize()
