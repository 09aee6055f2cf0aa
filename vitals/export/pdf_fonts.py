"""The fonts of a report are not in the file; their widths are.

Helvetica is one of the fonts that every PDF reader has, or has another one for. Without the widths
a reader takes those of its own font, and on a computer without Helvetica lines run into each other.
"""

from __future__ import annotations

from typing import Any

from fpdf.fonts import CoreFont
from fpdf.output import OutputProducer
from fpdf.syntax import Name, PDFArray, PDFObject

_FIRST, _LAST = 32, 255
_CODES = "cp1252"
"""What PDF calls WinAnsiEncoding."""
_SHAPES = {
    "helvetica": ([-166, -225, 1000, 931], 88),
    "helveticaB": ([-170, -228, 1003, 962], 140),
}
"""Box of the largest letters and thickness of an upright, from Adobe's metrics of the fonts."""
_NON_SYMBOLIC = 32


class _Descriptor(PDFObject):
    """Shape of a font; the names of its attributes are the keys of the format."""

    def __init__(self, font: CoreFont) -> None:
        super().__init__()
        box, stem = _SHAPES[font.fontkey]
        self.type = Name("FontDescriptor")
        self.font_name = Name(font.name)
        self.flags = _NON_SYMBOLIC
        self.font_b_box = PDFArray(box)
        self.italic_angle = 0
        self.ascent, self.descent, self.cap_height = 718, -207, 718
        self.stem_v = stem


class WithWidths(OutputProducer):
    """Writes the file with the widths of its letters."""

    def _add_fonts(self, *args: Any) -> Any:
        found = super()._add_fonts(*args)
        for font in self.fpdf.fonts.values():
            if isinstance(font, CoreFont) and font.fontkey in _SHAPES:
                shape = _Descriptor(font)
                self._add_pdf_obj(shape, "fonts")
                here: Any = found[font.i]
                here.first_char, here.last_char = _FIRST, _LAST
                here.widths = PDFArray([_width(font, code) for code in range(_FIRST, _LAST + 1)])
                here.font_descriptor = shape
        return found


def _width(font: CoreFont, code: int) -> int:
    letter = bytes([code]).decode(_CODES, "replace")
    return int(font.cw.get(letter, font.cw.get(chr(code), 0)))
