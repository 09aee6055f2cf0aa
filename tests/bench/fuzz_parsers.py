"""`make fuzz`, second half: ten million bytes through every parser that is no driver.

Half of the bytes are noise, the other half are good files and messages with damage: bits turned,
pieces cut out, doubled, moved, exchanged for words that parsers stumble over. A parser may refuse
in its own words (the errors named beside it) and may do nothing else: no other exception, and no
piece may take longer than ten seconds. `tests/security/test_parsers.py` does it with less.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from pathlib import Path

import msgspec
from starlette.requests import cookie_parser

from dashboard import auth_routes, live
from dashboard.login_page import page as login_page
from devices import hl7
from devices.transports import mllp_listen
from tests.devices import hl7_messages
from tests.station.two_rooms import CONFIG
from vitals import config, feed, feed_file, follower, recordings, wire
from vitals.alarms import profile
from vitals.errors import VitalsError
from vitals.recordings import mapping
from vitals.session import care

BYTES = 10_000_000
LONGEST_S = 10.0
SHIPPED = ("default.toml", "care.toml")
NOISE = 1500
"""Longest piece of noise, bytes."""
WORDS = (
    b"[" * 200, b"{" * 200, b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"9" * 400, b"-1", b"1e999",
    b"nan", b"\\ud800", b"null", b'""', b"\r", b"\n", b"\x1c\r", b"|" * 50, b"^~\\&", b"= = =",
    b"1900-01-01T00:00:00Z", b"9999-12-31T23:59:60+99:99", b"true", b"../../etc/passwd", b"'",
)  # fmt: skip

Parse = Callable[[bytes], object]


@dataclass
class Parser:
    """One of them.

    Attributes:
        parse: takes bytes.
        good: what it is meant for.
        refusals: what it may raise.
    """

    name: str
    parse: Parse
    good: list[bytes]
    refusals: tuple[type[BaseException], ...] = (VitalsError,)


@dataclass
class Found:
    """What became of it."""

    name: str
    bytes: int = 0
    pieces: int = 0
    refused: int = 0
    seconds: float = 0.0
    slowest_s: float = 0.0
    raised: list[str] = field(default_factory=list)

    @property
    def well(self) -> bool:
        """Nothing was raised but refusals, nothing took long."""
        return not self.raised and self.slowest_s <= LONGEST_S


def damaged(good: bytes, dice: random.Random) -> bytes:
    """A good piece with one to eight damages."""
    data = bytearray(good)
    for _ in range(dice.randint(1, 8)):
        at, size = dice.randrange(len(data) + 1), dice.choice((1, 1, 2, 4, 16, 200))
        match dice.randrange(6):
            case 0 if at < len(data):
                data[at] ^= 1 << dice.randrange(8)
            case 1:
                del data[at : at + size]
            case 2:
                data[at:at] = data[at : at + size]
            case 3:
                data[at : at + size] = dice.choice(WORDS)
            case 4:
                data[at:at] = dice.randbytes(size)
            case 5 if dice.random() < 0.3:
                del data[at:]
            case _:
                del data[at : at + 1]
    return bytes(data)


def pieces(parser: Parser, count: int, seed: int) -> Iterator[bytes]:
    """So many bytes for a parser."""
    dice = random.Random(f"{parser.name} {seed}")  # noqa: S311
    while count > 0:
        noise = dice.random() < 0.5
        one = dice.randbytes(dice.randint(1, NOISE)) if noise else b""
        one = one or damaged(dice.choice(parser.good), dice)
        yield one
        count -= max(1, len(one))


def fuzz(parser: Parser, count: int, seed: int = 1) -> Found:
    """Feeds them."""
    found = Found(parser.name)
    for one in pieces(parser, count, seed):
        found.bytes += len(one)
        found.pieces += 1
        began = time.process_time()
        try:
            parser.parse(one)
        except parser.refusals:
            found.refused += 1
        except Exception as error:
            found.raised.append(f"{type(error).__name__}: {str(error)[:200]} at {one[:200]!r}")
        took = time.process_time() - began
        found.seconds += took
        found.slowest_s = max(found.slowest_s, took)
    return found


# --- the parsers --------------------------------------------------------------------------------


def _as_file(path: Path, read: Callable[[Path], object], data: bytes) -> object:
    path.write_bytes(data)
    return read(path)


def _text(parse: Callable[..., object], path: Path, data: bytes) -> object:
    return parse(data.decode(errors="replace"), path=path)


def _hl7(data: bytes) -> None:
    frames = hl7.Frames()
    for one in (data, hl7.frame_bytes(data)):
        for piece in frames.feed(one):
            message = None if isinstance(piece, int) else hl7.parse(piece)
            if message is not None:
                hl7.answer(message, "", 0)
                mllp_listen.Filter("1", ("a", "b")).fits(message)


def _feed_down(data: bytes) -> None:
    for raw in wire.split(data):
        follower._decode(bytes(raw))


def _form(data: bytes) -> None:
    text = data.decode("latin-1")
    login_page(after=auth_routes.local(text), wrong=text, user=text)
    cookie_parser(text)


def parsers(folder: Path) -> list[Parser]:
    """All of them; files are written into a folder."""
    file = folder / "one"
    up = [
        wire.encode(wire.Auth(token="x" * 43, v=wire.VERSION)),
        wire.encode(
            wire.CommandMsg(id="1", kind="dose", room="r", name="A", args={"mg": 35.0, "drug": "K"})
        ),
        wire.encode(wire.AudienceMsg(armed=1, pages=2)),
    ]
    beat = wire.BeatMsg(now_us=1, recording=True, armed=1)
    number = wire.NumericMsg(room="r", channel="spo2", value=97.0, at_us=1, device="d")
    down = [wire.frame(wire.encode(beat), wire.encode(number)), wire.frame(wire.encode(number))]
    page = [
        b'{"t":"command","id":"1","kind":"dose","room":"r","args":{"mg":35.0}}',
        b'{"t":"waves","rooms":["room-1"]}',
        b'{"t":"sound","armed":true}',
    ]
    csv = b"time;SpO2;Puls\n" + b"".join(b"2026-01-01 10:00:%02d;97,5;70\n" % n for n in range(60))
    vital = next(Path("tests/recordings/data").glob("*.vital")).read_bytes()[:6000]
    message = hl7_messages.oru(hl7_messages.obx("spo2", 97), *hl7_messages.nibp(120, 80, 93))
    shown = feed_file.FeedFile(port=1, token="x", pid=1)  # noqa: S106
    shipped = {name: files("vitals.profiles").joinpath(name).read_bytes() for name in SHIPPED}
    return [
        Parser("feed up", wire.decode_up, up, feed.NO_MESSAGE),
        Parser("feed down", _feed_down, down, (msgspec.DecodeError, RecursionError)),
        Parser("page up", live._decode_up, page, feed.NO_MESSAGE),
        Parser("HL7", _hl7, [message], ()),
        Parser("config", partial(_text, config.parse, file), [CONFIG.encode()]),
        Parser("profile", partial(_text, profile.parse, file), [shipped["default.toml"]]),
        Parser("care", partial(_text, care.parse, file), [shipped["care.toml"]]),
        Parser("mapping", partial(_text, mapping.parse, file), [b'[time]\ncolumn = "t"\n']),
        Parser("feed file", partial(_as_file, file, feed_file.read), [msgspec.json.encode(shown)]),
        Parser("form, cookies", _form, [b"user=a&password=b&next=%2F", b"a=b; kv-screen=x"], ()),
        Parser("csv", partial(_as_file, folder / "a.csv", recordings.read), [csv]),
        Parser("vital", partial(_as_file, folder / "a.vital", recordings.read), [vital]),
    ]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("names", nargs="*")
    options.add_argument("--bytes", type=int, default=BYTES)
    options.add_argument("--seed", type=int, default=1)
    asked = options.parse_args()
    out = sys.stdout.write
    out(f"{'parser':16}{'bytes':>10}{'pieces':>9}{'refused':>9}{'s':>8}{'slowest s':>11}")
    out(f"{'raised':>8}\n")
    ill = False
    with tempfile.TemporaryDirectory() as folder:
        for parser in parsers(Path(folder)):
            if asked.names and parser.name not in asked.names:
                continue
            found = fuzz(parser, asked.bytes, asked.seed)
            ill = ill or not found.well
            out(
                f"{found.name:16}{found.bytes:10}{found.pieces:9}{found.refused:9}"
                f"{found.seconds:8.1f}{found.slowest_s:11.3f}{len(found.raised):8}"
                f"{'' if found.well else '  <-- ' + str(found.raised[:1])}\n"
            )
            sys.stdout.flush()
    sys.exit(ill)


if __name__ == "__main__":
    main()
