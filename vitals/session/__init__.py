"""Phases, dose clock, NIBP schedule and due list: pure, time is an argument."""
