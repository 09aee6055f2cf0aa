from __future__ import annotations

import asyncio

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tests.loop import run
from vitals import wire
from vitals.mailbox import CAPS, LINGER_S, Key, Mailbox


def words(frame: bytes) -> list[str]:
    return msgspec.json.decode(frame, type=list[str])


def put(box: Mailbox, key: Key, word: str) -> None:
    box.put(key, b'"%s"' % word.encode())


def test_newest_of_a_key_replaces_the_one_that_waits_and_is_counted() -> None:
    async def main() -> None:
        box = Mailbox()
        put(box, ("numeric", "r1", "pr", "d"), "60")
        put(box, ("numeric", "r1", "spo2", "d"), "97")
        put(box, ("numeric", "r1", "pr", "d"), "61")
        assert words(await box.take()) == ["97", "61"]
        assert box.dropped == 1
        assert len(box) == 0

    run(main())


def test_take_waits_until_there_is_something() -> None:
    async def main() -> None:
        box = Mailbox()
        taking = asyncio.create_task(box.take())
        await asyncio.sleep(0)
        assert not taking.done()
        put(box, ("beat", ""), "b")
        assert words(await taking) == ["b"]

    run(main())


def test_nothing_waits_twice() -> None:
    async def main() -> None:
        box = Mailbox()
        put(box, ("beat", ""), "b")
        await box.take()
        taking = asyncio.create_task(box.take())
        await asyncio.sleep(0)
        assert not taking.done()
        taking.cancel()

    run(main())


def test_a_cancelled_take_loses_nothing() -> None:
    async def main() -> None:
        box = Mailbox()
        taking = asyncio.create_task(box.take())
        await asyncio.sleep(0)
        put(box, ("beat", ""), "b")
        taking.cancel()
        await asyncio.wait([taking])
        assert words(await box.take()) == ["b"]

    run(main())


def test_waves_wait_for_company() -> None:
    async def main() -> None:
        box, loop = Mailbox(), asyncio.get_running_loop()
        start = loop.time()
        put(box, ("wave", "r1", "pleth", 0), "w0")
        loop.call_later(LINGER_S / 4, put, box, ("wave", "r1", "pleth", 1), "w1")
        assert words(await box.take()) == ["w0", "w1"]
        assert loop.time() - start >= LINGER_S * 0.9

    run(main())


def test_an_alarm_among_waves_goes_at_once_and_takes_them_along() -> None:
    async def main() -> None:
        box, loop = Mailbox(), asyncio.get_running_loop()
        taking = asyncio.create_task(box.take())
        put(box, ("wave", "r1", "pleth", 0), "w0")
        put(box, ("alarm", "r1", "spo2-low"), "a")
        start = loop.time()
        assert words(await taking) == ["w0", "a"]
        assert loop.time() - start < LINGER_S / 2

    run(main())


def test_a_second_batch_of_waves_lingers_again() -> None:
    async def main() -> None:
        box, loop = Mailbox(), asyncio.get_running_loop()
        for slot in range(2):
            start = loop.time()
            put(box, ("wave", "r1", "pleth", slot), f"w{slot}")
            assert words(await box.take()) == [f"w{slot}"]
            assert loop.time() - start >= LINGER_S * 0.9

    run(main())


def test_a_session_is_never_overtaken_by_what_follows_it() -> None:
    async def main() -> None:
        box = Mailbox()
        put(box, ("session", "r1"), "new session")
        put(box, ("due", "r1", "nibp+40"), "due")
        put(box, ("session", "r1"), "new phase")
        assert words(await box.take()) == ["new phase", "due"]

    run(main())


def test_restart_keeps_nothing_but_answers() -> None:
    async def main() -> None:
        box = Mailbox()
        put(box, ("numeric", "r1", "pr", "d"), "60")
        box.post(wire.ResultMsg(id="c1", ok=True))
        box.restart(b'"snapshot"')
        frame = wire.split(await box.take())
        assert bytes(frame[0]) == b'"snapshot"'
        assert wire.decode_down(frame[1]) == wire.ResultMsg(id="c1", ok=True)
        assert len(frame) == 2

    run(main())


def test_forgetting_everything_does_not_wake_the_reader_with_an_empty_frame() -> None:
    async def main() -> None:
        box = Mailbox()
        put(box, ("due", "r1", "nibp+40"), "due")
        box.forget("r1", "due", "mark")
        taking = asyncio.create_task(box.take())
        await asyncio.sleep(0)
        put(box, ("beat", ""), "b")
        assert words(await taking) == ["b"]

    run(main())


kinds = [kind for kind, most in CAPS.items() if most != 1]
keys = st.tuples(st.sampled_from(kinds), st.sampled_from(["r1", "r2"]), st.integers(0, 40))


@given(st.lists(st.one_of(keys, st.just("take"), st.just("restart")), max_size=300))
def test_the_last_word_of_every_key_arrives_and_what_is_missing_is_counted(ops: list) -> None:
    async def main() -> None:
        box = Mailbox()
        published, sent, got = 0, {}, {}
        received = 0
        for number, op in enumerate(ops):
            if op == "restart":
                sent = {key: word for key, word in sent.items() if key[0] == "result"}
                box.restart(b'"snapshot"')
                published += 1
                got.clear()
            elif op == "take":
                if len(box):
                    frame = words(await box.take())
                    received += len(frame)
                    got.update(word.split("=") for word in frame if word != "snapshot")
            else:
                key = str(op)
                sent[op] = str(number)
                put(box, op, f"{key}={number}")
                published += 1
        if len(box):
            frame = words(await box.take())
            received += len(frame)
            got.update(word.split("=") for word in frame if word != "snapshot")
        for key, word in sent.items():
            if key[0] != "result":
                assert got[str(key)] == word
        assert received + box.dropped == published

    run(main())


@given(st.lists(st.sampled_from(["mark", "result", "numeric", "alarm"]), max_size=5))
def test_an_unread_mailbox_is_bounded_but_keeps_every_alarm(order: list[str]) -> None:
    async def main() -> None:
        box = Mailbox()
        for kind in order:
            for number in range(700):
                put(box, (kind, "r1", number, len(order)), f"{kind} {number}")
        waiting = words(await box.take()) if order else []
        for kind in set(order):
            mine = [word for word in waiting if word.startswith(kind)]
            kept = min(700, CAPS[kind] or 700)
            assert mine == [f"{kind} {number}" for number in range(700 - kept, 700)]

    run(main())
