"""Out of the page: escalation steps by command and webhook, sound on the station's computer.

The engine decides when; this module tells people, without ever holding up the station's loop.
Each attempt has a time limit, a failed one is tried again a little later, and before each one it
is asked anew whether the alarm still waits for somebody: a finished episode never pages anyone.
What goes out is the room's label and the alarm's text: no pseudonym, no session, nothing typed.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol

from vitals.attempt import LIMIT_S, Job, attempt
from vitals.background import Background
from vitals.command_hook import CommandHook, one_line
from vitals.config import EscalationStep
from vitals.errors import CommandError
from vitals.escalation import named, reaches_nobody
from vitals.loudspeaker import EVERY_S, RETRY_S, Loudspeaker
from vitals.webhook import Webhook

AT_ONCE = 8
"""Attempts that may run at the same time; the others wait for their turn."""
MOST = 200
"""Pages that may be under way; one more is refused, and recorded as that."""
TYPED = {"symptom": "symptom reported"}
"""Rules whose text a person typed: what stands for it outside, as it may hold a name."""
ENDED = "not sent: the alarm has ended or was acknowledged"


@dataclass(frozen=True, slots=True)
class Pace:
    """Times in seconds: waits before each attempt, limit of one, repetition of a sound."""

    retry_s: tuple[float, ...] = RETRY_S
    limit_s: float = LIMIT_S
    sound_s: float = EVERY_S


class Facts(Protocol):
    """What is read of an alarm; `vitals.model.Alarm` and `vitals.wire.AlarmMsg` have it."""

    @property
    def rule(self) -> str:
        """Rule id."""

    @property
    def priority(self) -> str:
        """high, medium or low."""

    @property
    def text(self) -> str:
        """Message with value and limit."""


How = Literal["command", "webhook", "nobody"]
Still = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class _Page:
    """One step of one alarm, or its self-test."""

    id: str
    number: int
    step: EscalationStep
    room: str
    rule: str
    priority: str
    sentence: str
    test: bool


class Pager:
    """Tells people outside the pages. For the station's loop only; returns at once.

    Args:
        steps: the escalation, in order.
        alarm_command: sounds on the station's computer; empty when there is none.
        station_id: named in what goes out.
        log: is given a record of each attempt, in the station's loop: `{event: "page" | "sound",
            step, to, how: "command" | "webhook" | "nobody", attempt, ok, detail, room, rule,
            test}`; `ok` None = not tried any more, as the alarm had ended.
        mode: real, demo or test; others than real are named first in every sentence.
        pace: for tests.
    """

    def __init__(
        self,
        steps: Sequence[EscalationStep],
        alarm_command: Sequence[str],
        station_id: str,
        log: Callable[[dict[str, object]], None],
        *,
        mode: str = "real",
        pace: Pace | None = None,
    ) -> None:
        self._steps = tuple(steps)
        self._station = station_id
        self._log = log
        self._mode = mode
        self._pace = pace or Pace()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._tasks = Background("page", MOST)
        self._loudspeaker = Loudspeaker(
            alarm_command,
            self._facts("", "", "", 0, "station PC", test=False),
            self._note_sound,
            every_s=self._pace.sound_s,
            retry_s=self._pace.retry_s,
            limit_s=self._pace.limit_s,
        )

    def page(self, step: int, room_label: str, alarm: Facts, still: Still) -> None:
        """Takes a step for an alarm.

        Args:
            step: number of the step, 1 for the first, as in `Alarm.escalated`.
            room_label: what people call the room.
            alarm: the alarm as it is now.
            still: whether this very episode is still active and not acknowledged; called in the
                station's loop before each attempt.
        """
        taken = self._steps[step - 1]
        text = TYPED.get(alarm.rule, alarm.text)
        sentence = f"{room_label}: {text}, not acknowledged for {taken.after_s:g} s"
        page = self._page(step, room_label, alarm.rule, str(alarm.priority), sentence)
        self._send(page, still)

    def test(self, step: int) -> None:
        """Self-test of a step on the same way, marked as a test; the outcome goes to `log`.

        Raises:
            CommandError: there is no such step, or it goes nowhere but to the pages.
        """
        if not 1 <= step <= len(self._steps):
            raise CommandError(f"there is no step {step} of the escalation")
        tested = self._steps[step - 1]
        if not (tested.command or tested.webhook):
            raise CommandError(
                reaches_nobody(step, tested)
                or f"{named(step, tested)} goes to the pages, which sound by themselves"
            )
        sentence = f"{named(step, tested)} of station {self._station}; there is no alarm"
        self._send(self._page(step, "", "", "", sentence, test=True), lambda: True)

    def sound(self, sentence: str) -> None:
        """Sounds once on the station's computer."""
        self._loudspeaker.sound(self._marked(sentence))

    def sound_while(self, key: str, sentence: str, still: Still) -> None:
        """Sounds now and every 10 s as long as `still()`; asked again, it only takes the news."""
        self._loudspeaker.sound_while(key, self._marked(sentence), still)

    async def close(self) -> None:
        """Ends everything that is under way, with the processes that it has started."""
        await asyncio.gather(self._tasks.close(), self._loudspeaker.close())

    # --- pages --------------------------------------------------------------------------------

    def _page(
        self, number: int, room: str, rule: str, priority: str, sentence: str, *, test: bool = False
    ) -> _Page:
        return _Page(
            uuid.uuid4().hex,
            number,
            self._steps[number - 1],
            one_line(room),
            rule,
            priority,
            self._marked(sentence, test=test),
            test,
        )

    def _marked(self, sentence: str, *, test: bool = False) -> str:
        """A sentence that says first when it is not about a patient."""
        marks = ["TEST"] if test else []
        if self._mode != "real" and self._mode.upper() not in marks:
            marks.append(self._mode.upper())
        return one_line(f"{' '.join(marks)}: {sentence}" if marks else sentence)

    def _send(self, page: _Page, still: Still) -> None:
        step = page.step
        ways: list[tuple[How, Callable[[], Job]]] = []
        if step.command:
            ways.append(("command", partial(self._command, page)))
        if step.webhook:
            ways.append(("webhook", partial(self._webhook, page)))
        if not ways and page.number > 1:
            self._note(page, "nobody", 0, False, reaches_nobody(page.number, step))
        for how, job in ways:
            if not self._tasks.begin(self._deliver(page, how, job, still)):
                why = "the station is stopping" if self._tasks.closed else "too many are under way"
                self._note(page, how, 0, False, f"not sent: {why}")

    async def _deliver(self, page: _Page, how: How, job: Callable[[], Job], still: Still) -> None:
        for number, wait_s in enumerate(self._pace.retry_s, 1):
            await asyncio.sleep(wait_s)
            async with self._slots:
                if not still():
                    self._note(page, how, number, None, ENDED)
                    return
                reason = await attempt(job(), self._pace.limit_s)
            self._note(page, how, number, not reason, reason)
            if not reason:
                return

    def _command(self, page: _Page) -> Job:
        facts = self._facts(
            page.room, page.rule, page.priority, page.number, page.step.to, test=page.test
        )
        return CommandHook(page.step.command, page.sentence, facts)

    def _facts(
        self, room: str, rule: str, priority: str, number: int, to: str, *, test: bool
    ) -> dict[str, str]:
        """The environment of a command."""
        return {
            "KV_STATION": self._station,
            "KV_MODE": self._mode,
            "KV_ROOM": room,
            "KV_RULE": rule,
            "KV_PRIORITY": priority,
            "KV_STEP": str(number),
            "KV_TO": to,
            "KV_TEST": "1" if test else "0",
        }

    def _webhook(self, page: _Page) -> Job:
        body = {
            "id": page.id,
            "text": page.sentence,
            "station": self._station,
            "mode": self._mode,
            "room": page.room,
            "rule": page.rule,
            "priority": page.priority,
            "step": page.number,
            "to": page.step.to,
            "test": page.test,
        }
        return Webhook(page.step.webhook, body)

    def _note(self, page: _Page, how: How, number: int, ok: bool | None, detail: str) -> None:
        self._log(
            {
                "event": "page",
                "step": page.number,
                "to": page.step.to,
                "how": how,
                "attempt": number,
                "ok": ok,
                "detail": detail,
                "room": page.room,
                "rule": page.rule,
                "test": page.test,
            }
        )

    def _note_sound(self, key: str, number: int, reason: str) -> None:
        self._log(
            {
                "event": "sound",
                "step": 0,
                "to": "station PC",
                "how": "command",
                "attempt": number,
                "ok": not reason,
                "detail": reason,
                "room": "",
                "rule": key,
                "test": False,
            }
        )
