"""A program that is told one sentence: what it gets, why it failed, and that it always ends."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.loop import run, until
from tests.paging.outside import environment, gone, recorder, said, script, wait_for
from vitals import lifeline
from vitals.attempt import attempt
from vitals.command_hook import LONGEST, CommandHook, one_line

SENTENCE = "Room 1: SpO2 86 < 88, not acknowledged for 60 s"


def test_a_command_is_given_the_sentence_last_and_the_facts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(lifeline.VARIABLE, "1")
    monkeypatch.setenv("KV_STALE", "x")
    monkeypatch.setenv("PAGER_KEY", "k")
    assert CommandHook(recorder(tmp_path), SENTENCE, {"KV_ROOM": "Room\n1"})() == ""
    assert said(tmp_path) == [SENTENCE]
    given = environment(tmp_path)
    assert given["KV_ROOM"] == "Room 1"
    assert given["PAGER_KEY"] == "k"
    assert "KV_STALE" not in given
    assert lifeline.VARIABLE not in given, "its stdin is nobody's lifeline"


def test_a_command_that_reads_its_input_finds_none(tmp_path: Path) -> None:
    assert CommandHook(script(tmp_path, "reader", "cat > /dev/null"), SENTENCE)() == ""


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("exit 3", "exit code 3"),
        ("echo ignored; echo first >&2; echo 'no signal ' >&2; exit 1", "exit code 1: no signal"),
        ("kill -9 $$", "ended by signal 9"),
    ],
)
def test_a_failure_says_why_in_a_few_words(body: str, reason: str, tmp_path: Path) -> None:
    assert CommandHook(script(tmp_path, "bad", body), SENTENCE)() == reason


def test_a_program_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    assert CommandHook(["no-such-pager", "-x"], "s")() == "command not found: no-such-pager"
    plain = tmp_path / "plain"
    plain.write_text("x")
    assert CommandHook([str(plain)], "s")() == f"{plain} cannot be run: Permission denied"


def test_words_without_end_on_stderr_hold_nothing_up(tmp_path: Path) -> None:
    body = "head -c 3000000 /dev/zero | tr '\\0' 'x' >&2; exit 4"
    reason = CommandHook(script(tmp_path, "loud", body), SENTENCE)()
    assert reason.startswith("exit code 4: xxx")
    assert len(reason) < 400


def test_what_it_leaves_in_the_background_is_not_waited_for(tmp_path: Path) -> None:
    command = script(tmp_path, "player", 'sleep 1000 & echo $! > "$OUT"; exit 0')
    start = time.monotonic()
    assert CommandHook(command, SENTENCE)() == ""
    assert time.monotonic() - start < 5
    pid = int(said(tmp_path, "player")[0])
    assert not gone(pid), "a sound that was started goes on"
    script(tmp_path, "end", f"kill {pid}")
    assert CommandHook(["/bin/sh", str(tmp_path / "end.sh")], "")() == ""
    wait_for(lambda: gone(pid))


HANGS = 'sleep 1000 & echo $$ $! > "$OUT.new"; mv "$OUT.new" "$OUT"; sleep 1000'


def pids(folder: Path) -> list[int]:
    return [int(pid) for pid in " ".join(said(folder, "hangs")).split()]


def test_at_the_time_limit_its_whole_group_is_killed(tmp_path: Path) -> None:
    async def main() -> None:
        hook = CommandHook(script(tmp_path, "hangs", HANGS), SENTENCE)
        assert await attempt(hook, 1.0) == "timed out after 1 s"

    run(main())
    assert len(pids(tmp_path)) == 2
    wait_for(lambda: all(gone(pid) for pid in pids(tmp_path)))


def test_cancelled_it_leaves_no_process_behind(tmp_path: Path) -> None:
    async def main() -> None:
        hook = CommandHook(script(tmp_path, "hangs", HANGS), SENTENCE)
        task = asyncio.create_task(attempt(hook))
        await until(lambda: pids(tmp_path))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
    wait_for(lambda: all(gone(pid) for pid in pids(tmp_path)))


def test_stopped_while_it_is_being_started_it_ends(tmp_path: Path) -> None:
    hook = CommandHook(script(tmp_path, "hangs", HANGS), SENTENCE)
    hook.stop()
    assert hook() == "ended by signal 9"


def test_a_fault_of_a_job_is_an_answer() -> None:
    class Faulty:
        def __call__(self) -> str:
            raise ZeroDivisionError

        def stop(self) -> None:
            raise AssertionError("it has ended")

    async def main() -> None:
        assert await attempt(Faulty()) == "failed inside: ZeroDivisionError"

    run(main())


@given(st.text())
def test_any_text_becomes_one_line_that_a_program_can_be_given(text: str) -> None:
    line = one_line(text)
    assert "\n" not in line
    assert "\0" not in line
    assert not line.startswith("-")
    assert len(line) <= LONGEST
    line.encode()  # nothing that no environment can hold
    assert [c for c in line if not c.isprintable()] == []
