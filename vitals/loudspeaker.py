"""Sound on the station's computer, by the clinic's `station.alarm_command`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from vitals.attempt import LIMIT_S, attempt
from vitals.background import Background
from vitals.command_hook import CommandHook

EVERY_S = 10.0
RETRY_S = (0.0, 2.0, 5.0)
"""Waits before each attempt of a sound that is asked for once."""
NO_SOUND = "no sound on the station PC: set station.alarm_command"
_LOOK_S = 0.5
"""How often a sound that waits for its next time looks whether it is still wanted."""
_MOST = 20


class Loudspeaker:
    """One sound at a time, each with a time limit; sounds for a condition repeat.

    Args:
        command: the program, which gets one sentence as its last argument; empty when there is
            none.
        facts: what its environment says besides.
        said: is given (key, number of the attempt, reason or `""`) of what is news.
        every_s: repetition of a sound that lasts.
        limit_s: longest run of the command.
    """

    def __init__(
        self,
        command: Sequence[str],
        facts: dict[str, str],
        said: Callable[[str, int, str], None],
        *,
        every_s: float = EVERY_S,
        retry_s: Sequence[float] = RETRY_S,
        limit_s: float = LIMIT_S,
    ) -> None:
        self._command = tuple(command)
        self._facts = facts
        self._said = said
        self._every_s = every_s
        self._retry_s = tuple(retry_s)
        self._limit_s = limit_s
        self._turn = asyncio.Lock()
        self._wanted: dict[str, tuple[str, Callable[[], bool]]] = {}
        self._tasks = Background("loudspeaker", _MOST)

    def sound(self, sentence: str) -> None:
        """Sounds once; a failure is tried again a little later."""
        self._tasks.begin(self._once(sentence))

    def sound_while(self, key: str, sentence: str, still: Callable[[], bool]) -> None:
        """Sounds now and again as long as `still()`; asked again, it only takes the news."""
        lasts = key in self._wanted
        self._wanted[key] = sentence, still
        if not lasts and not self._tasks.begin(self._repeat(key)):
            del self._wanted[key]

    async def close(self) -> None:
        """Ends what sounds."""
        await self._tasks.close()

    async def _once(self, sentence: str) -> None:
        for number, wait_s in enumerate(self._retry_s, 1):
            await asyncio.sleep(wait_s)
            reason = await self._play(sentence, lambda: True)
            self._said("", number, reason or "")
            if not reason or not self._command:
                return

    async def _repeat(self, key: str) -> None:
        """The next time is the retry; only an outcome that is news is told."""
        loop = asyncio.get_running_loop()
        number, before = 0, None
        try:
            while self._wanted[key][1]():
                number += 1
                again = loop.time() + self._every_s
                reason = await self._play(*self._wanted[key])
                if reason is not None and reason != before:
                    self._said(key, number, reason)
                    before = reason
                # `still` is asked, as nobody says when it changes
                while (left := again - loop.time()) > 0 and self._wanted[key][1]():  # noqa: ASYNC110
                    await asyncio.sleep(min(left, _LOOK_S))
        finally:
            del self._wanted[key]

    async def _play(self, sentence: str, still: Callable[[], bool]) -> str | None:
        """`""`, why it failed, or None when it was not wanted any more as its turn came."""
        if not self._command:
            return NO_SOUND
        async with self._turn:
            if not still():
                return None
            hook = CommandHook(self._command, sentence, self._facts)
            return await attempt(hook, self._limit_s)
