"""A crash leaves a file that says where, and nothing of what it was about."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitals import crash_report
from vitals.crash_frames import MOST_ERRORS, Frame, faults_of, threads_of, told

SECRET = "Anna Müller"  # noqa: S105 (a name)
BEGIN = """
import logging, os, signal, sys, threading, time
from pathlib import Path
from vitals import config, crash_report, process
process.log_to_stderr("station")
crash_report.watch(Path(sys.argv[1]), "station")
"""


def run(folder: Path, code: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BEGIN + code, str(folder / "vitals.db")],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environ},
    )  # fmt: skip


def reports(folder: Path) -> list[dict[str, Any]]:
    found = sorted(crash_report.folder_of(folder / "vitals.db").glob("*.json"))
    return [json.loads(path.read_text()) for path in found]


FAULTY = f'config.parse("[[", path={SECRET!r} and 5)'
"""Fails inside of ours, in a way that nobody has foreseen, on a value with a name in it."""


def test_an_exception_leaves_types_and_our_frames_and_no_value(tmp_path: Path) -> None:
    ended = run(
        tmp_path,
        f"try:\n {FAULTY}\nexcept Exception as error:\n raise KeyError({SECRET!r}) from error\n",
    )
    (report,) = reports(tmp_path)
    assert ended.returncode == 1
    assert report["errors"][0]["type"] == "KeyError"
    frames = [frame for error in report["errors"] for frame in error["frames"]]
    assert {frame["file"] for frame in frames} == {"vitals/config.py"}
    assert all(frame["line"] > 0 and frame["function"] for frame in frames)
    assert report["ended"] == "exception"
    assert report["process"] == "station"
    assert report["uptime_s"] >= 0
    assert report["python"]
    assert "numpy" in report["libraries"]
    assert SECRET not in json.dumps(report, ensure_ascii=False)
    assert str(tmp_path) not in json.dumps(report)


def test_it_is_said_in_the_log_in_one_line_without_the_value(tmp_path: Path) -> None:
    ended = run(tmp_path, f"raise ValueError({SECRET!r})")
    (line,) = ended.stderr.splitlines()
    assert "CRITICAL crash: station (exception): ValueError" in line
    assert str(crash_report.folder_of(tmp_path / "vitals.db")) in line
    assert SECRET not in ended.stderr


def test_reports_are_for_their_owner_only_whatever_the_umask(tmp_path: Path) -> None:
    run(tmp_path, "os.umask(0)\nraise ValueError")
    folder = crash_report.folder_of(tmp_path / "vitals.db")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in folder.iterdir()] == [0o600]


def test_an_exception_in_a_thread_is_reported_and_ends_nothing(tmp_path: Path) -> None:
    code = "t = threading.Thread(target=lambda: 1 / 0)\nt.start()\nt.join()\nprint('on')"
    ended = run(tmp_path, code)
    assert (ended.returncode, ended.stdout) == (0, "on\n")
    (report,) = reports(tmp_path)
    assert report["ended"] == "exception in a thread"
    assert report["errors"][0]["type"] == "ZeroDivisionError"


def test_a_fault_that_was_caught_is_reported_once_and_its_message_is_not_logged(
    tmp_path: Path,
) -> None:
    code = f"""
for _ in range(5):
    try:
        try:
            {FAULTY}
        except Exception as error:
            raise ValueError({SECRET!r}) from error
    except ValueError:
        logging.getLogger("x").exception("room-1 is not monitored")
while not list(Path(sys.argv[1] + ".crashes").glob("*.json")):
    time.sleep(0.01)
"""
    ended = run(tmp_path, code)
    assert [report["ended"] for report in reports(tmp_path)] == ["went on"]
    assert ended.stderr.count("room-1 is not monitored") == 5
    assert "vitals/config.py" in ended.stderr
    assert SECRET not in ended.stderr


def test_at_debug_the_developer_sees_messages(tmp_path: Path) -> None:
    code = "try:\n raise ValueError('what it was')\nexcept ValueError:\n logging.exception('so')"
    assert "what it was" not in run(tmp_path, code).stderr
    assert "what it was" in run(tmp_path, code, VITALS_LOG_LEVEL="DEBUG").stderr


def test_an_orderly_end_leaves_nothing(tmp_path: Path) -> None:
    run(tmp_path, "pass")
    assert list(crash_report.folder_of(tmp_path / "vitals.db").iterdir()) == []


def test_a_crash_leaves_no_memory_image(tmp_path: Path) -> None:
    ended = run(tmp_path, "import resource\nprint(resource.getrlimit(resource.RLIMIT_CORE)[0])")
    assert ended.stdout == "0\n"


def test_a_folder_that_cannot_be_written_is_said_and_stops_nothing(tmp_path: Path) -> None:
    crash_report.folder_of(tmp_path / "vitals.db").write_text("a file")
    ended = run(tmp_path, "print('on')\nraise ValueError")
    assert ended.stdout == "on\n"
    assert "no crash reports" in ended.stderr
    assert "no report in" in ended.stderr
    assert "crash: station (exception): ValueError" in ended.stderr


def dead(folder: Path, code: str, *, hung: bool = False) -> list[dict[str, Any]]:
    """Reports after a process has ended and its supervisor has seen that."""
    process = subprocess.Popen(
        [sys.executable, "-c", BEGIN + code, str(folder / "vitals.db")], stdout=subprocess.PIPE
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        if hung and crash_report.SHOW_FRAMES:
            frames = crash_report.folder_of(folder / "vitals.db")
            while not any("lifeline.py" in path.read_text() for path in frames.glob(".*.frames")):
                assert process.poll() is None
                process.send_signal(crash_report.SHOW_FRAMES)  # until it is where it hangs
                time.sleep(0.05)
            process.kill()
        ended = process.wait(30)
    crash_report.of_dead(
        crash_report.folder_of(folder / "vitals.db"), "station", process.pid, ended, 4.25, hung=hung
    )
    return reports(folder)


def test_a_process_that_was_killed_is_reported_by_its_supervisor(tmp_path: Path) -> None:
    (report,) = dead(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)")
    assert report["ended"] == "signal SIGKILL"
    assert report["uptime_s"] == 4.2
    assert report["errors"] == report["threads"] == []


def test_a_dead_interpreter_is_reported_with_the_place(tmp_path: Path) -> None:
    code = (
        "from vitals import lifeline\nos.read = lambda *a: os.kill(os.getpid(), signal.SIGSEGV)\n"
    )
    (report,) = dead(tmp_path, code + "lifeline._wait(print)")
    assert report["ended"] == "signal SIGSEGV"
    assert report["threads"][0]["current"]
    assert report["threads"][0]["frames"][0]["file"] == "vitals/lifeline.py"


def test_a_process_that_hung_is_reported_with_the_place(tmp_path: Path) -> None:
    code = "from vitals import lifeline\nos.read = lambda *a: time.sleep(60)\nprint(flush=True)\n"
    (report,) = dead(tmp_path, code + "lifeline._wait(print)", hung=True)
    assert report["ended"] == "silent: killed"
    innermost = [frame for thread in report["threads"] for frame in thread["frames"][:1]]
    assert ("vitals/lifeline.py", "_wait") in [(one["file"], one["function"]) for one in innermost]


@pytest.mark.parametrize(
    "code",
    ["sys.exit(0)", "sys.exit(2)", "signal.signal(15, signal.SIG_DFL)\nos.kill(os.getpid(), 15)"],
)
def test_a_stop_or_a_refusal_is_no_crash(tmp_path: Path, code: str) -> None:
    assert dead(tmp_path, code) == []


def test_what_the_process_has_reported_is_not_reported_again(tmp_path: Path) -> None:
    assert [report["ended"] for report in dead(tmp_path, "raise ValueError")] == ["exception"]


def test_a_supervisor_that_hung_is_reported_by_the_next(tmp_path: Path) -> None:
    folder = crash_report.folder_of(tmp_path / "vitals.db")
    folder.mkdir()
    (folder / ".run-999999.frames").write_text(
        "Fatal Python error: Aborted\n\nCurrent thread 0x1 (most recent call first):\n"
        f'  File "{crash_report.__file__}", line 7 in begin\n'
    )
    (folder / ".run-999998.frames").write_text("")
    crash_report.of_before(folder, "run")
    crash_report.of_before(folder, "run")
    (report,) = reports(tmp_path)
    assert (report["process"], report["pid"]) == ("run", 999999)
    assert report["threads"][0]["frames"] == [
        {"file": "vitals/crash_report.py", "line": 7, "function": "begin"}
    ]


def test_the_newest_twenty_are_kept(tmp_path: Path) -> None:
    for number in range(25):
        at = f"2026-01-01T00:00:{number:02}.000000Z"
        path = crash_report.write(tmp_path, crash_report.Report("web", number, "x", 0.0, at=at))
        assert path is not None
        os.utime(path, (1000 + number, 1000 + number))
    pids = sorted(json.loads(path.read_text())["pid"] for path in tmp_path.glob("*.json"))
    assert pids == list(range(5, 25))


def test_groups_and_causes_are_followed_and_rings_end() -> None:
    first, second = ValueError("a"), TypeError("b")
    first.__cause__, second.__cause__ = second, first
    group = ExceptionGroup("both", [first, KeyError("c")])
    assert [fault.type for fault in faults_of(group)] == [
        "ExceptionGroup", "ValueError", "TypeError", "KeyError",
    ]  # fmt: skip
    many = ExceptionGroup("many", [ValueError() for _ in range(50)])
    assert len(faults_of(many)) == MOST_ERRORS


def test_one_line_names_the_error_that_is_ours() -> None:
    from vitals.crash_frames import Fault

    place = Frame("vitals/room.py", 12, "step")
    group = (Fault("ExceptionGroup", (place,)), Fault("OSError", ()), Fault("ValueError", (place,)))
    assert told(group) == "ValueError at vitals/room.py:12 step"


@given(st.text())
def test_any_dump_is_read(text: str) -> None:
    threads_of(text)
    threads_of(f"Thread 0x12 (most recent call first):\n  File {text}")
