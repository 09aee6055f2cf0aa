"""Row 13: a day.

Made: a real station with its record and feed, and a reader that is too slow, in eight rooms with
three numbers a second and a waveform packet, a session of two hours after another in each; time is
moved by hand, 24 hours of it (40 minutes in a test). Every hour a link is lost, the record is
locked for a moment and an SpO2 falls. `make soak` does the same for ports, keepers and drivers.

Bar: memory grows by 5 MB at most after the first hour, open files stay what they are, the log of
the record never exceeds 64 MB.
"""

from __future__ import annotations

import asyncio
import gc
import os
from contextlib import contextmanager
from collections.abc import Iterator
from pathlib import Path

import apsw
import numpy as np
import psutil

from tests.faults.reached import Fault, Number, Result, logged
from tests.loop import run, until
from tests.station.clinic import Clinic, FakeKeeper
from vitals.clock import ManualClock
from vitals.model import US, Link, Numeric, Waveform
from vitals.station_device import StationDevice
from vitals.store.verify import verify
