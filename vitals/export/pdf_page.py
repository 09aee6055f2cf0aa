"""The sheet that every report is printed on: A4, in millimetres from the upper left corner.

Above stands who, where and when, below what made it, of which record.
"""

from __future__ import annotations

from vitals.export import times
from vitals.export.pdf_text import latin
from vitals.export.session_data import DISCLAIMER, SessionData
from vitals.export.target import ExportError

try:
    from fpdf import FPDF

    from vitals.export.pdf_fonts import WithWidths
except ImportError as missing:
    raise ExportError('A report needs fpdf2: pip install "kap-vitals[pdf]"') from missing

Colour = tuple[int, int, int]
LEFT, WIDE, TALL, FOOT = 14.0, 182.0, 297.0, 22.0
TOP, BOTTOM = 28.0, TALL - FOOT + 3
"""Where what is printed may begin, and must end."""
INK: Colour = (20, 24, 33)
GREY: Colour = (96, 102, 114)
PALE: Colour = (228, 231, 236)
AMBER: Colour = (150, 84, 0)
_MARK: Colour = (236, 238, 242)
_MOST_LETTERS = 400
"""No line of a page is longer."""


class Sheet(FPDF):
    """A report of so many pages about one session."""

    def __init__(self, data: SessionData, title: str, pages: int, about: str) -> None:
        """An empty one.

        Args:
            data: the session.
            title: of the document.
            pages: how many there will be.
            about: what stands at the right of the head, under the times.
        """
        super().__init__("P", "mm", "A4")
        self._data, self._pages, self._about = data, pages, about
        self.set_margins(LEFT, 12, LEFT)
        self.set_auto_page_break(False)
        self.set_font("helvetica", size=9)
        self.set_title(latin(f"{title} {data.session.subject_ref}"))
        self.set_creator(data.software)
        self.set_creation_date(times.moment(data.exported_us, data.zone))

    def header(self) -> None:
        """Who, where, when; and what is not a patient's says so across the page."""
        data, session = self._data, self._data.session
        if data.watermark:
            self.set_text_color(*_MARK)
            self.set_font("helvetica", "B", 130)
            with self.rotation(50, 105, 160):
                self.text(105 - self.get_string_width(data.watermark) / 2, 175, data.watermark)
        subject = latin(session.subject_ref) or "no pseudonym"
        began = times.moment(session.started_us, data.zone)
        ended = times.moment(data.to_us, data.zone)
        until = f"{ended:%H:%M}" if ended.date() == began.date() else f"{ended:%Y-%m-%d %H:%M}"
        state = "" if session.ended_us is not None else " (still open)"
        offset = times.offset_text(session.started_us, data.zone)
        when = f"{began:%Y-%m-%d %H:%M} - {until}{state} UTC{offset}"
        self.say(LEFT, 18, self.fitted(subject, WIDE / 2, 15, "B"), 15, "B")
        self.right(16, when, 9)
        self.right(20.5, self._about, 9)
        words = f"Session {session.id}, station {data.station}"
        self.say(LEFT, 22, self.fitted(latin(words), WIDE / 2, 7), 7, colour=GREY)
        self.rule(24)

    def footer(self) -> None:
        """What this is, of which program and record."""
        data, top = self._data, TALL - FOOT
        self.rule(top + 6)
        self.say(LEFT, top + 10, latin(DISCLAIMER), 7.5, "B")
        people = "people by name" if data.named else "people by role and number"
        made = f"{data.software}, made {data.iso(data.exported_us)[:19]}, {people}"
        self.say(LEFT, top + 13.5, latin(made), 6.5, colour=GREY)
        head = f"Head of the audit trail: {data.head or 'unreadable'}"
        self.say(LEFT, top + 17, head, 6.5, colour=GREY)
        self.right(top + 17, f"page {self.page_no()} of {self._pages}", 6.5, GREY)

    def file(self) -> bytes:
        """The whole as a file."""
        return bytes(self.output(output_producer_class=WithWidths))

    # --- words on it ----------------------------------------------------------------------------

    def say(
        self, x: float, y: float, words: str, size: float, style: str = "", colour: Colour = INK
    ) -> None:
        """Prints one line of Latin 1 with its base line at `y`."""
        self.set_font("helvetica", style, size)
        self.set_text_color(*colour)
        self.text(x, y, words)

    def right(self, y: float, words: str, size: float, colour: Colour = INK) -> None:
        """Prints a line that ends at the right margin."""
        words = self.fitted(latin(words), WIDE / 2 - 6, size)
        self.say(LEFT + WIDE - self.wide(words, size), y, words, size, colour=colour)

    def rule(self, y: float, colour: Colour = GREY) -> None:
        """A thin line from margin to margin."""
        self.set_draw_color(*colour)
        self.set_line_width(0.2)
        self.line(LEFT, y, LEFT + WIDE, y)

    def wide(self, words: str, size: float, style: str = "") -> float:
        """Width of a line."""
        self.set_font("helvetica", style, size)
        return float(self.get_string_width(words))

    def fitted(self, words: str, most: float, size: float, style: str = "") -> str:
        """As much of a line as fits; what is cut off is seen to be."""
        self.set_font("helvetica", style, size)
        if len(words) <= _MOST_LETTERS and self.get_string_width(words) <= most:
            return words
        words = words[:_MOST_LETTERS]
        nearly = int(len(words) * most / self.get_string_width(words)) + 8
        words = words[:nearly]
        while words and self.get_string_width(f"{words}...") > most:
            words = words[:-1]
        return f"{words}..."

    def wrapped(
        self, words: str, most: float, size: float, lines: int, style: str = ""
    ) -> list[str]:
        """A text in at most so many lines; what is cut off is seen to be."""
        self.set_font("helvetica", style, size)
        rest, found = words[: _MOST_LETTERS * lines].split(" "), [""]
        cut = len(words) > _MOST_LETTERS * lines
        while rest:
            longer = f"{found[-1]} {rest[0]}".strip()
            if self.get_string_width(longer) <= most:
                found[-1] = longer
                rest.pop(0)
            elif not found[-1]:  # one word that is longer than a line
                part = self.fitted(longer, most, size, style)[:-3]
                found[-1], rest[0] = part, longer[max(1, len(part)) :]
                found.append("")
            else:
                found.append("")
            if len(found) > lines:
                cut = True
                break
        found = [line for line in found if line] or [""]
        if cut:
            found = found[:lines]
            found[-1] = self.fitted(f"{found[-1]} {' '.join(rest)}...", most, size, style)
        return found
