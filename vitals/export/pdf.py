"""The session report as PDF: two A4 pages, drawn with fpdf2 alone.

The first page answers in ten seconds: doses, pressures, lowest SpO2, alarms, what is missing,
and the trend. The second has the readings, alarms, marks, scores and the discharge.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import IO

from vitals.export import times
from vitals.export.coverage import lasting
from vitals.export.pdf_text import latin
from vitals.export.pdf_trend import GREY, INK, NUMBERED, PALE, draw, marks
from vitals.export.session_data import DISCLAIMER, SessionData, doses
from vitals.export.summary import (
    Reading,
    Summary,
    alarm_words,
    minute_of,
    minute_words,
    pressure_words,
    spo2_words,
    summarise,
)
from vitals.export.target import ExportError, Tell
from vitals.model import Quality

try:
    from fpdf import FPDF
except ImportError as missing:
    raise ExportError('A report needs fpdf2: pip install "kap-vitals[pdf]"') from missing

_LEFT, _WIDE, _TALL, _FOOT = 14.0, 182.0, 297.0, 22.0
_AMBER = (150, 84, 0)
_ROW = 4.0


def write(data: SessionData, file: IO[bytes], tell: Tell) -> None:
    """Writes the report."""
    tell("page 1")
    report = _Report(data)
    report.first_page(data, summarise(data))
    tell("page 2")
    report.second_page(data)
    file.write(bytes(report.output()))


class _Report(FPDF):
    def __init__(self, data: SessionData) -> None:
        super().__init__("P", "mm", "A4")
        self._data = data
        self.set_margins(_LEFT, 12, _LEFT)
        self.set_auto_page_break(False)
        self.set_font("helvetica", size=9)
        self.set_title(latin(f"Session report {data.session.subject_ref}"))
        self.set_creator(data.software)
        self.set_creation_date(times.moment(data.exported_us, data.zone))

    # --- on every page ------------------------------------------------------------------------

    def header(self) -> None:
        """Who, where, when; and what is not a patient's says so across the page."""
        data, session = self._data, self._data.session
        if data.watermark:
            self.set_text_color(*PALE)
            self.set_font("helvetica", "B", 130)
            with self.rotation(50, 105, 160):
                self.text(105 - self.get_string_width(data.watermark) / 2, 175, data.watermark)
        self.set_text_color(*INK)
        self.set_font("helvetica", "B", 15)
        self.text(_LEFT, 18, latin(session.subject_ref)[:48] or "no pseudonym")
        self.set_font("helvetica", size=9)
        began = times.moment(session.started_us, data.zone)
        ended = times.moment(data.to_us, data.zone)
        state = "" if session.ended_us is not None else " (still open)"
        offset = times.offset_text(session.started_us, data.zone)
        self._right(16, f"{began:%Y-%m-%d  %H:%M} - {ended:%H:%M}{state}  UTC{offset}")
        self._right(20.5, f"{session.room}, {session.route}, {session.mode} session")
        self.set_text_color(*GREY)
        self.set_font_size(7)
        self.text(_LEFT, 22, latin(f"Session {session.id}, station {data.station}"))
        self._rule(24)

    def footer(self) -> None:
        """What this is, of which program and record."""
        data = self._data
        self._rule(_TALL - _FOOT + 6)
        self.set_font("helvetica", "B", 7.5)
        self.set_text_color(*INK)
        self.text(_LEFT, _TALL - _FOOT + 10, latin(DISCLAIMER))
        self.set_font("helvetica", size=6.5)
        self.set_text_color(*GREY)
        people = "people by name" if data.named else "people by role and number"
        made = f"{data.software}, made {data.iso(data.exported_us)[:19]}, {people}"
        self.text(_LEFT, _TALL - _FOOT + 13.5, latin(made))
        self.text(
            _LEFT, _TALL - _FOOT + 17, f"Head of the audit trail: {data.head or 'unreadable'}"
        )
        self._right(_TALL - _FOOT + 17, f"page {self.page_no()} of 2")

    def _rule(self, y: float) -> None:
        self.set_draw_color(*GREY)
        self.set_line_width(0.2)
        self.line(_LEFT, y, _LEFT + _WIDE, y)

    def _right(self, y: float, text: str) -> None:
        text = latin(text)
        self.text(_LEFT + _WIDE - self.get_string_width(text), y, text)

    # --- the first page -----------------------------------------------------------------------

    def first_page(self, data: SessionData, found: Summary) -> None:
        """The answers, and the trend."""
        self.add_page()
        y = self._pressures(data, found, 28)
        for label, text, marked in self._answers(data, found):
            y = self._answer(y, label, text, marked=marked)
        top = y + 3
        draw(self, data, _LEFT, top, _WIDE, _TALL - _FOOT - top)

    def _pressures(self, data: SessionData, found: Summary, y: float) -> float:
        """The four blood pressures that everybody asks for."""
        boxes = (
            ("Baseline BP", *self._baseline(data, found)),
            ("Peak BP after the dose", *self._box(data, found.peak)),
            ("BP at 40 min", *self._box(data, found.forty)),
            ("Last BP", *self._box(data, found.last)),
        )
        width = _WIDE / len(boxes)
        for n, (label, value, about) in enumerate(boxes):
            x = _LEFT + n * width
            self.set_draw_color(*PALE)
            self.rect(x, y, width - 2, 17)
            self.set_text_color(*GREY)
            self.set_font("helvetica", size=7.5)
            self.text(x + 2, y + 4, label)
            self.set_text_color(*INK)
            self.set_font("helvetica", "B", 16)
            self.text(x + 2, y + 11, value)
            self.set_font("helvetica", size=7.5)
            self.text(x + 2, y + 15, self._fitted(latin(about), width - 5))
        return y + 20

    def _baseline(self, data: SessionData, found: Summary) -> tuple[str, str]:
        """The values that were frozen at the dose; without them the last reading before it."""
        value, about = self._box(data, found.before)
        frozen = [data.session.baseline.get(key) for key in ("nibp_sys", "nibp_dia")]
        if None in frozen:
            return value, about
        words = "/".join(f"{one:.0f}" for one in frozen if one is not None)
        return words, f"frozen at the dose; last {value}" if found.before else "frozen at the dose"

    @staticmethod
    def _box(data: SessionData, reading: Reading | None) -> tuple[str, str]:
        if reading is None:
            return pressure_words(reading), "not taken"
        one = reading.pressure
        said = [f"{times.moment(one.at_us, data.zone):%H:%M}", minute_words(reading.minute)]
        said += ["M" if one.manual else ""]
        said += ["questionable" if one.quality is Quality.QUESTIONABLE else ""]
        return pressure_words(reading), ", ".join(filter(None, said))

    def _answers(self, data: SessionData, found: Summary) -> list[tuple[str, str, bool]]:
        given = []
        for dose in doses(data.session):
            amount = f"{dose.mg:g} mg" if dose.mg is not None else "amount not recorded"
            when = f"{times.moment(dose.at_us, data.zone):%H:%M}"
            later = minute_of(data, dose.at_us)
            when += f" ({minute_words(later)})" if later else ""
            lot = f"lot {dose.lot}" if dose.lot else ""
            given.append(", ".join(filter(None, (when, dose.kind, dose.drug, amount, lot))))
        lacking = "; ".join(found.owed)
        if data.session.ended_us is None:
            lacking = "the session is open"
        off = data.coverage.off_us
        answers = [
            ("Given", "; ".join(given) or "no dose was marked", not given),
            ("Lowest SpO2", spo2_words(found.spo2), bool(found.spo2 and found.spo2.below_us)),
            ("Alarms", alarm_words(found), bool(found.unseen)),
            ("Missing", lacking or "nothing was owed at closing", bool(lacking)),
            ("Overrides", "; ".join(found.overrides) or "none", bool(found.overrides)),
            ("Off the monitor", lasting(off) if off else "never announced", False),
            ("Coverage", self._coverage(data), False),
        ]
        if data.unreadable:
            answers.append(("Unreadable", " ".join(data.unreadable), True))
        return answers

    @staticmethod
    def _coverage(data: SessionData) -> str:
        nibp = data.coverage.nibp
        said = data.coverage.sentence()
        if nibp.failed:
            said += f"; {nibp.failed} of {nibp.attempts} BP attempts failed"
        if nibp.missed:
            said += f"; not taken: {', '.join(nibp.missed)}"
        return said

    def _answer(self, y: float, label: str, text: str, *, marked: bool) -> float:
        self.set_font("helvetica", size=7.5)
        self.set_text_color(*GREY)
        self.text(_LEFT, y + 3, label)
        self.set_text_color(*(_AMBER if marked else INK))
        self.set_font("helvetica", "B" if marked else "", 8.5)
        lines = self._wrapped(latin(text), _WIDE - 27)
        if len(lines) > _MOST_LINES:
            lines = [*lines[: _MOST_LINES - 1], "... more in the CSV export"]
        for line in lines:
            self.text(_LEFT + 27, y + 3, line)
            y += _ROW
        return y + 0.8

    def _wrapped(self, text: str, wide: float) -> list[str]:
        lines = [""]
        for word in text.split(" "):
            longer = f"{lines[-1]} {word}".strip()
            if self.get_string_width(longer) <= wide:
                lines[-1] = longer
            else:
                lines.append(self._fitted(word, wide))
        return lines

    # --- the second page ----------------------------------------------------------------------

    def second_page(self, data: SessionData) -> None:
        """Readings and alarms on the left, what people noted and the discharge on the right."""
        self.add_page()
        half = _WIDE / 2 - 3
        readings, alarms = self._readings(data), self._alarms(data)
        most = _MOST_ROWS - min(len(alarms), _MOST_ALARMS)
        y = self._table(_LEFT, 28, half, "Blood pressures", _READINGS, readings, most)
        self._table(_LEFT, y + 4, half, "Alarms", _ALARMS, alarms, _MOST_ALARMS)
        right = _LEFT + half + 6
        y = self._table(right, 28, half, "Marks", _MARKS, self._marks(data), NUMBERED)
        y = self._table(right, y + 4, half, "Scores", _SCORES, self._scores(data), 12)
        self._table(right, y + 4, half, "Discharge", _DISCHARGE, self._discharge(data), 16)

    def _table(
        self, x: float, y: float, w: float, title: str, columns: Sequence[tuple[str, float]],
        rows: list[tuple[str, ...]], most: int,
    ) -> float:  # fmt: skip
        self.set_font("helvetica", "B", 9)
        self.set_text_color(*INK)
        self.text(x, y + 3, title)
        y += 5
        shares = [share for _, share in columns]
        head = tuple(name for name, _ in columns)
        room = max(0, int((_TALL - _FOOT - y) / 3.7) - 2)
        shown = rows[: min(most, room)]
        if not rows:
            shown = [("none", *[""] * (len(columns) - 1))]
        elif len(shown) < len(rows):
            rest = f"... {len(rows) - len(shown)} more in the CSV export"
            shown = [*shown, (rest, *[""] * (len(columns) - 1))]
        for n, row in enumerate([head, *shown]):
            self.set_font("helvetica", size=6.5 if n == 0 else 7.2)
            self.set_text_color(*(GREY if n == 0 else INK))
            left = x
            for i, (cell, share) in enumerate(zip(row, shares, strict=True)):
                following = zip(row[i + 1 :], shares[i + 1 :], strict=True)
                empty = itertools.takewhile(lambda one: not one[0], following)
                wide = w * (share + sum(free for _, free in empty)) - 1
                self.text(left, y + 2.6, self._fitted(latin(cell), wide))
                left += w * share
            y += 3.7
        return y

    def _fitted(self, text: str, wide: float) -> str:
        """As much of a text as fits; what is cut off is seen to be."""
        if self.get_string_width(text) <= wide:
            return text
        while text and self.get_string_width(f"{text}...") > wide:
            text = text[:-1]
        return f"{text}..."

    def _clock(self, at_us: int) -> str:
        return f"{times.moment(at_us, self._data.zone):%H:%M}"

    def _readings(self, data: SessionData) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = []
        for one in data.pressures:
            when = (self._clock(one.at_us), minute_words(minute_of(data, one.at_us)))
            if one.failure:
                rows.append((*when, f"failed: {one.failure}", "", "", ""))
                continue
            values = ("--" if v is None else f"{v:.0f}" for v in (one.sys, one.dia))
            mean, pulse = ("" if v is None else f"{v:.0f}" for v in (one.map, one.pulse))
            note = "M, by hand" if one.manual else one.device
            doubt = ", questionable" if one.quality is Quality.QUESTIONABLE else ""
            rows.append((*when, "/".join(values), mean, pulse, note + doubt))
        return rows

    def _alarms(self, data: SessionData) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = []
        for one in data.alarms:
            lasted = lasting(one.to_us - one.from_us) if one.to_us is not None else "goes on"
            seen = "never"
            if one.acked_us is not None:
                seen = f"{lasting(one.acked_us - one.from_us)}, {one.acked_by}"
            rows.append((self._clock(one.from_us), one.priority, one.text, lasted, seen))
        return rows

    def _marks(self, data: SessionData) -> list[tuple[str, ...]]:
        return [
            (str(n), self._clock(m.at_us), minute_words(minute_of(data, m.at_us)), m.text, m.actor)
            for n, m in enumerate(marks(data), 1)
        ]

    def _scores(self, data: SessionData) -> list[tuple[str, ...]]:
        return [
            (self._clock(e.at_us), minute_words(minute_of(data, e.at_us)), e.text, e.actor)
            for e in data.entries
            if e.kind == "score"
        ]

    def _discharge(self, data: SessionData) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = []
        for entry in data.entries:
            cause = entry.body.get("cause") if entry.kind == "session_change" else None
            if cause == "signed":
                rows = [self._criterion(line) for line in entry.body.get("criteria", ())]
                rows.append((f"signed {self._clock(entry.at_us)}", entry.actor, entry.role))
            elif cause in ("finished", "closed"):
                words = "monitoring finished" if cause == "finished" else "session closed"
                rows.append((f"{words} {self._clock(entry.at_us)}", entry.actor, ""))
        return rows

    @staticmethod
    def _criterion(line: dict[str, object]) -> tuple[str, ...]:
        met = "met" if line.get("met") else "set aside" if line.get("override") else "not met"
        return str(line.get("label", "")), met, str(line.get("override") or line.get("words", ""))


_MOST_LINES = 4
_MOST_ROWS, _MOST_ALARMS = 52, 16
_READINGS = (
    ("time", 0.12), ("dose", 0.17), ("BP", 0.16), ("MAP", 0.1), ("pulse", 0.11), ("", 0.34),
)  # fmt: skip
_ALARMS = (("time", 0.1), ("", 0.13), ("what", 0.28), ("lasted", 0.19), ("acknowledged", 0.3))
_MARKS = (("no.", 0.07), ("time", 0.12), ("dose", 0.17), ("what", 0.46), ("who", 0.18))
_SCORES = (("time", 0.12), ("dose", 0.17), ("score", 0.51), ("who", 0.2))
_DISCHARGE = (("criterion", 0.44), ("", 0.2), ("", 0.36))
