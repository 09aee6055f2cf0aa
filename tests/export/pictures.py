"""Golden pages: how they are compared, and how they are made anew.

    python -m tests.export.pictures

draws all of them again; look at each before it is committed.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image

from tests.export import whole
from vitals.export import pdf, rems_pdf
from vitals.export.session_data import SessionData

FOLDER = Path(__file__).parent / "golden"
SCALE = 1.0
BLOCK = 8
"""Dots of a side of the squares whose means are compared: another font hinting is no other page."""
MOST, MEAN = 60.0, 2.0
"""How much the darkness of a square may differ, of 255; and that of all of them on average."""
PAGES: dict[str, tuple[ModuleType, int]] = {
    "report-1": (pdf, 0),
    "report-2": (pdf, 1),
    "rems": (rems_pdf, 0),
}


def drawn(data: SessionData, name: str) -> np.ndarray[Any, Any]:
    """A page in colours."""
    form, page = PAGES[name]
    return whole.picture(whole.printed(form, data), page, SCALE)[..., ::-1]


def kept(name: str) -> np.ndarray[Any, Any]:
    """The golden one."""
    with Image.open(FOLDER / f"{name}.png") as image:
        return np.asarray(image.convert("RGB"))


def apart(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> tuple[float, float]:
    """The greatest and the mean difference of their squares; endless where the sizes differ."""
    if one.shape != other.shape:
        return float("inf"), float("inf")
    squares = np.abs(_squares(one) - _squares(other))
    return float(squares.max()), float(squares.mean())


def _squares(image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    rows, columns = (size // BLOCK * BLOCK for size in image.shape[:2])
    cut = image[:rows, :columns].astype(float)
    found: np.ndarray[Any, Any] = cut.reshape(
        rows // BLOCK, BLOCK, columns // BLOCK, BLOCK, 3
    ).mean(axis=(1, 3))
    return found


def save(image: np.ndarray[Any, Any], path: Path) -> None:
    """As a small PNG."""
    Image.fromarray(np.ascontiguousarray(image)).quantize(32).save(path, optimize=True)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        session = whole.read(Path(folder) / "whole.db")
    for each in PAGES:
        save(drawn(session, each), FOLDER / f"{each}.png")
    for form, called in ((pdf, "report"), (rems_pdf, "rems")):
        words = "\n\n".join(whole.texts(whole.printed(form, session)))
        (FOLDER / f"{called}.txt").write_text(f"{words}\n", encoding="utf-8")
