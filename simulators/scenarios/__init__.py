"""Scenario files (TOML) of the patient simulator."""
