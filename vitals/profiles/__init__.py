"""Alarm profiles (TOML)."""
