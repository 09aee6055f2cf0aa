"""What every message is made of."""

from __future__ import annotations

from typing import Literal

import msgspec

LinkWord = Literal["connecting", "streaming", "silent", "lost"]


class Message(msgspec.Struct, tag_field="t", kw_only=True):
    """A message; its type is in `t`."""
