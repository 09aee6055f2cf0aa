"""Phases, dose clock, NIBP schedule, due list and permissions: pure, time is an argument."""
