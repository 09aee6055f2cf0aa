"""Review: what clinicians ask of the record, answered as bytes in the figure process."""

from __future__ import annotations

Rooms = frozenset[str] | None
"""Rooms whose sessions may be seen, None for all."""
