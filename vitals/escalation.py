"""Steps of the escalation: what a config may say of them, and whom a step reaches.

An alarm may leave the computer only where the config says so: by a command, or by a webhook over
TLS. Plain http is for this computer and for numeric addresses of private networks.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

if TYPE_CHECKING:
    from vitals.config import EscalationStep

MOST = 6
"""Steps that a config may have."""
ALL_PAGES = "all pages"
"""Whom the first step reaches by itself: every page shows and sounds the alarm anyhow."""

_PRIVATE = tuple(
    ipaddress.ip_network(network)
    for network in (
        "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
        "::1/128", "fc00::/7", "fe80::/10",
    )
)  # fmt: skip
"""Loopback, RFC 1918, RFC 4193, link-local."""


def refusal(steps: Sequence[EscalationStep]) -> tuple[str, str] | None:
    """Key and reason of the first thing in the steps that cannot be."""
    if len(steps) > MOST:
        return "escalation", f"there are {len(steps)} steps; at most {MOST} are possible"
    before = 0.0
    for index, step in enumerate(steps):
        key = f"escalation.{index}"
        if step.after_s <= before:
            why = f"{step.after_s:g} s is not later than the step before it ({before:g} s)"
            return f"{key}.after_s", f"{why}; the steps go from the first to the last"
        before = step.after_s
        if not step.to.strip() or not step.to.isprintable():
            return f"{key}.to", "must name in one line whom the step reaches"
        why = bad_command(step.command)
        if why:
            return f"{key}.command", why
        why = bad_webhook(step.webhook) if step.webhook else ""
        if why:
            return f"{key}.webhook", why
    return None


def bad_command(command: Sequence[str]) -> str:
    """Why a command cannot be run at all; an empty one is none and fine."""
    if command and not command[0].strip():
        return "the first text must be the program"
    if any("\0" in argument for argument in command):
        return "a text in it holds a NUL character"
    return ""


def bad_webhook(url: str) -> str:
    """Why an alarm must not, or cannot, be sent to this address; never says the address."""
    if not url.isascii() or not url.isprintable() or " " in url:
        return "must be plain ASCII without spaces; write other characters as %XX"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is not an address; write https://host/path"
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        return "must begin with https:// (or http:// inside the house) and name a host"
    if parts.username is not None or parts.password is not None:
        return "has a name or password in it, which is not sent; use a token in the path"
    if parts.scheme == "http" and not _inside(parts):
        return (
            f"http would send health data unencrypted to {parts.hostname}; use https (http is for "
            "localhost and for private addresses in numbers)"
        )
    return ""


def _inside(parts: SplitResult) -> bool:
    """Whether it is this computer or, in numbers, a private network: a name may lead anywhere."""
    host = parts.hostname or ""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in _PRIVATE)


def where(url: str) -> str:
    """Scheme, host and port of a webhook: what may be shown. The rest may hold a token."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def without_tokens(text: str, steps: Sequence[EscalationStep]) -> str:
    """The text of a config for the record: of every webhook its host only."""
    for step in steps:
        if step.webhook:
            text = text.replace(step.webhook, f"{where(step.webhook)}/...")
    return text


def named(number: int, step: EscalationStep) -> str:
    """A step for a person, e.g. "step 2 (60 s, second recipient)"; `number` counts from 1."""
    return f"step {number} ({step.after_s:g} s, {step.to})"


def reaches_nobody(number: int, step: EscalationStep) -> str:
    """Sentence when a step tells nobody but the pages; `""` when it does, or needs no more."""
    if step.command or step.webhook:
        return ""
    if number > 1:
        return f"{named(number, step)} reaches nobody: give it a command or a webhook"
    if step.to.casefold() != ALL_PAGES:
        return f"{named(number, step)} reaches only the pages: give it a command or a webhook"
    return ""
