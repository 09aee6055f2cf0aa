"""Escalation out of the page: who is told what, how often, when no more, and what is recorded."""

from __future__ import annotations

import asyncio
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.loop import run, until
from tests.paging.outside import Receiver, Row, environment, gone, recorder, said, script, wait_for
from vitals.config import EscalationStep
from vitals.errors import CommandError
from vitals.model import Alarm, Priority
from vitals.paging import AT_ONCE, ENDED, MOST, Pace, Pager
from vitals.wire import AlarmMsg

Start = Callable[..., Receiver]
PACE = Pace(retry_s=(0.0, 0.02, 0.05), limit_s=5.0, sound_s=0.05)
SENTENCE = "Room 1: SpO2 86 < 88, not acknowledged for 60 s"
ALARM = Alarm(
    "room-1", "spo2-low", 1, Priority.HIGH, "active", text="SpO2 86 < 88",
    entered_by="Kim Nurse", acked_by="Ada Nurse", rule_by="Bea Nurse", rule_reason="P-4711 moves",
)  # fmt: skip
ALL_PAGES = EscalationStep(after_s=30, to="all pages")


def pager(log: list[Row], *, pace: Pace = PACE, mode: str = "real", **how: Any) -> Pager:
    """Step 1 are the pages; step 2 is as the test says."""
    steps = [ALL_PAGES, EscalationStep(after_s=60, to="second nurse", **how)]
    return Pager(steps, [], "clinic-a", log.append, mode=mode, pace=pace)


def outcomes(log: list[Row]) -> list[tuple[str, int, bool | None, str]]:
    return [(row["how"], row["attempt"], row["ok"], row["detail"]) for row in log]


def always() -> bool:
    return True


# --- what goes out -----------------------------------------------------------------------------


def test_a_command_and_a_webhook_are_told_the_same(tmp_path: Path, receiver: Start) -> None:
    there, log = receiver(), []

    async def main() -> None:
        pages = pager(log, command=recorder(tmp_path), webhook=there.url)
        pages.page(2, "Room 1", ALARM, always)
        await until(lambda: len(log) == 2)
        await pages.close()

    run(main())
    assert said(tmp_path) == [SENTENCE]
    assert there.bodies[0]["text"] == SENTENCE
    assert sorted(outcomes(log)) == [("command", 1, True, ""), ("webhook", 1, True, "")]
    assert log[0] == {
        "event": "page",
        "step": 2,
        "to": "second nurse",
        "how": log[0]["how"],
        "attempt": 1,
        "ok": True,
        "detail": "",
        "room": "Room 1",
        "rule": "spo2-low",
        "test": False,
    }


def test_nothing_but_room_and_alarm_goes_out(tmp_path: Path, receiver: Start) -> None:
    there, log = receiver(), []

    async def main() -> None:
        pages = pager(log, command=recorder(tmp_path), webhook=there.url)
        pages.page(2, "Room 1", ALARM, always)
        await until(lambda: len(log) == 2)
        await pages.close()

    run(main())
    facts = {name: fact for name, fact in environment(tmp_path).items() if name.startswith("KV_")}
    assert facts == {
        "KV_STATION": "clinic-a",
        "KV_MODE": "real",
        "KV_ROOM": "Room 1",
        "KV_RULE": "spo2-low",
        "KV_PRIORITY": "high",
        "KV_STEP": "2",
        "KV_TO": "second nurse",
        "KV_TEST": "0",
    }
    body = there.bodies[0]
    assert len(body.pop("id")) == 32
    assert body == {
        "text": SENTENCE,
        "station": "clinic-a",
        "mode": "real",
        "room": "Room 1",
        "rule": "spo2-low",
        "priority": "high",
        "step": 2,
        "to": "second nurse",
        "test": False,
    }
    for person in ("Nurse", "4711"):
        assert person not in f"{facts} {body} {said(tmp_path)} {there.headers} {log}"


def test_an_alarm_as_the_feed_has_it_goes_out_too(tmp_path: Path) -> None:
    log: list[Row] = []
    alarm = AlarmMsg(room="room-1", rule="no-sound", priority="high", text="No page sounds")

    async def main() -> None:
        pages = pager(log, command=recorder(tmp_path))
        pages.page(2, "Room 1", alarm, always)
        await until(lambda: log)
        await pages.close()

    run(main())
    assert said(tmp_path) == ["Room 1: No page sounds, not acknowledged for 60 s"]


def test_what_a_person_typed_stays_inside(tmp_path: Path) -> None:
    log: list[Row] = []
    alarm = Alarm("room-1", "symptom", 0, Priority.HIGH, "active", text="SYMPTOM: Mr. Fox is dizzy")

    async def main() -> None:
        pages = pager(log, command=recorder(tmp_path))
        pages.page(2, "Room 1", alarm, always)
        await until(lambda: log)
        await pages.close()

    run(main())
    assert said(tmp_path) == ["Room 1: symptom reported, not acknowledged for 60 s"]
    assert "Fox" not in f"{environment(tmp_path)} {log}"


def test_a_demo_says_so_first(tmp_path: Path) -> None:
    log: list[Row] = []

    async def main() -> None:
        pages = pager(log, mode="demo", command=recorder(tmp_path))
        pages.page(2, "Room 1", ALARM, always)
        await until(lambda: log)
        await pages.close()

    run(main())
    assert said(tmp_path) == [f"DEMO: {SENTENCE}"]
    assert environment(tmp_path)["KV_MODE"] == "demo"


# --- again, and no more ------------------------------------------------------------------------


def test_a_failure_is_tried_again_and_each_attempt_recorded(receiver: Start) -> None:
    there, log = receiver(500, 503), []

    async def main() -> None:
        pages = pager(log, webhook=there.url)
        pages.page(2, "Room 1", ALARM, always)
        await until(lambda: len(log) == 3)
        await pages.close()

    run(main())
    assert outcomes(log) == [
        ("webhook", 1, False, "HTTP 500"),
        ("webhook", 2, False, "HTTP 503"),
        ("webhook", 3, True, ""),
    ]
    assert len({body["id"] for body in there.bodies}) == 1, "the receiver can tell a repeat"


def test_after_three_attempts_it_is_given_up(tmp_path: Path) -> None:
    log: list[Row] = []

    async def main() -> None:
        pages = pager(log, command=recorder(tmp_path, then="exit 7"))
        pages.page(2, "Room 1", ALARM, always)
        await until(lambda: len(log) == 3)
        await asyncio.sleep(0.2)
        await pages.close()

    run(main())
    assert outcomes(log) == [("command", n, False, "exit code 7") for n in (1, 2, 3)]
    assert len(said(tmp_path)) == 3


def test_the_waits_are_those_that_are_promised() -> None:
    assert Pace() == Pace(retry_s=(0.0, 2.0, 5.0), limit_s=10.0, sound_s=10.0)


def test_an_attempt_that_hangs_is_ended_and_tried_again(tmp_path: Path) -> None:
    log: list[Row] = []
    pace = Pace(retry_s=(0.0, 0.0), limit_s=0.5)

    async def main() -> None:
        pages = pager(log, pace=pace, command=recorder(tmp_path, then="sleep 1000"))
        pages.page(2, "Room 1", ALARM, always)
        await until(lambda: len(log) == 2)
        await pages.close()

    run(main())
    assert outcomes(log) == [("command", n, False, "timed out after 0.5 s") for n in (1, 2)]


def test_once_acknowledged_it_is_not_tried_again(tmp_path: Path) -> None:
    log: list[Row] = []

    async def main() -> None:
        pages = pager(log, command=recorder(tmp_path, then="exit 1"))
        pages.page(2, "Room 1", ALARM, lambda: not log)  # acknowledged during the first attempt
        await until(lambda: len(log) == 2)
        await asyncio.sleep(0.2)
        await pages.close()

    run(main())
    assert outcomes(log) == [("command", 1, False, "exit code 1"), ("command", 2, None, ENDED)]
    assert len(said(tmp_path)) == 1


def test_a_finished_episode_pages_nobody(tmp_path: Path, receiver: Start) -> None:
    there, log = receiver(), []

    async def main() -> None:
        pages = pager(log, command=recorder(tmp_path), webhook=there.url)
        pages.page(2, "Room 1", ALARM, lambda: False)
        await until(lambda: len(log) == 2)
        await pages.close()

    run(main())
    assert sorted(outcomes(log)) == [("command", 1, None, ENDED), ("webhook", 1, None, ENDED)]
    assert (said(tmp_path), there.bodies) == ([], [])


def test_an_episode_that_ends_while_it_waits_for_its_turn_pages_nobody(tmp_path: Path) -> None:
    log: list[Row] = []
    first, second = True, True
    pace = Pace(retry_s=(0.0,), limit_s=5.0)
    wait = recorder(tmp_path, then=f"while [ ! -e '{tmp_path}/go' ]; do sleep 0.02; done")

    async def main() -> None:
        nonlocal second
        pages = pager(log, pace=pace, command=wait)
        for _ in range(AT_ONCE):
            pages.page(2, "Room 1", ALARM, lambda: first)
        pages.page(2, "Room 2", ALARM, lambda: second)
        await until(lambda: len(said(tmp_path)) == AT_ONCE)
        second = False
        (tmp_path / "go").touch()
        await until(lambda: len(log) == AT_ONCE + 1)
        await pages.close()

    run(main())
    assert [row["room"] for row in log if row["ok"] is None] == ["Room 2"]
    assert not any("Room 2" in sentence for sentence in said(tmp_path))


# --- a storm -----------------------------------------------------------------------------------


def test_a_storm_runs_few_programs_at_a_time_and_forgets_nobody(tmp_path: Path) -> None:
    log: list[Row] = []
    body = 'echo start >> "$OUT"; sleep 0.05; echo end >> "$OUT"'

    async def main() -> None:
        pages = pager(log, command=script(tmp_path, "storm", body))
        for number in range(40):
            pages.page(2, f"Room {number}", ALARM, always)
        await until(lambda: len(log) == 40)
        await pages.close()

    run(main())
    now, most = 0, 0
    for line in said(tmp_path, "storm"):
        now += 1 if line == "start" else -1
        most = max(most, now)
    assert 1 < most <= AT_ONCE
    assert {row["room"] for row in log} == {f"Room {number}" for number in range(40)}
    assert all(row["ok"] for row in log)


def test_a_page_too_many_is_refused_and_recorded(tmp_path: Path) -> None:
    log: list[Row] = []

    async def main() -> None:
        pages = pager(log, command=recorder(tmp_path))
        for _ in range(MOST + 1):
            pages.page(2, "Room 1", ALARM, always)
        assert outcomes(log) == [("command", 0, False, "not sent: too many are under way")]
        await pages.close()

    run(main())
    assert said(tmp_path) == []


def test_starting_a_program_holds_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log: list[Row] = []
    the_loop_runs, begun, real = threading.Event(), threading.Event(), subprocess.Popen

    def slow(*args: Any, **kwargs: Any) -> Any:
        begun.set()
        assert the_loop_runs.wait(5), "the loop stands still while a program starts"
        return real(*args, **kwargs)

    monkeypatch.setattr(subprocess, "Popen", slow)

    async def main() -> None:
        pages = pager(log, command=recorder(tmp_path))
        pages.page(2, "Room 1", ALARM, always)
        await until(begun.is_set)
        the_loop_runs.set()
        await until(lambda: log)
        await pages.close()

    run(main())
    assert outcomes(log) == [("command", 1, True, "")]


# --- nobody, self-test, end --------------------------------------------------------------------


def test_a_step_that_reaches_nobody_is_recorded_as_that() -> None:
    log: list[Row] = []

    async def main() -> None:
        pages = pager(log)
        pages.page(1, "Room 1", ALARM, always)  # the pages show and sound it by themselves
        assert log == []
        pages.page(2, "Room 1", ALARM, always)
        await pages.close()

    run(main())
    why = "step 2 (60 s, second nurse) reaches nobody: give it a command or a webhook"
    assert outcomes(log) == [("nobody", 0, False, why)]


def test_a_self_test_goes_the_same_way_and_says_test_first(tmp_path: Path, receiver: Start) -> None:
    there, log = receiver(500), []

    async def main() -> None:
        pages = pager(log, command=recorder(tmp_path), webhook=there.url)
        pages.test(2)
        await until(lambda: len(log) == 3)
        await pages.close()

    run(main())
    sentence = "TEST: step 2 (60 s, second nurse) of station clinic-a; there is no alarm"
    assert said(tmp_path) == [sentence]
    assert environment(tmp_path)["KV_TEST"] == "1"
    assert [(body["text"], body["test"]) for body in there.bodies] == [(sentence, True)] * 2
    assert all(row["test"] and row["rule"] == "" for row in log)
    assert ("webhook", 2, True, "") in outcomes(log)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (0, "there is no step 0 of the escalation"),
        (3, "there is no step 3 of the escalation"),
        (1, "step 1 (30 s, all pages) goes to the pages, which sound by themselves"),
        (2, "step 2 (60 s, second nurse) reaches nobody: give it a command or a webhook"),
    ],
)
def test_a_step_that_cannot_be_tested_says_why(step: int, words: str) -> None:
    log: list[Row] = []

    async def main() -> None:
        with pytest.raises(CommandError) as refusal:
            pager(log).test(step)
        assert str(refusal.value) == words

    run(main())
    assert log == []


def test_the_end_ends_what_is_under_way(tmp_path: Path) -> None:
    log: list[Row] = []
    hangs = script(tmp_path, "hangs", 'echo $$ > "$OUT"; sleep 1000')

    async def main() -> None:
        pages = pager(log, command=hangs)
        pages.page(2, "Room 1", ALARM, always)
        await until(lambda: said(tmp_path, "hangs"))
        await pages.close()
        pages.page(2, "Room 2", ALARM, always)

    run(main())
    wait_for(lambda: gone(int(said(tmp_path, "hangs")[0])))
    assert outcomes(log) == [("command", 0, False, "not sent: the station is stopping")]
