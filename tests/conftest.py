"""For all tests: how long one example takes is no property of the program.

The machine that runs them may be busy with anything; what must be fast is measured on its own.
"""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("kap-vitals", deadline=None)
settings.load_profile("kap-vitals")
