"""Sound on the station's computer: as long as it is wanted, one at a time, and what is news."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.loop import run, until
from tests.paging.outside import Row, environment, gone, recorder, said, script, wait_for
from vitals.loudspeaker import NO_SOUND
from vitals.paging import Pace, Pager

PACE = Pace(retry_s=(0.0, 0.02, 0.05), limit_s=5.0, sound_s=0.05)


def pager(command: list[str], log: list[Row], *, mode: str = "real", pace: Pace = PACE) -> Pager:
    return Pager([], command, "clinic-a", log.append, mode=mode, pace=pace)


def test_a_sound_is_given_one_sentence(tmp_path: Path) -> None:
    log: list[Row] = []

    async def main() -> None:
        pages = pager(recorder(tmp_path), log, mode="demo")
        pages.sound("Room 1: no page sounds")
        await until(lambda: log)
        await pages.close()

    run(main())
    assert said(tmp_path) == ["DEMO: Room 1: no page sounds"]
    assert environment(tmp_path)["KV_STATION"] == "clinic-a"
    assert log == [
        {
            "event": "sound",
            "step": 0,
            "to": "station PC",
            "how": "command",
            "attempt": 1,
            "ok": True,
            "detail": "",
            "room": "",
            "rule": "",
            "test": False,
        }
    ]


def test_a_sound_that_fails_is_tried_again(tmp_path: Path) -> None:
    log: list[Row] = []

    async def main() -> None:
        pages = pager(recorder(tmp_path, then="exit 1"), log)
        pages.sound("x")
        await until(lambda: len(log) == 3)
        await pages.close()

    run(main())
    assert [(row["attempt"], row["detail"]) for row in log] == [
        (n, "exit code 1") for n in (1, 2, 3)
    ]


def test_a_condition_sounds_again_and_again_until_it_has_ended(tmp_path: Path) -> None:
    log: list[Row] = []
    lasts = True

    async def main() -> None:
        nonlocal lasts
        pages = pager(recorder(tmp_path), log)
        pages.sound_while("no-sound", "no page sounds", lambda: lasts)
        await until(lambda: len(said(tmp_path)) >= 3)
        lasts = False
        await until(lambda: not pages._loudspeaker._wanted)
        heard = len(said(tmp_path))
        await asyncio.sleep(0.2)
        assert len(said(tmp_path)) == heard
        lasts = True
        pages.sound_while("no-sound", "no page sounds again", lambda: lasts)
        await until(lambda: "no page sounds again" in said(tmp_path))
        await until(lambda: len(log) == 2)
        await pages.close()

    run(main())
    assert [(row["rule"], row["ok"]) for row in log] == [("no-sound", True)] * 2, "news only"


def test_asked_again_it_goes_on_with_the_news(tmp_path: Path) -> None:
    log: list[Row] = []

    async def main() -> None:
        pages = pager(recorder(tmp_path), log)
        pages.sound_while("no-sound", "one room", lambda: True)
        await until(lambda: said(tmp_path))
        for _ in range(50):  # as a ticker would
            pages.sound_while("no-sound", "two rooms", lambda: True)
        await until(lambda: said(tmp_path).count("two rooms") >= 2)
        await pages.close()

    run(main())
    assert len(log) == 1


def test_a_sound_that_begins_to_fail_is_news(tmp_path: Path) -> None:
    log: list[Row] = []
    command = recorder(tmp_path, then=f"[ ! -e '{tmp_path}/off' ] || exit 2")

    async def main() -> None:
        pages = pager(command, log)
        pages.sound_while("no-sound", "x", lambda: True)
        await until(lambda: len(said(tmp_path)) >= 2)
        (tmp_path / "off").touch()
        await until(lambda: len(log) == 2)
        (tmp_path / "off").unlink()
        await until(lambda: len(log) == 3)
        await pages.close()

    run(main())
    assert [row["detail"] for row in log] == ["", "exit code 2", ""]


def test_two_conditions_sound_one_after_the_other(tmp_path: Path) -> None:
    body = 'echo start >> "$OUT"; sleep 0.05; echo end >> "$OUT"'
    log: list[Row] = []

    async def main() -> None:
        pages = pager(script(tmp_path, "sound", body), log)
        pages.sound_while("a", "a", lambda: True)
        pages.sound_while("b", "b", lambda: True)
        await until(lambda: len(said(tmp_path, "sound")) >= 8)
        await pages.close()

    run(main())
    assert said(tmp_path, "sound")[:8] == ["start", "end"] * 4


def test_a_sound_that_is_not_wanted_any_more_when_its_turn_comes_is_none(tmp_path: Path) -> None:
    log: list[Row] = []
    wanted = True
    wait = recorder(tmp_path, then=f"while [ ! -e '{tmp_path}/go' ]; do sleep 0.02; done")

    async def main() -> None:
        nonlocal wanted
        pages = pager(wait, log)
        pages.sound("first")
        await until(lambda: said(tmp_path))
        pages.sound_while("second", "second", lambda: wanted)
        await asyncio.sleep(0)
        wanted = False
        (tmp_path / "go").touch()
        await until(lambda: log and not pages._loudspeaker._wanted)
        await pages.close()

    run(main())
    assert said(tmp_path) == ["first"]


def test_without_a_command_that_is_said_once() -> None:
    log: list[Row] = []

    async def main() -> None:
        pages = pager([], log)
        pages.sound_while("no-sound", "x", lambda: True)
        await asyncio.sleep(0.3)  # several times over
        pages.sound("x")
        await until(lambda: len(log) == 2)
        await pages.close()

    run(main())
    assert [(row["ok"], row["detail"]) for row in log] == [(False, NO_SOUND)] * 2


def test_the_end_ends_the_sound(tmp_path: Path) -> None:
    log: list[Row] = []

    async def main() -> None:
        pages = pager(script(tmp_path, "hangs", 'echo $$ > "$OUT"; sleep 1000'), log)
        pages.sound_while("no-sound", "x", lambda: True)
        await until(lambda: said(tmp_path, "hangs"))
        await pages.close()

    run(main())
    wait_for(lambda: gone(int(said(tmp_path, "hangs")[0])))
