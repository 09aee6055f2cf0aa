"""Simulated patients and monitors: every part of the program can be tried without hardware."""
