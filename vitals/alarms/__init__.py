"""Alarm rules, technical conditions and the alarm engine: pure, time is an argument."""
