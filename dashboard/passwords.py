"""Passwords and PINs: what they must be like, and their argon2id hashes (RFC 9106).

A hash takes about 0.2 s and 64 MiB, which is what makes guessing dear; so at most two are worked
on at once, in threads of their own, one of them kept for people at a browser that they have used
before. Whoever floods the server with passwords waits behind himself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from vitals.people_file import PeopleError

PASSWORD_MIN, PASSWORD_MAX = 10, 256
PIN_MIN, PIN_MAX = 4, 8
MOST_WAITING = 20
"""Checks of one lane that may wait; more are turned away."""

_HASHER = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=1)
_NOBODY = (
    "$argon2id$v=19$m=65536,t=3,p=1$sxxHpqPnXXmLuSbqeSrW5w$"
    "IW9RooxsGqRUdMvca5nvzJ/+D23Alx4X0iB/codr8RY"
)
"""Is checked for a user who does not exist, so that the time does not tell."""


class BusyError(PeopleError):
    """Too many passwords are being checked."""


def check_password(password: str, user: str, name: str) -> None:
    """Refuses a password that is too easy.

    Raises:
        PeopleError: why, in one sentence.
    """
    if len(password) < PASSWORD_MIN:
        raise PeopleError(f"a password has at least {PASSWORD_MIN} characters; choose a longer one")
    if len(password) > PASSWORD_MAX:
        raise PeopleError(f"a password has at most {PASSWORD_MAX} characters; choose a shorter one")
    if len(set(password)) < 4 or password.casefold() in (user.casefold(), name.casefold()):
        raise PeopleError("this password is easily guessed; choose another")


def check_pin(pin: str) -> None:
    """Refuses a PIN that is none, or too easy.

    Raises:
        PeopleError: why, in one sentence.
    """
    if not (pin.isascii() and pin.isdigit() and PIN_MIN <= len(pin) <= PIN_MAX):
        raise PeopleError(f"a PIN has {PIN_MIN} to {PIN_MAX} digits and nothing else")
    steps = {int(after) - int(before) for before, after in pairwise(pin)}
    if steps in ({0}, {1}, {-1}):
        raise PeopleError("this PIN is easily guessed (all alike, or counting); choose another")


def hashed(secret: str) -> str:
    """The argon2id hash of a password or PIN."""
    return _HASHER.hash(secret)


def matches(known: str | None, secret: str) -> bool:
    """Whether a secret has this hash; None takes as long and is never right."""
    try:
        return _HASHER.verify(known or _NOBODY, secret) and known is not None
    except (VerificationError, InvalidHashError):
        return False


class Checker:
    """Checks secrets off the event loop, one at a time in each of two lanes.

    Attributes:
        checked: how many hashes were worked out.
    """

    def __init__(self) -> None:
        self.checked = 0
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="argon2")
        self._lanes = {known: asyncio.Semaphore(1) for known in (True, False)}
        self._waiting = dict.fromkeys(self._lanes, 0)

    async def matches(
        self, known_hash: str | None, secret: str, *, known: bool, still: Callable[[], None]
    ) -> bool:
        """Whether a secret has this hash.

        Args:
            known_hash: see `matches`.
            secret: as typed.
            known: the browser is one that this person has used before.
            still: called when its turn has come; raises when it may no longer be checked.

        Raises:
            BusyError: too many wait already.
        """
        if self._waiting[known] >= MOST_WAITING:
            raise BusyError("many people are signing in at once; try again in a few seconds")
        self._waiting[known] += 1
        try:
            async with self._lanes[known]:
                still()
                self.checked += 1
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._threads, matches, known_hash, secret)
        finally:
            self._waiting[known] -= 1

    def close(self) -> None:
        """Lets the threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)
